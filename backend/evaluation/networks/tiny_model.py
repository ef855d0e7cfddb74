"""The suite `tiny-model`: the model in the box against held-out renders.

Denoising loss: mean squared error of the predicted velocity at fixed timesteps and noise. Distance:
as `measures/frechet.py` says it, of samples for the held-out captions (guidance 3, 30 steps, 128
px). Both for the trained weights, those of halfway through the first leg of training, and random
ones. The autoencoder's round trip, and the round trip of partial inversion to tau 400 on the grid
of 200 steps, sampled back without guidance.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from transformers import CLIPTokenizer

from ...contract.errors import TrainingDataError
from ...contract.keys import user_folder
from ...diffusion.models import DiffusionModel, load_model, to_image
from ...diffusion.sampling import Grid, denoise, invert
from ...training.architecture import make_scheduler
from ...training.data_set import DataSet
from ...training.denoiser import Denoiser, tokens_of, velocity_error
from ...training.latent_store import whole_picture
from ...training.loop import generator_of
from ...training.picture_store import PictureStore, Shown
from ...training.plots import as_picture, write_sheet
from ...training.run_state import read_tensors
from ...training.tiny_training import sample
from ..measures.frechet import picture_distance
from ..measures.pictures import psnr, ssim

Picture = NDArray[np.uint8]
TIMES = (50, 200, 400, 600, 800, 950)
TAU, STEPS = 400, 200
INVERTED = 8  # held-out pictures whose inversion is measured
SHOWN = 16  # samples on the sheet
LEAST_FOREGROUND = 64  # px: pictures with fewer are left out of the objects' figures


def run(
    out: Path,
    *,
    device: str = "auto",
    quick: bool = False,
    data: Path | None = None,
    state: Path | None = None,
) -> dict[str, Any]:
    """Measure, write table, sheets and plots into `out`, return figures.

    `quick` takes 24 held-out pictures instead of up to 128. Raises TrainingDataError without
    held-out pictures, ModelError without the model. Without a training's state there is no
    half-trained row.
    """
    folder = data or user_folder() / "training" / "data"
    held_out = PictureStore(DataSet(folder), held_out=True, limit=24 if quick else 128)
    if len(held_out.shown) < 2:
        raise TrainingDataError(
            f"Expected held-out pictures in {folder}, got {len(held_out.shown)}.",
            "Make the data first: impetus train data.",
        )
    model = load_model("tiny", width=128, height=128, device=device)
    trained = Checkpoints(model, state or user_folder() / "training" / "tiny")
    square = [one for one in held_out.shown if whole_picture(one)[1] == "square"]
    results: dict[str, Any] = {
        "pictures": {"held_out": len(held_out.shown), "square": len(square)},
        "autoencoder": autoencoder_figures(model, held_out.shown),
        "inversion": inversion_figures(model, square[:INVERTED]),
        "checkpoints": {},
    }
    for name, denoiser in trained.networks().items():
        losses = denoising_losses(trained, denoiser, square)
        pictures = sample(trained.vae, denoiser, trained.tokenizer, [o.caption for o in square])
        distance = picture_distance([_native(one) for one in square], pictures)
        results["checkpoints"][name] = {"velocity_error": losses, "distance": distance}
        captions = [one.caption for one in square[:SHOWN]]
        rows = [pictures[i : i + 4] for i in range(0, len(captions), 4)]
        write_sheet(out / f"samples_{name}.png", rows, captions)
    results["distance_of_training_pictures"] = _floor(folder, square)
    _plot(results, out / "velocity_error.png")
    (out / "table.txt").write_text(table(results), "utf-8")
    return results


@dataclass(frozen=True)
class Checkpoints:
    """The model's parts as training uses them, and its earlier weights."""

    model: DiffusionModel
    state: Path

    @property
    def vae(self) -> AutoencoderKL:
        return self.model.vae

    @property
    def tokenizer(self) -> CLIPTokenizer:
        return self.model.tokenizers[0]

    def networks(self) -> dict[str, Denoiser]:
        """Return the denoisers by name: untrained, half, trained; half only where it was kept."""
        torch.manual_seed(0)
        found = {"untrained": Denoiser(self.tokenizer)}
        half = self.state / "denoiser_half.safetensors"
        if half.exists():
            found["half"] = Denoiser(self.tokenizer)
            found["half"].load_state_dict(read_tensors(half)[0])
        found["trained"] = Denoiser(self.tokenizer)
        found["trained"].unet = self.model.unet
        found["trained"].text_encoder = self.model.text_encoders[0]
        return {name: network.to(self.model.precision.device) for name, network in found.items()}


@torch.no_grad()
def denoising_losses(
    checkpoints: Checkpoints, denoiser: Denoiser, pictures: list[Shown]
) -> dict[str, float]:
    """Return the error of predicted velocity at each of the timesteps, over the pictures."""
    model, scheduler = checkpoints.model, make_scheduler()
    denoiser.eval()
    latents = torch.cat([model.encode(whole_picture(one)[0]) for one in pictures]).cpu()
    noise = torch.randn(latents.shape, generator=generator_of(0, 0, stream=9))
    tokens = tokens_of(checkpoints.tokenizer, [one.caption for one in pictures])
    losses = {}
    for time in TIMES:
        errors = []
        for part in torch.split(torch.arange(len(latents)), 32):
            times = torch.full((len(part),), time)
            batch = (latents[part], noise[part], times, tokens[part])
            errors.append(velocity_error(denoiser, scheduler, batch, str(model.precision.device)))
        losses[str(time)] = float(torch.cat(errors).mean())
    return losses


def autoencoder_figures(model: DiffusionModel, pictures: list[Shown]) -> dict[str, float]:
    """Return PSNR [dB] and SSIM of the round trip, over whole pictures and objects alone.

    Means over pictures, at the size that they were rendered in; `pooled` is the PSNR of the mean
    squared error of all objects' pixels.
    """
    rows, errors, pixels = [], 0.0, 0
    for one in pictures:
        color = torch.from_numpy(one.color.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        decoded = to_image(model.decode(model.encode(color)).detach())
        row = [psnr(decoded, one.color), ssim(decoded, one.color)]
        if one.foreground.sum() >= LEAST_FOREGROUND:
            row += [psnr(decoded, one.color, one.foreground)]
            row += [ssim(decoded, one.color, one.foreground)]
            difference = (decoded / 255.0 - one.color / 255.0)[one.foreground]
            errors, pixels = errors + float((difference**2).sum()), pixels + difference.size
        rows.append(row + [np.nan] * (4 - len(row)))
    means = np.nanmean(np.array(rows), axis=0)
    names = ("psnr", "ssim", "psnr_objects", "ssim_objects")
    figures = {name: float(value) for name, value in zip(names, means, strict=True)}
    return figures | {"psnr_objects_pooled": float(-10 * np.log10(errors / max(1, pixels)))}


@torch.no_grad()
def inversion_figures(model: DiffusionModel, pictures: list[Shown]) -> dict[str, float]:
    """Return how far partial inversion and sampling back lead from latent and picture.

    `latent` is the norm of the difference relative to the latent's, `picture` the PSNR [dB] to the
    render that is lost against the autoencoder's own round trip; means, and the worst of each.
    """
    grid = Grid(model.alphas_cumprod, STEPS, TAU)
    relative, lost = [], []
    for one in pictures:
        color = whole_picture(one)[0]
        latent, text = model.encode(color), model.embed([one.caption])
        back = denoise(model, grid, invert(model, grid, latent, text), text)
        relative.append(float((back - latent).norm() / latent.norm()))
        render = _native(one)
        direct, after = (to_image(model.decode(z)) for z in (latent, back))
        lost.append(psnr(direct, render) - psnr(after, render))
    return {
        "latent": float(np.mean(relative)),
        "latent_worst": float(np.max(relative)),
        "picture": float(np.mean(lost)),
        "picture_worst": float(np.max(lost)),
    }


def table(results: dict[str, Any]) -> str:
    """Return the figures as text."""
    found, inversion = results["autoencoder"], results["inversion"]
    lines = [
        f"{results['pictures']['held_out']} held-out renders, {results['pictures']['square']} of "
        "them square (denoiser and samples, 128 px)",
        "",
        "autoencoder             PSNR [dB]    SSIM",
        f"  whole picture         {found['psnr']:9.2f}  {found['ssim']:6.3f}",
        f"  objects alone         {found['psnr_objects']:9.2f}  {found['ssim_objects']:6.3f}",
        f"  objects, pooled       {found['psnr_objects_pooled']:9.2f}",
        "",
        f"inversion to {TAU} of {STEPS} steps and back, no guidance (mean, worst)",
        f"  latent, relative      {inversion['latent']:9.4f} {inversion['latent_worst']:9.4f}",
        f"  PSNR lost [dB]        {inversion['picture']:9.3f} {inversion['picture_worst']:9.3f}",
        "",
        "error of predicted velocity at timestep, and Frechet distance of samples",
        f"  {'':12}" + "".join(f"{time:>9}" for time in TIMES) + f"{'distance':>11}",
    ]
    for name, one in results["checkpoints"].items():
        errors = "".join(f"{one['velocity_error'][str(time)]:9.4f}" for time in TIMES)
        lines.append(f"  {name:12}{errors}{one['distance']:11.3f}")
    floor = results["distance_of_training_pictures"]
    lines.append(f"  {'(training pictures)':{12 + 9 * len(TIMES)}}{floor:11.3f}")
    return "\n".join(lines) + "\n"


def _native(one: Shown) -> Picture:
    return as_picture(whole_picture(one)[0])


def _floor(folder: Path, square: list[Shown]) -> float:
    """Return the distance that as many training pictures have: no model comes below."""
    training = PictureStore(DataSet(folder), limit=4 * len(square))
    others = [one for one in training.shown if whole_picture(one)[1] == "square"][: len(square)]
    return picture_distance([_native(o) for o in square], [_native(o) for o in others])


def _plot(results: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, one in results["checkpoints"].items():
        axes.plot(TIMES, [one["velocity_error"][str(time)] for time in TIMES], "o-", label=name)
    axes.set(xlabel="timestep", ylabel="mean squared error of the velocity", yscale="log")
    axes.legend()
    figure.savefig(path, dpi=110)
