"""The moved picture by hand: what moves is put where it lands, and what it leaves is filled in.

No diffusion. It is what an edit may start from, and what edits are compared with.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from .edit_masks import Mask, grow, landing
from .inpainting import fill, origins
from .motion import to_backward

FRINGE = 1.5
"Pixels round what moves that hold some of its colour: a rim that would stay behind."


@dataclass(frozen=True)
class Warped:
    """`image` u1 (H, W, 3), and `hole` (H, W): where nothing of the source landed, with the rim."""

    image: NDArray[np.uint8]
    hole: Mask


def hard_warp(
    image: NDArray[np.uint8], flow: NDArray[Any], moving: Mask, visible: Mask | None = None
) -> Warped:
    """Move a picture u1 (H, W, 3) along its forward `flow` (H, W, 2) px, and fill the holes.

    `moving` (H, W) covers what stands still; with `visible` (H, W) hidden points do not land. Holes
    take pieces of the still picture round them, and where it has none a smooth continuation. Taichi
    must have been started.
    """
    moved, hole, landed = move(image, flow, moving, visible)
    if hole.any():
        # What moved must not run out into the hole that it left.
        known = ~hole & ~landed
        known = known if known.any() else ~hole
        moved[hole] = fill(moved, hole, known, origins(moved, hole, known))[hole]
    return Warped(np.clip(np.rint(moved), 0, 255).astype(np.uint8), hole)


def move(
    image: NDArray[Any], flow: NDArray[Any], moving: Mask, visible: Mask | None
) -> tuple[NDArray[np.float64], Mask, Mask]:
    """Return a picture (H, W, 3) as moved, its holes, and where moving things have landed."""
    height, width = moving.shape
    backward, covered = to_backward(flow, visible)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    at = np.stack([y + backward[..., 1], x + backward[..., 0]])
    pixels = image.astype(np.float64)
    moved = np.stack(
        [map_coordinates(pixels[..., c], at, order=1, mode="nearest") for c in range(3)], -1
    )
    landed = landing(flow, moving)
    return moved, ~covered | (grow(moving, FRINGE) & ~moving & ~landed), landed
