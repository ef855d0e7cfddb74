"""Smoke in shares: how thick of the thickest, how warm of the hottest; for the picture's plane.

Air (air.py) that is stirred by the heat it carries; stable fluids in two or three dimensions.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .air import MOST_SUBSTEPS, Air
from .grid import FluidDomain, cell_field
from .pressure import Solved

Floats = NDArray[np.float32]

DENSITY, HEAT = 0, 1


@dataclass(frozen=True)
class SmokeSettings:
    """How the air moves; SI units."""

    up: tuple[float, ...]
    "Direction in which heat rises, a unit vector."
    lift: float = 1.0
    "Acceleration of the hottest air [m/s^2]."
    weight: float = 0.0
    "Downward acceleration of the thickest smoke [m/s^2]."
    vorticity: float = 0.0
    "Strength of the confinement [1/s]: epsilon of Fedkiw et al. 2001, equation 11."
    cooling: float = 0.0
    "Share of the heat lost in a second [1/s]."
    thinning: float = 0.0
    "Share of the smoke lost in a second [1/s]."
    wind: tuple[float, ...] = field(default=())
    "Velocity of the air at the start and through the open sides that it comes from [m/s]."


class Smoke:
    """Velocity, smoke and heat on a grid, with obstacles that stand still.

    `obstacle` (shape) is true where no air is; ValueError where its shape is not the domain's.
    """

    def __init__(
        self,
        domain: FluidDomain,
        settings: SmokeSettings,
        obstacle: NDArray[np.bool_] | None = None,
    ) -> None:
        solid = np.zeros(domain.shape, bool) if obstacle is None else np.asarray(obstacle, bool)
        lengths = {len(settings.up), len(settings.wind) or domain.dimension}
        if solid.shape != domain.shape or lengths != {domain.dimension}:
            raise ValueError(f"expected obstacles {domain.shape}, got {solid.shape}, {settings}")
        self.domain = domain
        self._settings = settings
        self._air = Air(domain, solid, wind=settings.wind)
        self._carried = [cell_field(domain) for _ in range(2)]

    def advance(self, seconds: float, source: Floats | None = None) -> None:
        """Let time pass; `source` (shape) is how much smoke, as hot, comes in each second [1/s].

        Smoke and heat do not rise over 1. The substeps follow from the speed.
        """
        left = seconds
        least = math.sqrt(abs(self._settings.lift) * self.domain.spacing)
        for k in range(MOST_SUBSTEPS):
            count = min(self._air.substeps(left, least), MOST_SUBSTEPS - k)
            dt = left / count
            self._emit(dt, source)
            self._push(dt)
            self._air.step(dt, self._carried)
            left -= dt
            if count == 1:
                return

    @property
    def solved(self) -> Solved:
        """What the last projection took and left."""
        return self._air.solved

    def top_speed(self) -> float:
        """The fastest component of the velocity [m/s]."""
        return self._air.top_speed()

    def density(self) -> Floats:
        """How thick the smoke is (shape), 0..1."""
        return self._read(DENSITY)

    def heat(self) -> Floats:
        return self._read(HEAT)

    def velocity(self) -> Floats:
        """The velocity on the faces (faces, dimension) [m/s]."""
        return self._air.velocity()

    def divergence(self) -> Floats:
        """What the projection left (shape) [m/s per cell]."""
        return self._air.divergence()

    def project(self) -> Solved:
        """Make the velocity free of divergence."""
        return self._air.project()

    def trace(self, points: NDArray[Any], seconds: float) -> Floats:
        """Where points (n, dimension) [m] go in the velocity as it stands; negative: came from."""
        return self._air.trace(points, seconds)

    def state(self) -> dict[str, Floats]:
        """Return all that the next step reads."""
        return {"velocity": self.velocity(), "density": self.density(), "heat": self.heat()}

    def restore(self, state: dict[str, Floats]) -> None:
        """Go on from `state`, to the bit."""
        self._air.restore(state["velocity"])
        self._carried[DENSITY].from_numpy(np.ascontiguousarray(state["density"], np.float32))
        self._carried[HEAT].from_numpy(np.ascontiguousarray(state["heat"], np.float32))

    def _read(self, which: int) -> Floats:
        values = self._carried[which].to_numpy()
        return np.where(self._air.solid, 0, values).astype(np.float32)

    def _emit(self, dt: float, source: Floats | None) -> None:
        settings = self._settings
        given = np.zeros(self.domain.shape, np.float32) if source is None else source
        if given.shape != self.domain.shape:
            raise ValueError(f"expected a source {self.domain.shape}, got {given.shape}")
        came = np.where(self._air.solid, 0, given * dt)
        for which, lost in ((DENSITY, settings.thinning), (HEAT, settings.cooling)):
            kept = self._read(which) * math.exp(-lost * dt)
            new = np.maximum(kept, np.minimum(kept + came, 1)).astype(np.float32)
            self._carried[which].from_numpy(new)

    def _push(self, dt: float) -> None:
        settings, up = self._settings, np.array(self._settings.up)
        lift = (dt * settings.lift * up).astype(np.float32)
        weight = (-dt * settings.weight * up).astype(np.float32)
        self._air.rise(self._carried[HEAT], self._carried[DENSITY], lift, weight)
        self._air.whirl(settings.vorticity, dt)
