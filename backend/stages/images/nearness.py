"""What nearby splats do to each other's light: hide what is around, lend their colour; for render.

Splats are spread on a coarse grid that stands still in the world; blurred copies of it, read at
distances along a splat's normal, tell how much stands before it. After Crassin et al., Interactive
Indirect Illumination Using Voxel Cone Tracing, 2011, with one cone. Nothing is random and nothing
follows the camera, so that still things keep their shade.
"""

from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from ....kernels.splats.project import SplatPose
from ...contract.arrays import Array
from .shadows import Arena

CELLS = 72
"Along the longest side of the grid."
REACHES = (1.5, 3.0, 6.0, 10.0)
"Distances along the normal, in cells, where the grid is read, blurred by half of them."
LENDING_REACH = 4.0
STRENGTH = 0.9
BASELINE = float(np.exp(-2.0)) + 0.02
"What a flat floor, two sigmas below, reads of itself: it hides nothing from itself."
COVER = 2.2
"How much a splat hides, in products of its two larger sigmas: a sheet of splats fills its cells."


class Nearness:
    """The grid of one frame's splats, n rows; `normal` (n, 3) unit or zero, `opacity` (n,)."""

    def __init__(self, arena: Arena, pose: SplatPose, normal: Array, opacity: Array) -> None:
        low, high = arena.corners.min(0), arena.corners.max(0)
        self._spacing = float(max((high - low).max(), 1e-6)) / CELLS
        margin = 8 * self._spacing
        self._shape = tuple(np.ceil((high - low + 2 * margin) / self._spacing).astype(int) + 2)
        self._cells = ((pose.mean - (low - margin)) / self._spacing).astype(np.float32)
        self._normal = normal
        base = np.floor(self._cells)
        self._inside = np.flatnonzero(((base >= 0) & (base < np.array(self._shape) - 1)).all(1))
        sigma = np.sort(np.linalg.norm(pose.axes, axis=1), axis=1)
        cover = opacity * COVER * sigma[:, 1] * sigma[:, 2] / self._spacing**2
        self._cover = cover[self._inside]
        self._hidden = (1 - np.exp(-self._spread(self._cover))).astype(np.float32)

    @cached_property
    def openness(self) -> Array:
        """The share (n,) of the surroundings that each splat sees, 0..1."""
        total = np.zeros(len(self._cells), np.float32)
        for reach in REACHES:
            # A sheet that passes through the point reads as 1, whatever the blur.
            blurred = _blur(self._hidden, reach) * np.float32(np.sqrt(2 * np.pi) * reach / 2)
            total += np.clip((self._read(blurred, reach) - BASELINE) / (1 - BASELINE), 0, 1)
        openness: Array = 1 - STRENGTH / len(REACHES) * total
        return openness

    def lent(self, radiance: Array) -> Array:
        """Return the light (n, 3) that what hides the surroundings gives instead of them.

        `radiance` (n, 3) of all splats as the lamps light them: one bounce.
        """
        cover = self._read(_blur(self._spread(self._cover), LENDING_REACH), LENDING_REACH)
        lent = np.empty_like(radiance)
        for channel in range(3):
            light = self._spread(self._cover * radiance[self._inside, channel])
            lent[:, channel] = self._read(_blur(light, LENDING_REACH), LENDING_REACH)
        lent *= ((1 - self.openness) / np.maximum(cover, 1e-6))[:, None]
        return lent

    def _spread(self, weight: Array) -> Array:
        """Sum weights of the splats inside over the eight nodes around each (in a fixed order)."""
        grid = np.zeros(int(np.prod(self._shape)))
        for nodes, share in self._nodes:
            grid += np.bincount(nodes, weight * share, grid.size)
        return grid.reshape(self._shape).astype(np.float32)

    @cached_property
    def _nodes(self) -> list[tuple[Array, Array]]:
        base = np.floor(self._cells[self._inside]).astype(np.int64)
        part = self._cells[self._inside] - base
        found = []
        for corner in np.ndindex(2, 2, 2):
            nodes = np.ravel_multi_index(tuple((base + corner).T), self._shape)
            found.append((nodes, np.prod(np.where(corner, part, 1 - part), axis=1)))
        return found

    def _read(self, grid: Array, reach: float) -> Array:
        points = (self._cells + reach * self._normal).T
        read: Array = map_coordinates(grid, points, order=1, mode="constant", prefilter=False)
        return read


def _blur(grid: Array, reach: float) -> Array:
    blurred: Array = gaussian_filter(grid, reach / 2, mode="constant", truncate=2.5)
    return blurred
