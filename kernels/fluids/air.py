"""Air: a velocity on a grid that carries fields, is pushed, keeps its volume; for smoke and gas.

Stam, Stable Fluids, 1999, with MacCormack advection (Selle et al. 2008), reflection in the middle
of the step (Zehnder et al. 2018), vorticity confinement and buoyancy (Fedkiw et al. 2001). In two
or three dimensions. Obstacles may move: their surfaces drag no air along, but push it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .advection import carry_cells, carry_faces
from .forcing import add_at_cells, add_buoyancy, confine, find_curl, soften
from .grid import (
    FLUID,
    SOLID,
    Field,
    FluidDomain,
    cell_field,
    extend_known,
    face_field,
    trace_points,
)
from .pressure import PressureSolver, Solved

Floats = NDArray[np.float32]

COURANT = 2.0
"Cells that the fastest air may cross in a substep."
MOST_SUBSTEPS = 64
MOST_CONFINEMENT = 0.5
"Share of a cell's turn that is added to it in a substep: beyond it whirls feed themselves."
LAYERS = 3
"Cells into obstacles to which the velocity beside them is continued, for what is traced there."
DIVERGENCE = 5e-5
"Share of the fastest air's speed that a projection may leave as divergence in a cell."
FINEST = 1e-5
"Share of the largest divergence beyond which single precision leads no farther."
SOFTEST = 0.8
"Share of the largest step at which spreading by viscosity is stable."


class Air:
    """Velocity and obstacles on a grid.

    `solid` (shape) is true where no air is; `wind` [m/s], one number for each axis or none, is the
    velocity at the start and through the open sides that it comes from. A projection leaves a share
    `tolerance` of the largest divergence; with 0 it goes by the speed, and begins with the pressure
    of the step before, which is a part of the state then.
    """

    def __init__(
        self,
        domain: FluidDomain,
        solid: NDArray[np.bool_],
        *,
        wind: Sequence[float] = (),
        tolerance: float = 3e-4,
    ) -> None:
        self.domain, self._tolerance = domain, tolerance
        self._wind = np.array(wind or (0.0,) * domain.dimension, np.float32)
        self._kind, self._passes = cell_field(domain, ti.i32), face_field(domain)
        self._walls, self.u = face_field(domain), face_field(domain)
        self.spare = [cell_field(domain) for _ in range(2)]
        "Fields of cells that a caller may use between steps."
        self._spare_faces = [face_field(domain) for _ in range(2)]
        self._moved = face_field(domain)
        self._known_faces = [face_field(domain) for _ in range(2)]
        self._curl = cell_field(domain)
        self._solver = PressureSolver(domain)
        self.pressures = np.zeros((2, *domain.shape), np.float32)
        "Of the last substep's two projections, [velocity per cell]."
        self.place(solid)
        self.u.from_numpy((domain.open_faces(self.solid) * self._wind).astype(np.float32))
        self.solved = self.project()

    def place(self, solid: NDArray[np.bool_], velocity: Floats | None = None) -> None:
        """Put obstacles into the cells `solid` (shape), whose faces move with `velocity`.

        `velocity` (faces, dimension) [m/s] counts where a face bounds an obstacle. Air that an
        obstacle uncovers moves on as the air beside it did.
        """
        domain, n = self.domain, self.domain.dimension
        self.solid = np.asarray(solid, bool)
        self._kind.from_numpy(np.where(self.solid, SOLID, FLUID).astype(np.int32))
        passes = domain.open_faces(self.solid)
        inlets = _inlets(domain, self._wind) * passes
        walls = inlets * self._wind
        if velocity is not None:
            bounds = np.zeros((*domain.faces, n), bool)
            for d in range(n):
                ends = [(1, 1) if k == d else (0, 0) for k in range(n)]
                line = np.moveaxis(np.pad(self.solid, ends), d, 0)
                bounds[domain.along(d)] = np.moveaxis(line[:-1] | line[1:], 0, d)
            walls = walls + np.where(bounds & (inlets == 0), velocity, 0)
        self._walls.from_numpy(walls.astype(np.float32))
        self._passes.from_numpy((passes * (1 - inlets)).astype(np.float32))
        self._known = 1 - _within(domain, self.solid)

    def top_speed(self) -> float:
        """The fastest component of the velocity [m/s]."""
        return float(np.abs(self.u.to_numpy()).max())

    def velocity(self) -> Floats:
        """The velocity on the faces (faces, dimension) [m/s]."""
        return np.asarray(self.u.to_numpy())

    def at_cells(self) -> Floats:
        """The velocity at the middles of the cells (shape, dimension) [m/s]."""
        return centred(self.domain, self.velocity())

    def divergence(self) -> Floats:
        """What the projection left (shape) [m/s per cell]."""
        return self._solver.divergence(self.u, self._kind, self._passes)

    def trace(self, points: NDArray[Any], seconds: float) -> Floats:
        """Where points (n, dimension) [m] go in the velocity as it stands; negative: came from."""
        return traced(self.domain, self.u, points, seconds)

    def restore(self, velocity: Floats) -> None:
        """Go on from a velocity of `velocity()`, to the bit."""
        self.u.from_numpy(np.ascontiguousarray(velocity, np.float32))

    # ---- what pushes; `dt` in seconds

    def rise(self, heat: Any, density: Any, lift: Floats, weight: Floats) -> None:
        """Add `lift` (dimension,) [m/s] for each unit of heat, `weight` for each of density."""
        lift, weight = (np.ascontiguousarray(v, np.float32) for v in (lift, weight))
        add_buoyancy(heat, density, self._passes, lift, weight, self.u)

    def whirl(self, vorticity: float, dt: float) -> None:
        """Confine vorticity: epsilon of Fedkiw et al. 2001, equation 11 [1/s]."""
        if vorticity <= 0:
            return
        find_curl(self.u, self._curl)
        # The force is epsilon h (N x omega), and the curl here is in velocities per cell.
        strength = min(vorticity * dt, MOST_CONFINEMENT)
        confine(strength, self._curl, self._passes, self.u, self._spare_faces[0])
        self.u, self._spare_faces[0] = self._spare_faces[0], self.u

    def thicken(self, viscosity: float, dt: float) -> None:
        """Spread velocity by kinematic viscosity [m^2/s]; walls do not hold what slides."""
        share = viscosity * dt / self.domain.spacing**2
        count = math.ceil(share * 2 * self.domain.dimension / SOFTEST)
        for _ in range(count):
            soften(share / count, self._passes, self.u, self._spare_faces[0])
            self.u, self._spare_faces[0] = self._spare_faces[0], self.u

    def push(self, change: Floats) -> None:
        """Add a change of velocity at the cells (shape, dimension) [m/s]."""
        field = ti.Vector.ndarray(self.domain.dimension, ti.f32, self.domain.shape)
        field.from_numpy(np.ascontiguousarray(change, np.float32))
        add_at_cells(field, self._passes, self.u)

    def drive(self, share: Floats, velocity: Floats) -> None:
        """Speed up, by a `share` (shape), what is slower along `velocity` (dimension,) [m/s].

        What is as fast already is left alone, and so is all where the velocity is zero.
        """
        speed = float(np.linalg.norm(velocity))
        if speed > 0:
            way = velocity / np.float32(speed)
            lacking = np.maximum(speed - self.at_cells() @ way, 0)
            self.push((share * lacking)[..., None] * way)

    # ---- one substep

    def substeps(self, seconds: float, least_speed: float) -> int:
        """How many equal steps the time needs at the speed that the air has now."""
        speed = max(self.top_speed(), least_speed, 1e-9)
        return max(1, math.ceil(seconds * speed / (COURANT * self.domain.spacing)))

    def step(self, dt: float, carried: list[Any], swelling: Floats | None = None) -> None:
        """Advect, reflect, advect, project (Zehnder et al. 2018, algorithm 2); carry fields along.

        The pressure acts in the middle of the step, twice over: so no energy is lost to it. The
        list `carried` of fields of cells is changed in place. `swelling` (shape) [1/s] is how
        fast the air in the cells expands.
        """
        half = dt / 2 / self.domain.spacing
        self._extend()
        guess, moved = self._spare_faces
        carry_faces(self.u, half, self.u, guess, moved)
        self.u, self._spare_faces[1] = moved, self.u
        before = self._spare_faces[1]
        before.copy_from(self.u)
        self.project(swelling, which=0)
        self._extend()
        for n, old in enumerate(carried):
            carry_cells(self.u, 2 * half, old, *self.spare)
            carried[n], self.spare[1] = self.spare[1], old
        _reflect(self.u, before)
        moved = self._moved
        carry_faces(self.u, half, before, self._spare_faces[0], moved)
        self.u, self._moved = moved, self.u
        self.solved = self.project(swelling)

    def project(self, swelling: Floats | None = None, *, which: int = 1) -> Solved:
        """Make the velocity free of divergence but for `swelling` (shape) [1/s].

        `which` of a substep's two projections it is tells what it begins with.
        """
        _hold_walls(self._passes, self._walls, self.u)
        wanted = None if swelling is None else (swelling * self.domain.spacing).astype(np.float32)
        cells = (self.u, self._kind, self._passes)
        if self._tolerance > 0:
            return self._solver.project(*cells, tolerance=self._tolerance, wanted=wanted)
        solved = self._solver.project(
            *cells, tolerance=FINEST, wanted=wanted, enough=DIVERGENCE * self.top_speed(),
            guess=self.pressures[which],
        )  # fmt: skip
        self.pressures[which] = self._solver.pressure.to_numpy()
        return solved

    def _extend(self) -> None:
        """Continue the velocity into obstacles, or what is near them would stick."""
        known, new_known = self._known_faces
        known.from_numpy(self._known)
        u, new_u = self.u, self._spare_faces[0]
        for _ in range(LAYERS if self.solid.any() else 0):
            extend_known(u, known, new_u, new_known)
            u, new_u, known, new_known = new_u, u, new_known, known
        self.u, self._spare_faces[0] = u, new_u


def centred(domain: FluidDomain, velocity: Floats) -> Floats:
    """A velocity on the faces (faces, dimension), brought to the cells (shape, dimension)."""
    result = np.empty((*domain.shape, domain.dimension), np.float32)
    for d in range(domain.dimension):
        line = np.moveaxis(velocity[domain.along(d)], d, 0)
        result[..., d] = np.moveaxis((line[:-1] + line[1:]) / 2, 0, d)
    return result


def traced(domain: FluidDomain, u: Any, points: NDArray[Any], seconds: float) -> Floats:
    """Where points (n, dimension) [m] go along a field of faces `u` [m/s]."""
    inside = (np.asarray(points) - domain.origin) / domain.spacing
    moved = ti.Vector.ndarray(domain.dimension, ti.f32, len(inside))
    moved.from_numpy(np.ascontiguousarray(inside, np.float32))
    trace_points(u, seconds / domain.spacing, moved)
    return np.asarray(moved.to_numpy() * domain.spacing + domain.origin, np.float32)


def _inlets(domain: FluidDomain, wind: Floats) -> Floats:
    """Faces (faces, dimension), 1 where the wind blows in; it must be able to leave as well."""
    inlets = np.zeros((*domain.faces, domain.dimension), np.float32)
    for d in range(domain.dimension):
        if domain.open_low[d] and domain.open_high[d] and wind[d] != 0:
            np.moveaxis(inlets[..., d], d, 0)[0 if wind[d] > 0 else -1] = 1
    return inlets


def _within(domain: FluidDomain, solid: NDArray[np.bool_]) -> Floats:
    """Faces (faces, dimension), 1 between two cells of obstacles."""
    n = solid.ndim
    within = np.zeros((*domain.faces, n), np.float32)
    for d in range(n):
        ends = [(1, 1) if k == d else (0, 0) for k in range(n)]
        line = np.moveaxis(np.pad(solid, ends, mode="edge"), d, 0)
        within[domain.along(d)] = np.moveaxis(line[:-1] & line[1:], 0, d)
    return within


@ti.kernel
def _hold_walls(passes: Field, walls: Field, u: Field):
    for I in ti.grouped(u):
        for d in range(I.n):
            if passes[I][d] == 0.0:
                u[I][d] = walls[I][d]


@ti.kernel
def _reflect(projected: Field, before: Field):
    """Mirror the velocity `before` the projection at what the projection made of it."""
    for I in ti.grouped(before):
        before[I] = 2.0 * projected[I] - before[I]
