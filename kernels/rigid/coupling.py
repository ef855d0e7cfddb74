# mypy: disable-error-code="misc"
"""Rigid bodies in the grid of the material point method; called by mpm.solver every substep.

To the nodes a rigid body is a collider that moves as they and its mass make it. With V its velocity
and spin, M its mass, J V its velocity at a node, m and v a node's, and P what contact takes of a
relative velocity (all along the normal, across it what friction can hold), the whole keeps its
momentum where (M + sum m J^T P J) V = M V0 + sum m J^T P v. So a light body takes the motion of
heavy matter in one substep, where an exchange of impulses would overshoot. Contacts among bodies
are solved with that response. Last, what the nodes lose in fact goes to the body's momentum.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ..array_types import (
    Cells,
    Floats,
    Ints,
    Mat4s,
    Reals2,
    Spans,
    Table,
    Vec3,
    Vec3s,
    Vec4s,
    Volume,
    f32,
    f64,
    i32,
    template,
    vec3,
    vec4,
)
from ..mpm.collide import RUN, keep_out, look_up, row
from ..mpm.colliders import Collider, ColliderField, Motion
from ..mpm.grid import CHUNK, SEPARATE, contact, is_in_contact
from ..mpm.input import Push
from ..mpm.state import BLOCK, FROZEN, PAD
from ..mpm.stepper import Stepper
from .world import RigidWorld

Reals = NDArray[np.float64]

OUTSET = 0.3
"""Cells that the nodes which hold sand and water reach farther out than at other colliders."""
PASSES = 2
"""How often the nodes that press on a body are found anew for its new velocity."""
SUMS = 42
"""Of a block: sum m J^T P J in 36 numbers, sum m J^T P v in 6."""


class Coupling:
    """Rigid bodies of one solver's grid."""

    def __init__(self, world: RigidWorld, friction: Sequence[float]) -> None:
        """`friction` is that of each body with the grid's matter."""
        self.world = world
        self._fields = [
            ColliderField(
                Collider(
                    solid.distance,
                    (float(solid.origin[0]), float(solid.origin[1]), float(solid.origin[2])),
                    solid.spacing,
                    "separate",
                    grip,
                )
            )
            for solid, grip in zip(world.solids, friction, strict=True)
        ]

    def kick(self, push: Push, force: Reals, place: tuple[float, float, float, float]) -> None:
        """Let forces act on the bodies: see RigidWorld."""
        self.world.kick(push, force, place)

    def act(self, stepper: Stepper, dt: float) -> None:
        """Let bodies and grid, which holds velocities, meet in a substep; move the bodies."""
        world = self.world
        before, own = world.momentum.copy(), np.linalg.inv(world.responses())
        velocity = world.velocities()
        response: Reals = world.responses()
        for _ in range(PASSES):
            sums = self._measure(stepper, velocity)
            response = np.asarray(np.linalg.inv(own + sums[:, :36].reshape(-1, 6, 6)))
            gained = before + sums[:, 36:]
            velocity = (response @ gained[:, :, None])[:, :, 0]
        world.solve(dt, response, velocity)
        world.momentum += self._collide(stepper, world.present())
        world.move(dt)

    def top_speed(self) -> float:
        return self.world.top_speed()

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        return self.world.checkpoint()

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        self.world.restore(saved)

    def push_out(self, stepper: Stepper) -> float:
        """Move particles out of the bodies, and stop them there; return the longest way [cells]."""
        p, h, longest = stepper.particles, stepper.layout.spacing, 0.0
        report = np.zeros((-(-max(p.count, 1) // RUN), 7))
        tables = self._tables(stepper, self.world.velocities())
        for n, (table, field) in enumerate(zip(tables, self._fields, strict=True)):
            push_out(h, table, field.distance, p.law, p.cell, p.offset, p.motion, p.mass, report)
            longest += float(report[:, 6].max())
            self.world.momentum[n] += report[:, :6].sum(axis=0)
        return longest

    def keep_tracers_out(self, stepper: Stepper) -> None:
        t, h = stepper.tracers, stepper.layout.spacing
        if t.count:
            tables = self._tables(stepper, self.world.velocities())
            for table, field in zip(tables, self._fields, strict=True):
                keep_out(h, table, field.distance, field.drift, t.cell, t.offset)

    def _tables(self, stepper: Stepper, velocity: Reals) -> list[NDArray[np.float32]]:
        corner = np.asarray(stepper.layout.origin)
        motions = [
            Motion(m.rotation, m.translation, v[:3], v[3:])
            for m, v in zip(self.world.motions(), velocity, strict=True)
        ]
        return [field.table(m, corner) for field, m in zip(self._fields, motions, strict=True)]

    def _measure(self, stepper: Stepper, velocity: Reals) -> Reals:
        """Sum up the nodes that press on each body at these velocities, (n, SUMS)."""
        return self._over_blocks(stepper, velocity, measure_blocks, SUMS)

    def _collide(self, stepper: Stepper, velocity: Reals) -> Reals:
        """Let the bodies act on the nodes; return the momentum that these lose, (n, 6)."""
        return self._over_blocks(stepper, velocity, collide_blocks, 6)

    def _over_blocks(self, stepper: Stepper, velocity: Reals, kernel: Any, width: int) -> Reals:
        (sx, sy), h, (span, flow, nodes) = stepper.strides, stepper.layout.spacing, stepper.lattice
        result = np.zeros((self.world.count, width))
        tables = self._tables(stepper, velocity)
        for n, (table, field) in enumerate(zip(tables, self._fields, strict=True)):
            sums = np.zeros((len(span), width))
            kernel(sx, sy, h, field.shell(h), table, field.distance, span, flow, nodes, sums)
            result[n] = sums.sum(axis=0)
        return result


@ti.func
def is_block_near(b: i32, h: f32, t: template, span: template):
    """Tell whether a block of the grid may touch a body."""
    middle = vec3(t[0, 24], t[0, 25], t[0, 26])
    low = h * vec3(span[b, 0] - PAD, span[b, 1] - PAD, span[b, 2] - PAD)
    high = h * vec3(span[b, 0] - PAD + BLOCK, span[b, 1] - PAD + BLOCK, span[b, 3] - PAD)
    return ti.max(low - middle, middle - high, 0.0).norm() < t[0, 27]


@ti.func
def add_node(b: i32, m: f32, v: Vec3, n: Vec3, arm: Vec3, held: f32, sums: template):
    """Add a node to m J^T P J and m J^T P v, with P = n n^T + held (1 - n n^T)."""
    side = vec3(0.0, 0.0, 1.0) if abs(n[0]) > 0.5 else vec3(1.0, 0.0, 0.0)
    across = n.cross(side).normalized()
    for k in ti.static(range(3)):
        d = n if ti.static(k == 0) else (across if ti.static(k == 1) else n.cross(across))
        share = m if ti.static(k == 0) else held * m
        twist = arm.cross(d)
        j = ti.Vector([d[0], d[1], d[2], twist[0], twist[1], twist[2]])
        for r in ti.static(range(6)):
            for c in ti.static(range(6)):
                sums[b, 6 * r + c] = sums[b, 6 * r + c] + ti.cast(share * j[r] * j[c], f64)
            sums[b, 36 + r] = sums[b, 36 + r] + ti.cast(share * d.dot(v) * j[r], f64)


@ti.kernel
def measure_blocks(
    sx: i32,
    sy: i32,
    h: f32,
    shell: f32,  # cells up to which nodes hold solids
    t: Table,
    distance: Volume,
    span: Spans,
    flow: Ints,
    grid: Vec4s,  # [nodes] m/s and kg
    sums: Reals2,  # [blocks, SUMS] added to
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            if is_block_near(b, h, t, span):
                for i, j in ti.ndrange(BLOCK, BLOCK):
                    x, y = span[b, 0] + i, span[b, 1] + j
                    for z in range(span[b, 2], span[b, 3]):
                        at = span[b, 4] + x * sx + y * sy + z
                        g = grid[at]
                        node = h * vec3(x - PAD, y - PAD, z - PAD)
                        away = (node - vec3(t[0, 24], t[0, 25], t[0, 26])).norm()
                        if g[3] > 0.0 and away < t[0, 27]:
                            d, n, surface = look_up(node, t, distance)
                            v = vec3(g[0], g[1], g[2])
                            into = (v - surface).dot(n)
                            if (
                                into < 0.0
                                and is_in_contact(d / h - OUTSET, shell - OUTSET, at, sx, sy, flow)
                                > 0
                            ):
                                speed = (v - surface - into * n).norm()
                                held = ti.min(1.0, -t[0, 23] * into / ti.max(speed, 1e-20))
                                add_node(b, g[3], v, n, node - row(t, 3), held, sums)


@ti.kernel
def collide_blocks(
    sx: i32,
    sy: i32,
    h: f32,
    shell: f32,
    t: Table,
    distance: Volume,
    span: Spans,
    flow: Ints,
    grid: Vec4s,  # [nodes] m/s and kg, in place
    lost: Reals2,  # [blocks, 6] momentum and its moment about the body's centre, added to
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            if is_block_near(b, h, t, span):
                for i, j in ti.ndrange(BLOCK, BLOCK):
                    x, y = span[b, 0] + i, span[b, 1] + j
                    for z in range(span[b, 2], span[b, 3]):
                        at = span[b, 4] + x * sx + y * sy + z
                        g = grid[at]
                        node = h * vec3(x - PAD, y - PAD, z - PAD)
                        away = (node - vec3(t[0, 24], t[0, 25], t[0, 26])).norm()
                        if g[3] > 0.0 and away < t[0, 27]:
                            d, n, surface = look_up(node, t, distance)
                            if is_in_contact(d / h - OUTSET, shell - OUTSET, at, sx, sy, flow) > 0:
                                v = vec3(g[0], g[1], g[2])
                                kept = contact(v, surface, n, SEPARATE, t[0, 23])
                                grid[at] = vec4(kept[0], kept[1], kept[2], g[3])
                                add_moment(b, g[3] * (v - kept), node - row(t, 3), lost)


@ti.func
def add_moment(b: i32, p: Vec3, arm: Vec3, sums: template):
    twist = arm.cross(p)
    for d in ti.static(range(3)):
        sums[b, d] = sums[b, d] + ti.cast(p[d], f64)
        sums[b, 3 + d] = sums[b, 3 + d] + ti.cast(twist[d], f64)


@ti.kernel
def push_out(
    h: f32,
    t: Table,
    distance: Volume,
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,
    mass: Floats,
    report: Reals2,  # [runs, 7] momentum lost and its moment, and the longest push in cells
):
    """Move particles out of a body, at most by half a cell, and stop them there."""
    for q in range(report.shape[0] * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            for d in ti.static(range(7)):
                report[run, d] = 0.0
            for p in range(run * RUN, ti.min((run + 1) * RUN, cell.shape[0])):
                x = h * (float(cell[p] + 1 - PAD) + offset[p])
                if law[p] != FROZEN and (x - vec3(t[0, 24], t[0, 25], t[0, 26])).norm() < t[0, 27]:
                    d, n, surface = look_up(x, t, distance)
                    if d < 0.0:
                        length = ti.min(-d / h, 0.5)
                        at = offset[p] + length * n
                        step = ti.floor(at + 0.5)
                        cell[p] += int(step)
                        offset[p] = at - step
                        v = vec3(motion[p][0, 0], motion[p][0, 1], motion[p][0, 2])
                        now = contact(v, surface, n, SEPARATE, t[0, 23])
                        for k in ti.static(range(3)):
                            motion[p][0, k] = now[k]
                        add_moment(run, mass[p] * (v - now), x - row(t, 3), report)
                        report[run, 6] = ti.max(report[run, 6], ti.cast(length, f64))
