"""Smoke: air that is stirred by the heat it carries; stable fluids in two or three dimensions.

Stam, Stable Fluids, 1999, with MacCormack advection (Selle et al. 2008), reflection in the middle
of the step (Zehnder et al. 2018), vorticity confinement and buoyancy of heat and soot (Fedkiw et
al. 2001). Density is in shares of the thickest smoke, heat in
shares of the hottest.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .advection import carry_cells, carry_faces
from .grid import (
    FLUID,
    SOLID,
    Field,
    FluidDomain,
    Numbers,
    cell_field,
    extend_known,
    face_field,
    face_held,
    held,
    is_face,
    trace_points,
)
from .pressure import PressureSolver, Solved

Floats = NDArray[np.float32]

COURANT = 2.0
"Cells that the fastest smoke may cross in a substep."
MOST_SUBSTEPS = 64
MOST_CONFINEMENT = 0.5
"Share of a cell's turn that is added to it in a substep: beyond it whirls feed themselves."
LAYERS = 3
"Cells into obstacles to which the velocity beside them is continued, for what is traced there."


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
    "Strength of the confinement [1]: epsilon of Fedkiw et al., equation 11."
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
        self._solid = solid
        self._kind, self._passes = cell_field(domain, ti.i32), face_field(domain)
        self._kind.from_numpy(np.where(solid, SOLID, FLUID).astype(np.int32))
        wind = np.array(settings.wind or (0.0,) * domain.dimension, np.float32)
        passes = domain.open_faces(solid)
        self._u, self._walls = face_field(domain), face_field(domain)
        self._u.from_numpy((passes * wind).astype(np.float32))
        inlets = _inlets(domain, wind) * passes
        self._walls.from_numpy((inlets * wind).astype(np.float32))
        self._passes.from_numpy((passes * (1 - inlets)).astype(np.float32))
        self._known = 1 - _within(domain, solid)
        self._density, self._heat = cell_field(domain), cell_field(domain)
        self._spare = [cell_field(domain) for _ in range(2)]
        self._spare_faces = [face_field(domain) for _ in range(2)]
        self._moved = face_field(domain)
        self._known_faces = [face_field(domain) for _ in range(2)]
        self._curl = cell_field(domain)
        self._solver = PressureSolver(domain)
        self.solved = self._project()

    def advance(self, seconds: float, source: Floats | None = None) -> None:
        """Let time pass; `source` (shape) is how much smoke, as hot, comes in each second [1/s].

        Smoke and heat do not rise over 1. The substeps follow from the speed.
        """
        left = seconds
        for k in range(MOST_SUBSTEPS):
            speed = max(self.top_speed(), math.sqrt(abs(self._settings.lift) * self.domain.spacing))
            most = COURANT * self.domain.spacing / max(speed, 1e-9)
            count = min(max(1, math.ceil(left / most)), MOST_SUBSTEPS - k)
            self._substep(left / count, source)
            left -= left / count
            if count == 1:
                return

    def top_speed(self) -> float:
        """The fastest component of the velocity [m/s]."""
        return float(np.abs(self._u.to_numpy()).max())

    def density(self) -> Floats:
        """How thick the smoke is (shape), 0..1."""
        return np.where(self._solid, 0, self._density.to_numpy()).astype(np.float32)

    def heat(self) -> Floats:
        return np.where(self._solid, 0, self._heat.to_numpy()).astype(np.float32)

    def velocity(self) -> Floats:
        """The velocity on the faces (faces, dimension) [m/s]."""
        return np.asarray(self._u.to_numpy())

    def divergence(self) -> Floats:
        """What the projection left (shape) [m/s per cell]."""
        return self._solver.divergence(self._u, self._kind, self._passes)

    def trace(self, points: NDArray[Any], seconds: float) -> Floats:
        """Where points (n, dimension) [m] go in the velocity as it stands; negative: came from."""
        inside = (np.asarray(points) - self.domain.origin) / self.domain.spacing
        moved = ti.Vector.ndarray(self.domain.dimension, ti.f32, len(inside))
        moved.from_numpy(np.ascontiguousarray(inside, np.float32))
        trace_points(self._u, seconds / self.domain.spacing, moved)
        return np.asarray(moved.to_numpy() * self.domain.spacing + self.domain.origin, np.float32)

    def state(self) -> dict[str, Floats]:
        """Return all that the next step reads."""
        return {"velocity": self.velocity(), "density": self.density(), "heat": self.heat()}

    def restore(self, state: dict[str, Floats]) -> None:
        """Go on from `state`, to the bit."""
        self._u.from_numpy(np.ascontiguousarray(state["velocity"], np.float32))
        self._density.from_numpy(np.ascontiguousarray(state["density"], np.float32))
        self._heat.from_numpy(np.ascontiguousarray(state["heat"], np.float32))

    # ---- one substep

    def _substep(self, dt: float, source: Floats | None) -> None:
        """Advect, reflect, advect, project (Zehnder et al. 2018, algorithm 2).

        The pressure acts in the middle of the step, twice over: so no energy is lost to it.
        """
        half = dt / 2 / self.domain.spacing
        self._emit(dt, source)
        self._push(dt)
        self._carry_velocity(half)
        before = self._spare_faces[1]
        before.copy_from(self._u)
        self._project()
        self._extend()
        for name in ("_density", "_heat"):
            old = getattr(self, name)
            carry_cells(self._u, 2 * half, old, *self._spare)
            setattr(self, name, self._spare[1])
            self._spare[1] = old
        _reflect(self._u, before)
        moved = self._moved
        carry_faces(self._u, half, before, self._spare_faces[0], moved)
        self._u, self._moved = moved, self._u
        self.solved = self._project()

    def _carry_velocity(self, step: float) -> None:
        self._extend()
        guess, moved = self._spare_faces
        carry_faces(self._u, step, self._u, guess, moved)
        self._u, self._spare_faces[1] = moved, self._u

    def _extend(self) -> None:
        """Continue the velocity into obstacles, or what is near them would stick."""
        known, new_known = self._known_faces
        known.from_numpy(self._known)
        u, new_u = self._u, self._spare_faces[0]
        for _ in range(LAYERS if self._solid.any() else 0):
            extend_known(u, known, new_u, new_known)
            u, new_u, known, new_known = new_u, u, new_known, known
        self._u, self._spare_faces[0] = u, new_u

    def _emit(self, dt: float, source: Floats | None) -> None:
        settings = self._settings
        given = np.zeros(self.domain.shape, np.float32) if source is None else source
        if given.shape != self.domain.shape:
            raise ValueError(f"expected a source {self.domain.shape}, got {given.shape}")
        came = np.where(self._solid, 0, given * dt)
        for name, lost in (("_density", settings.thinning), ("_heat", settings.cooling)):
            held = getattr(self, name)
            kept = np.where(self._solid, 0, held.to_numpy()) * math.exp(-lost * dt)
            held.from_numpy(np.maximum(kept, np.minimum(kept + came, 1)).astype(np.float32))

    def _push(self, dt: float) -> None:
        settings, up = self._settings, np.array(self._settings.up)
        lift = (dt * settings.lift * up).astype(np.float32)
        weight = (-dt * settings.weight * up).astype(np.float32)
        _add_buoyancy(self._heat, self._density, self._passes, lift, weight, self._u)
        if settings.vorticity > 0:
            _find_curl(self._u, self._curl)
            # The force is epsilon h (N x omega), and the curl here is in velocities per cell.
            strength = min(settings.vorticity * dt, MOST_CONFINEMENT)
            moved = self._spare_faces[0]
            _confine(strength, self._curl, self._passes, self._u, moved)
            self._u, self._spare_faces[0] = moved, self._u

    def _project(self) -> Solved:
        _hold_walls(self._passes, self._walls, self._u)
        return self._solver.project(self._u, self._kind, self._passes)


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


@ti.kernel
def _add_buoyancy(
    heat: Field, density: Field, passes: Field, lift: Numbers, weight: Numbers, u: Field
):
    for I in ti.grouped(u):
        for d in range(I.n):
            if is_face(u, I, d) and passes[I][d] > 0.0:
                low = I
                low[d] -= 1
                a, b = held(heat, low), held(heat, I)
                warm, thick = 0.5 * (heat[a] + heat[b]), 0.5 * (density[a] + density[b])
                u[I][d] += lift[d] * warm + weight[d] * thick


@ti.func
def _difference(u: ti.template(), I, d, e):
    """How u_d changes from cell to cell along e, at the centre of cell I."""
    result = 0.0
    if d == e:
        J = I
        J[d] += 1
        result = u[J][d] - u[I][d]
    else:
        for side in range(2):
            ahead, behind = I, I
            ahead[d] += side
            behind[d] += side
            ahead[e] += 1
            behind[e] -= 1
            result += 0.25 * (u[face_held(u, ahead, d)][d] - u[face_held(u, behind, d)][d])
    return result


@ti.kernel
def _find_curl(u: Field, curl: Field):
    """The size of the curl at the cells [velocity per cell]."""
    for I in ti.grouped(curl):
        square = 0.0
        for d in range(I.n):
            for e in range(d + 1, I.n):
                turn = _difference(u, I, d, e) - _difference(u, I, e, d)
                square += turn * turn
        curl[I] = ti.sqrt(square)


@ti.func
def _confinement(u: ti.template(), curl: ti.template(), I, d):
    """Component d of N x omega at cell I: sum_e N_e (d u_e / d x_d - d u_d / d x_e)."""
    n = ti.cast(I, ti.f32) * 0.0
    for e in range(I.n):
        ahead, behind = I, I
        ahead[e] += 1
        behind[e] -= 1
        n[e] = 0.5 * (curl[held(curl, ahead)] - curl[held(curl, behind)])
    n /= n.norm() + 1e-12
    total = 0.0
    for e in range(I.n):
        if e != d:
            total += n[e] * (_difference(u, I, e, d) - _difference(u, I, d, e))
    return total


@ti.kernel
def _confine(strength: ti.f32, curl: Field, passes: Field, u: Field, new: Field):
    """Fedkiw et al. 2001, equations 9 to 11."""
    for I in ti.grouped(u):
        v = u[I]
        for d in range(I.n):
            if is_face(u, I, d) and passes[I][d] > 0.0:
                low = I
                low[d] -= 1
                force = _confinement(u, curl, held(curl, low), d)
                v[d] += 0.5 * strength * (force + _confinement(u, curl, held(curl, I), d))
        new[I] = v
