"""What happens on the grid between scatter and gather: forces, walls, ground; called by solver.

Only blocks near particles are touched: every active block has a span of z, and the first node of
its layer (contact.layers). Outside of them the grid holds what it held, and nobody reads it.
The motion of the grid since the tracers last moved is kept as the sums of dt m v and dt m.
"""

import taichi as ti

from ..array_types import (
    Cells,
    Ints,
    Spans,
    Table,
    Vec3,
    Vec4,
    Vec4s,
    f32,
    i32,
    template,
    vec3,
    vec4,
)
from .materials.table import FLUID, KIND
from .state import BLOCK, FROZEN, PAD

CHUNK = 512
STICK, SLIP, SEPARATE = 0, 1, 2
OPEN_WALL, SLIP_WALL, STICK_WALL = 0, 1, 2
SOLID_SHELL, FLOW_SHELL = -0.25, 0.5
"""Cells from a surface up to which nodes take part in contact. What is elastic comes to rest 3/4 of
a cell above the nodes that hold it, since the gap's compression already carries it; what flows
goes on until they fill the space down to these nodes. So each gets the nodes that leave it, on the
mean over all places of a surface, without a gap and without losing volume into the surface."""
REACH = 3
"""Cells from a node in which a particle may have been at the last sort that now writes to it."""


@ti.func
def contact(v: Vec3, surface: Vec3, n: Vec3, boundary: i32, friction: f32) -> Vec3:
    """Velocity of what touches a moving surface with the outward normal n.

    Stick takes the surface's velocity; slip keeps only the tangential part; separate does so only
    where v points into the surface. Coulomb: the tangential part loses at most friction times
    the normal part that was taken away.
    """
    relative = v - surface
    into = relative.dot(n)
    result = v
    if boundary == STICK:
        result = surface
    elif boundary == SLIP or into < 0.0:
        along = relative - into * n
        speed = along.norm()
        keep = ti.max(0.0, 1.0 - friction * abs(into) / ti.max(speed, 1e-20))
        result = surface + keep * along
    return result


@ti.func
def is_flow_near(at: i32, sx: i32, sy: i32, flow: template) -> i32:
    """Tell whether what flows may write to a node: whether one was near at the last sort."""
    found = 0
    for i, j in ti.ndrange((-REACH, REACH - 1), (-REACH, REACH - 1)):
        for k in range(-REACH, REACH - 1):
            # Before the first node there is nothing; over the other borders of the lattice lie
            # nodes of its padding, which never are where a particle's stencil starts.
            near = at + i * sx + j * sy + k
            if found == 0 and near >= 0:
                found = flow[near]
    return found


@ti.func
def is_in_contact(distance: f32, solid: f32, at: i32, sx: i32, sy: i32, flow: template) -> i32:
    """Tell whether a node takes part in contact; distance and `solid`, solids' shell, in cells."""
    result = 1 if distance <= solid else 0
    if distance > solid and distance <= FLOW_SHELL:
        result = is_flow_near(at, sx, sy, flow)
    return result


@ti.kernel
def mark_flow(
    sx: i32,
    sy: i32,
    table: Table,
    law: Ints,
    cell: Cells,
    body: Ints,
    layer: Ints,  # [bodies] first node
    flow: Ints,  # [nodes] 1 where some are
):
    for i in flow:
        flow[i] = 0
    for p in cell:
        if law[p] != FROZEN and int(table[law[p], KIND]) & FLUID > 0:
            flow[layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]] = 1


@ti.kernel
def clear_blocks(
    sx: i32,
    sy: i32,
    dt: f32,  # of the substep whose velocities the grid still holds; 0 keeps nothing of them
    span: Spans,  # [blocks, 5] first node along x, y; first and last + 1 along z; layer
    grid: Vec4s,  # [nodes] m/s and kg, set to zero
    motion: Vec4s,  # [nodes] kg m and kg s, added to
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                line = span[b, 4] + (span[b, 0] + i) * sx + (span[b, 1] + j) * sy
                for at in range(line + span[b, 2], line + span[b, 3]):
                    if dt > 0.0:
                        g = grid[at]
                        if g[3] > 0.0:
                            motion[at] += (dt * g[3]) * vec4(g[0], g[1], g[2], 1.0)
                    grid[at] = vec4(0.0)


@ti.kernel
def average_blocks(sx: i32, sy: i32, span: Spans, motion: Vec4s):
    """Turn sums of dt m v and dt m into the mean velocity, and 1 where there was any mass."""
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                line = span[b, 4] + (span[b, 0] + i) * sx + (span[b, 1] + j) * sy
                for at in range(line + span[b, 2], line + span[b, 3]):
                    g = motion[at]
                    if g[3] > 0.0:
                        motion[at] = g / g[3]


@ti.kernel
def zero_blocks(sx: i32, sy: i32, span: Spans, grid: Vec4s):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                line = span[b, 4] + (span[b, 0] + i) * sx + (span[b, 1] + j) * sy
                for at in range(line + span[b, 2], line + span[b, 3]):
                    grid[at] = vec4(0.0)


@ti.kernel
def update_blocks(
    sx: i32,
    sy: i32,
    dt: f32,
    push: Vec4,  # acceleration [m/s^2] of gravity and winds, and the winds' drag [1/s]
    walls: i32,
    low: Vec3,  # where the walls hold nodes, in cells from node PAD
    high: Vec3,
    ground: Vec4,  # present, height in cells from node 0, boundary, friction
    span: Spans,
    flow: Ints,
    grid: Vec4s,  # [nodes] N s and kg, becomes m/s and kg
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                x, y = span[b, 0] + i, span[b, 1] + j
                for z in range(span[b, 2], span[b, 3]):
                    at = span[b, 4] + x * sx + y * sy + z
                    g = grid[at]
                    if g[3] > 0.0:
                        v = vec3(g[0], g[1], g[2]) / g[3]
                        v = (v + dt * vec3(push[0], push[1], push[2])) / (1.0 + dt * push[3])
                        if ground[0] > 0.0:
                            over = float(z) - ground[1]
                            if is_in_contact(over, SOLID_SHELL, at, sx, sy, flow) > 0:
                                up = vec3(0.0, 0.0, 1.0)
                                v = contact(v, vec3(0.0), up, int(ground[2]), ground[3])
                        if walls != OPEN_WALL:
                            v = wall_velocity(v, vec3(x, y, z) - PAD, walls, low, high)
                        grid[at] = vec4(v[0], v[1], v[2], g[3])


@ti.func
def wall_velocity(v: Vec3, node: Vec3, walls: i32, low: Vec3, high: Vec3) -> Vec3:
    """Keep a node on or behind a wall of the domain from moving outwards."""
    result = v
    for d in ti.static(range(3)):
        if node[d] <= low[d] or node[d] >= high[d]:
            if walls == STICK_WALL:
                result = vec3(0.0)
            elif node[d] <= low[d]:
                result[d] = ti.max(result[d], 0.0)
            else:
                result[d] = ti.min(result[d], 0.0)
    return result
