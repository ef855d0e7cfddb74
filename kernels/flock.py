"""Flocks: agents that keep apart, keep in line, keep together, and keep clear of what is there.

Reynolds, Flocks, Herds and Schools, 1987, and Steering Behaviors for Autonomous Characters, 1999:
each wish is a velocity; the steering is what it differs from the present one, bounded. In two or
three dimensions, as the positions have. Neighbours are found by cells of the size of the sight.
"""

import math
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


@dataclass(frozen=True)
class DistanceField:
    """Signed distance to obstacles [m], positive outside, at the centres of a grid's cells."""

    distance: Floats
    "One axis for each dimension."
    origin: tuple[float, ...]
    spacing: float


class Flock:
    """Agents by position [m] and velocity [m/s], (n, dimension) each.

    ValueError where shapes or dimensions differ, or something is not finite.
    """

    def __init__(
        self,
        settings: FlockSettings,
        position: NDArray[Any],
        velocity: NDArray[Any],
        obstacles: DistanceField | None = None,
    ) -> None:
        self.position = np.ascontiguousarray(position, np.float32).copy()
        self.velocity = np.ascontiguousarray(velocity, np.float32).copy()
        shape = self.position.shape
        fits = len(shape) == 2 and shape[1] in (2, 3) and self.velocity.shape == shape
        if not fits or not (np.isfinite(self.position) & np.isfinite(self.velocity)).all():
            raise ValueError(f"expected finite (n, 2 or 3), got {shape}, {self.velocity.shape}")
        if obstacles is not None and obstacles.distance.ndim != shape[1]:
            raise ValueError(f"expected obstacles in {shape[1]} dimensions, got {obstacles}")
        self._settings = settings
        s = settings
        table = [
            s.sight, s.near, s.separation, s.alignment, s.cohesion, s.attraction, s.avoidance,
            s.speed, s.force, s.clearance,
        ]  # fmt: skip
        self._table = np.array(table, np.float32)
        self._around = obstacles or DistanceField(
            np.full((2,) * shape[1], 1e6, np.float32), (0.0,) * shape[1], 1e6
        )

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
        place = np.array([*self._around.origin, self._around.spacing], np.float32)
        _steer(
            dimension, self._table, self.position, self.velocity, order, start, shape, low, size,
            target, np.ascontiguousarray(self._around.distance, np.float32), place, push,
        )  # fmt: skip
        velocity = self.velocity + push * np.float32(seconds)
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        bounded = np.clip(speed, self._settings.least_speed, self._settings.top_speed)
        # Who stands still has no direction in which to be sped up.
        self.velocity = np.where(speed > 1e-9, velocity * bounded / np.maximum(speed, 1e-9), 0)
        self.position = self.position + self.velocity * np.float32(seconds)
        _put_out(
            dimension, self._settings.clearance,
            np.ascontiguousarray(self._around.distance, np.float32), place, self.position,
            self.velocity,
        )  # fmt: skip

    def order(self) -> float:
        """How much all fly one way: the length of the mean direction, 0..1."""
        speed = np.linalg.norm(self.velocity, axis=1, keepdims=True)
        return float(np.linalg.norm((self.velocity / np.maximum(speed, 1e-9)).mean(0)))

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
def _clear(distance: ti.template(), place: ti.template(), x):
    """Distance to obstacles at x and its gradient, a unit vector."""
    n = ti.static(x.n)
    inside = x
    for k in ti.static(range(n)):
        inside[k] = (x[k] - place[k]) / place[n]
    gradient = x * 0.0
    for k in ti.static(range(n)):
        ahead, behind = inside, inside
        ahead[k] += 0.5
        behind[k] -= 0.5
        gradient[k] = sample_cells(distance, ahead) - sample_cells(distance, behind)
    return sample_cells(distance, inside), gradient / ti.max(gradient.norm(), 1e-12)


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
    distance: Field,
    place: Numbers,  # [dimension + 1] origin and spacing of the distances
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
        clear, out = _clear(distance, place, x)
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
    clearance: ti.f32,
    distance: Field,
    place: Numbers,
    position: Field,
    velocity: Field,
):
    """Move agents out of obstacles along the gradient, and take away what leads into them."""
    for p in range(position.shape[0]):
        x, v = _row(position, p, dimension), _row(velocity, p, dimension)
        for _ in range(TRIES):
            clear, out = _clear(distance, place, x)
            if clear < clearance:
                x += (clearance - clear) * out
                v -= ti.min(v.dot(out), 0.0) * out
        for k in ti.static(range(dimension)):
            position[p, k], velocity[p, k] = x[k], v[k]
