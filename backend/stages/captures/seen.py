"""Captured splats as one camera sees them: their harmonics, turned as they are; used by render."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ....kernels.splats.harmonics import harmonic_colors, view_directions
from ...contract.arrays import Array
from .looks import Captured, shown_colors

if TYPE_CHECKING:
    from ..images.reflectance import Surface
    from ..splats import PosedSplats


def seen_from(
    surface: "Surface", captured: Captured | None, posed: "PosedSplats", eye: Array
) -> "Surface":
    """Return the surface with the colours that captured splats show to `eye` (3,) [m]."""
    if captured is None or captured.harmonics.shape[1] == 1:
        return surface  # one colour for all directions: the albedo has it
    mean = posed.pose.mean[captured.splat]
    direction = view_directions(mean, np.asarray(eye, np.float64), posed.turn)
    albedo = surface.albedo.copy()
    albedo[captured.splat] = shown_colors(
        harmonic_colors(captured.harmonics, direction), captured.linear
    )
    return replace(surface, albedo=albedo)
