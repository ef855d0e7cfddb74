"""Gas between lamps and what they shine on: what is left of their light; for lighting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....kernels.fluids.light import light_left
from ...contract.shot import Shot
from ..images.lamps import Lamp
from .gas import GasFrame
from .splats import flame_extinction

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Veil:
    """A frame's gas as light meets it."""

    extinction: Floats
    "(nx, ny, nz) [1/m]."
    frame: GasFrame

    def left(self, points: Floats, lamp: Lamp) -> Floats:
        """Return the share (n,) of a lamp's light that reaches points (n, 3) [m]."""
        if not lamp.light.shadow:
            return np.ones(len(points), np.float32)
        parallel = lamp.light.kind == "sun"
        return self.along(points, -lamp.axis if parallel else lamp.position, parallel=parallel)

    def along(
        self, points: Floats, lamp: Sequence[float] | NDArray[np.float64], *, parallel: bool
    ) -> Floats:
        """Return what is left of light from a place, or from a way where it is parallel."""
        domain = self.frame.domain
        return light_left(
            points, self.extinction, origin=domain.origin, spacing=domain.spacing,
            lamp=lamp, parallel=parallel,
        )  # fmt: skip


def veil_of(shot: Shot, frame: GasFrame) -> Veil:
    """Return what a frame's gas takes from the light."""
    return Veil(frame.smoke + flame_extinction(frame.heat, shot.gas), frame)
