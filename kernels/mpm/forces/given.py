"""Regions of particles and what acts on them in an interval: plain data; called by solver.

Times are seconds since the solver was made; windows are half-open.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Region:
    """Particles that something acts on, as the solver was given them, each with its share."""

    particles: NDArray[np.int32]
    "(k,) which, k > 0."
    weight: NDArray[np.float32]
    "(k,) 0 to 1: how much of the force its mass takes."


@dataclass(frozen=True)
class BodyPush:
    """A force and a torque on a region, spread by mass: as if the region alone were rigid."""

    region: int
    force: ArrayLike
    "(3,) N."
    torque: ArrayLike = (0.0, 0.0, 0.0)
    "(3,) N m, about the region's centre of mass."
    start: float = -math.inf
    end: float = math.inf
    force_to: ArrayLike | None = None
    "(3,) N at the interval's end, where it changes; so for the torque."
    torque_to: ArrayLike | None = None

    def at(self, fraction: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return force and torque at a fraction of the interval."""
        force = np.asarray(self.force, np.float64)
        torque = np.asarray(self.torque, np.float64)
        force_to = force if self.force_to is None else np.asarray(self.force_to, np.float64)
        torque_to = torque if self.torque_to is None else np.asarray(self.torque_to, np.float64)
        return force + fraction * (force_to - force), torque + fraction * (torque_to - torque)


@dataclass(frozen=True)
class Impulse:
    """A push that is over at once."""

    region: int
    linear: ArrayLike
    "(3,) N s."
    angular: ArrayLike = (0.0, 0.0, 0.0)
    "(3,) N m s, about the region's centre of mass."
    time: float = 0.0


@dataclass(frozen=True)
class Hold:
    """A region that is held still, or follows a rigid motion; weights do not count."""

    region: int
    pose_from: NDArray[np.float64]
    "(4, 4) of what it follows, at the interval's start."
    pose_to: NDArray[np.float64]
    "(4, 4) at its end."
    start: float = -math.inf
    end: ArrayLike = math.inf
    "One time, or (k,) of each particle."
    velocity: NDArray[np.float32] | None = None
    "(k, 3) m/s with which each is let go; None: with what it has."
