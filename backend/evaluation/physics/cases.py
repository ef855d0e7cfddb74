"""Lumps of matter for the suite `physics`, in a domain of one metre, and how they are pushed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....kernels.mpm.colliders import Collider, Plane
from ....kernels.mpm.forces.given import Region
from ....kernels.mpm.materials.laws import ElasticLaw, Law, SandLaw, WaterLaw
from ....kernels.mpm.solver import Domain, MpmSolver, Particles, Push, Tracers

Floats = NDArray[np.float64]

EARTH = 9.81
FPS = 24
JELLY = ElasticLaw(density=1000, young_modulus=1e5, poisson_ratio=0.3)
RUBBER = ElasticLaw(density=1000, young_modulus=1e6, poisson_ratio=0.3)
SAND = SandLaw(1600, 3.5e5, 0.3, friction_angle=0.6109, cohesion=0.0)
WATER = WaterLaw(density=1000, bulk_modulus=1e5, gamma=7, viscosity=1e-3)


@dataclass(frozen=True)
class Result:
    """What a case measured: figures by name, and curves (label, x, y) of one plot."""

    figures: dict[str, float | bool]
    axes: tuple[str, str] = ("", "")
    curves: list[tuple[str, Floats, Floats]] = field(default_factory=list)


@dataclass(frozen=True)
class Lump:
    """A box of particles, two to a cell along each axis; metres, m/s.

    `within` cuts a shape out of it: positions (n, 3) to booleans (n,).
    """

    low: ArrayLike
    high: ArrayLike
    law: Law
    velocity: ArrayLike = (0.0, 0.0, 0.0)
    within: Callable[[Floats], NDArray[np.bool_]] | None = None


def make(
    lump: Lump,
    cells: int,
    *,
    walls: str = "slip",
    shape: tuple[int, int, int] | None = None,
    ground: Plane | None = None,
    colliders: Sequence[Collider] = (),
    tracers: Floats | None = None,
    regions: Sequence[Region] = (),
) -> MpmSolver:
    """Make a solver of `cells` a metre; particles lie on a lattice, jittered a little (seed 0)."""
    step = 0.5 / cells
    low, high = np.asarray(lump.low, float), np.asarray(lump.high, float)
    counts = np.maximum(np.round((high - low) / step).astype(int), 1)
    axes = [a + step * (np.arange(n) + 0.5) for a, n in zip(low, counts, strict=True)]
    at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    at = at if lump.within is None else at[lump.within(at)]
    at += np.random.default_rng(0).uniform(-0.2, 0.2, at.shape) * step
    same = np.zeros(len(at), np.int32)
    seen = np.zeros((0, 3)) if tracers is None else tracers
    none = np.zeros(len(seen), np.int32)
    assert walls in ("open", "slip", "stick")
    return MpmSolver(
        Domain((0.0, 0.0, 0.0), 1 / cells, shape or (cells,) * 3, walls),  # type: ignore[arg-type]
        [lump.law],
        Particles(
            at.astype(np.float32),
            np.broadcast_to(np.asarray(lump.velocity, np.float32), at.shape).copy(),
            np.full(len(at), step**3, np.float32),
            same,
            same,
        ),
        Tracers(seen.astype(np.float32), none, none.astype(bool)),
        colliders,
        ground,
        regions=regions,
    )


def push(gravity: ArrayLike, poses: tuple[Floats, Floats] | None = None) -> Push:
    """Gravity (3,) m/s^2 and the colliders' poses at both ends."""
    none = np.zeros((0, 4, 4))
    start, end = poses if poses is not None else (none, none)
    return Push((), gravity, start, end)


def spin_up(solver: MpmSolver, spin: ArrayLike, strain: float = 0.0) -> None:
    """Add a rotation [rad/s] and an even stretching [1/s] about the middle to all velocities."""
    turn = np.asarray(spin, float)
    saved = solver.checkpoint()
    arm = (solver.position() - solver.position().mean(axis=0))[saved["particle_index"]]
    x, y, z = turn
    gradient = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) + strain * np.eye(3)
    velocity = saved["particle_velocity"] + (arm @ gradient.T).astype(np.float32)
    saved["particle_velocity"] = velocity
    saved["particle_gradient"] = np.broadcast_to(gradient, (len(arm), 3, 3)).astype(np.float32)
    saved["state"][0] = np.abs(velocity).max()
    solver.restore(saved)
