"""The material point method for many bodies and laws; arrays in, arrays out. Called by a stage.

A substep: scatter particles to the grid, apply forces, ground, walls and colliders there,
gather back. Its length follows from the CFL condition. Tracers ride along (tracers).
On the CPU the same input gives the same bits, whatever the number of threads.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .colliders import Plane
from .contact.given import Meeting, one_field
from .deforming import Solid
from .forces.acting import Acting
from .forces.given import Region
from .growth import Growth, Sides, grown
from .input import Advance, Diverged, Domain, Particles, Push, Tracers, check_inside, first_values
from .materials.laws import Law
from .materials.table import CREAM, KIND, WATER, WAVE2, viscous_step, wave_step
from .state import FROZEN, Points
from .stepper import Stepper
from .totals import (
    Sample,
    Totals,
    count_left,
    look_at_particles,
    measure_bodies,
    sample_particles,
    tally_bodies,
    together,
)
from .tracers import parents_of

__all__ = ["Advance", "Diverged", "Domain", "MpmSolver", "Particles", "Push", "Totals", "Tracers"]

Floats = NDArray[np.float32]


class Rigid(Protocol):
    """Rigid bodies that meet the grid's matter: see rigid.coupling, which stands on this module."""

    def kick(
        self, push: Push, force: NDArray[Any], place: tuple[float, float, float, float]
    ) -> None: ...
    def top_speed(self) -> float: ...
    def act(self, stepper: Stepper, dt: float) -> None: ...
    def push_out(self, stepper: Stepper) -> float: ...
    def keep_tracers_out(self, stepper: Stepper) -> None: ...
    def checkpoint(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, saved: dict[str, NDArray[Any]]) -> None: ...


STRIDE = 0.25
"""Cells that the fastest particle may move in a substep."""
DRIFT = 0.98
"""Cells that particles may move before they are sorted again; under 1, as the blocks rely on it."""
SWEEP = 0.5
"""Cells that the fastest collider may move in a substep: thin ones then meet every node."""
MOST_STEPS = 20_000
"""Substeps of an interval that colliders alone may ask for."""
RIDE = 0.3
"""Cells that the grid may move before the tracers follow."""
RIDE_SUBSTEPS = 6
TRACER_DRIFT = 2.0
"""Cells that tracers may move before they are sorted again: only speed depends on it."""
PUSH = 0.1
"""Cells that particles may move before those inside of colliders are pushed out."""


class MpmSolver:
    """Particles, tracers, grid and colliders of one simulation.

    Without a `meeting` all bodies share one motion where they touch. `largest_step` [s] bounds
    the substep from above beyond what the CFL condition asks. With `growth` an open domain grows
    with what comes near to its sides.
    Raises ValueError for particles or tracers that lie outside of the domain or are not finite.
    """

    def __init__(
        self,
        domain: Domain,
        laws: Sequence[Law],
        particles: Particles,
        tracers: Tracers,
        colliders: Sequence[Solid],
        ground: Plane | None,
        *,
        regions: Sequence[Region] = (),
        rigid: Rigid | None = None,
        meeting: Meeting | None = None,
        largest_step: float = math.inf,
        growth: Growth | None = None,
    ) -> None:
        check_inside(domain, "particles", particles.position)
        check_inside(domain, "tracers", tracers.position)
        self.domain = self._first = domain
        self._growth = growth
        self._laws = tuple(laws)
        self._largest_step = min(largest_step, viscous_step(laws, domain.spacing))
        self._round = np.asarray(tracers.round, bool)
        counts = len(particles.position), len(tracers.position)
        bodies = 1 + int(max(particles.body.max(initial=0), tracers.body.max(initial=0)))
        meeting = meeting or one_field(bodies)
        if len(meeting.field) < bodies:
            raise ValueError(f"Expected to be told how {bodies} bodies meet, got {meeting}.")
        self._stepper = Stepper(domain, laws, counts, colliders, ground, meeting)
        mass, layout = particles.masses(laws), self._stepper.layout
        self._stepper.particles.load(first_values(particles, layout, mass))
        self._stepper.tracers.load(first_values(tracers, layout, mass))
        self._parents = parents_of(particles, tracers)
        self._acting = Acting(domain, regions, particles, mass)
        self._rigid = rigid
        self._gravity = np.zeros(3)
        self._left = 0
        self._top_speed = float(np.abs(particles.velocity).max(initial=0))
        waves = self._stepper.table[particles.law, WAVE2]
        self._top_wave = math.sqrt(waves.max(initial=1e-12))
        self._sweep = math.inf
        self._last_step = 0.0
        self._drift = 0.0
        self._tracer_drift = math.inf
        self._unpushed = 0.0
        self._pending = 0.0
        self._steps: list[float] = []
        self._placed: list[Floats] = []

    # ---- stepping

    def advance(
        self,
        seconds: float,
        push: Push,
        on_substep: Callable[[float], None] | None = None,
        *,
        caution: float = 1.0,
    ) -> Advance:
        """Simulate an interval.

        `on_substep` gets the fraction done after every substep and may raise: the state is then
        undefined until `restore`. `caution` scales the longest step that is taken. Raises Diverged
        where the simulation blows up, and what the growth raises.
        """
        self._gravity = np.asarray(push.gravity, float)
        force = push.force()
        self._acting.begin(push, seconds)
        self._stepper.begin(push, seconds)
        # Every interval starts sorted, so that a restored one goes on with the same bits.
        self._sort_with_room()
        self._sweep = self._longest_sweep(push, seconds)
        done, count, smallest, top = 0.0, 0, math.inf, self._top_speed
        while done < seconds * (1 - 1e-9):
            if self._drift > DRIFT and self._sort_with_room():
                self._sweep = self._longest_sweep(push, seconds)
            rest = seconds - done
            dt = rest / max(1, math.ceil(rest / (caution * self._step_limit()) - 1e-6))
            self._acting.place(done, dt, self._last_step)
            if self._rigid:
                self._rigid.kick(push, force, (seconds, done, dt, self._last_step))
            self._substep(dt, force, self._stepper.place(push, seconds, (done + dt) / seconds))
            done, count = done + dt, count + 1
            smallest, top = min(smallest, dt), max(top, self._top_speed)
            if on_substep:
                on_substep(min(1.0, done / seconds))
        if count:
            self._push_out(self._stepper.place(push, seconds, 1.0))
        self._ride()
        self._find_lost()
        self._acting.end()
        return Advance(count, smallest if count else 0.0, top, self._left)

    def _step_limit(self) -> float:
        h = self.domain.spacing
        wave = wave_step(self._top_wave, h)
        fastest = max(self._top_speed, self._rigid.top_speed() if self._rigid else 0.0)
        stride = STRIDE * h / max(fastest + self._acting.coming_speed, 1e-9)
        return min(wave, stride, self._sweep, self._largest_step, self._acting.largest_step)

    def _longest_sweep(self, push: Push, seconds: float) -> float:
        """Return the longest substep [s] in which no collider passes over nodes."""
        h, low = self.domain.spacing, np.asarray(self.domain.origin)
        box = low, low + h * np.asarray(self.domain.shape)
        ways = zip(self._stepper.colliders, push.collider_from, push.collider_to, strict=True)
        speed = max((one.top_speed(a, b, seconds, box) for one, a, b in ways), default=0.0)
        return max(SWEEP * h / max(speed, 1e-9), seconds / MOST_STEPS)

    def _substep(self, dt: float, force: NDArray[np.float64], tables: list[Floats]) -> None:
        stepper, acting, h = self._stepper, self._acting, self.domain.spacing
        self._placed = tables
        stepper.clear(self._pending)
        acting.before_scatter(stepper)
        stepper.scatter(dt)
        # Velocities live half a step before positions (leapfrog): so a fall is exact at any step.
        acting.on_grid(stepper)
        stepper.meet(dt)
        stepper.update_grid((self._last_step + dt) / 2, force)
        self._last_step = dt
        stepper.collide(tables, dt)
        if self._rigid:
            self._rigid.act(stepper, dt)
        acting.before_gather(stepper)
        self._top_speed, self._top_wave, left = stepper.gather(dt)
        acting.after_gather(stepper)
        self._left += left
        moved = dt * max(self._top_speed, acting.hold_speed) / h
        self._drift += moved
        self._unpushed += moved
        if self._unpushed > PUSH:
            self._drift += self._push_out(tables)
        self._pending = dt
        self._steps.append(dt)
        if sum(self._steps) * self._top_speed / h > RIDE or len(self._steps) >= RIDE_SUBSTEPS:
            self._ride()

    def _push_out(self, tables: list[Floats]) -> float:
        """Move particles out of colliders and rigid bodies; return the longest way [cells]."""
        self._unpushed = 0.0
        longest = self._stepper.push_out(tables)
        return longest + (self._rigid.push_out(self._stepper) if self._rigid else 0.0)

    def _keep_tracers_out(self) -> None:
        self._stepper.keep_tracers_out(self._placed)
        if self._rigid:
            self._rigid.keep_tracers_out(self._stepper)

    def _ride(self) -> None:
        """Let the tracers follow the grid's motion since they last did."""
        if not self._steps:
            return
        self._stepper.clear(self._pending)
        self._stepper.ride(self._steps)
        self._keep_tracers_out()
        self._tracer_drift += sum(self._steps) * self._top_speed / self.domain.spacing
        self._pending = 0.0
        self._steps.clear()

    def _find_lost(self) -> None:
        """Bring tracers that the matter has left, at walls and in spray, back to it."""
        if len(self._parents):
            self._sort()
            self._stepper.clear(0.0)
            self._stepper.scatter(0.0)
            self._stepper.leash(self._parents)
            self._stepper.clear(0.0)
            self._keep_tracers_out()

    def _sort_with_room(self) -> bool:
        """Sort; before, let the domain grow where matter is near its open sides: whether it did."""
        self._ride()
        grows = False
        if self._growth is not None:
            sides = self._stepper.wanted(self._growth)
            grows = bool((sides != self._stepper.sides).any())
            if grows:
                self._growth.ask(grown(self._first, sides))
                self._lay(sides)
        self._sort()
        return grows

    def _lay(self, sides: Sides) -> None:
        self._stepper.lay(self._first, sides)
        self.domain = grown(self._first, sides)
        self._acting.fit(self.domain)

    def _sort(self) -> None:
        # The grid's motion lies where the blocks were: it is used up before they change.
        self._ride()
        self._stepper.sort()
        self._acting.sorted(self._stepper)
        self._drift = 0.0
        if self._tracer_drift > TRACER_DRIFT:
            self._stepper.sort_tracers()
            self._tracer_drift = 0.0

    # ---- reading

    def position(self) -> Floats:
        """Particle positions [m], (n, 3), world."""
        return self._positions(self._stepper.particles)

    def velocity(self) -> Floats:
        """Particle velocities [m/s], (n, 3), half a substep ago."""
        particles = self._stepper.particles
        return particles.in_first_order(particles.velocity())

    def deformation(self) -> Floats:
        """Elastic deformation gradients (n, 3, 3); the stretch alone for what flows."""
        particles = self._stepper.particles
        f = particles.deformation.to_numpy()
        kind = self._stepper.table[np.maximum(particles.law.to_numpy(), 0), KIND]
        f[kind == WATER] = np.cbrt(f[kind == WATER, 0, 0])[:, None, None] * np.eye(3)
        value, basis = np.linalg.eigh(f[kind == CREAM])
        f[kind == CREAM] = (basis * np.sqrt(value)[:, None, :]) @ basis.transpose(0, 2, 1)
        return particles.in_first_order(f)

    def left(self) -> NDArray[np.int64]:
        """Count each body's particles that have left the domain, (bodies,)."""
        return count_left(self._stepper.particles, len(self._stepper.layers.first))

    def gone(self) -> NDArray[np.bool_]:
        """Return which particles (n,) have left the domain."""
        particles = self._stepper.particles
        return particles.in_first_order(particles.law.to_numpy() == FROZEN)

    def tracer_gone(self) -> NDArray[np.bool_]:
        """Return which tracers (m,) have left the domain; they lie where they last were of use."""
        tracers = self._stepper.tracers
        return tracers.in_first_order(tracers.gone.to_numpy() > 0)

    def tracer_position(self) -> Floats:
        """Tracer positions [m], (m, 3), world."""
        return self._positions(self._stepper.tracers)

    def tracer_deformation(self) -> Floats:
        """Total deformation gradients of the tracers, (m, 3, 3); J^(1/3) for round ones."""
        tracers = self._stepper.tracers
        f = tracers.in_first_order(tracers.deformation.to_numpy())
        j = np.maximum(np.linalg.det(f[self._round]), 1e-6)
        f[self._round] = np.cbrt(j)[:, None, None] * np.eye(3, dtype=np.float32)
        return f

    def tracer_normal(self) -> Floats:
        """Unit normals down the gradient of mass at the tracers, (m, 3); 0 where there is none."""
        self._sort()
        return self._stepper.tracers.in_first_order(self._stepper.normals())

    def totals(self) -> Totals:
        """Sum up mass, momenta and energies; frozen particles are left out."""
        return together([*self.body_totals().values()])

    def body_totals(self, gravity: NDArray[np.float64] | None = None) -> dict[int, Totals]:
        """Sum up each body that has particles left in the domain.

        `gravity` (3,) [m/s^2] is that of the last interval by default.
        """
        stepper, pull = self._stepper, self._gravity if gravity is None else gravity
        particles, layout = stepper.particles, stepper.layout
        if stepper.on_cpu:
            return tally_bodies(particles, layout, stepper.table, len(stepper.layers.first), pull)
        return measure_bodies(particles, self._places(), self._laws, layout.spacing, pull)

    @property
    def particle_count(self) -> int:
        """Particles that were given, those that have left included."""
        return self._stepper.particles.count

    def sample(self, every: int) -> Sample:
        """Look at each particle whose place among those given is a multiple of `every`."""
        stepper = self._stepper
        if stepper.on_cpu:
            return look_at_particles(stepper.particles, stepper.layout, stepper.table, every)
        return sample_particles(stepper.particles, self._places(), self._laws, every)

    def _places(self) -> NDArray[np.float64]:
        particles = self._stepper.particles
        return self._stepper.layout.join(particles.cell.to_numpy(), particles.offset.to_numpy())

    def _positions(self, points: Points) -> Floats:
        at = self._stepper.layout.join(points.cell.to_numpy(), points.offset.to_numpy())
        return points.in_first_order(at.astype(np.float32))

    # ---- checkpoints

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Take all that is needed to go on with the same bits."""
        saved: dict[str, NDArray[Any]] = {}
        for prefix, points in self._point_sets():
            saved |= {prefix + name: value for name, value in points.save().items()}
        numbers = (self._top_speed, self._top_wave, self._last_step, self._tracer_drift)
        saved |= self._rigid.checkpoint() if self._rigid else {}
        rest = (self._left, *self._gravity, *self._acting.clock)
        saved["sides"] = self._stepper.sides.copy()
        return saved | {"state": np.array([*numbers, *rest], np.float64)}

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Go back to a checkpoint of this solver or of one made from the same input."""
        self._stepper.clear_motion()
        if (saved["sides"] != self._stepper.sides).any():
            self._lay(saved["sides"])
        self._pending, self._unpushed = 0.0, 0.0
        self._steps.clear()
        for prefix, points in self._point_sets():
            points.load({name: saved[prefix + name] for name in points.kept})
        if self._rigid:
            self._rigid.restore(saved)
        numbers = saved["state"]
        self._top_speed, self._top_wave = float(numbers[0]), float(numbers[1])
        self._last_step, self._tracer_drift = float(numbers[2]), float(numbers[3])
        self._left, self._gravity = int(numbers[4]), numbers[5:8].copy()
        self._acting.clock = float(numbers[8]), float(numbers[9])

    def _point_sets(self) -> tuple[tuple[str, Points], ...]:
        return ("particle_", self._stepper.particles), ("tracer_", self._stepper.tracers)
