"""What the solver is given and what it answers: plain data, checked. Called by solver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..fields import Field
from .forces.given import BodyPush, Hold, Impulse
from .materials.laws import Law
from .state import Layout


@dataclass(frozen=True)
class Domain:
    """The box that is simulated: `shape` cells of `spacing` metres from the corner `origin`."""

    origin: tuple[float, float, float]
    spacing: float
    shape: tuple[int, int, int]
    walls: Literal["open", "slip", "stick"]
    """Open: what leaves takes no part any more, and is counted; or the domain grows (growth). Slip:
    nothing passes, all slides. Stick: holds."""


@dataclass(frozen=True)
class Particles:
    """What carries mass, in the world, at the start."""

    position: NDArray[np.float32]
    "(n, 3) m."
    velocity: NDArray[np.float32]
    "(n, 3) m/s."
    volume: NDArray[np.float32]
    "(n,) m^3."
    law: NDArray[np.int32]
    "(n,) index into the laws."
    body: NDArray[np.int32]
    "(n,)."
    density: NDArray[np.float32] | None = None
    """(n,) kg/m^3 at rest, no less than that of the law, which bounds the step; the law's where
    absent."""

    def masses(self, laws: Sequence[Law]) -> NDArray[np.float64]:
        """Return each one's mass (n,) in kg."""
        density = self.density
        if density is None:
            density = np.array([law.density for law in laws])[self.law]
        return np.asarray(self.volume * density.astype(np.float64))

    def only(self, which: NDArray[Any]) -> "Particles":
        """Return those that a mask (n,) or a list of rows chooses."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return Particles(**{name: value[which] for name, value in given.items()})


@dataclass(frozen=True)
class Tracers:
    """What carries looks: massless points of MPM bodies."""

    position: NDArray[np.float32]
    "(m, 3) m."
    body: NDArray[np.int32]
    "(m,)."
    round: NDArray[np.bool_]
    "(m,): of a fluid or sand; its shape follows the volume alone."


@dataclass(frozen=True)
class Push:
    """What pushes during one interval."""

    wind: Sequence[tuple[ArrayLike, float]]
    "Acceleration (3,) m/s^2 and flow 1/s of each wind: a = acceleration - flow v."
    gravity: ArrayLike
    "(3,) m/s^2."
    collider_from: NDArray[np.float64]
    "(k, 4, 4) rigid poses, body to world, at the interval's start."
    collider_to: NDArray[np.float64]
    "(k, 4, 4) at its end."
    fields: Sequence[tuple[Field, Field]] = ()
    "Each at the interval's start and end; the same object twice where it stays as it is."
    pushes: Sequence[BodyPush] = ()
    impulses: Sequence[Impulse] = ()
    holds: Sequence[Hold] = ()
    "Where several hold a particle, the last one does."
    rigid_pushes: Sequence[BodyPush] = ()
    "Their region, as that of the next, is the number of a rigid body."
    rigid_impulses: Sequence[Impulse] = ()
    shapes: Mapping[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(
        default_factory=dict
    )
    """Vertices (V, 3) m, in their body's space, at the interval's start and end of the colliders
    that deform, by their numbers."""

    def force(self) -> NDArray[np.float64]:
        """Return the acceleration [m/s^2] of gravity and all winds, and their drag [1/s], (4,)."""
        total = np.zeros(4)
        total[:3] = np.asarray(self.gravity, np.float64)
        for acceleration, flow in self.wind:
            total[:3] += np.asarray(acceleration, np.float64)
            total[3] += flow
        return total


@dataclass(frozen=True)
class Advance:
    """What an interval took."""

    substeps: int
    smallest_step: float
    "s; 0 where there was nothing to do."
    top_speed: float
    "m/s, along the fastest axis."
    left: int
    "Particles that have left the open domain so far; they take part in nothing any more."


class Diverged(RuntimeError):
    """The simulation blew up; says which particle and body, and how."""

    def __init__(self, particle: int, body: int, reason: str) -> None:
        super().__init__(f"Particle {particle} of body {body} went wrong: {reason}.")
        self.particle = particle
        self.body = body
        self.reason = reason


def first_values(
    given: Particles | Tracers, layout: Layout, mass: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Return what the arrays of particles, of these masses (n,) [kg], or tracers begin with."""
    count = len(given.position)
    values: dict[str, NDArray[Any]] = {
        "index": np.arange(count, dtype=np.int32),
        "deformation": np.broadcast_to(np.eye(3, dtype=np.float32), (count, 3, 3)),
        "body": np.asarray(given.body, np.int32),
    }
    values["cell"], values["offset"] = layout.split(given.position)
    if isinstance(given, Tracers):
        return values | {"gone": np.zeros(count, np.int32)}
    return values | {
        "velocity": np.asarray(given.velocity, np.float32),
        "gradient": np.zeros((count, 3, 3), np.float32),
        "stress": np.zeros((count, 6), np.float32),
        "mass": mass.astype(np.float32),
        "volume": np.asarray(given.volume, np.float32),
        "history": np.zeros(count, np.float32),
        "law": np.asarray(given.law, np.int32),
    }


def check_inside(domain: Domain, what: str, position: NDArray[np.float32]) -> None:
    """Raise ValueError for a position (n, 3) that is not finite or not in the domain."""
    if len(position) == 0:
        return
    low = np.asarray(domain.origin)
    high = low + domain.spacing * np.asarray(domain.shape)
    slack = 1e-4 * domain.spacing
    inside = ((position >= low - slack) & (position <= high + slack)).all(axis=1)
    if not inside.all():
        at = position[inside.argmin()]
        raise ValueError(f"Expected {what} inside of the domain {low} to {high}, got one at {at}.")
