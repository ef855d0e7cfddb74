"""A body's captured splats, read from the shot and made safe to work with; called by prepare."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ...contract.arrays import ArraySet
from ...contract.shot import Capture

Floats = NDArray[np.float32]

LARGEST = 0.2
"A half axis longer than this share of the capture is a mistake of its training; it is shortened."
TAIL = 0.2
"Percent of the splats, on each side, that do not count for the size: floaters."
POINT_SIGMA = 0.6
"Standard deviation of a point in distances to its neighbours."
NEIGHBOURS = 3
LONELY = 3.0
"A point is at most so many times as large as the middle one."


@dataclass(frozen=True)
class OwnSplats:
    """Captured splats in body space, n rows, f4.

    `mean` (n, 3) m, `axes` (n, 3, 3) whose columns are 1-sigma half axes [m], `opacity` (n,),
    `harmonics` (n, 1, 4, 9 or 16, 3), `linear` whether these give linear light; `low` and `high`
    (3,) bound all but floaters; `shortened` (n,) bool: whose axes were.
    """

    mean: Floats
    axes: Floats
    opacity: Floats
    harmonics: Floats
    linear: bool
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    shortened: NDArray[np.bool_]

    def only(self, rows: NDArray[np.bool_]) -> "OwnSplats":
        """Return some of the splats, in the same bounds."""
        names = ("mean", "axes", "opacity", "harmonics", "shortened")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def flat_normals(self) -> Floats:
        """Return unit normals (n, 3) of the planes of the two longer axes, to either side."""
        order = np.argsort(np.linalg.norm(self.axes, axis=1), axis=1)
        first, second = (
            np.take_along_axis(self.axes, order[:, None, k : k + 1], 2)[..., 0] for k in (1, 2)
        )
        normal = np.cross(first, second)
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        unit = np.where(length > 1e-30, normal / np.maximum(length, 1e-30), [0, 0, 1])
        return np.asarray(unit, np.float32)

    @property
    def sigma(self) -> Floats:
        """Lengths (n, 3) of the half axes, the longest last."""
        return np.asarray(np.sort(np.linalg.norm(self.axes, axis=1), axis=1), np.float32)


def own_splats(capture: Capture, arrays: ArraySet) -> OwnSplats:
    """Read a capture's arrays, give points a size, and shorten axes that cannot be right."""
    mean = np.ascontiguousarray(arrays.of(capture.mean), np.float32)
    low, high = np.percentile(mean, [TAIL, 100 - TAIL], axis=0).astype(np.float64)
    size = max(float((high - low).max()), 1e-6)
    if capture.axes is None:
        axes = _point_sizes(mean)[:, None, None] * np.eye(3, dtype=np.float32)
    else:
        axes = np.ascontiguousarray(arrays.of(capture.axes), np.float32)
    length = np.linalg.norm(axes, axis=1)
    long = length > LARGEST * size
    if long.any():
        axes = axes * np.minimum(LARGEST * size / np.maximum(length, 1e-30), 1)[:, None, :]
    return OwnSplats(
        mean,
        axes.astype(np.float32),
        np.ascontiguousarray(arrays.of(capture.opacity), np.float32),
        np.ascontiguousarray(arrays.of(capture.harmonics), np.float32),
        capture.linear,
        low,
        high,
        long.any(axis=1),
    )


def _point_sizes(position: Floats) -> Floats:
    """Return standard deviations (n,) [m] with which points cover what lies between them."""
    if len(position) <= NEIGHBOURS:
        return np.full(len(position), 1e-3, np.float32)
    ranks = list(range(2, NEIGHBOURS + 2))
    away = cKDTree(position).query(position, k=ranks, workers=-1)[0].mean(axis=1)
    most = LONELY * float(np.median(away))
    return np.asarray(POINT_SIGMA * np.clip(away, 1e-9, max(most, 1e-9)), np.float32)
