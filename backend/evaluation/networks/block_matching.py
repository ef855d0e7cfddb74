"""Dense motion between two maps of any number of channels, by matching blocks; no learning.

At every cell the displacement whose Gaussian-weighted sum of squared differences over all channels
is least, among all whole ones up to a reach, with a cost of their own that grows with the square of
the displacement; then the vertex of the parabola through it and its neighbours, along each axis,
without that cost.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

Floats = NDArray[np.float32]

WINDOW = 3.0  # cells, deviation of the block's weight
PRIOR = 0.3  # cost of a displacement of the whole reach, as part of the mean difference


def block_motion(first: Floats, second: Floats, reach: int, *, window: float = WINDOW) -> Floats:
    """Return the displacement (h, w, 2) in cells, x right, y down, of maps (h, w, C)."""
    size = 2 * reach + 1
    height, width = first.shape[:2]
    costs = np.empty((size, size, height, width), np.float32)
    for row in range(size):
        for column in range(size):
            offset = (reach - row, reach - column, 0)
            moved = shift(second, offset, order=0, mode="nearest")
            difference = np.sum((first - moved) ** 2, axis=2)
            costs[row, column] = gaussian_filter(difference, window, mode="nearest")
    offsets = np.mgrid[-reach : reach + 1, -reach : reach + 1] / reach
    prior = PRIOR * costs.mean() * np.sum(offsets**2, axis=0)
    best = (costs + prior[:, :, None, None]).reshape(size * size, height, width).argmin(axis=0)
    rows, columns = np.unravel_index(best, (size, size))
    y, x = np.mgrid[:height, :width]
    down = _vertex(lambda step: costs[np.clip(rows + step, 0, size - 1), columns, y, x])
    right = _vertex(lambda step: costs[rows, np.clip(columns + step, 0, size - 1), y, x])
    inside = (rows > 0) & (rows < size - 1), (columns > 0) & (columns < size - 1)
    return np.stack(
        [columns - reach + right * inside[1], rows - reach + down * inside[0]], axis=2
    ).astype(np.float32)


def texture(values: Floats, *, window: float = WINDOW) -> Floats:
    """Return how well motion can be seen at each cell (h, w) of a map (h, w, C).

    The smaller eigenvalue of the structure tensor (Shi and Tomasi, CVPR 1994).
    """
    down, right = np.gradient(values, axis=(0, 1))
    xx, yy, xy = (
        gaussian_filter(np.sum(a * b, axis=2), window, mode="nearest")
        for a, b in ((right, right), (down, down), (right, down))
    )
    smaller: Floats = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return smaller


def _vertex(cost: Callable[[int], Floats]) -> Floats:
    """Return where, within half a cell, the parabola through three neighbouring costs is least."""
    before, here, after = cost(-1), cost(0), cost(1)
    curve = before - 2 * here + after
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(curve > 1e-12, (before - after) / (2 * curve), 0.0)
    return np.clip(offset, -0.5, 0.5)
