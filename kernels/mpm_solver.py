"""The material point method for many bodies and laws; arrays in, arrays out. Called by a stage.

A substep: scatter particles to the grid, apply forces, ground, walls and colliders there,
gather back. Its length follows from the CFL condition. Tracers ride along (mpm_tracers).
On the CPU the same input gives the same bits, whatever the number of threads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import taichi as ti
from numpy.typing import ArrayLike, NDArray

from . import colliders as contacts
from . import mpm_grid, mpm_state, mpm_tracers, mpm_transfer
from .colliders import Collider, ColliderField, Plane, motion_between
from .mpm_energy import Totals, measure_totals
from .mpm_materials import KIND, WATER, WAVE2, Law, law_kinds, law_table
from .mpm_state import BLOCK, Layout, Points, Sorter

COURANT = 0.4
"""Cells that the fastest wave may run in a substep."""
STRIDE = 0.25
"""Cells that the fastest particle may move in a substep."""
DRIFT = 0.98
"""Cells that particles may move before they are sorted again; under 1, as the blocks rely on it."""
RIDE = 0.3
"""Cells that the grid may move before the tracers follow."""
RIDE_SUBSTEPS = 10
WALLS = {"open": mpm_grid.OPEN_WALL, "slip": mpm_grid.SLIP_WALL, "stick": mpm_grid.STICK_WALL}
REASONS = {
    mpm_transfer.NOT_FINITE: "its velocity or stress is not finite",
    mpm_transfer.TOO_FAST: "it moved by more than a cell in one substep",
    mpm_transfer.INVERTED: "it was turned inside out",
}


@dataclass(frozen=True)
class Domain:
    """The box that is simulated: `shape` cells of `spacing` metres from the corner `origin`."""

    origin: tuple[float, float, float]
    spacing: float
    shape: tuple[int, int, int]
    walls: Literal["open", "slip", "stick"]


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


@dataclass(frozen=True)
class Advance:
    """What an interval took."""

    substeps: int
    smallest_step: float
    top_speed: float
    "m/s, along the fastest axis."
    left: int
    "Particles outside of the open domain so far; they stay where they left it."


class Diverged(RuntimeError):
    """The simulation blew up; says which particle and body, and how."""

    def __init__(self, particle: int, body: int, reason: str) -> None:
        super().__init__(f"Particle {particle} of body {body} went wrong: {reason}.")
        self.particle = particle
        self.body = body
        self.reason = reason


class MpmSolver:
    """Particles, tracers, grid and colliders of one simulation.

    `largest_step` [s] bounds the substep from above beyond what the CFL condition asks.
    Raises ValueError for particles or tracers that lie outside of the domain or are not finite.
    """

    def __init__(
        self,
        domain: Domain,
        laws: Sequence[Law],
        particles: Particles,
        tracers: Tracers,
        colliders: Sequence[Collider],
        ground: Plane | None,
        *,
        largest_step: float = math.inf,
    ) -> None:
        _check_inside(domain, "particles", particles.position)
        _check_inside(domain, "tracers", tracers.position)
        self._domain = domain
        self._layout = Layout(domain.origin, domain.spacing, domain.shape)
        self._laws = tuple(laws)
        self._table = law_table(laws)
        self._kinds = law_kinds(laws)
        self._largest_step = largest_step
        self._ground = ground
        self._colliders = [ColliderField(collider) for collider in colliders]
        self._particles, self._spare_particles = (
            mpm_state.empty_particles(len(particles.position)) for _ in range(2)
        )
        self._tracers, self._spare_tracers = (
            mpm_state.empty_tracers(len(tracers.position)) for _ in range(2)
        )
        self._round = np.asarray(tracers.round, bool)
        self._sorter = Sorter(self._layout)
        self._grid = ti.Vector.ndarray(4, ti.f32, self._layout.node_count)
        self._motion = ti.Vector.ndarray(4, ti.f32, self._layout.node_count)
        self._on_cpu = ti.cfg.arch in (ti.x64, ti.arm64)
        runs = -(-max(len(particles.position), 1) // mpm_transfer.RUN) if self._on_cpu else 1
        self._report = np.zeros((runs, mpm_transfer.REPORT), np.float32)
        self._pushes = np.zeros(
            (-(-max(len(particles.position), 1) // contacts.RUN), 1), np.float32
        )
        self._gravity = np.zeros(3)
        self._left = 0
        self._top_speed = float(np.abs(particles.velocity).max(initial=0))
        self._top_wave = math.sqrt(self._table[particles.law, WAVE2].max(initial=1e-12))
        self._smallest_viscous = _viscous_limit(laws, domain.spacing)
        self._span = np.zeros((0, 4), np.int32)
        self._tasks = np.zeros((0, 2), np.int32)
        self._ends = (0, 0, 0, 0)
        self._drift = 0.0
        self._tracer_drift = math.inf
        self._pending = 0.0
        self._steps: list[float] = []
        self._load(particles, tracers)

    def _load(self, particles: Particles, tracers: Tracers) -> None:
        count, seen = len(particles.position), len(tracers.position)
        cell, offset = self._layout.split(particles.position)
        density = np.array([law.density for law in self._laws])
        eye = np.eye(3, dtype=np.float32)
        values: dict[str, NDArray[Any]] = {
            "cell": cell,
            "offset": offset,
            "index": np.arange(count, dtype=np.int32),
            "velocity": np.asarray(particles.velocity, np.float32),
            "gradient": np.zeros((count, 3, 3), np.float32),
            "deformation": np.broadcast_to(eye, (count, 3, 3)),
            "stress": np.zeros((count, 6), np.float32),
            "mass": (particles.volume * density[particles.law]).astype(np.float32),
            "volume": np.asarray(particles.volume, np.float32),
            "gained": np.zeros(count, np.float32),
            "law": np.asarray(particles.law, np.int32),
            "body": np.asarray(particles.body, np.int32),
        }
        self._particles.load(values)
        cell, offset = self._layout.split(tracers.position)
        values = {
            "cell": cell,
            "offset": offset,
            "index": np.arange(seen, dtype=np.int32),
            "deformation": np.broadcast_to(eye, (seen, 3, 3)),
            "body": np.asarray(tracers.body, np.int32),
        }
        self._tracers.load(values)

    # ---- stepping

    def advance(
        self, seconds: float, push: Push, on_substep: Callable[[float], None] | None = None
    ) -> Advance:
        """Simulate an interval.

        `on_substep` gets the fraction done after every substep and may raise: the state is then
        undefined until `restore`. Raises Diverged where the simulation blows up.
        """
        self._gravity = np.asarray(push.gravity, float)
        force = _summed(push)
        # Every interval starts sorted, so that a restored one goes on with the same bits.
        self._sort()
        done, count, smallest, top = 0.0, 0, math.inf, self._top_speed
        while done < seconds * (1 - 1e-9):
            rest = seconds - done
            dt = rest / math.ceil(rest / self._step_limit() - 1e-6)
            if self._drift + dt * self._next_speed(force, dt) / self._domain.spacing > DRIFT:
                self._sort()
            self._substep(dt, force, push, seconds, (done + dt) / seconds)
            done, count = done + dt, count + 1
            smallest, top = min(smallest, dt), max(top, self._top_speed)
            if on_substep:
                on_substep(min(1.0, done / seconds))
        self._ride()
        return Advance(count, smallest, top, self._left)

    def _step_limit(self) -> float:
        h = self._domain.spacing
        wave = COURANT * h / self._top_wave
        stride = STRIDE * h / max(self._top_speed, 1e-9)
        return min(wave, stride, self._smallest_viscous, self._largest_step)

    def _next_speed(self, force: NDArray[np.float64], dt: float) -> float:
        return self._top_speed

    def _substep(
        self,
        dt: float,
        force: NDArray[np.float64],
        push: Push,
        seconds: float,
        fraction: float,
    ) -> None:
        self._clear()
        self._scatter(dt)
        self._update_grid(dt, force)
        for number, field in enumerate(self._colliders):
            start, end = push.collider_from[number], push.collider_to[number]
            motion = motion_between(np.asarray(start), np.asarray(end), seconds, fraction)
            table = field.table(motion, np.asarray(self._domain.origin))
            self._collide(field, table)
        self._gather(dt)
        for number, field in enumerate(self._colliders):
            start, end = push.collider_from[number], push.collider_to[number]
            motion = motion_between(np.asarray(start), np.asarray(end), seconds, fraction)
            table = field.table(motion, np.asarray(self._domain.origin))
            self._push_out(field, table)
        self._pending = dt
        self._steps.append(dt)
        moved = sum(self._steps) * self._top_speed / self._domain.spacing
        if moved > RIDE or len(self._steps) >= RIDE_SUBSTEPS:
            self._ride()

    @property
    def _strides(self) -> tuple[int, int]:
        _, ny, nz = self._layout.nodes
        return ny * nz, nz

    def _clear(self) -> None:
        pending = self._pending if self._tracers.count else 0.0
        mpm_grid.clear_blocks(*self._strides, pending, self._span, self._grid, self._motion)
        self._pending = 0.0

    def _scatter(self, dt: float) -> None:
        p, h = self._particles, self._domain.spacing
        carried = (p.cell, p.offset, p.velocity, p.gradient, p.stress, p.mass, p.volume, self._grid)
        if self._on_cpu:
            tasks = (*self._ends, self._tasks)
            mpm_transfer.scatter_colored(*self._strides, h, dt, *tasks, *carried)
        else:
            mpm_transfer.scatter_atomic(*self._strides, h, dt, p.law, *carried)

    def _update_grid(self, dt: float, force: NDArray[np.float64]) -> None:
        ground = ti.math.vec4(0.0)
        if self._ground:
            node = self._floor + mpm_state.PAD
            boundary = contacts.BOUNDARIES[self._ground.boundary]
            ground = ti.math.vec4(1.0, node, boundary, self._ground.friction)
        mpm_grid.update_blocks(
            *self._strides,
            dt,
            ti.math.vec4(*force),
            WALLS[self._domain.walls],
            ti.math.ivec3(*self._domain.shape),
            ground,
            self._span,
            self._grid,
        )

    @property
    def _floor(self) -> float:
        """Height of the ground above the domain's low side, in cells."""
        if self._ground is None:
            return -1.0
        return (self._ground.height - self._domain.origin[2]) / self._domain.spacing

    def _collide(self, field: ColliderField, table: NDArray[np.float32]) -> None:
        h = self._domain.spacing
        contacts.collide_blocks(
            *self._strides, h, 0.0, table, field.distance, self._span, self._grid
        )

    def _push_out(self, field: ColliderField, table: NDArray[np.float32]) -> None:
        p = self._particles
        contacts.push_out(
            self._domain.spacing,
            table,
            field.distance,
            p.law,
            p.cell,
            p.offset,
            p.velocity,
            self._pushes,
        )
        self._drift += float(self._pushes.max(initial=0))

    def _gather(self, dt: float) -> None:
        p, h = self._particles, self._domain.spacing
        self._report[:] = 0
        self._report[:, mpm_transfer.FAILED] = -1
        gather = mpm_transfer.gather_runs if self._on_cpu else mpm_transfer.gather_all
        gather(
            *self._strides, h, dt, int(self._domain.walls == "open"), self._floor,
            ti.math.ivec3(*self._domain.shape), self._kinds, self._table, p.law, p.cell, p.offset,
            p.velocity, p.gradient, p.deformation, p.stress, p.gained, self._grid, self._report,
        )  # fmt: skip
        report = self._report
        failed = report[:, mpm_transfer.REASON] > 0
        if failed.any():
            first = report[failed.argmax()]
            row = int(first[mpm_transfer.FAILED])
            reason = REASONS[int(first[mpm_transfer.REASON])]
            index, body = p.index.to_numpy()[row], p.body.to_numpy()[row]
            raise Diverged(int(index), int(body), reason)
        self._top_speed = float(report[:, mpm_transfer.SPEED].max(initial=0))
        self._top_wave = math.sqrt(report[:, mpm_transfer.WAVE].max(initial=1e-12))
        self._left += int(report[:, mpm_transfer.LEFT].sum())
        self._drift += dt * self._top_speed / h

    def _ride(self) -> None:
        """Let the tracers follow the grid's motion since they last did."""
        if not self._steps:
            return
        self._clear()
        t = self._tracers
        if t.count:
            one = sum(self._steps)
            squares, cubes = sum(s**2 for s in self._steps), sum(s**3 for s in self._steps)
            two = (one**2 - squares) / 2
            three = (one**3 - 3 * one * squares + 2 * cubes) / 6
            size = ti.math.ivec3(*self._domain.shape)
            mpm_tracers.ride(
                *self._strides, self._domain.spacing, one, two, three, size, self._motion, t.cell,
                t.offset, t.deformation,
            )  # fmt: skip
            mpm_grid.zero_blocks(*self._strides, self._span, self._motion)
            self._tracer_drift += one * self._top_speed / self._domain.spacing
        self._steps.clear()

    def _sort(self) -> None:
        self._ride()
        rows, block_start = self._sorter.order(self._particles.cell, self._particles.law)
        into = self._spare_particles
        mpm_state.take_particles(rows, *self._particles.arrays, *into.arrays)
        self._particles, self._spare_particles = into, self._particles
        height = into.cell.to_numpy()[:, 2]
        self._plan(block_start, height)
        self._drift = 0.0
        if self._tracers.count:
            rows, _ = self._sorter.order(self._tracers.cell, None)
            mpm_state.take_tracers(rows, *self._tracers.arrays, *self._spare_tracers.arrays)
            self._tracers, self._spare_tracers = self._spare_tracers, self._tracers

    def _plan(self, block_start: NDArray[np.int32], height: NDArray[np.int32]) -> None:
        """Lay out the scatter's tasks by colour, and the active blocks with their spans of z."""
        across, along = self._layout.blocks
        full = np.flatnonzero(np.diff(block_start))
        bx, by = full // along, full % along
        color = bx % 2 * 2 + by % 2
        # The longest first, so that threads end together.
        order = np.lexsort((-np.diff(block_start)[full], color))
        tasks = np.stack([block_start[full], block_start[full + 1]], axis=1)[order]
        self._tasks = np.ascontiguousarray(tasks, np.int32)
        ends = np.bincount(color, minlength=4).cumsum()
        self._ends = (int(ends[0]), int(ends[1]), int(ends[2]), int(ends[3]))
        low = np.full((across + 2, along + 2), np.iinfo(np.int32).max)
        high = np.full((across + 2, along + 2), -1)
        if len(full):
            low[bx + 1, by + 1] = np.minimum.reduceat(height, block_start[full])
            high[bx + 1, by + 1] = np.maximum.reduceat(height[: block_start[-1]], block_start[full])
        near = [(i, j) for i in range(3) for j in range(3)]
        low = np.min([low[i : across + i, j : along + j] for i, j in near], axis=0)
        high = np.max([high[i : across + i, j : along + j] for i, j in near], axis=0)
        bx, by = np.nonzero(high >= 0)
        first = np.maximum(low[bx, by] - 1, 0)
        last = np.minimum(high[bx, by] + 5, self._layout.nodes[2])
        self._span = np.stack([bx * BLOCK, by * BLOCK, first, last], axis=1).astype(np.int32)

    # ---- reading

    def position(self) -> NDArray[np.float32]:
        """Particle positions [m], (n, 3), world."""
        return self._placed(self._particles)

    def velocity(self) -> NDArray[np.float32]:
        """Particle velocities [m/s], (n, 3)."""
        return self._unsorted(self._particles, self._particles.velocity)

    def deformation(self) -> NDArray[np.float32]:
        """Elastic deformation gradients (n, 3, 3); the stretch alone for sand and water."""
        f = self._particles.deformation.to_numpy()
        water = self._table[np.maximum(self._particles.law.to_numpy(), 0), KIND] == WATER
        f[water] = np.cbrt(f[water, 0, 0])[:, None, None] * np.eye(3)
        return self._in_order(self._particles, f)

    def tracer_position(self) -> NDArray[np.float32]:
        """Tracer positions [m], (m, 3), world."""
        return self._placed(self._tracers)

    def tracer_deformation(self) -> NDArray[np.float32]:
        """Total deformation gradients of the tracers, (m, 3, 3); J^(1/3) for round ones."""
        f = self._unsorted(self._tracers, self._tracers.deformation)
        j = np.maximum(np.linalg.det(f[self._round]), 1e-6)
        f[self._round] = np.cbrt(j)[:, None, None] * np.eye(3, dtype=np.float32)
        return f

    def tracer_normal(self) -> NDArray[np.float32]:
        """Unit normals down the gradient of mass at the tracers, (m, 3); 0 where there is none."""
        t = self._tracers
        normal = np.zeros((max(t.count, 1), 3), np.float32)
        if t.count:
            self._sort()
            self._clear()
            self._scatter(0.0)
            t = self._tracers
            mpm_tracers.mass_normals(*self._strides, self._grid, t.cell, t.offset, normal)
            self._clear()
        return self._in_order(t, normal)

    def totals(self) -> Totals:
        """Sum up mass, momenta and energies; frozen particles are left out."""
        p = self._particles
        return measure_totals(
            p, self.sorted_position(), self._laws, self._domain.spacing, self._gravity
        )

    def sorted_position(self) -> NDArray[np.float64]:
        p = self._particles
        return self._layout.join(p.cell.to_numpy(), p.offset.to_numpy())

    def _placed(self, points: Points) -> NDArray[np.float32]:
        at = self._layout.join(points.cell.to_numpy(), points.offset.to_numpy())
        return self._in_order(points, at.astype(np.float32))

    def _unsorted(self, points: Points, values: Any) -> NDArray[np.float32]:
        return self._in_order(points, values.to_numpy())

    def _in_order(self, points: Points, values: NDArray[np.float32]) -> NDArray[np.float32]:
        result = np.empty_like(values)
        result[points.index.to_numpy()] = values
        return result[: points.count]

    # ---- checkpoints

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Take all that is needed to go on with the same bits."""
        saved = {f"particle_{name}": value for name, value in self._particles.save().items()}
        saved |= {f"tracer_{name}": value for name, value in self._tracers.save().items()}
        state = [self._top_speed, self._top_wave, self._left, *self._gravity]
        return saved | {"state": np.array(state, np.float64)}

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Go back to a checkpoint of this solver or of one made from the same input."""
        self._pending = 0.0
        self._steps.clear()
        mpm_grid.zero_blocks(*self._strides, self._span, self._motion)
        for prefix, points in (("particle_", self._particles), ("tracer_", self._tracers)):
            points.load(
                {name[len(prefix) :]: v for name, v in saved.items() if name.startswith(prefix)}
            )
        self._top_speed, self._top_wave = (float(value) for value in saved["state"][:2])
        self._left, self._gravity = int(saved["state"][2]), saved["state"][3:].copy()


def _check_inside(domain: Domain, what: str, position: NDArray[np.float32]) -> None:
    if len(position) == 0:
        return
    low = np.asarray(domain.origin)
    high = low + domain.spacing * np.asarray(domain.shape)
    slack = 1e-4 * domain.spacing
    inside = ((position >= low - slack) & (position <= high + slack)).all(axis=1)
    if not inside.all():
        at = position[inside.argmin()]
        raise ValueError(f"Expected {what} inside of the domain {low} to {high}, got one at {at}.")


def _viscous_limit(laws: Sequence[Law], spacing: float) -> float:
    """Longest stable step of explicit viscosity: h^2 rho / (6 eta)."""
    rates = [getattr(law, "viscosity", 0.0) / law.density for law in laws]
    return spacing**2 / (6 * max(rates)) if max(rates, default=0) > 0 else math.inf


def _summed(push: Push) -> NDArray[np.float64]:
    """Return the acceleration [m/s^2] of gravity and all winds, and their drag [1/s], (4,)."""
    total = np.zeros(4)
    total[:3] = push.gravity
    for acceleration, flow in push.wind:
        total[:3] += acceleration
        total[3] += flow
    return total
