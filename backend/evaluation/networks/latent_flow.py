"""The suite `latent-flow`: whether a latent moves as its picture does, as MotionCraft supposes.

MotionCraft (arXiv 2405.13557, section 3) warps latents by the picture's motion, on the ground that
the two are correlated. Measured here on pairs of consecutive held-out frames whose motion is known:

- both frames become latents (the posterior's mode), at an autoencoder's factor of 8 or 4;
- where the clips have less than 100 pairs, the missing ones are taken back in time;
- to see what is left under noise, they are taken to timestep tau: `noised`, by adding noise that is
  drawn for each frame on its own, or `inverted`, by DDIM inversion along the denoiser's own
  prediction with the clip's caption, to the last step of 25 below tau (factor 8 only);
- motion between the two latents is estimated by block matching over all channels with a reach of
  40 px of the picture (`block_matching.py`; its two constants were chosen on pictures, not on
  latents), and compared with the true motion, averaged over each cell's pixels;
- Pearson's correlation of the two, for x and y each, pooled over all cells of all pairs whose
  pixels are for the most part known and seen in both frames, and move less than the reach; the
  same over the better textured half of each pair's cells, where motion can be seen at all (the
  smaller eigenvalue of the structure tensor of the first frame, shrunk).

`shrunk picture` is the same estimate on the pictures themselves, averaged over each cell: what the
estimator can do. A correlation of 1 is a latent that moves exactly as its picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from ....kernels.warp import follow
from ...contract.errors import TrainingDataError
from ...contract.keys import user_folder
from ...diffusion.models import DiffusionModel, load_model, to_tensor
from ...diffusion.sampling import Grid, inversion_step
from ...training.data_set import Clip, DataSet
from ...training.flow_pairs import stays_inside
from ...training.loop import generator_of
from ...training.tiny_training import load_vae, vae_folder
from .block_matching import block_motion, texture

Floats = NDArray[np.float32]

TAUS = (0, 100, 200, 300, 400, 600, 800)
STEPS = 25
REACH = 40  # px
PAIRS = 100
RETURNS = 1.0  # px
KNOWN = 0.5  # share of a cell's pixels whose motion must be valid


@dataclass(frozen=True)
class Pair:
    """Two frames (h, w, 3), the true motion (h, w, 2) px and where it is known and seen."""

    first: NDArray[np.uint8]
    second: NDArray[np.uint8]
    motion: Floats
    valid: NDArray[np.bool_]
    caption: str


@dataclass(frozen=True)
class Cells:
    """Motion in px of one pair's cells, (n, 2) each, and which are the better textured."""

    found: Floats
    true: Floats
    textured: NDArray[np.bool_]


def run(
    out: Path,
    *,
    device: str = "auto",
    quick: bool = False,
    data: Path | None = None,
    state: Path | None = None,
) -> dict[str, Any]:
    """Measure, write table and plots into `out`, return figures; `quick` takes 12 pairs.

    Factor 4 needs an autoencoder in the training's state, and is left out without. Taichi must have
    been started. Raises TrainingDataError without held-out clips, ModelError without the model.
    """
    folder = data or user_folder() / "training" / "data"
    pairs = held_out_pairs(DataSet(folder), 12 if quick else PAIRS)
    model = load_model("tiny", width=256, height=256, device=device)
    training = state or user_folder() / "training" / "tiny"
    rows: dict[str, list[dict[str, float]]] = {
        "factor 8, noised": _noised_rows(model.vae, 8, pairs),
        "factor 8, inverted": _inverted_rows(model, pairs),
    }
    if vae_folder(training, 4).exists():
        vae = load_vae(training, 4).to(model.precision.device)
        rows["factor 4, noised"] = _noised_rows(vae, 4, pairs)
    pictures = {
        f"shrunk picture, factor {factor}": correlation(
            [_cells(pair, _shrunk_pair(pair, factor), factor) for pair in pairs]
        )
        for factor in (8, 4)
    }
    results = {"pairs": len(pairs), "taus": list(TAUS), "latents": rows, "pictures": pictures}
    _plot(results, out / "correlation.png")
    _scatter(pairs, model.vae, out / "motion.png")
    (out / "table.txt").write_text(table(results), "utf-8")
    return results


def held_out_pairs(data: DataSet, count: int) -> list[Pair]:
    """Return the first pair of each held-out clip, then the second; after all, those back in time.

    There are `count` of them, or less. Raises TrainingDataError where there is none.
    """
    clips = data.clips(held_out=True)
    frames = range(1, max((clip.frames for clip in clips), default=1))
    ways = (
        read(clip, frame)
        for read in (_pair, _pair_back)
        for frame in frames
        for clip in clips
        if frame < clip.frames
    )
    found = list(islice(ways, count))
    if not found:
        raise TrainingDataError(
            f"Expected held-out clips in {data.folder}, got none.",
            "Make the data first: impetus train data.",
        )
    return found


def correlation(cells: Sequence[Cells]) -> dict[str, float]:
    """Return Pearson's correlation for x and y, over all cells and over the textured ones."""
    found = np.concatenate([c.found for c in cells]).astype(np.float64)
    true = np.concatenate([c.true for c in cells]).astype(np.float64)
    textured = np.concatenate([c.textured for c in cells])
    figures = {}
    for name, chosen in (("all", np.ones_like(textured)), ("textured", textured)):
        for axis, letter in enumerate("xy"):
            pair = found[chosen, axis], true[chosen, axis]
            known = min(map(np.std, pair)) > 1e-9
            figures[f"{letter}_{name}"] = float(np.corrcoef(*pair)[0, 1]) if known else 0.0
    return figures


def _pair(clip: Clip, frame: int) -> Pair:
    geometry = clip.geometry(frame)
    assert geometry.forward is not None
    assert geometry.valid is not None
    return Pair(
        clip.color(frame), clip.color(frame + 1), geometry.forward, geometry.valid, clip.caption
    )


def _pair_back(clip: Clip, frame: int) -> Pair:
    """Read the step back in time; a pixel is seen in both frames where the step ahead returns."""
    ahead, later = clip.geometry(frame), clip.geometry(frame + 1)
    assert ahead.forward is not None
    assert later.backward is not None
    back = np.nan_to_num(later.backward)
    miss = np.linalg.norm(back + follow(np.nan_to_num(ahead.forward), back), axis=2)
    valid = np.isfinite(later.backward).all(axis=2) & stays_inside(back) & (miss < RETURNS)
    return Pair(clip.color(frame + 1), clip.color(frame), back, valid, clip.caption)


def _cells(pair: Pair, maps: tuple[Floats, Floats], factor: int) -> Cells:
    """Estimate motion between two maps and set it beside the true one."""
    found = factor * block_motion(*maps, REACH // factor)
    weight = shrunk(pair.valid[..., None].astype(np.float32), factor)
    motion = np.where(pair.valid[..., None], pair.motion, 0).astype(np.float32)
    true: Floats = (shrunk(motion, factor) / np.maximum(weight, 1e-6)).astype(np.float32)
    counts = (weight[..., 0] > KNOWN) & (np.abs(true).max(axis=2) <= REACH)
    seen = texture(shrunk(pair.first.astype(np.float32), factor))
    return Cells(found[counts], true[counts], (seen > np.median(seen))[counts])


def shrunk(values: Floats, factor: int) -> Floats:
    """Return (h / factor, w / factor, C), the mean over each cell's pixels."""
    height, width, channels = values.shape
    blocks = values.reshape(height // factor, factor, width // factor, factor, channels)
    mean: Floats = blocks.mean(axis=(1, 3))
    return mean


def _shrunk_pair(pair: Pair, factor: int) -> tuple[Floats, Floats]:
    first, second = (shrunk(p.astype(np.float32), factor) for p in (pair.first, pair.second))
    return first, second


def _noised_rows(vae: AutoencoderKL, factor: int, pairs: list[Pair]) -> list[dict[str, float]]:
    """Return the correlations at each tau, noise added to each frame on its own."""
    from ...training.architecture import make_scheduler

    kept = make_scheduler().alphas_cumprod
    cells: list[list[Cells]] = [[] for _ in TAUS]
    for number, pair in enumerate(pairs):
        latents = encoded(vae, pair)
        for row, tau in enumerate(TAUS):
            noise = torch.randn(latents.shape, generator=generator_of(tau, number, stream=11))
            alpha = float(kept[tau]) if tau > 0 else 1.0
            noisy = alpha**0.5 * latents + (1 - alpha) ** 0.5 * noise
            cells[row].append(_cells(pair, _maps(noisy), factor))
    return [correlation(found) for found in cells]


def _inverted_rows(model: DiffusionModel, pairs: list[Pair]) -> list[dict[str, float]]:
    cells: list[list[Cells]] = [[] for _ in TAUS]
    for pair in pairs:
        for row, latents in enumerate(_inversions(model, pair)):
            cells[row].append(_cells(pair, _maps(latents), 8))
    return [correlation(found) for found in cells]


@torch.no_grad()
def _inversions(model: DiffusionModel, pair: Pair) -> Iterator[torch.Tensor]:
    """Yield the pair's latents (2, 4, h, w) at each tau, inverted step by step."""
    grid = Grid(model.alphas_cumprod, STEPS, TAUS[-1])
    latents = encoded(model.vae, pair).to(model.precision.device)
    text = model.embed([pair.caption] * 2)
    yield latents.cpu()
    waiting = list(TAUS[1:])
    for step, time in enumerate(reversed(grid.timesteps)):
        latents = inversion_step(grid, step, latents, model.predict(latents, time, text))
        if waiting and time + 1000 // STEPS > waiting[0]:
            waiting.pop(0)
            yield latents.cpu()


@torch.no_grad()
def encoded(vae: AutoencoderKL, pair: Pair) -> torch.Tensor:
    """Return both frames' scaled latents (2, 4, h, w)."""
    device = next(vae.parameters()).device
    color = torch.cat([to_tensor(pair.first), to_tensor(pair.second)]).to(device, vae.dtype)
    latents: torch.Tensor = vae.encode(color).latent_dist.mode() * vae.config.scaling_factor
    return latents.float().cpu()


def _maps(latents: torch.Tensor) -> tuple[Floats, Floats]:
    first, second = latents.permute(0, 2, 3, 1).numpy()
    return first, second


def table(results: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = [
        f"Pearson correlation of latent and true motion, {results['pairs']} held-out pairs",
        "",
        f"{'':32}" + "".join(f"{f'tau {tau}':>9}" for tau in results["taus"]),
    ]
    for name, row in results["latents"].items():
        for kind in ("x_all", "y_all", "x_textured", "y_textured"):
            values = "".join(f"{one[kind]:9.3f}" for one in row)
            lines.append(f"{name + ', ' + kind.replace('_', ' '):32}{values}")
    lines.append("")
    for name, one in results["pictures"].items():
        values = "  ".join(f"{kind.replace('_', ' ')} {value:.3f}" for kind, value in one.items())
        lines.append(f"{name}: {values}")
    return "\n".join(lines) + "\n"


def _plot(results: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), ("all", "textured"), strict=True):
        for name, row in results["latents"].items():
            mean = [(one[f"x_{kind}"] + one[f"y_{kind}"]) / 2 for one in row]
            axes.plot(results["taus"], mean, "o-", label=name)
        for name, one in results["pictures"].items():
            level = (one[f"x_{kind}"] + one[f"y_{kind}"]) / 2
            axes.axhline(level, ls="--", lw=0.8, label=name, color="0.6" if "8" in name else "0.3")
        axes.set(xlabel="tau", title=f"{kind} cells", ylim=(-0.05, 1.0))
    figure.axes[0].set_ylabel("correlation with the true motion, mean of x and y")
    figure.axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=110)


def _scatter(pairs: list[Pair], vae: AutoencoderKL, path: Path) -> None:
    """Draw true against estimated motion of textured cells, latents without noise."""
    from matplotlib.figure import Figure

    cells = [_cells(pair, _maps(encoded(vae, pair)), 8) for pair in pairs]
    found = np.concatenate([c.found[c.textured] for c in cells])
    true = np.concatenate([c.true[c.textured] for c in cells])
    figure = Figure(figsize=(8, 4), layout="constrained")
    for axis, axes in enumerate(figure.subplots(1, 2)):
        axes.hist2d(true[:, axis], found[:, axis], bins=81, range=[[-REACH, REACH]] * 2, norm="log")
        axes.set(xlabel=f"true motion {'xy'[axis]} [px]", ylabel="motion of the latent [px]")
    figure.savefig(path, dpi=110)
