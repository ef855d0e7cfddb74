"""What the rasteriser takes: rows of splats, those of solids and after them those of gas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....kernels.splats.project import SplatPose
from .splats import GasSplats

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Splats of a frame: pose, radiance `color` (n, 3), `opacity` (n,), `normal` (n, 3), `index`.

    `before` and `after` are the same splats in the frames around, None where there is none.
    """

    pose: SplatPose
    color: Floats
    opacity: Floats
    normal: Floats
    index: NDArray[np.int32]
    before: SplatPose | None = None
    after: SplatPose | None = None


def with_gas(rows: Rows, gas: GasSplats, color: Floats, *, index: int) -> Rows:
    """Add gas that shows `color` (m, 3) and counts as the object `index`."""
    count = len(gas.mean)
    return Rows(
        _joined(rows.pose, gas, gas.mean),
        np.concatenate([rows.color, color]),
        np.concatenate([rows.opacity, gas.opacity]),
        np.concatenate([rows.normal, np.zeros((count, 3), np.float32)]),
        np.concatenate([rows.index, np.full(count, index, np.int32)]),
        None if rows.before is None else _joined(rows.before, gas, gas.before),
        None if rows.after is None else _joined(rows.after, gas, gas.after),
    )


def _joined(pose: SplatPose, gas: GasSplats, mean: Floats | None) -> SplatPose:
    backing = pose.backing
    if backing is not None:
        backing = np.concatenate([backing, np.zeros(len(gas.mean), np.float32)])
    return SplatPose(
        np.concatenate([pose.mean, gas.mean if mean is None else mean]),
        np.concatenate([pose.axes, gas.axes()]),
        backing,
    )
