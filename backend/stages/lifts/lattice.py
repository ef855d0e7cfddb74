"""Where the form of an object is found: nodes over its part of the picture, inside and outside."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARGIN = 2
"Nodes outside of the object on each side."
BLUR = 0.7
"Pixels that the distance to the silhouette is smoothed by: steps of pixels are no form."
NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1))
LEAST_SHARE = 0.1
"A silhouette is taken to pass at least this far from a node inside, in steps."


@dataclass(frozen=True)
class Lattice:
    """Nodes (rows, columns) `step` pixels apart; `x` (columns,), `y` (rows,) in pixels.

    `inside` (rows, columns): which nodes the object covers. `distance` (rows, columns): to the
    silhouette in steps, positive inside.
    """

    x: Doubles
    y: Doubles
    step: float
    inside: Bools
    distance: Doubles

    def sampled(self, image: Doubles) -> Doubles:
        """Return an image (H, W) averaged over each node's cell."""
        size = max(1, round(self.step))
        smooth = ndimage.uniform_filter(image, size, mode="nearest") if size > 1 else image
        return _read(smooth, self.x, self.y)

    def outside_neighbours(self) -> tuple[Bools, Doubles]:
        """Tell for each of a node's NEIGHBOURS whether the silhouette passes between.

        And how far from the node, as a share of the step. Both (4, rows, columns).
        """
        passes, share = [], []
        for down, right in NEIGHBOURS:
            there = np.roll(self.inside, (-down, -right), (0, 1))
            beyond = np.roll(self.distance, (-down, -right), (0, 1))
            cut = self.inside & ~there
            span = np.where(cut, self.distance - beyond, 1.0)
            passes.append(cut)
            share.append(np.where(cut, np.clip(self.distance / span, LEAST_SHARE, 1.0), 1.0))
        return np.stack(passes), np.stack(share)


def lattice_over(mask: NDArray[np.float32], nodes: int) -> Lattice:
    """Lay a lattice over a mask (H, W) that holds something, and not everything.

    Its longer side has `nodes` nodes, or as many as the mask has pixels there.
    """
    solid = mask >= 0.5
    left, top, right, bottom = bounds_of(solid)
    step = max(1.0, max(right - left, bottom - top) / nodes)
    x = _centres(left, right, step)
    y = _centres(top, bottom, step)
    room = int(np.ceil(step * (MARGIN + 1)))  # where the picture's border cuts an object, it ends
    padded = np.pad(np.asarray(mask, np.float32), room)
    distance = _read(silhouette_distance(padded), x + room, y + room) / step
    edges = np.zeros(distance.shape, bool)
    edges[1:-1, 1:-1] = True
    inside = (distance > 0) & edges
    return Lattice(x, y, step, inside, np.where(inside, distance, np.minimum(distance, -1e-3)))


def bounds_of(solid: Bools) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in pixels of what is true in (H, W)."""
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def silhouette_distance(mask: NDArray[np.float32]) -> Doubles:
    """Return the distance (H, W) [px] of pixel centres to where a mask is a half.

    Positive inside. Within a pixel of the border the mask's own values say it more exactly than
    whole pixels do. The mask's outermost pixels are empty.
    """
    solid = mask >= 0.5
    whole = ndimage.distance_transform_edt(solid) - ndimage.distance_transform_edt(~solid)
    whole -= np.copysign(0.5, whole)
    fine = np.abs(whole) <= 1.0
    partly = (mask > 0.02) & (mask < 0.98)
    near = np.where(fine & partly, np.clip(mask - 0.5, -0.5, 0.5), whole)
    return np.asarray(ndimage.gaussian_filter(near, BLUR), np.float64)


def _centres(low: int, high: int, step: float) -> Doubles:
    count = int(np.ceil((high - low) / step - 1e-9)) + 2 * MARGIN
    first = (low + high) / 2 - step * (count - 1) / 2
    return np.asarray(first + step * np.arange(count), np.float64)


def _read(image: Doubles, x: Doubles, y: Doubles) -> Doubles:
    """Read an image (H, W) between its pixels, at all x and y; beyond it its border goes on."""
    rows, columns = np.meshgrid(y - 0.5, x - 0.5, indexing="ij")
    values = ndimage.map_coordinates(image, [rows, columns], order=1, mode="nearest")
    return np.asarray(values, np.float64)
