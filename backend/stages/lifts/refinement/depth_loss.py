"""The hard-depth loss: what the nearest splats' distances must look like (PhysMotion, 3.3).

Every splat is as opaque as delta, so that a pixel's depth is that of the nearest ones; only their
centres learn from it. Patches of it and of the depth that is known are compared after each has been
normalised, by its own spread and by the picture's: monocular depth knows neither unit nor zero
(equations 7 to 9; normalisation and margin of Li et al., DNGaussian, 2024, section 3.2).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ....splatting.drawing import draw
from ....splatting.engines import EngineName
from ....splatting.gradients import Camera

OWN_SPREAD, WHOLE_SPREAD = 0.01, 1.01
"Shares of the picture's spread that both normalisations are kept away from zero by."


@dataclass(frozen=True)
class HardDepth:
    """Settings of the loss; the papers' values where they tell them."""

    opacity: float = 0.95
    "Delta of equation 8."
    smallest: int = 5
    largest: int = 17
    "Sides of patches in pixels, both ends included; one is drawn each time."
    own: float = 0.1
    whole: float = 1.0
    "Weights of patches normalised by themselves, and by the picture."
    margin: float = 0.01
    "Differences of normalised depth that nothing is done about."


def hard_depth(
    mean: Tensor, axes: Tensor, camera: Camera, opacity: float, *, engine: EngineName
) -> Tensor:
    """Return the distance [m] of the nearest splats (h, w), 0 where there are none.

    Equation 8: the sum of ||x - o|| over the splats of a pixel, each weighed by `opacity`, its
    footprint, and what splats before it leave. Gradients flow to `mean` (n, 3) alone.
    """
    eye = camera.camera_to_world[:3, 3].to(mean)
    distance = torch.linalg.vector_norm(mean - eye, dim=-1)
    channels = distance[:, None].expand(-1, 3)
    alike = torch.full_like(distance, opacity).detach()
    return draw(mean, axes.detach(), channels, alike, camera, engine=engine).color[..., 0]


def hard_depth_loss(
    found: Tensor, known: Tensor, settings: HardDepth, rng: np.random.Generator
) -> Tensor:
    """Return the loss (0-d) of a view's hard depth (h, w) against what is known of it (h, w).

    `known` grows with distance, in any unit, and is 0 where there is no object. The picture is cut
    into patches of one size, at a place of `rng`'s choice.
    """
    side = int(rng.integers(settings.smallest, settings.largest + 1))
    side = min(side, *found.shape)
    start = [int(rng.integers(0, length % side + 1)) for length in found.shape]
    pairs = [(_patches(image, side, start), image.detach().std()) for image in (found, known)]
    total = found.new_zeros(())
    for weight, normalised in ((settings.own, _by_itself), (settings.whole, _by_picture)):
        here, there = (normalised(patches, spread) for patches, spread in pairs)
        square = (here - there) ** 2
        counts = square > settings.margin**2
        if counts.any():  # the mean of nothing is not a number
            total = total + weight * square[counts].mean()
    return total


def _patches(image: Tensor, side: int, start: list[int]) -> Tensor:
    """Return patches (n, side^2) of an image (h, w), without overlap."""
    rows, columns = (
        (length - first) // side for length, first in zip(image.shape, start, strict=True)
    )
    cut = image[start[0] : start[0] + rows * side, start[1] : start[1] + columns * side]
    tiles = cut.reshape(rows, side, columns, side).transpose(1, 2)
    return tiles.reshape(-1, side * side)


def _by_itself(patches: Tensor, spread: Tensor) -> Tensor:
    own = patches.std(dim=1, keepdim=True, correction=0)
    return (patches - patches.mean(dim=1, keepdim=True)) / (own + OWN_SPREAD * spread + 1e-12)


def _by_picture(patches: Tensor, spread: Tensor) -> Tensor:
    return (patches - patches.mean(dim=1, keepdim=True)) / (WHOLE_SPREAD * spread + 1e-12)
