"""The pictures as latents, kept in memory and in one file: what the denoiser learns from.

Each picture is there as it is and mirrored, with its caption mirrored. Square ones are shrunk to
the model's native size, so that a whole scene fits; the others stay as large as they are.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from .architecture import NATIVE_SIZE, TrainingError
from .captions import mirrored
from .picture_store import PictureStore, Shown
from .run_state import read_tensors, write_tensors

SHARES = {"square": 0.55, "wide": 0.35, "tall": 0.1}  # of the batches
LATENTS_A_BATCH = 32 * (NATIVE_SIZE // 8) ** 2  # so every batch costs the same


@dataclass(frozen=True)
class Shape:
    """The posteriors of all pictures of one size, scaled."""

    mean: torch.Tensor  # (N, 4, h, w)
    deviation: torch.Tensor  # (N, 4, h, w)
    captions: list[str]


@dataclass(frozen=True)
class LatentStore:
    """Posteriors by shape: square, wide, tall. Raises TrainingError where there is none."""

    shapes: dict[str, Shape]
    pictures: int = 0  # how many were encoded

    def batch(
        self, generator: torch.Generator, *, count: int | None = None, part: int | None = None
    ) -> tuple[torch.Tensor, list[str]]:
        """Return posterior samples (B, 4, h, w) of one shape, and their captions.

        With `part` those of a square of so many cells, the same place in each of them.
        """
        names = [name for name in SHARES if name in self.shapes]
        if not names:
            raise TrainingError("Expected pictures, got none.", "Run impetus train data.")
        weights = torch.tensor([SHARES[name] for name in names])
        shape = self.shapes[names[int(torch.multinomial(weights, 1, generator=generator))]]
        height, width = shape.mean.shape[2:]
        cells = (NATIVE_SIZE // 8) ** 2 if part else height * width
        many = count or max(1, LATENTS_A_BATCH // cells)
        which = torch.randint(len(shape.captions), (many,), generator=generator)
        noise = torch.randn((many, *shape.mean.shape[1:]), generator=generator)
        latents = shape.mean[which].float() + shape.deviation[which].float() * noise
        captions = [shape.captions[int(i)] for i in which]
        if part is None:
            return latents, captions
        top, left = (
            int(torch.randint(max(1, side - part + 1), (), generator=generator))
            for side in (height, width)
        )
        return latents[:, :, top : top + part, left : left + part], captions


def encode_pictures(vae: AutoencoderKL, pictures: PictureStore, *, mirror: bool) -> LatentStore:
    """Encode every picture, and its mirror image where asked, to scaled posteriors."""
    scale = vae.config.scaling_factor
    parts: dict[str, list[tuple[torch.Tensor, torch.Tensor, str]]] = defaultdict(list)
    for one in pictures.shown:
        color, name = whole_picture(one)
        both = torch.cat([color, color.flip(3)]) if mirror else color
        mean, deviation = _posterior(vae, both)
        captions = [one.caption, mirrored(one.caption)]
        for index in range(len(both)):
            parts[name].append(
                ((mean[index] * scale).half(), (deviation[index] * scale).half(), captions[index])
            )
    shapes = {name: _stacked(found) for name, found in parts.items()}
    return LatentStore(shapes, len(pictures.shown))


def whole_picture(one: Shown) -> tuple[torch.Tensor, str]:
    """Return a picture as the denoiser sees it, (1, 3, h, w) in -1..1, and its shape's name."""
    color = torch.from_numpy(np.ascontiguousarray(one.color)).float() / 127.5 - 1
    whole = color.permute(2, 0, 1)[None]
    height, width = whole.shape[2:]
    if height == width:
        return F.interpolate(whole, (NATIVE_SIZE, NATIVE_SIZE), mode="area"), "square"
    return whole, "wide" if width > height else "tall"


@torch.no_grad()
def _posterior(vae: AutoencoderKL, color: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    device = next(vae.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        posterior = vae.encode(color.to(device)).latent_dist
    return posterior.mean.float().cpu(), posterior.std.float().cpu()


def _stacked(found: list[tuple[torch.Tensor, torch.Tensor, str]]) -> Shape:
    """Stack the posteriors of one shape; the few of another size than the first are left out."""
    size = found[0][0].shape
    same = [entry for entry in found if entry[0].shape == size]
    mean = torch.stack([entry[0] for entry in same])
    return Shape(mean, torch.stack([entry[1] for entry in same]), [entry[2] for entry in same])


def save_latents(path: Path, store: LatentStore) -> None:
    tensors: dict[str, torch.Tensor] = {}
    captions: dict[str, list[str]] = {}
    for name, shape in store.shapes.items():
        tensors |= {f"{name}.mean": shape.mean, f"{name}.deviation": shape.deviation}
        captions[name] = shape.captions
    write_tensors(path, tensors, {"captions": captions, "pictures": store.pictures})


def load_latents(path: Path) -> LatentStore:
    tensors, about = read_tensors(path)
    shapes = {
        name: Shape(tensors[f"{name}.mean"], tensors[f"{name}.deviation"], texts)
        for name, texts in about["captions"].items()
    }
    return LatentStore(shapes, about["pictures"])
