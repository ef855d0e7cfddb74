"""Tracers of solids, bound to the particles around them; called by mpm_solver when a frame is read.

A solid keeps its neighbours, so a tracer need not ride the grid: it is where the particles that
were nearest at the start carry it, x = sum w (x_p + F_p (X - X_p)), F = sum w F_p. That cannot
drift off, however long a take is, and costs nothing in a substep.
Where a body tears, a tracer stays with the piece of its nearest particle: neighbours whose
prediction has moved away from that of the nearest fade out.
"""

from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .array_types import Ints, Mat3s, Spans, Vec3, Vec3s, f32, i32, mat3, vec3
from .mpm_state import ParticleArrays

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

NEIGHBOURS = 8
TORN = 0.5
"""Cells by which a neighbour's prediction may differ before it counts no longer."""


class Skin:
    """Binds points (m, 3) to the particles (n, 3) of the same bodies, nearest first; in metres."""

    def __init__(
        self, points: Floats, body: Indices, particles: Floats, particle_body: Indices, cell: float
    ) -> None:
        self._rest = np.ascontiguousarray(points, np.float32)
        self._particle_rest = np.ascontiguousarray(particles, np.float32)
        self._cell = cell
        self.parent = np.full((len(points), NEIGHBOURS), -1, np.int32)
        if len(points) and len(particles):
            bodies = np.asarray(body, np.int32), np.asarray(particle_body, np.int32)
            self._search(*bodies)

    def _search(self, body: Indices, particle_body: Indices) -> None:
        """Find the nearest particles through a grid of cells that they are listed by."""
        low = np.minimum(self._particle_rest.min(axis=0), self._rest.min(axis=0))
        high = np.maximum(self._particle_rest.max(axis=0), self._rest.max(axis=0))
        size = ((high - low) / self._cell).astype(np.int64) + 1
        at = ((self._particle_rest - low) / self._cell).astype(np.int64).clip(0, size - 1)
        key = (at[:, 0] * size[1] + at[:, 1]) * size[2] + at[:, 2]
        order = np.argsort(key, kind="stable").astype(np.int32)
        start = np.searchsorted(key[order], np.arange(size.prod() + 1)).astype(np.int32)
        _nearest(
            vec3(*low), self._cell, *(int(n) for n in size), start, order,
            self._particle_rest, particle_body, self._rest, body, self.parent,
        )  # fmt: skip

    def pose(self, particles: ParticleArrays, position: Floats) -> tuple[Floats, Floats]:
        """Return where the points are, (m, 3) m, and their F, (m, 3, 3).

        `position` (n, 3) m of the particles, in the order in which they were given.
        """
        count = len(self._rest)
        to, f = np.zeros((count, 3), np.float32), np.zeros((count, 3, 3), np.float32)
        if count:
            row = np.empty(particles.count, np.int32)
            row[particles.index.to_numpy()] = np.arange(particles.count, dtype=np.int32)
            now = np.ascontiguousarray(position, np.float32)
            carried: tuple[Any, ...] = (self._particle_rest, now, row, particles.deformation)
            _carry(self._cell, self.parent, self._rest, *carried, to, f)
        return to, f


@ti.kernel
def _nearest(
    low: Vec3,
    cell: f32,
    nx: i32,
    ny: i32,
    nz: i32,
    start: Ints,  # [cells + 1]
    order: Ints,  # [n] particles by cell
    position: Vec3s,  # [n] m
    particle_body: Ints,
    points: Vec3s,  # [m] m
    body: Ints,
    parent: Spans,  # [m, NEIGHBOURS] nearest first, -1 where there are too few
):
    for p in points:
        x = points[p]
        at = int((x - low) / cell)
        found = ti.Vector([1e30 for _ in range(NEIGHBOURS)])
        reach = 0
        # Rings of cells outwards, until what is missing must lie beyond.
        while reach < ti.max(nx, ny, nz) and found[NEIGHBOURS - 1] > ((reach - 1) * cell) ** 2:
            for i in range(ti.max(at[0] - reach, 0), ti.min(at[0] + reach + 1, nx)):
                for j in range(ti.max(at[1] - reach, 0), ti.min(at[1] + reach + 1, ny)):
                    for k in range(ti.max(at[2] - reach, 0), ti.min(at[2] + reach + 1, nz)):
                        ring = ti.max(abs(i - at[0]), abs(j - at[1]), abs(k - at[2]))
                        if ring == reach:
                            c = (i * ny + j) * nz + k
                            for s in range(start[c], start[c + 1]):
                                q = order[s]
                                d2 = (position[q] - x).norm_sqr()
                                if particle_body[q] == body[p] and d2 < found[NEIGHBOURS - 1]:
                                    place = NEIGHBOURS - 1
                                    while place > 0 and found[ti.max(place - 1, 0)] > d2:
                                        found[place] = found[place - 1]
                                        parent[p, place] = parent[p, place - 1]
                                        place -= 1
                                    found[place] = d2
                                    parent[p, place] = q
            reach += 1


@ti.kernel
def _carry(
    cell: f32,
    parent: Spans,
    rest: Vec3s,  # [m] m
    particle_rest: Vec3s,  # [n] m
    position: Vec3s,  # [n] m
    row: Ints,  # [n] where a particle's deformation lies
    deformation: Mat3s,
    to: Vec3s,
    f: Mat3s,
):
    for p in rest:
        first = vec3(0.0)
        x, total, sum_f = vec3(0.0), 0.0, mat3(0.0)
        last = ti.max(parent[p, NEIGHBOURS - 1], 0)
        reach2 = 1.2 * (rest[p] - particle_rest[last]).norm_sqr() + 1e-20
        for n in range(NEIGHBOURS):
            q = parent[p, n]
            if q >= 0:
                arm = rest[p] - particle_rest[q]
                grad = deformation[row[q]]
                y = position[q] + grad @ arm
                if n == 0:
                    first = y
                near = ti.max(1.0 - arm.norm_sqr() / reach2, 0.01)
                whole = ti.max(1.0 - (y - first).norm_sqr() / (TORN * cell) ** 2, 0.0)
                w = (near * whole) ** 2
                total += w
                x += w * y
                sum_f += w * grad
        if total > 0.0:
            to[p] = x / total
            f[p] = sum_f / total
        else:
            to[p] = rest[p]
            f[p] = mat3(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@ti.kernel
def leash(
    reach: f32,  # m
    parent: Spans,  # [m, NEIGHBOURS]
    position: Vec3s,  # [n] m
    points: Vec3s,  # [m] m, drawn to at most `reach` from their nearest particle at the start
):
    for p in points:
        q = parent[p, 0]
        if q >= 0:
            arm = points[p] - position[q]
            length = arm.norm()
            if length > reach:
                points[p] = position[q] + (reach / length) * arm
