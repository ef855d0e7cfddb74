"""Small simulations for the tests: lattices of particles, solvers, pushes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impetus.kernels.mpm.colliders import Collider
from impetus.kernels.mpm.materials.laws import (
    BrittleLaw,
    CreamLaw,
    ElasticLaw,
    Law,
    MetalLaw,
    PlasticineLaw,
    RubberLaw,
    SandLaw,
    SnowLaw,
    WaterLaw,
)
from impetus.kernels.mpm.solver import Domain, MpmSolver, Particles, Push, Tracers

Array = NDArray[Any]

CELL = 1 / 32
EARTH = (0.0, 0.0, -9.81)
NO_POSES = np.zeros((0, 4, 4))
JELLY = ElasticLaw(density=1000, young_modulus=1e5, poisson_ratio=0.3)
SAND = SandLaw(1600, 3.5e5, 0.3, friction_angle=0.6109, cohesion=0.0)
WATER = WaterLaw(density=1000, bulk_modulus=1e5, gamma=7, viscosity=1e-3)
RUBBER = RubberLaw(density=1000, young_modulus=1e5, poisson_ratio=0.3)
METAL = MetalLaw(2700, 1e6, 0.33, yield_stress=2e4, hardening_modulus=2e4)
PLASTICINE = PlasticineLaw(1700, 1e6, 0.4, yield_stress=2e4, tear_strain=0.5)
BREAD = BrittleLaw(200, 2e4, 0.1, strength=4e3, tear_strain=0.1)
SNOW = SnowLaw(400, 1.4e5, 0.2, 0.025, 0.0075, hardening_coefficient=10.0)
CREAM = CreamLaw(450, 3e3, 0.48, yield_stress=70.0, consistency=12.0, flow_index=0.4)
EVERY = {
    "elastic": JELLY,
    "rubber": RUBBER,
    "metal": METAL,
    "plasticine": PLASTICINE,
    "brittle": BREAD,
    "sand": SAND,
    "snow": SNOW,
    "cream": CREAM,
    "water": WATER,
}


@dataclass(frozen=True)
class Lump:
    """Particles of one law that fill a box, in metres."""

    low: ArrayLike
    high: ArrayLike
    law: Law
    velocity: ArrayLike = (0.0, 0.0, 0.0)
    per_axis: int = 2

    def positions(self) -> Array:
        step = CELL / self.per_axis
        low, high = np.asarray(self.low, float), np.asarray(self.high, float)
        count = np.round((high - low) / step).astype(int)
        axes = [a + step * (np.arange(n) + 0.5) for a, n in zip(low, count, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def make_solver(
    lumps: Sequence[Lump],
    *,
    tracers: Array | None = None,
    round_tracers: bool = False,
    colliders: Sequence[Collider] = (),
    walls: Any = "slip",
    shape: tuple[int, int, int] = (32, 32, 32),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    jitter: int | None = None,
    **options: Any,
) -> MpmSolver:
    """Make a solver over a domain of 32 cells a metre from `origin` [m]."""
    positions = [lump.positions() for lump in lumps]
    counts = [len(position) for position in positions]
    position = np.concatenate(positions)
    if jitter is not None:
        position += np.random.default_rng(jitter).uniform(-0.2, 0.2, position.shape) * CELL
    velocity = [
        np.broadcast_to(lump.velocity, (n, 3)) for lump, n in zip(lumps, counts, strict=True)
    ]
    volume = [
        np.full(n, (CELL / lump.per_axis) ** 3) for lump, n in zip(lumps, counts, strict=True)
    ]
    number = np.repeat(np.arange(len(lumps), dtype=np.int32), counts)
    at = np.zeros((0, 3)) if tracers is None else tracers
    return MpmSolver(
        Domain(origin, CELL, shape, walls),
        [lump.law for lump in lumps],
        Particles(
            position.astype(np.float32),
            np.concatenate(velocity).astype(np.float32),
            np.concatenate(volume).astype(np.float32),
            number,
            number,
        ),
        Tracers(
            at.astype(np.float32),
            np.zeros(len(at), np.int32),
            np.full(len(at), round_tracers),
        ),
        colliders,
        options.pop("ground", None),
        **options,
    )


def push(
    gravity: ArrayLike = EARTH,
    *,
    wind: Sequence[tuple[ArrayLike, float]] = (),
    poses: tuple[Array, Array] | None = None,
) -> Push:
    start, end = poses if poses is not None else (NO_POSES, NO_POSES)
    return Push(wind, gravity, start, end)


def run(solver: MpmSolver, frames: int, how: Push, seconds: float = 1 / 24) -> None:
    for _ in range(frames):
        solver.advance(seconds, how)
