"""Splats to what goes over the wire: a picture with its depth, cut to where splats are, or points.

Bytes hold colour as screens do (sRGB), so that eight bits are enough.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ....kernels.splats.project import View, project
from ....kernels.splats.raster import rasterise_plain
from ...contract.arrays import Array
from .watched import Check, Lit

Bytes = NDArray[np.uint8]

STEPS = 4096
"Of linear light that are told apart before sRGB's bytes: a third of one's darkest step."
FAINT = 0.5 / 255


@dataclass(frozen=True)
class Picture:
    """The part of an image where splats are.

    `color` (h, w, 4) sRGB, premultiplied; `depth` (h, w) f4 z [m], +inf where empty.
    """

    left: int
    top: int
    color: Bytes
    depth: Array


def draw_picture(lit: Lit, view: View, check: Check) -> Picture:
    """Rasterise splats; `check` is asked between steps."""
    projected = project(lit.pose, view, color=lit.color, opacity=lit.opacity)
    check()
    color, alpha, depth = rasterise_plain(projected, view)
    check()
    left, top, right, bottom = _box(alpha > FAINT)
    part = np.s_[top:bottom, left:right]
    rgba = np.empty((bottom - top, right - left, 4), np.uint8)
    rgba[..., :3] = to_srgb(color[part])
    rgba[..., 3] = np.clip(alpha[part] * 255 + 0.5, 0, 255).astype(np.uint8)
    depth = np.where(alpha[part] > FAINT, depth[part], np.float32(np.inf))
    return Picture(left, top, rgba, np.ascontiguousarray(depth, "<f4"))


def some_points(lit: Lit, count: int) -> tuple[Array, Bytes]:
    """Return up to `count` of the splats: places (m, 3) f4 [m] and colours (m, 3) sRGB.

    Which ones depends on their number alone: a splat keeps its place among them over the frames.
    """
    total = len(lit.pose.mean)
    chosen = np.arange(total)
    if total > count:
        chosen = np.sort(np.random.default_rng(0).choice(total, count, replace=False))
    place = np.ascontiguousarray(lit.pose.mean[chosen], "<f4")
    return place, to_srgb(lit.color[chosen])


def to_srgb(linear: Array) -> Bytes:
    """Return sRGB bytes of linear light; outside 0..1 it is held."""
    steps = np.clip(linear * (STEPS - 1) + 0.5, 0, STEPS - 1).astype(np.uint16)
    found: Bytes = _table()[steps]
    return found


@cache
def _table() -> Bytes:
    light = np.linspace(0, 1, STEPS)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


def _box(there: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what is there; zeros where nothing is."""
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
