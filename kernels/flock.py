"""Flocks: agents that keep apart, keep in line, keep together, and keep clear of what is there.

Reynolds, Flocks, Herds and Schools, 1987, and Steering Behaviors for Autonomous Characters, 1999:
each wish is a velocity; the steering is what it differs from the present one, bounded. In two or
three dimensions, as the positions have. Neighbours are found by cells of the size of the sight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .fluids.grid import Field, Numbers, sample_cells

Floats = NDArray[np.float32]

SIGHT, NEAR, SEPARATION, ALIGNMENT, COHESION, GOAL, AVOIDANCE, SPEED, FORCE, CLEARANCE = range(10)
"Places of the settings in what the kernel reads."
MOST_CELLS = 1 << 22
AHEAD = 0.4
"Seconds of its way before an obstacle in which an agent begins to turn."
TRIES = 4
"Steps out of an obstacle: its distance field is exact only far from its edges."
ROUNDS = 2
"Times that all obstacles have their say: out of one may be into another."
FREE = 1e6
"Metres to the nearest obstacle where there is none."


@dataclass(frozen=True)
class FlockSettings:
    """SI units; weights are relative, the steering as a whole is bounded."""

    sight: float
    "How far an agent sees others [m]."
    near: float
    "From how close on they are too close [m]."
    speed: float
    "That all seek [m/s]; none is faster than `top_speed` or slower than `least_speed`."
    top_speed: float
    least_speed: float
    force: float
    "Largest acceleration [m/s^2]."
    separation: float = 1.5
    alignment: float = 1.0
    cohesion: float = 1.0
    attraction: float = 0.5
    "Of the goal, where there is one."
    avoidance: float = 4.0
    "Of obstacles, as far off as the way of AHEAD seconds."
    clearance: float = 0.0
    "The agents' own radius [m]: as far as that they stay out of obstacles."
    flat: bool = False
    "Whether all keep the last coordinate that they start with."


@dataclass(frozen=True)
class DistanceField:
    """Signed distance to an obstacle [m], positive outside, at the centres of a grid's cells.

    Beyond the grid it is what the nearest cell says and the way to it. The grid may stand anywhere,
    and move; its `rotation` (dimension, dimension) turns its own axes to the world's.
    """

    distance: Floats
    "One axis for each dimension."
    origin: tuple[float, ...]
    "Of the grid, in its own axes [m]."
    spacing: float
    rotation: NDArray[np.float64] | None = None
    translation: tuple[float, ...] | None = None
    "World [m]."
    velocity: tuple[float, ...] | None = None
    "World [m/s]."

    @property
    def dimension(self) -> int:
        return self.distance.ndim

    def table(self) -> Floats:
        """Pack rotation, translation, origin, velocity and spacing for the kernels."""
        n = self.dimension
        none = (0.0,) * n
        turn = np.eye(n) if self.rotation is None else np.asarray(self.rotation)
        parts = [turn.ravel(), self.translation or none, self.origin, self.velocity or none]
        return np.concatenate([*parts, [self.spacing]]).astype(np.float32)


class Flock:
    """Agents by position [m] and velocity [m/s], (n, dimension) each.

    `obstacles` may be set anew before each step. ValueError where shapes or dimensions differ, or
    something is not finite.
    """

    def __init__(
        self,
        settings: FlockSettings,
        position: NDArray[Any],
        velocity: NDArray[Any],
        obstacles: Sequence[DistanceField] = (),
    ) -> None:
        self.position = np.ascontiguousarray(position, np.float32).copy()
        self.velocity = np.ascontiguousarray(velocity, np.float32).copy()
        shape = self.position.shape
        fits = len(shape) == 2 and shape[1] in (2, 3) and self.velocity.shape == shape
        if not fits or not (np.isfinite(self.position) & np.isfinite(self.velocity)).all():
            raise ValueError(f"expected finite (n, 2 or 3), got {shape}, {self.velocity.shape}")
        if any(obstacle.dimension != shape[1] for obstacle in obstacles):
            raise ValueError(f"expected obstacles in {shape[1]} dimensions, got {obstacles}")
        self.obstacles = tuple(obstacles)
        self._settings = settings
        s = settings
        table = [
            s.sight, s.near, s.separation, s.alignment, s.cohesion, s.attraction, s.avoidance,
            s.speed, s.force, s.clearance,
        ]  # fmt: skip
        self._table = np.array(table, np.float32)

    def advance(self, seconds: float, goal: tuple[float, ...] | None = None) -> None:
        """Steer for one step and move; the settings' bounds hold after it."""
        n, dimension = self.position.shape
        if n == 0 or seconds <= 0:
            return
        order, start, shape, low, size = self._cells()
        push = np.zeros_like(self.position)
        target = np.zeros(dimension + 1, np.float32)
        if goal is not None:
            target[:-1], target[-1] = goal, 1
        clear, out = self._surroundings()
        _steer(
            dimension, self._table, self.position, self.velocity, order, start, shape, low, size,
            target, clear, out, push,
        )  # fmt: skip
        if self._settings.flat:
            push[:, -1] = 0
        velocity = self.velocity + push * np.float32(seconds)
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        bounded = np.clip(speed, self._settings.least_speed, self._settings.top_speed)
        # Who stands still has no direction in which to be sped up.
        self.velocity = np.where(speed > 1e-9, velocity * bounded / np.maximum(speed, 1e-9), 0)
        self.position = self.position + self.velocity * np.float32(seconds)
        for obstacle in self.obstacles * ROUNDS:
            distance = np.ascontiguousarray(obstacle.distance, np.float32)
            clearance, flat = self._settings.clearance, int(self._settings.flat)
            _put_out(
                dimension, flat, clearance, distance, obstacle.table(), self.position, self.velocity
            )

    def clear(self) -> Floats:
        """How far each agent's middle is from the nearest obstacle (n,) [m]."""
        return self._surroundings()[0]

    def order(self) -> float:
        """How much all fly one way: the length of the mean direction, 0..1."""
        speed = np.linalg.norm(self.velocity, axis=1, keepdims=True)
        return float(np.linalg.norm((self.velocity / np.maximum(speed, 1e-9)).mean(0)))

    def _surroundings(self) -> tuple[Floats, Floats]:
        """How far the nearest obstacle is (n,) [m], and the way from it (n, dimension), unit."""
        n, dimension = self.position.shape
        clear, out = np.full(n, FREE, np.float32), np.zeros((n, dimension), np.float32)
        for obstacle in self.obstacles:
            distance = np.ascontiguousarray(obstacle.distance, np.float32)
            flat = int(self._settings.flat)
            _look(dimension, flat, distance, obstacle.table(), self.position, clear, out)
        return clear, out

    def _cells(self) -> tuple[Any, ...]:
        """The agents in order of their cells, where each cell starts, and the cells' grid."""
        low = self.position.min(0)
        extent = self.position.max(0) - low
        size = max(self._settings.sight, 1e-9)
        while math.prod(int(e / size) + 1 for e in extent) > MOST_CELLS:
            size *= 2
        shape = (extent / size).astype(np.int64) + 1
        cell = np.minimum(((self.position - low) / np.float32(size)).astype(np.int64), shape - 1)
        number = np.ravel_multi_index(tuple(cell.T), tuple(shape))
        order = np.argsort(number, kind="stable").astype(np.int32)
        count = np.bincount(number, minlength=int(shape.prod()))
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
        return order, start, shape.astype(np.int32), low.astype(np.float32), float(size)


@ti.func
def _row(table: ti.template(), p, n: ti.template()):
    return ti.Vector([table[p, k] for k in ti.static(range(n))])


@ti.func
def _toward(direction, v, speed):
    """The steering to this direction at this speed: Reynolds' desired velocity less the present."""
    length = direction.norm()
    return direction / length * speed - v if length > 1e-9 else v * 0.0


@ti.func
def _distance_at(distance: ti.template(), place: ti.template(), x):
    """The distance [m] at a place in cells; beyond them that of the nearest, and the way to it."""
    n = ti.static(x.n)
    held = x
    for k in ti.static(range(n)):
        held[k] = ti.math.clamp(x[k], 0.5, distance.shape[k] - 0.5)
    return sample_cells(distance, held) + (x - held).norm() * place[n * n + 3 * n]


@ti.func
def _clear(flat: ti.template(), distance: ti.template(), place: ti.template(), x):
    """Distance to an obstacle at x and the way out of it, a unit vector."""
    n = ti.static(x.n)
    spacing = place[n * n + 3 * n]
    inside = x * 0.0
    for k in ti.static(range(n)):
        for d in ti.static(range(n)):
            inside[k] += place[d * n + k] * (x[d] - place[n * n + d])
        inside[k] = (inside[k] - place[n * n + n + k]) / spacing
    slope = x * 0.0
    for k in ti.static(range(n)):
        ahead, behind = inside, inside
        ahead[k] += 0.5
        behind[k] -= 0.5
        slope[k] = _distance_at(distance, place, ahead) - _distance_at(distance, place, behind)
    out = x * 0.0
    for d in ti.static(range(n)):
        for k in ti.static(range(n)):
            out[d] += place[d * n + k] * slope[k]
    if ti.static(flat == 1):
        out[n - 1] = 0.0
    return _distance_at(distance, place, inside), out / ti.max(out.norm(), 1e-12)


@ti.kernel
def _look(
    dimension: ti.template(),
    flat: ti.template(),
    distance: Field,
    place: Numbers,  # see DistanceField.table
    position: Field,  # [n, dimension] m
    nearest: Field,  # [n] m, lowered
    away: Field,  # [n, dimension]
):
    """Note where an obstacle is the nearest one so far."""
    for p in range(position.shape[0]):
        clear, out = _clear(flat, distance, place, _row(position, p, dimension))
        if clear < nearest[p]:
            nearest[p] = clear
            for k in ti.static(range(dimension)):
                away[p, k] = out[k]


@ti.func
def _seen(
    dimension: ti.template(),
    table: ti.template(),
    position: ti.template(),
    velocity: ti.template(),
    order: ti.template(),
    start: ti.template(),
    shape: ti.template(),
    low: ti.template(),
    size,
    p,
):
    """What agent p sees of others: the way from those too near, the sums of velocities and ways."""
    x = _row(position, p, dimension)
    apart, along, middle, count = x * 0.0, x * 0.0, x * 0.0, 0.0
    for o in range(3**dimension):
        number, exists, rest = 0, 1, o
        for k in ti.static(range(dimension)):
            at = ti.min(int((x[k] - low[k]) / size), shape[k] - 1) + rest % 3 - 1
            rest //= 3
            if at < 0 or at >= shape[k]:
                exists = 0
            number = number * shape[k] + at
        if exists == 1:
            for i in range(start[number], start[number + 1]):
                q = order[i]
                way = _row(position, q, dimension) - x
                far = way.norm()
                if q != p and far < table[SIGHT]:
                    count += 1.0
                    along += _row(velocity, q, dimension)
                    middle += way
                    if far < table[NEAR]:
                        apart -= way / ti.max(far * far, 1e-12)
    return apart, along, middle, count


@ti.kernel
def _steer(
    dimension: ti.template(),
    table: Numbers,
    position: Field,  # [n, dimension] m
    velocity: Field,  # [n, dimension] m/s
    order: Field,  # [n] agents by cell
    start: Field,  # [cells + 1]
    shape: Field,  # [dimension]
    low: Numbers,  # [dimension] m
    size: ti.f32,  # m, of a cell; no less than the sight
    goal: Numbers,  # [dimension + 1] m, and whether there is one
    nearest: Field,  # [n] m, to the nearest obstacle
    outward: Field,  # [n, dimension] unit, from it
    push: Field,  # [n, dimension] m/s^2, written
):
    for p in range(position.shape[0]):
        x, v = _row(position, p, dimension), _row(velocity, p, dimension)
        apart, along, middle, count = _seen(
            dimension, table, position, velocity, order, start, shape, low, size, p
        )
        total = table[SEPARATION] * _toward(apart, v, table[SPEED])
        if count > 0.0:
            total += table[ALIGNMENT] * _toward(along, v, table[SPEED])
            total += table[COHESION] * _toward(middle, v, table[SPEED])
        else:
            total += table[ALIGNMENT] * _toward(v, v, table[SPEED])
        if goal[dimension] > 0.0:
            way = x
            for k in ti.static(range(dimension)):
                way[k] = goal[k] - x[k]
            total += table[GOAL] * _toward(way, v, table[SPEED])
        clear, out = nearest[p], _row(outward, p, dimension)
        reach = AHEAD * table[SPEED]
        if clear < table[CLEARANCE] + reach:
            # Turn along the surface, and the more away from it the closer it is.
            near = 1.0 - ti.max(clear - table[CLEARANCE], 0.0) / ti.max(reach, 1e-9)
            slide = v - ti.min(v.dot(out), 0.0) * out
            away = slide + 2.0 * table[SPEED] * near * out
            total += table[AVOIDANCE] * near * _toward(away, v, table[SPEED])
        # Steering is a change of velocity wished for within a second; no one can turn faster.
        strength = total.norm()
        total *= ti.min(1.0, table[FORCE] / ti.max(strength, 1e-12))
        for k in ti.static(range(dimension)):
            push[p, k] = total[k]


@ti.kernel
def _put_out(
    dimension: ti.template(),
    flat: ti.template(),
    clearance: ti.f32,
    distance: Field,
    place: Numbers,  # see DistanceField.table
    position: Field,
    velocity: Field,
):
    """Move agents out of an obstacle along the gradient, and take away what leads into it."""
    for p in range(position.shape[0]):
        x, v = _row(position, p, dimension), _row(velocity, p, dimension)
        n = ti.static(dimension)
        for _ in range(TRIES):
            clear, out = _clear(flat, distance, place, x)
            if clear < clearance:
                x += (clearance - clear) * out
                into = 0.0
                for k in ti.static(range(n)):
                    into += (v[k] - place[n * n + 2 * n + k]) * out[k]
                v -= ti.min(into, 0.0) * out
        for k in ti.static(range(n)):
            position[p, k], velocity[p, k] = x[k], v[k]
