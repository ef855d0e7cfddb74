# mypy: disable-error-code="valid-type,misc,no-untyped-def,no-untyped-call"
"""What happens on the grid between scatter and gather: forces, walls, ground; called by mpm_solver.

Only blocks near particles are touched: every active block has a span of z. Outside of them
the grid holds what it held, and nobody reads it.
The motion of the grid since the tracers last moved is kept as the sums of dt m v and dt m.
"""

import taichi as ti

from .mpm_state import BLOCK, PAD

vec3 = ti.math.vec3
vec4 = ti.math.vec4
ivec3 = ti.math.ivec3
Vec4s = ti.types.ndarray(dtype=ti.math.vec4, ndim=1)
Spans = ti.types.ndarray(dtype=ti.i32, ndim=2)

CHUNK = 512
STICK, SLIP, SEPARATE = 0, 1, 2
OPEN_WALL, SLIP_WALL, STICK_WALL = 0, 1, 2


@ti.func
def contact(v: vec3, surface: vec3, n: vec3, boundary: ti.i32, friction: ti.f32) -> vec3:
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


@ti.kernel
def clear_blocks(
    sx: ti.i32,
    sy: ti.i32,
    dt: ti.f32,  # of the substep whose velocities the grid still holds; 0 keeps nothing of them
    span: Spans,  # [blocks, 4] first node along x, y; first and last + 1 along z
    grid: Vec4s,  # [nodes] m/s and kg, set to zero
    motion: Vec4s,  # [nodes] kg m and kg s, added to
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                line = (span[b, 0] + i) * sx + (span[b, 1] + j) * sy
                for at in range(line + span[b, 2], line + span[b, 3]):
                    if dt > 0.0:
                        g = grid[at]
                        if g[3] > 0.0:
                            motion[at] += (dt * g[3]) * vec4(g[0], g[1], g[2], 1.0)
                    grid[at] = vec4(0.0)


@ti.kernel
def zero_blocks(sx: ti.i32, sy: ti.i32, span: Spans, grid: Vec4s):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                line = (span[b, 0] + i) * sx + (span[b, 1] + j) * sy
                for at in range(line + span[b, 2], line + span[b, 3]):
                    grid[at] = vec4(0.0)


@ti.kernel
def update_blocks(
    sx: ti.i32,
    sy: ti.i32,
    dt: ti.f32,
    push: vec4,  # acceleration [m/s^2] of gravity and winds, and the winds' drag [1/s]
    walls: ti.i32,
    size: ivec3,  # cells of the domain
    ground: ti.types.vector(4, ti.f32),  # present, node height above which none, boundary, friction
    span: Spans,
    grid: Vec4s,  # [nodes] N s and kg, becomes m/s and kg
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            for i, j in ti.ndrange(BLOCK, BLOCK):
                x, y = span[b, 0] + i, span[b, 1] + j
                for z in range(span[b, 2], span[b, 3]):
                    at = x * sx + y * sy + z
                    g = grid[at]
                    if g[3] > 0.0:
                        v = vec3(g[0], g[1], g[2]) / g[3]
                        v = (v + dt * vec3(push[0], push[1], push[2])) / (1.0 + dt * push[3])
                        if ground[0] > 0.0 and float(z) <= ground[1]:
                            up = vec3(0.0, 0.0, 1.0)
                            v = contact(v, vec3(0.0), up, int(ground[2]), ground[3])
                        if walls != OPEN_WALL:
                            v = wall_velocity(v, ivec3(x, y, z) - PAD, walls, size)
                        grid[at] = vec4(v[0], v[1], v[2], g[3])


@ti.func
def wall_velocity(v: vec3, node: ivec3, walls: ti.i32, size: ivec3) -> vec3:
    """Keep a node on or behind a wall of the domain from moving outwards."""
    result = v
    for d in ti.static(range(3)):
        if node[d] <= 0 or node[d] >= size[d]:
            if walls == STICK_WALL:
                result = vec3(0.0)
            elif node[d] <= 0:
                result[d] = ti.max(result[d], 0.0)
            else:
                result[d] = ti.min(result[d], 0.0)
    return result
