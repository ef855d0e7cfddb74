"""What MotionCraft is measured against: videos from the same start picture and the same motion.

A still, the picture warped, warped with holes painted in, img2img of each warped frame (SDEdit,
Meng et al., ICLR 2022, arXiv 2108.01073), and Text2Video-Zero (Khachatryan et al., ICCV 2023,
arXiv 2303.13439).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...diffusion.attention import CrossFrames, Kept, read_references
from ...diffusion.latent_motion import LatentWarp
from ...diffusion.latent_warp import warp_latent
from ...diffusion.models import DiffusionModel, Text, crop, pad_to_factor, to_image, to_tensor
from ...diffusion.motion import FrameMotion
from ...diffusion.sampling import (
    Grid,
    add_noise,
    ddim_step,
    denoise,
    guided_noise,
    inversion_step,
    named_noise,
)
from ..measures.pictures import Mask, Picture

NOVEL = 0.5
RADIUS = 4
"Pixels that inpainting looks around."
ZERO_FROM, ZERO_TO = 0.88, 0.94
"Text2Video-Zero moves the latents at the first and noises them up to the second share of T."


@dataclass(frozen=True)
class Sampling:
    """How a baseline samples: the model, the words, the steps of the whole grid, guidance, seed."""

    model: DiffusionModel
    prompt: str
    negative: str
    steps: int = 40
    guidance: float = 7.5
    seed: int = 0

    def texts(self) -> tuple[Text, Text]:
        return self.model.embed([self.prompt]), self.model.embed([self.negative])


def still(start: Picture, motions: Sequence[FrameMotion]) -> list[Picture]:
    """Return the start picture over and over: what measures of smoothness like best."""
    return [start] * (len(motions) + 1)


def pixel_warp(start: Picture, motions: Sequence[FrameMotion]) -> list[Picture]:
    """Return the start picture sampled along the composed motion; its edge pixels held."""
    return [start, *(_sample(start, place) for place in sources(motions))]


def inpainted_warp(start: Picture, motions: Sequence[FrameMotion]) -> list[Picture]:
    """Return each frame warped from the last one, what is new in it painted in (Telea, 2004)."""
    frames = [start]
    for motion in motions:
        moved = _sample(frames[-1], _grid_of(motion.backward.shape[:2]) + motion.backward)
        novel = (motion.novelty > NOVEL).astype(np.uint8)
        frames.append(np.asarray(cv2.inpaint(moved, novel, RADIUS, cv2.INPAINT_TELEA), np.uint8))
    return frames


@torch.no_grad()
def img2img(
    sampling: Sampling,
    video: Sequence[Picture],
    strength: float = 0.4,
    *,
    one_noise: bool = False,
) -> list[Picture]:
    """Return each frame noised to a share of the way and denoised alone.

    With `one_noise` all frames get the same noise: what is invented holds still between them.
    """
    model = sampling.model
    grid = Grid(model.alphas_cumprod, sampling.steps, 1000 * strength)
    text, negative = sampling.texts()
    made = []
    for number, frame in enumerate(video):
        clean = model.encode(pad_to_factor(to_tensor(frame), model.vae_factor))
        drawn = 0 if one_noise else number
        noise = named_noise(tuple(clean.shape), sampling.seed, drawn, 0).to(clean.device)
        z = add_noise(grid, grid.timesteps[0], clean, noise)
        z = denoise(model, grid, z, text, guidance=sampling.guidance, negative=negative)
        made.append(_picture(model, z, frame))
    return made


@torch.no_grad()
def text2video_zero(
    sampling: Sampling, start: Picture, motions: Sequence[FrameMotion]
) -> list[Picture]:
    """Return the video of Text2Video-Zero, from a given picture and motion.

    The picture's inversion stands for the sampled first frame, and the composed motion for the
    constant one of the paper: at 0.88 T the first latent is moved, then noised to 0.94 T, and every
    frame is denoised with the first frame's keys and values for its own. The first frame retraces
    its inversion.
    """
    model, (text, negative) = sampling.model, sampling.texts()
    grid = Grid(model.alphas_cumprod, sampling.steps)
    moved_at, begin = (
        min(range(len(grid)), key=lambda i: abs(grid.timesteps[i] - 1000 * share))
        for share in (ZERO_FROM, ZERO_TO)
    )
    clean = model.encode(pad_to_factor(to_tensor(start), model.vae_factor))
    latents = _inverted(model, grid, clean, text)
    cross = CrossFrames(model)
    kept = _kept_of_first(model, grid, latents[begin], text, cross, begin)
    frames = [_picture(model, clean, start)]
    rise = grid.alpha(grid.timesteps[begin]) / grid.alpha(grid.timesteps[moved_at])
    for k, place in enumerate(sources(motions), 1):
        z = warp_latent(latents[moved_at], _latent_warp(place, model.vae_factor), "nearest")
        noise = named_noise(tuple(z.shape), sampling.seed, k, 0).to(z.device)
        z = rise**0.5 * z + (1 - rise) ** 0.5 * noise
        for i in range(begin, len(grid)):
            reads = read_references(1, 2)[1:]
            with cross.reading(reads, kept[i - begin]):
                epsilon = guided_noise(
                    model, z, grid.timesteps[i], text, negative, sampling.guidance
                )
            z = ddim_step(grid, i, z, epsilon)
        frames.append(_picture(model, z, start))
    return frames


def sources(motions: Sequence[FrameMotion]) -> list[NDArray[np.float32]]:
    """Return for each later frame where its pixels were in the first (H, W, 2) px, composed."""
    found: list[NDArray[np.float32]] = []
    for motion in motions:
        here = _grid_of(motion.backward.shape[:2])
        step = here + motion.backward
        if found:
            # What is carried on is the offset: beyond the frame's edge it stays that of the edge.
            offset = _remap(found[-1] - here, step)
            step = step + offset
        found.append(step.astype(np.float32))
    return found


def unknown_regions(motions: Sequence[FrameMotion]) -> list[Mask]:
    """Return for each later frame where it shows what the first did not (H, W)."""
    found: list[Mask] = []
    for motion in motions:
        new = motion.novelty > NOVEL
        if found:
            place = _grid_of(new.shape) + motion.backward
            new = new | (_remap(found[-1].astype(np.float32), place) > NOVEL)
        found.append(new)
    return found


def _inverted(
    model: DiffusionModel, grid: Grid, clean: torch.Tensor, text: Text
) -> list[torch.Tensor]:
    """The inversion's latents at each timestep of the grid, the noisiest first."""
    latents, z = [], clean
    for j, t in enumerate(reversed(grid.timesteps)):
        z = inversion_step(grid, j, z, model.predict(z, t, text))
        latents.append(z)
    return latents[::-1]


def _kept_of_first(
    model: DiffusionModel, grid: Grid, z: torch.Tensor, text: Text, cross: CrossFrames, begin: int
) -> list[Kept]:
    kept = []
    for i in range(begin, len(grid)):
        with cross.recording() as tape:
            epsilon = model.predict(z, grid.timesteps[i], text)
        kept.append(tape)
        z = ddim_step(grid, i, z, epsilon)
    return kept


def _latent_warp(place: NDArray[np.float32], factor: int) -> LatentWarp:
    """Where each latent cell gathers from, of where the pixels do."""
    height, width = (-(-side // factor) for side in place.shape[:2])
    rows = np.minimum(np.arange(height) * factor + factor // 2, place.shape[0] - 1)
    columns = np.minimum(np.arange(width) * factor + factor // 2, place.shape[1] - 1)
    source = place[np.ix_(rows, columns)] / factor - 0.5
    nothing = np.zeros((height, width), np.float32)
    return LatentWarp(source.astype(np.float32), nothing, nothing > 0)


def _picture(model: DiffusionModel, z: torch.Tensor, like: Picture) -> Picture:
    return to_image(crop(model.decode(z), (like.shape[1], like.shape[0])))


def _grid_of(size: tuple[int, ...]) -> NDArray[np.float32]:
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32) + np.float32(0.5)
    return np.stack([columns, rows], -1)


def _sample(image: Picture, place: NDArray[np.float32]) -> Picture:
    """The picture at pixels (H, W, 2), centres at +0.5, cubic, edge pixels held."""
    x, y = (np.ascontiguousarray(place[..., k] - 0.5, np.float32) for k in (0, 1))
    found = cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.uint8)


def _remap(field: NDArray[np.float32], place: NDArray[np.float32]) -> NDArray[np.float32]:
    x, y = (np.ascontiguousarray(place[..., k] - 0.5, np.float32) for k in (0, 1))
    found = cv2.remap(
        np.ascontiguousarray(field, np.float32), x, y, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(found, np.float32)
