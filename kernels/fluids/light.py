"""Light on its way through smoke: what of a lamp reaches a point; called by stages/air.

A march from the point to the lamp over the grid of extinction [1/m], one cell a step: the share
that arrives is exp of minus the integral (Beer and Lambert).
"""

from collections.abc import Sequence

import numpy as np
import taichi as ti
from numpy.typing import ArrayLike, NDArray

from ..array_types import Floats, Vec3, Vec3s, Volume, f32, i32, ivec3, vec3
from .grid import sample_cells

ENOUGH = 9.0
"Optical depth beyond which nothing is left."
NUDGE = 1e-6


def light_left(
    points: NDArray[np.float32],
    extinction: NDArray[np.float32],
    *,
    origin: Sequence[float],
    spacing: float,
    lamp: ArrayLike,
    parallel: bool,
) -> NDArray[np.float32]:
    """Return the share (n,) of a lamp's light that reaches `points` (n, 3) [m] through the smoke.

    `extinction` (nx, ny, nz) [1/m] at the middles of cells of `spacing` [m] from `origin`; `lamp`
    (3,) is where the lamp stands [m], or, where its light is `parallel`, the way to it.
    """
    inside = (np.asarray(points, np.float64) - np.asarray(origin)) / spacing
    toward = np.asarray(lamp, np.float64)
    toward = toward / np.linalg.norm(toward) if parallel else (toward - origin) / spacing
    left = np.ones(len(inside), np.float32)
    if len(inside):
        depth = np.ascontiguousarray(extinction, np.float32)
        start = np.ascontiguousarray(inside, np.float32)
        _march(start, depth, vec3(*toward), int(parallel), spacing, left)
    return left


@ti.func
def _span(x: Vec3, way: Vec3, shape: Vec3):
    """Where [cells along the way] a ray enters and leaves the box; the other way round: never."""
    first, last = 0.0, 1e9
    for d in ti.static(range(3)):
        if ti.abs(way[d]) < NUDGE:
            if x[d] < 0.0 or x[d] > shape[d]:
                last = -1.0
        else:
            a, b = -x[d] / way[d], (shape[d] - x[d]) / way[d]
            first, last = ti.max(first, ti.min(a, b)), ti.min(last, ti.max(a, b))
    return first, last


@ti.kernel
def _march(
    points: Vec3s,  # [n] cells
    extinction: Volume,  # [cells] 1/m
    lamp: Vec3,  # cells, or unit way
    parallel: i32,
    spacing: f32,
    left: Floats,  # [n], written
):
    for p in points:
        x, way, far = points[p], lamp, 1e9
        if parallel == 0:
            far = (lamp - x).norm()
            way = (lamp - x) / ti.max(far, NUDGE)
        n = ivec3(extinction.shape[0], extinction.shape[1], extinction.shape[2])
        first, last = _span(x, way, ti.cast(n, ti.f32))
        last = ti.min(last, far)
        if last > first:
            count = ti.ceil(last - first, ti.i32)
            step, depth = (last - first) / count, 0.0
            for k in range(count):
                if depth < ENOUGH:
                    at = x + (first + (k + 0.5) * step) * way
                    depth += step * spacing * sample_cells(extinction, at)
            left[p] = ti.exp(-depth)
