"""The suite `motioncraft`: five shots against baselines and ablations, with tables and pictures.

Rows of the paper's table 1 (arXiv 2405.13557): frame consistency and motion consistency; beside
them what it leaves out: the true frames where they are known, the regions that are new, and how
far content drifts on a slow pan. Made frames are kept in `out` and taken from there the next time.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import imageio.v3 as iio
import msgspec
import numpy as np

from ...contract.method_presets import preset_method
from ...contract.methods import MotionCraft as Settings
from ...contract.methods import Novelty
from ...diffusion.determinism import settle
from ...diffusion.model_folder import find_model
from ...diffusion.models import DiffusionModel, load_model
from ...diffusion.motion import FrameMotion, semi_lagrangian
from ...diffusion.motioncraft import MotionCraft
from ..made_with import made_with
from ..measures.embedding import embedding
from ..measures.pictures import Picture, gradient_energy, psnr
from ..measures.videos import (
    Embed,
    dis_flow,
    flow_error,
    frame_consistency,
    in_frame,
    motion_consistency,
    warping_error,
)
from .baselines import (
    Sampling,
    img2img,
    inpainted_warp,
    pixel_warp,
    still,
    text2video_zero,
    unknown_regions,
)
from .plots import plot_sheets, plot_table
from .shots import HEIGHT, WIDTH, TrueShot, make_shots

Video = Sequence[Picture]
Make = Callable[[TrueShot], Video]
PAPER = {
    "MotionCraft, SD 1.5 [paper]": {"frames": 0.9819, "motion": 0.8655},
    "Text2Video-Zero, SD 1.5 [paper]": {"frames": 0.9658, "motion": 0.6740},
}
PAN_CELLS = 0.45
"Latent cells a frame of the slow pan."
SMALLEST = 200
"Pixels that a new region has to have to be measured."


@dataclass(frozen=True)
class Figures:
    """One video of one shot; see `measure`."""

    frames: float
    "Frame consistency: mean cosine of neighbouring frames' embeddings."
    motion: float
    "Motion consistency: mean SSIM with the motion undone, where it holds."
    motion_all: float
    "The same over all pixels that stay in the frame."
    warping: float
    "Root mean square difference with the motion undone, where it holds, of 1."
    flow_epe: float
    "End-point error [px] of the flow that DIS finds between neighbouring frames."
    psnr_true: float | None = None
    "Against the true frames, dB."
    new_error: float | None = None
    "Root mean square difference from the true frames in regions that the first one does not show."
    new_detail: float | None = None
    "Gradient energy there, as a factor of the true one."


def run(
    out: Path, *, device: str = "auto", quick: bool = False, model: str = "tiny",
    models_folder: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Make all videos, write table, plots and sheets into `out`, return the figures.

    Taichi must have been started.
    """
    settle()
    name, embed = embedding(models_folder)
    opened = load_model(model, models_folder, width=WIDTH, height=HEIGHT, device=device)
    shots = make_shots(("truck", "liquid") if quick else (), 6 if quick else 16)
    key = made_with((find_model(model, models_folder),), _default(), len(shots[0].motions))
    methods = _methods(opened, quick=quick)
    figures: dict[str, dict[str, Figures]] = {}
    sheets: dict[str, dict[str, Video]] = {}
    for shot in shots:
        for method, make in methods.items():
            video = _kept(out / "videos" / key / shot.name / method, make, shot)
            figures.setdefault(shot.name, {})[method] = measure(shot, video, embed)
            sheets.setdefault(shot.name, {})[method] = video
    checks = {
        "identity_psnr": identity_psnr(opened, shots[0]),
        **slow_pan(opened, shots[0], frames=len(shots[0].motions) + 1),
    }
    results = summary(figures, checks, name)
    (out / "motioncraft.txt").write_text(table(results), encoding="utf-8")
    plot_table(results, out / "table.png")
    plot_sheets(shots, sheets, out)
    return results


def measure(shot: TrueShot, video: Video, embed: Embed) -> Figures:
    """Return the figures of a video of a shot."""
    estimated = [
        flow_error(dis_flow(video[k], video[k + 1]), motion, shot.seen[k] & in_frame(motion))[1]
        for k, motion in enumerate(shot.forward)
    ]
    figures = Figures(
        frames=frame_consistency(video, embed),
        motion=motion_consistency(video, shot.forward, shot.seen),
        motion_all=motion_consistency(video, shot.forward),
        warping=warping_error(video, shot.forward, shot.seen),
        flow_epe=fmean(estimated),
    )
    if shot.frames is None:
        return figures
    true = fmean(psnr(a, b) for a, b in zip(video[1:], shot.frames[1:], strict=True))
    error, detail = _in_new_regions(shot, video)
    return replace(figures, psnr_true=true, new_error=error, new_detail=detail)


def _in_new_regions(shot: TrueShot, video: Video) -> tuple[float | None, float | None]:
    """Return error and detail against the true frames where the first one tells nothing."""
    assert shot.frames is not None
    triples = zip(video[1:], shot.frames[1:], unknown_regions(shot.motions), strict=True)
    new = [(made, real, mask) for made, real, mask in triples if mask.sum() >= SMALLEST]
    if not new:
        return None, None
    error = fmean(10 ** (-psnr(made, real, mask) / 20) for made, real, mask in new)
    made = fmean(gradient_energy(made, mask) for made, _, mask in new)
    real = fmean(gradient_energy(real, mask) for _, real, mask in new)
    return error, made / real


def diffused(model: DiffusionModel, settings: Settings) -> Make:
    """Return MotionCraft with these settings, the shot's words as the prompt."""

    def make(shot: TrueShot) -> Video:
        height, width = shot.start.shape[:2]
        named = msgspec.structs.replace(settings, prompt=shot.prompt)
        craft = MotionCraft(model, named, (width, height), 0, lambda: None, lambda done, of: None)
        motions = (as_new(motion, settings.novelty) for motion in shot.motions)
        return [craft.start(shot.start), *(craft.next(motion) for motion in motions)]

    return make


def as_new(motion: FrameMotion, rules: Novelty) -> FrameMotion:
    """Return a motion whose novelty, from 0 to 1, is between the floor and the ceiling of rules."""
    novelty = rules.floor + (rules.ceiling - rules.floor) * motion.novelty
    return replace(motion, novelty=novelty.astype(np.float32))


def identity_psnr(model: DiffusionModel, shot: TrueShot, frames: int = 3) -> float:
    """Return the least PSNR of frames without motion at guidance 1 to the autoencoder's picture.

    Without carried detail: what diffusion changes is what is asked for.
    """
    height, width = shot.start.shape[:2]
    rest = FrameMotion(np.zeros((height, width, 2), np.float32), np.zeros((height, width), "f4"))
    settings = msgspec.structs.replace(
        _default(), guidance=1.0, prompt=shot.prompt, carry_detail=False
    )
    craft = MotionCraft(model, settings, (width, height), 0, lambda: None, lambda done, of: None)
    round_trip = craft.start(shot.start)
    return min(psnr(craft.next(rest), round_trip) for _ in range(frames))


def slow_pan(model: DiffusionModel, shot: TrueShot, frames: int) -> dict[str, float]:
    """Return how many cells content is from where a slow pan should have brought it.

    By the shift that matches the last frame to the first: as the preset warps, and by whole cells,
    with the residual carried and without.
    """
    height, width = shot.start.shape[:2]
    step = PAN_CELLS * model.vae_factor
    backward = np.zeros((height, width, 2), np.float32)
    backward[..., 0] = step
    novelty = np.zeros((height, width), np.float32)
    novelty[:, int(width - step) :] = 1
    motions = tuple(FrameMotion(backward, novelty) for _ in range(frames - 1))
    found = {}
    ways: dict[str, dict[str, Any]] = {
        "preset": {},
        "carried": {"warp": "nearest"},
        "lost": {"warp": "nearest", "carry_residual": False},
    }
    for label, changes in ways.items():
        settings = msgspec.structs.replace(_default(), **changes)
        video = diffused(model, settings)(
            TrueShot("pan", shot.prompt, shot.start, motions, (), (), None)
        )
        wanted = -step * (frames - 1)
        moved = _shift(video[0], video[-1], int(abs(wanted)) + 24)
        found[f"pan_error_cells_{label}"] = abs(moved - wanted) / model.vae_factor
    return found


def _shift(first: Picture, last: Picture, reach: int) -> float:
    """Return by how many pixels the last picture lies right of the first: the best match."""
    x, y = (image.astype(np.float64).mean(-1) for image in (first, last))
    width = x.shape[1]
    scores = {}
    for shift in range(-reach, reach + 1):
        a = x[:, max(0, -shift) : width - max(0, shift)]
        b = y[:, max(0, shift) : width - max(0, -shift)]
        scores[shift] = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    return float(max(scores, key=lambda shift: scores[shift]))


def _default() -> Settings:
    """The paper's constants on the short grid of the preset `fast`."""
    settings = preset_method("motioncraft", "fast")
    assert isinstance(settings, Settings)
    return settings


def _methods(model: DiffusionModel, *, quick: bool) -> dict[str, Make]:
    """Return baselines, MotionCraft, and its ablations, by name."""
    default = _default()

    def sampling(shot: TrueShot) -> Sampling:
        return Sampling(model, shot.prompt, default.negative_prompt, guidance=default.guidance)

    made: dict[str, Make] = {
        "still": lambda shot: still(shot.start, shot.motions),
        "pixel warp": lambda shot: pixel_warp(shot.start, shot.motions),
        "inpainted warp": lambda shot: inpainted_warp(shot.start, shot.motions),
        "img2img": lambda shot: img2img(sampling(shot), pixel_warp(shot.start, shot.motions)),
        "img2img, one noise": lambda shot: img2img(
            sampling(shot), pixel_warp(shot.start, shot.motions), one_noise=True
        ),
        "Text2Video-Zero": lambda shot: text2video_zero(sampling(shot), shot.start, shot.motions),
        "MotionCraft": diffused(model, default),
        "with eta": _changed(model, novelty=Novelty(ceiling=1.0)),
    }
    if quick:
        return made
    return made | {
        "first only": _changed(model, attention="first"),
        "previous only": _changed(model, attention="previous"),
        "no cross attention": _changed(model, attention="none"),
        "no re-inversion": _changed(model, reinvert=False),
        "the paper's warp": _papers_warp(model),
        "guidance 1": _changed(model, guidance=1.0),
    }


def _changed(model: DiffusionModel, **changes: Any) -> Make:
    return diffused(model, msgspec.structs.replace(_default(), **changes))


def _papers_warp(model: DiffusionModel) -> Make:
    """Return the forward motion taken backwards at the destination, its rest below a cell lost."""
    make = _changed(model, carry_residual=False)

    def warped(shot: TrueShot) -> Video:
        motions = tuple(
            FrameMotion(semi_lagrangian(forward), motion.novelty)
            for forward, motion in zip(shot.forward, shot.motions, strict=True)
        )
        return make(replace(shot, motions=motions))

    return warped


def _kept(folder: Path, make: Make, shot: TrueShot) -> Video:
    """Return the pictures in a folder, made first where they are not whole there."""
    done = folder / "whole"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for k, picture in enumerate(make(shot), 1):
            iio.imwrite(folder / f"{k:04d}.png", picture)
        done.touch()
    return [np.asarray(iio.imread(path), np.uint8) for path in sorted(folder.glob("*.png"))]


def summary(
    figures: dict[str, dict[str, Figures]], checks: dict[str, float], embedding_name: str
) -> dict[str, Any]:
    """Return all figures by shot and method, their means over the shots, and the checks."""
    shots = {
        shot: {method: asdict(one) for method, one in methods.items()}
        for shot, methods in figures.items()
    }
    methods = next(iter(shots.values()))
    means: dict[str, dict[str, float | None]] = {}
    for method in methods:
        rows = [shot[method] for shot in shots.values()]
        means[method] = {}
        for key in rows[0]:
            known = [row[key] for row in rows if row[key] is not None]
            means[method][key] = fmean(known) if known else None
    return {"embedding": embedding_name, "checks": checks, "means": means, "shots": shots}


def table(results: dict[str, Any]) -> str:
    """Return the tables as text: means, the paper's rows, then each shot."""
    heads = ("frames", "motion", "motion_all", "warping", "flow_epe", "psnr_true", "new_error",
             "new_detail")  # fmt: skip
    head = f"{'':34}" + "".join(f"{name:>11}" for name in heads)
    lines = [f"MotionCraft, {WIDTH} x {HEIGHT} px; embedding: {results['embedding']}", ""]
    lines += [f"{key}: {value:.3f}" for key, value in results["checks"].items()]
    groups = {"mean of the shots": {**results["means"], **PAPER}, **results["shots"]}
    for name, rows in groups.items():
        lines += ["", name, head]
        for method, row in rows.items():
            cells = (row.get(key) for key in heads)
            lines.append(
                f"{method:34}"
                + "".join(f"{'':>11}" if cell is None else f"{cell:11.4f}" for cell in cells)
            )
    return "\n".join(lines) + "\n"
