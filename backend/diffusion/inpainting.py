"""Holes in pictures filled in: smoothly, or by pieces of what is round them, and texture goes on.

Source of the pieces: A. Criminisi, P. Pérez, K. Toyama, Region Filling and Object Removal by
Exemplar-Based Image Inpainting, IEEE Transactions on Image Processing 13(9), 2004: the order of
equations 1 and 2, the search of 4. Own code; the search stays near, and prefers what is nearer.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    distance_transform_edt,
    uniform_filter,
)
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

HALF = 4
"Pixels from the middle of a piece to its edge."
SIDE = 2 * HALF + 1
REACH = 32, 96
"Pixels up and down, and to the sides, that are looked at: what stands level repeats along rows."
NEARNESS = 0.05
"Squared levels a pixel that a pixel of distance counts as: of equals the nearest is taken."
STRAIGHT = 1e-3
"Least part of a border's priority that the lines which meet it give: flat parts must end, too."
HOLD = 1e-4
"Pull towards the nearest known pixel, so that a hole without any known border has an answer."


def origins(image: NDArray[Any], hole: Mask, known: Mask) -> NDArray[np.intp]:
    """Return (2, H, W): row and column of the known pixel that each pixel of a hole is to be like.

    Pixels come in whole pieces from `known` (H, W) ones, and what is neither known nor hole is not
    looked at. -1 where there is none: out of the hole, in parts of it that no known pixel borders,
    or near which no whole piece is known. The same for the same `image` (H, W, 3), 0..255.
    """
    picture = np.pad(np.asarray(image, np.float64), [(HALF, HALF), (HALF, HALF), (0, 0)], "edge")
    waiting, there = (np.pad(mask, HALF) for mask in (hole & ~known, known))
    whole = binary_erosion(there, np.ones((SIDE, SIDE)))
    confidence = there.astype(np.float64)
    origin = np.full((2, *there.shape), -1, np.intp)
    asked = np.zeros_like(there)
    while True:
        border = waiting & ~asked & binary_dilation(there)
        if not border.any():
            break
        row, column = _first(picture, there, border, confidence)
        source = _best(picture, there, whole, row, column)
        if source is None:
            asked[row, column] = True
            continue
        piece, taken = _piece(row, column), _piece(*source)
        new = waiting[piece] & ~there[piece]
        picture[piece][new] = picture[taken][new]
        own = np.mgrid[taken] - HALF
        for axis in (0, 1):
            origin[axis][piece][new] = own[axis][new]
        confidence[piece][new] = confidence[piece].mean()
        there[piece] |= new
        waiting[piece] &= ~new
    return np.ascontiguousarray(origin[:, HALF:-HALF, HALF:-HALF])


def _piece(row: int, column: int) -> tuple[slice, slice]:
    return (slice(row - HALF, row + HALF + 1), slice(column - HALF, column + HALF + 1))


def _first(picture: Floats, there: Mask, border: Mask, confidence: Floats) -> tuple[int, int]:
    """Return the border pixel to go on at: much is known round it, and lines run into the hole."""
    grey = np.where(there, picture.mean(axis=-1), 0.0)
    # Slopes between known pixels alone: the edge of what is known is no line of the picture.
    slopes = []
    for axis in (0, 1):
        pair = there & np.roll(there, -1, axis)
        slopes.append(np.where(pair, np.roll(grey, -1, axis) - grey, 0.0))
    down, across = (uniform_filter(slope, 3) for slope in slopes)
    normal = np.gradient(uniform_filter(there.astype(np.float64), 3))
    length = np.hypot(*normal) + 1e-9
    # Lines run at right angles to the slope.
    lines = np.abs(-down * normal[1] + across * normal[0]) / length / 255
    trust = uniform_filter(np.where(there, confidence, 0.0), SIDE)
    score = np.where(border, trust * (STRAIGHT + lines), -1.0)
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    return int(row), int(column)


def _best(
    picture: Floats, there: Mask, whole: Mask, row: int, column: int
) -> tuple[int, int] | None:
    """Return the middle of the whole piece nearby that is most like the known part of this one."""
    height, width = there.shape
    down, across = REACH
    top, left = max(HALF, row - down), max(HALF, column - across)
    bottom, right = min(height - HALF, row + down + 1), min(width - HALF, column + across + 1)
    usable = whole[top:bottom, left:right]
    if not usable.any():
        return None
    around = picture[top - HALF : bottom + HALF, left - HALF : right + HALF].astype(np.float32)
    apart = np.zeros(usable.shape, np.float32)
    compared = np.argwhere(there[_piece(row, column)])
    for i, j in compared:
        wanted = picture[row - HALF + i, column - HALF + j].astype(np.float32)
        beside = around[i : i + len(usable), j : j + usable.shape[1]]
        apart += ((beside - wanted) ** 2).sum(-1)
    apart /= 3 * max(1, len(compared))
    rows, columns = np.ogrid[top:bottom, left:right]
    apart += NEARNESS * np.hypot(rows - row, columns - column)
    best = np.unravel_index(int(np.argmin(np.where(usable, apart, np.inf))), usable.shape)
    return top + int(best[0]), left + int(best[1])


def fill(
    image: NDArray[np.float64], hole: Mask, known: Mask, origin: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """Return (H, W, 3) with the pixels of `hole` the smoothest continuation of the `known` ones.

    With `origin` (2, H, W), known pixels that those of the hole are like or -1, differences between
    neighbours are those at the origins: pieces of texture go over into each other and into the
    border (Poisson's equation: Pérez, Gangnet, Blake, Poisson Image Editing, 2003, equation 7).
    Without, Laplace's. The known pixels' values at the border; no flux across all others.
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
        if origin is not None:
            both = linked | bordered
            right[number[both]] += _difference(image, known, origin, step)[both]
        rows.append(number[linked])
        columns.append(beside[linked])
    row, column = np.concatenate(rows), np.concatenate(columns)
    values = np.concatenate([diagonal, np.full(len(row) - count, -1.0)])
    matrix = coo_matrix((values, (row, column)), shape=(count, count)).tocsc()
    filled = image.copy()
    filled[hole] = np.stack([spsolve(matrix, right[:, c]) for c in range(3)], -1)
    return filled


def _difference(
    image: NDArray[np.float64], known: Mask, origin: NDArray[np.intp], step: tuple[int, int]
) -> NDArray[np.float64]:
    """Return by how much each pixel (H, W, 3) is to differ from its neighbour at `step`.

    The mean of what the two origins say, or of the one that has a known neighbour; 0 for none.
    """
    height, width = known.shape
    here = np.where(known, np.mgrid[0:height, 0:width], origin)
    there = np.stack([_shifted(axis, step, -1) for axis in here])
    total, count = np.zeros(image.shape), np.zeros((height, width, 1))
    for place, way, sign in ((here, 1, 1.0), (there, -1, -1.0)):
        other = place + way * np.array(step)[:, None, None]
        inside = (place >= 0).all(0) & (other >= 0).all(0)
        inside &= (other[0] < height) & (other[1] < width)
        a, b = (np.where(inside, index, 0) for index in (place, other))
        good = (inside & known[tuple(a)] & known[tuple(b)])[..., None]
        total += np.where(good, sign * (image[tuple(a)] - image[tuple(b)]), 0.0)
        count += good
    return total / np.maximum(count, 1)


def _shifted(values: NDArray[Any], step: tuple[int, int], beyond: float) -> NDArray[Any]:
    """Return each pixel's neighbour at `step` (rows, columns), `beyond` outside the picture."""
    height, width = values.shape[:2]
    edges = [(1, 1), (1, 1)] + [(0, 0)] * (values.ndim - 2)
    padded = np.pad(values, edges, constant_values=beyond)
    return padded[1 + step[0] : 1 + step[0] + height, 1 + step[1] : 1 + step[1] + width]
