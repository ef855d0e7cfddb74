"""What colliders do to nodes, particles and tracers; called by stepper and rigid.coupling.

Nodes inside of a surface take part in contact with it (grid). So do nodes outside, with what is
elastic: they keep it from coming nearer than it is. How near that is follows from the masses around
the node (contact.meet); a wall that moves would else let go what it presses, as it passes nodes.
"""

import taichi as ti

from ..array_types import (
    Cells,
    Ints,
    Mat3,
    Mat4s,
    Spans,
    Table,
    Vec3,
    Vec3s,
    Vec3Volume,
    Vec4,
    Vec4s,
    Volume,
    f32,
    i32,
    ivec3,
    mat3,
    template,
    vec3,
    vec4,
)
from .contact.meet import TOUCH, mass_around, surface_distance
from .grid import CHUNK, FLOW_SHELL, SEPARATE, SLIP, STICK, contact, is_flow_near
from .state import BLOCK, FROZEN, PAD

RUN = 4096
"""Particles per task of the push."""
FAR_AWAY = 1e9
LAG, BENDS = 28, 29
"""Columns of a table: seconds since a deforming collider was sampled, and whether it is one."""
NEAR = 1.5
"""Cells from a surface up to which nodes judge whether what is elastic touches it."""
STICKING = 1e4
"""Friction of what sticks."""


@ti.func
def rotation_of(t: template) -> Mat3:
    return mat3(t[0, 0], t[0, 1], t[0, 2], t[0, 3], t[0, 4], t[0, 5], t[0, 6], t[0, 7], t[0, 8])


@ti.func
def row(t: template, n: template) -> Vec3:
    return vec3(t[0, 3 * n], t[0, 3 * n + 1], t[0, 3 * n + 2])


@ti.func
def sample_distance(at: Vec3, distance: template) -> Vec4:
    """Gradient (per node) and value of the distance at a place in nodes; FAR_AWAY outside."""
    result = vec4(0.0, 0.0, 1.0, FAR_AWAY)
    n = ivec3(distance.shape[0], distance.shape[1], distance.shape[2])
    inside = True
    for d in ti.static(range(3)):
        inside = inside and at[d] >= 0.0 and at[d] <= float(n[d] - 1)
    if inside:
        c = ti.min(int(at), n - 2)
        f = at - c
        value, gradient = 0.0, vec3(0.0)
        for i, j, k in ti.static(ti.ndrange(2, 2, 2)):
            wx = f[0] if ti.static(i) else 1.0 - f[0]
            wy = f[1] if ti.static(j) else 1.0 - f[1]
            wz = f[2] if ti.static(k) else 1.0 - f[2]
            d = distance[c[0] + i, c[1] + j, c[2] + k]
            value += wx * wy * wz * d
            gradient += d * vec3(
                (2 * i - 1) * wy * wz, (2 * j - 1) * wx * wz, (2 * k - 1) * wx * wy
            )
        result = vec4(gradient[0], gradient[1], gradient[2], value)
    return result


@ti.func
def look_up(x: Vec3, t: template, distance: template):
    """Distance [m], outward normal and velocity of a rigid surface at x; all in the world."""
    r = rotation_of(t)
    arm = x - row(t, 3)
    local = r.transpose() @ arm
    s = sample_distance((local - row(t, 6)) / t[0, 21], distance)
    normal = r @ vec3(s[0], s[1], s[2])
    normal /= ti.max(normal.norm(), 1e-20)
    return s[3], normal, row(t, 4) + row(t, 5).cross(arm)


@ti.func
def sample_drift(at: Vec3, drift: template) -> Vec3:
    """Velocity of a deforming surface in its body at a place in nodes, inside of the grid."""
    n = ivec3(drift.shape[0], drift.shape[1], drift.shape[2])
    c = ti.min(int(at), n - 2)
    f = at - c
    result = vec3(0.0)
    for i, j, k in ti.ndrange(2, 2, 2):
        wx = f[0] if i == 1 else 1.0 - f[0]
        wy = f[1] if j == 1 else 1.0 - f[1]
        wz = f[2] if k == 1 else 1.0 - f[2]
        result += wx * wy * wz * drift[c[0] + i, c[1] + j, c[2] + k]
    return result


@ti.func
def look_up_any(x: Vec3, t: template, distance: template, drift: template):
    """As look_up, of a surface that may deform."""
    d, n, surface = look_up(x, t, distance)
    if t[0, BENDS] > 0.0 and d < FAR_AWAY:
        r = rotation_of(t)
        own = r @ sample_drift((r.transpose() @ (x - row(t, 3)) - row(t, 6)) / t[0, 21], drift)
        d -= t[0, LAG] * own.dot(n)
        surface += own
    return d, n, surface


@ti.func
def touched(
    g: Vec4, at: i32, d: f32, n: Vec3, surface: Vec3, h: f32, dt: f32, shell: f32, flows: i32,
    sx: i32, sy: i32, t: template, flow: template, grid: template,
) -> Vec3:  # fmt: skip
    """Velocity that a node up to NEAR cells (d) from a collider is left with."""
    v = vec3(g[0], g[1], g[2])
    boundary, friction = int(t[0, 22]), t[0, 23]
    flowing = 0
    if flows > 0 and d > shell:
        flowing = is_flow_near(at, sx, sy, flow)
    if d <= shell or (d <= FLOW_SHELL and flowing > 0):
        v = contact(v, surface, n, boundary, friction)
    elif flowing == 0 and (v - surface).dot(n) < 0.0:
        center, spread = mass_around(at, sx, sy, grid)
        gap = d + surface_distance(center.dot(n), n.dot(spread @ n))
        # What is apart may approach by the gap in one step.
        closing = ti.max(gap - TOUCH, 0.0) * h / ti.max(dt, 1e-12)
        grip = STICKING if boundary == STICK else (0.0 if boundary == SLIP else friction)
        v = contact(v, surface - closing * n, n, SEPARATE, grip)
    return v


@ti.kernel
def collide_blocks(
    sx: i32,
    sy: i32,
    h: f32,
    dt: f32,
    shell: f32,  # cells up to which nodes hold solids
    flows: i32,  # whether anything does
    t: Table,
    distance: Volume,
    drift: Vec3Volume,
    span: Spans,
    flow: Ints,
    grid: Vec4s,  # [nodes] m/s and kg
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            middle = vec3(t[0, 24], t[0, 25], t[0, 26])
            low = h * vec3(span[b, 0] - PAD, span[b, 1] - PAD, span[b, 2] - PAD)
            high = h * vec3(span[b, 0] - PAD + BLOCK, span[b, 1] - PAD + BLOCK, span[b, 3] - PAD)
            away = ti.max(low - middle, middle - high, 0.0)
            if away.norm() < t[0, 27]:
                for i, j in ti.ndrange(BLOCK, BLOCK):
                    x, y = span[b, 0] + i, span[b, 1] + j
                    for z in range(span[b, 2], span[b, 3]):
                        at = span[b, 4] + x * sx + y * sy + z
                        g = grid[at]
                        if g[3] > 0.0:
                            node = h * vec3(x - PAD, y - PAD, z - PAD)
                            if (node - middle).norm() < t[0, 27]:
                                d, n, surface = look_up_any(node, t, distance, drift)
                                if d <= NEAR * h:
                                    v = touched(
                                        g, at, d / h, n, surface, h, dt, shell, flows, sx, sy, t,
                                        flow, grid,
                                    )  # fmt: skip
                                    grid[at] = vec4(v[0], v[1], v[2], g[3])


@ti.kernel
def push_out(
    h: f32,
    t: Table,
    distance: Volume,
    drift: Vec3Volume,
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,
    report: Table,  # [runs, 1] the longest push, cells
):
    """Move particles out of a collider, at most by half a cell, and stop them there."""
    for q in range(report.shape[0] * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            longest = 0.0
            for p in range(run * RUN, ti.min((run + 1) * RUN, cell.shape[0])):
                x = h * (float(cell[p] + 1 - PAD) + offset[p])
                if law[p] != FROZEN and (x - vec3(t[0, 24], t[0, 25], t[0, 26])).norm() < t[0, 27]:
                    d, n, surface = look_up_any(x, t, distance, drift)
                    if d < 0.0:
                        length = ti.min(-d / h, 0.5)
                        at = offset[p] + length * n
                        step = ti.floor(at + 0.5)
                        cell[p] += int(step)
                        offset[p] = at - step
                        v = vec3(motion[p][0, 0], motion[p][0, 1], motion[p][0, 2])
                        now = contact(v, surface, n, int(t[0, 22]), t[0, 23])
                        for k in ti.static(range(3)):
                            motion[p][0, k] = now[k]
                        longest = ti.max(longest, length)
            report[run, 0] = longest


@ti.kernel
def keep_out(h: f32, t: Table, distance: Volume, drift: Vec3Volume, cell: Cells, offset: Vec3s):
    """Move tracers out of a collider, at most by half a cell."""
    for p in cell:
        x = h * (float(cell[p] + 1 - PAD) + offset[p])
        if (x - vec3(t[0, 24], t[0, 25], t[0, 26])).norm() < t[0, 27]:
            d, n, _ = look_up_any(x, t, distance, drift)
            if d < 0.0:
                at = offset[p] + ti.min(-d / h, 0.5) * n
                step = ti.floor(at + 0.5)
                cell[p] += int(step)
                offset[p] = at - step
