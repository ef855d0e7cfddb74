"""Fields on the grid, pushes on particles; called by acting.

A push is an acceleration that is the same for all mass of a region (its force), plus the
field alpha x r of a turning body (its torque): so momentum, and the turning, are what Newton and
Euler say for the region's own mass and inertia, whatever the number of particles.
"""

import taichi as ti

from ...array_types import (
    Cells,
    Floats,
    Ints,
    Mat3,
    Mat4s,
    Spans,
    Table,
    Vec3,
    Vec3s,
    Vec4s,
    f32,
    i32,
    mat3,
    mat4,
    template,
    vec3,
    vec4,
)
from ...fields import all_fields
from ..grid import CHUNK
from ..state import BLOCK, FROZEN, PAD

RUN = 2048
"""Particles per task of the sums."""
MASS, FIRST, SECOND = 0, 1, 4
SUMS = 10
"""Mass; first moments; second moments xx, yy, zz, yz, xz, xy."""


@ti.kernel
def apply_fields(
    sx: i32,
    sy: i32,
    h: f32,
    dt: f32,
    corner: Vec3,  # m, world, of node PAD
    kinds: template,
    table: Table,  # [fields, COLUMNS]
    perm: Ints,
    span: Spans,
    grid: Vec4s,  # [nodes] N s and kg
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
                        place = corner + h * vec3(x - PAD, y - PAD, z - PAD)
                        f = all_fields(place, v, kinds, table, perm)
                        v += dt * vec3(f[0], f[1], f[2])
                        # What slows is implicit: however strong, it never turns motion round.
                        v *= 1.0 / (1.0 + dt * f[3]) if f[3] >= 0.0 else 1.0 - dt * f[3]
                        grid[at] = vec4(g[3] * v[0], g[3] * v[1], g[3] * v[2], g[3])


@ti.func
def place_of(p: i32, h: f32, cell: template, offset: template) -> Vec3:
    """Position [m] from node PAD."""
    return h * (float(cell[p] + 1 - PAD) + offset[p])


@ti.func
def cross_matrix(w: Vec3) -> Mat3:
    return mat3(0.0, -w[2], w[1], w[2], 0.0, -w[0], -w[1], w[0], 0.0)


@ti.func
def moving(v: Vec3, c: Mat3):
    """Rows of a particle's motion: v and 1, then the columns of C and 0."""
    return mat4(
        v[0], v[1], v[2], 1.0,
        c[0, 0], c[1, 0], c[2, 0], 0.0,
        c[0, 1], c[1, 1], c[2, 1], 0.0,
        c[0, 2], c[1, 2], c[2, 2], 0.0,
    )  # fmt: skip


@ti.kernel
def push_region(
    h: f32,
    linear: Vec3,  # m/s
    angular: Vec3,  # rad/s
    center: Vec3,  # m from node PAD
    rows: Ints,  # [k]
    weight: Floats,  # [k]
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,  # [n] added to
):
    for i in rows:
        p = rows[i]
        if law[p] != FROZEN:
            w = weight[i]
            arm = place_of(p, h, cell, offset) - center
            # Plain stores: += would be atomic, several times slower.
            gained = moving(linear + angular.cross(arm), cross_matrix(angular))
            gained[0, 3] = 0.0  # beside v stays 1
            motion[p] = motion[p] + w * gained


@ti.kernel
def sum_moments(
    h: f32,
    about: Vec3,  # m from node PAD
    rows: Ints,
    weight: Floats,
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    mass: Floats,
    volume: Floats,
    report: Table,  # [runs, SUMS] kg, kg m, kg m^2 about `about`
):
    """Sum up the region's weighted mass and moments; each particle counts as a cube."""
    for q in range(report.shape[0] * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            m, first, square, mixed = 0.0, vec3(0.0), vec3(0.0), vec3(0.0)
            for i in range(run * RUN, ti.min((run + 1) * RUN, rows.shape[0])):
                p = rows[i]
                if law[p] != FROZEN:
                    part = weight[i] * mass[p]
                    arm = place_of(p, h, cell, offset) - about
                    m += part
                    first += part * arm
                    square += part * (arm**2 + ti.pow(volume[p], 2.0 / 3.0) / 12.0)
                    mixed += part * vec3(arm[1] * arm[2], arm[0] * arm[2], arm[0] * arm[1])
            report[run, MASS] = m
            for d in ti.static(range(3)):
                report[run, FIRST + d] = first[d]
                report[run, SECOND + d] = square[d]
                report[run, SECOND + 3 + d] = mixed[d]
