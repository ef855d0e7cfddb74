"""The moved picture by hand: what moves is put where it lands, and what it leaves is filled in.

No diffusion. It is what an edit may start from, and what edits are compared with.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from .edit_masks import Mask, grow, landing
from .motion import to_backward

FRINGE = 1.5
"Pixels round what moves that hold some of its colour: a rim that would stay behind."
HOLD = 1e-4
"Pull towards the nearest known pixel, so that a hole without any known border has an answer."


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
    take a smooth continuation of the still picture round them. Taichi must have been started.
    """
    moved, hole, landed = move(image, flow, moving, visible)
    if hole.any():
        # What moved must not run out into the hole that it left.
        known = ~hole & ~landed
        moved[hole] = fill(moved, hole, known if known.any() else ~hole)[hole]
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


def fill(image: NDArray[np.float64], hole: Mask, known: Mask) -> NDArray[np.float64]:
    """Return (H, W, 3) with the pixels of `hole` the smoothest continuation of the `known` ones.

    Laplace's equation with the known pixels' values at the border; no flux across all others.
    """
    if not known.any():
        return image
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    count = int(hole.sum())
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(count)
    diagonal = np.full(count, HOLD)
    right = HOLD * image[tuple(nearest)][hole]
    rows, columns = [np.arange(count)], [np.arange(count)]
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        beside = _shifted(number, step, -1)
        linked = hole & (beside >= 0)
        bordered = hole & _shifted(known, step, False)
        diagonal[number[linked | bordered]] += 1.0
        right[number[bordered]] += _shifted(image, step, 0.0)[bordered]
        rows.append(number[linked])
        columns.append(beside[linked])
    row, column = np.concatenate(rows), np.concatenate(columns)
    values = np.concatenate([diagonal, np.full(len(row) - count, -1.0)])
    matrix = coo_matrix((values, (row, column)), shape=(count, count)).tocsc()
    filled = image.copy()
    filled[hole] = np.stack([spsolve(matrix, right[:, c]) for c in range(3)], -1)
    return filled


def _shifted(values: NDArray[Any], step: tuple[int, int], beyond: float) -> NDArray[Any]:
    """Return each pixel's neighbour at `step` (rows, columns), `beyond` outside the picture."""
    height, width = values.shape[:2]
    edges = [(1, 1), (1, 1)] + [(0, 0)] * (values.ndim - 2)
    padded = np.pad(values, edges, constant_values=beyond)
    return padded[1 + step[0] : 1 + step[0] + height, 1 + step[1] : 1 + step[1] + width]
