"""Carries fields, pushes and holds through the substeps of an interval; called by solver.

Velocities live half a step before positions, so what acts in a substep covers the time from the
middle of the last one to the middle of this one: these spans tile time, and every window gets its
share to the last bit of a second, whatever the substeps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ...fields import field_kinds, field_table, permutation
from ..colliders import Motion, motion_between, rotation_matrix
from ..input import Domain, Particles, Push
from ..stepper import Stepper
from . import holds, pushes
from .given import BodyPush, Hold, Impulse, Region

Vector = NDArray[np.float64]

INSTANT = 1e-9
"""Seconds within which a time counts as reached: intervals add up with rounding."""
STRIDE = 0.25
"""Cells that matter at rest may be pushed in a substep."""
MOST_STEPS = 20_000
"""Substeps of an interval that forces alone may ask for."""
SWING = 0.2
"""Substeps are no longer than this over the frequency of the harmonic fields."""


@dataclass
class Held:
    """One hold in this interval, ready for its kernels."""

    hold: Hold
    rows: NDArray[np.int32]
    end: NDArray[np.float64]
    "One, or of each row."
    state: NDArray[np.int32]
    freed: Any
    kept_cell: Any
    kept_offset: Any


class Acting:
    """What acts from outside on the particles of one solver."""

    def __init__(
        self, domain: Domain, regions: Sequence[Region], particles: Particles, mass: Vector
    ) -> None:
        self._spacing = domain.spacing
        self.fit(domain)
        self._regions = regions
        self._mass = [float(mass[r.particles] @ r.weight.astype(float)) for r in regions]
        self._heaviest = float(mass.max(initial=1e-30))
        self._slots = [_slots(region, len(particles.position)) for region in regions]
        self._rows: list[NDArray[np.int32]] = []
        self._order: list[NDArray[np.int32]] = []
        self._weight: list[NDArray[np.float32]] = []
        self._permutation = permutation()
        self._push = Push((), (0.0, 0.0, 0.0), np.zeros((0, 4, 4)), np.zeros((0, 4, 4)))
        self._seconds, self._dt, self._fraction = 1.0, 0.0, 0.0
        self._held: list[Held] = []
        self._motions: list[tuple[Motion, float]] = []
        self._kinds = 0
        self._still: NDArray[np.float32] | None = None
        self.clock = (0.0, 0.0)
        "Seconds at which this interval starts, and up to which pushes have pushed."
        self._span, self._now = (0.0, 0.0), (0.0, 0.0)
        self.largest_step, self.coming_speed, self.hold_speed = math.inf, 0.0, 0.0

    def fit(self, domain: Domain) -> None:
        """Take the domain as it is now."""
        self._across = domain.spacing * math.hypot(*domain.shape)

    def begin(self, push: Push, seconds: float) -> None:
        """Take what acts in the interval that comes."""
        self._push, self._seconds = push, seconds
        self._kinds = field_kinds([start for start, _ in push.fields])
        moves = any(start is not end for start, end in push.fields)
        self._still = None if moves or not push.fields else self._table(0.0)
        self.largest_step = self._limit()

    def _limit(self) -> float:
        """Return the longest substep [s] that resolves what acts in this interval.

        From rest nothing gets on by more than STRIDE cells in one, and springs are followed; but a
        force beyond all measure blows up rather than take for ever.
        """
        push, springs = self._push, 0.0
        total = float(np.linalg.norm(push.force()[:3]))
        for start, end in push.fields:
            field, strength = start, max(abs(start.strength), abs(end.strength))
            match field.kind:
                case "harmonic":
                    springs += strength
                case "vortex":
                    total += strength * (1 + strength) * self._across
                case "force" | "wind" | "turbulence":
                    total += strength
        for item in push.pushes:
            most = max(float(np.linalg.norm(item.at(f)[0])) for f in (0.0, 1.0))
            total += most / self._mass[item.region]
        stride = math.sqrt(STRIDE * self._spacing / total) if total > 0 else math.inf
        swing = SWING / math.sqrt(springs) if springs > 0 else math.inf
        return max(min(stride, swing), self._seconds / MOST_STEPS)

    def end(self) -> None:
        """Set the clock on by the interval."""
        self.clock = self.clock[0] + self._seconds, self.clock[1]

    def sorted(self, stepper: Stepper) -> None:
        """Find the regions' particles again after a sort, and how fast they will be made."""
        if not self._regions:
            return
        index = stepper.particles.index.to_numpy()[: stepper.particles.count]
        self._rows, self._order, self._weight = [], [], []
        for region, slots in zip(self._regions, self._slots, strict=True):
            # In the order of the rows, so that kernels go through memory from end to end.
            there = slots[index]
            rows = np.flatnonzero(there >= 0).astype(np.int32)
            self._rows.append(rows)
            self._order.append(there[rows])
            self._weight.append(np.ascontiguousarray(region.weight[there[rows]], np.float32))
        self._held = [self._ready(hold) for hold in self._push.holds]
        self.hold_speed = max(
            (self._hold_speed(stepper, hold) for hold in self._push.holds), default=0.0
        )
        self.coming_speed = self.hold_speed + sum(
            self._jump(stepper, impulse)
            for impulse in self._push.impulses
            if self.clock[1] <= impulse.time < self.clock[0] + self._seconds
        )

    def _ready(self, hold: Hold) -> Held:
        rows, order = self._rows[hold.region], self._order[hold.region]
        count = len(rows)
        freed = np.zeros((count, 3)) if hold.velocity is None else hold.velocity[order]
        end = np.asarray(hold.end, float)
        return Held(
            hold,
            rows,
            end[order] if end.ndim else end,
            np.zeros(count, np.int32),
            np.ascontiguousarray(freed, np.float32),
            np.zeros((count, 3), np.int32),
            np.zeros((count, 3), np.float32),
        )

    def _hold_speed(self, stepper: Stepper, hold: Hold) -> float:
        """Return the speed [m/s] of the fastest particle of a hold."""
        motion = motion_between(hold.pose_from, hold.pose_to, self._seconds, 0.0)
        if not motion.spin.any():
            return float(np.abs(motion.velocity).max())
        center = motion.translation - np.asarray(stepper.layout.origin)
        arms = self._arms(stepper, hold.region, center)
        return float(np.abs(motion.velocity + np.cross(motion.spin, arms)).max())

    def _jump(self, stepper: Stepper, impulse: Impulse) -> float:
        """Return the speed [m/s] that an impulse adds to the fastest particle."""
        speed = float(np.abs(np.asarray(impulse.linear, float)).max()) / self._mass[impulse.region]
        twist = np.asarray(impulse.angular, float)
        if twist.any():
            center, inertia = self._inertia(stepper, impulse.region)
            arms = self._arms(stepper, impulse.region, center)
            speed += float(np.abs(np.cross(np.linalg.solve(inertia, twist), arms)).max())
        return speed

    def _arms(self, stepper: Stepper, region: int, center: Vector) -> Vector:
        """Return where a region's particles are from a centre [m from node PAD], (k, 3)."""
        p, rows = stepper.particles, self._rows[region]
        at = stepper.layout.join(p.cell.to_numpy()[rows], p.offset.to_numpy()[rows])
        return np.asarray(at - np.asarray(stepper.layout.origin) - center)

    # ---- in a substep

    def place(self, done: float, dt: float, last: float) -> None:
        """Take the substep from `done` [s] on in the interval, of `dt`, after one of `last`."""
        now = self.clock[0] + done
        self._dt, self._fraction = (last + dt) / 2, done / self._seconds
        self._span, self._now = (self.clock[1], now + dt / 2), (now - last, now)
        self.clock = self.clock[0], now + dt / 2
        self._motions = []
        for held in self._held:
            ends = held.hold.pose_from, held.hold.pose_to
            motion = motion_between(*ends, self._seconds, self._fraction)
            self._motions.append((motion, dt))

    def before_scatter(self, stepper: Stepper) -> None:
        """Push regions, and set held ones going."""
        span = self._span
        for item in self._push.pushes:
            share = min(span[1], item.end) - max(span[0], item.start)
            if share > 0:
                self._kick(stepper, item, share)
        for impulse in self._push.impulses:
            if span[0] <= impulse.time < span[1]:
                item = BodyPush(impulse.region, impulse.linear, impulse.angular)
                self._kick(stepper, item, 1.0)
        p, h = stepper.particles, stepper.layout.spacing
        for held, (motion, _) in zip(self._held, self._motions, strict=True):
            self._judge(held)
            if held.state.any():
                holds.hold_velocity(
                    h, *_vectors(motion, stepper), held.rows, held.state, held.freed, p.law,
                    p.cell, p.offset, p.motion,
                )  # fmt: skip

    def on_grid(self, stepper: Stepper) -> None:
        """Let fields act on the grid while it holds momentum."""
        if self._push.fields:
            table = self._table(self._fraction) if self._still is None else self._still
            stepper.apply_fields(self._dt, self._kinds, table, self._permutation)

    def before_gather(self, stepper: Stepper) -> None:
        for held, (motion, _) in zip(self._held, self._motions, strict=True):
            if (held.state == holds.HELD).any():
                stepper.hold_nodes(
                    _vectors(motion, stepper),
                    (held.rows, held.state),
                    (held.kept_cell, held.kept_offset),
                    self._heaviest,
                )

    def after_gather(self, stepper: Stepper) -> None:
        for held, (motion, dt) in zip(self._held, self._motions, strict=True):
            if (held.state == holds.HELD).any():
                turn = rotation_matrix(dt * motion.spin) - np.eye(3)
                stepper.hold_place(
                    (ti.math.mat3(*turn.ravel()), ti.math.vec3(*(dt * motion.velocity))),
                    _vectors(motion, stepper),
                    (held.rows, held.state, held.kept_cell, held.kept_offset),
                )

    def _table(self, fraction: float) -> NDArray[np.float32]:
        starts, ends = zip(*self._push.fields, strict=True)
        return field_table(starts, ends, fraction)

    def _judge(self, held: Held) -> None:
        """Say which particles are held now, and which are just let go."""
        before, now = self._now
        end = held.end - INSTANT
        start = held.hold.start - INSTANT
        held.state[:] = np.where((start <= now) & (now < end), holds.HELD, holds.FREE)
        if held.hold.velocity is not None:
            held.state[np.broadcast_to((before < end) & (end <= now), held.state.shape)] = (
                holds.LET_GO
            )

    def _kick(self, stepper: Stepper, push: BodyPush, seconds: float) -> None:
        """Give a region momentum and spin: what `push` does in `seconds`."""
        rows, weight = self._rows[push.region], self._weight[push.region]
        p, h = stepper.particles, stepper.layout.spacing
        force, torque = push.at(self._fraction)
        linear, twist = seconds * force / self._mass[push.region], seconds * torque
        angular: Vector = np.zeros(3)
        center: Vector = np.zeros(3)
        if twist.any():
            center, inertia = self._inertia(stepper, push.region)
            angular = np.asarray(np.linalg.solve(inertia, twist), np.float64)
        vectors = (ti.math.vec3(*value) for value in (linear, angular, center))
        pushes.push_region(h, *vectors, rows, weight, p.law, p.cell, p.offset, p.motion)

    def _inertia(self, stepper: Stepper, region: int) -> tuple[Vector, Vector]:
        """Return a region's centre of mass [m from node PAD] and inertia [kg m^2] about it."""
        rows, weight = self._rows[region], self._weight[region]
        p, h = stepper.particles, stepper.layout.spacing
        # Near the middle, so that single precision suffices for the squares.
        about = np.asarray(h * np.asarray(stepper.layout.cells) / 2, np.float64)
        report = np.zeros((-(-len(rows) // pushes.RUN), pushes.SUMS), np.float32)
        for _ in range(2):
            pushes.sum_moments(
                h, ti.math.vec3(*about), rows, weight, p.law, p.cell, p.offset, p.mass, p.volume,
                report,
            )  # fmt: skip
            sums = report.sum(axis=0, dtype=np.float64)
            mass, shift = sums[0], sums[1:4] / max(sums[0], 1e-30)
            about = np.asarray(about + shift)
            if (np.abs(shift) < h).all():
                break
        (xx, yy, zz), (yz, xz, xy) = sums[4:7], sums[7:10]
        second = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        second -= mass * np.outer(shift, shift)
        if mass <= 0:  # all of it has left the domain
            second = np.full((3, 3), 1e30) * np.eye(3)
        return about, np.trace(second) * np.eye(3) - second


def _slots(region: Region, count: int) -> NDArray[np.int32]:
    """Return for each of `count` particles where in the region it is, -1 for nowhere."""
    slots = np.full(count, -1, np.int32)
    slots[region.particles] = np.arange(len(region.particles), dtype=np.int32)
    return slots


def _vectors(motion: Motion, stepper: Stepper) -> tuple[Any, Any, Any]:
    """Velocity, spin and centre of a motion, as kernels take them."""
    center = motion.translation - np.asarray(stepper.layout.origin)
    return tuple(ti.math.vec3(*value) for value in (motion.velocity, motion.spin, center))  # type: ignore[return-value]
