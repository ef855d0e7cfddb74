"""Particles to grid, and what a point feels of the grid; called by stepper, gather and tracers.

MLS-MPM (Hu et al. 2018) with quadratic B-splines and APIC (Jiang et al. 2015).
x position, v velocity, C affine velocity [1/s], F deformation, tau Kirchhoff stress,
m mass, V rest volume, w weights, h = grid spacing; a grid node holds (m v, m), later (v, m).

On the CPU the scatter runs over blocks of BLOCK x BLOCK columns in four colours, so that two blocks
at work at once never write the same node even where particles have drifted by up to a cell since
the sort: plain stores, no atomics, the same sum in the same order on any number of threads.
Taichi runs a CPU loop in chunks of CHUNK iterations; a task is one chunk of which only the
first iteration works.

What a node holds, and the rows of a particle's motion, are four numbers side by side, and the
sums over nodes run on four at once where the compiler sees that. It does so if
- the next node along z is told at run time (`sz`, always 1): a constant would be folded into
  addresses whose order is then not known;
- lanes that are not needed hold numbers too, not constants;
- the sums end in stores of four numbers: so they are `seeded` into a few lines of memory that
  nobody reads;
- nothing but sums is in that loop: what the laws do follows in a loop of its own, over PART
  particles whose motion is still near.
"""

import taichi as ti

from ..array_types import (
    Cells,
    Floats,
    Ints,
    Mat4s,
    Spans,
    Vec3,
    Vec3s,
    Vec4,
    Vec4s,
    Vec8s,
    f32,
    i32,
    mat4,
    template,
    vec4,
)
from .state import FROZEN

CHUNK = 512
RUN = 2048
"""Particles per task of the gather."""
PART = 256
"""Particles of a run that are gathered for before their laws are asked."""
SEED = 8
"""Rows of seeds per run: more than are used, so that no two cores share a line of memory."""


@ti.func
def weights(f: Vec3):
    """Quadratic B-spline weights of the nodes at -1, 0, 1 cells from the middle node."""
    return 0.5 * (0.5 - f) ** 2, 0.75 - f**2, 0.5 * (0.5 + f) ** 2


@ti.func
def scatter_point(
    p: i32,
    layer: i32,
    sx: i32,
    sy: i32,
    sz: i32,
    h: f32,
    dt: f32,
    atomic: template,
    cell: template,
    offset: template,
    motion: template,
    stress: template,
    mass: template,
    volume: template,
    grid: template,
):
    """Add one particle's mass and momentum to its 27 nodes (Hu et al. 2018, equations 16, 29)."""
    f, m, u, tau = offset[p], mass[p], motion[p], stress[p]
    w = weights(f)
    affine, pulled = m * h, 4.0 * dt * volume[p] / h
    # The last lanes: 0 of C, 0 of tau, and 1 beside v, so that mass comes along.
    ax = affine * vec4(u[1, 0], u[1, 1], u[1, 2], u[1, 3])
    ay = affine * vec4(u[2, 0], u[2, 1], u[2, 2], u[2, 3])
    az = affine * vec4(u[3, 0], u[3, 1], u[3, 2], u[3, 3])
    ax -= pulled * vec4(tau[0], tau[5], tau[4], tau[6])
    ay -= pulled * vec4(tau[5], tau[1], tau[3], tau[6])
    az -= pulled * vec4(tau[4], tau[3], tau[2], tau[6])
    q = m * vec4(u[0, 0], u[0, 1], u[0, 2], u[0, 3]) - ax * (1.0 + f[0]) - ay * (1.0 + f[1])
    q -= az * (1.0 + f[2])
    base = layer + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
    for i in ti.static(range(3)):
        for j in ti.static(range(3)):
            wij = w[i][0] * w[j][1]
            line = base + i * sx + j * sy
            qij = wij * (q + float(i) * ax + float(j) * ay)
            step = wij * az
            for k in ti.static(range(3)):
                add = w[k][2] * (qij + float(k) * step)
                if ti.static(atomic):
                    grid[line + k * sz] += add
                else:
                    grid[line + k * sz] = grid[line + k * sz] + add


@ti.kernel
def scatter_colored(
    sx: i32,
    sy: i32,
    sz: i32,
    h: f32,
    dt: f32,
    t0: i32,
    t1: i32,
    t2: i32,
    t3: i32,
    span: Spans,  # [tasks, 3] first and last + 1 particle, layer; tasks sorted by colour
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,
    stress: Vec8s,
    mass: Floats,
    volume: Floats,
    grid: Vec4s,  # [nodes] N s and kg, added to
):
    for color in ti.static(range(4)):
        for q in range((0, t0, t1, t2)[color] * CHUNK, (t0, t1, t2, t3)[color] * CHUNK):
            if q % CHUNK == 0:
                for p in range(span[q // CHUNK, 0], span[q // CHUNK, 1]):
                    layer = span[q // CHUNK, 2]
                    scatter_point(
                        p, layer, sx, sy, sz, h, dt, False, cell, offset, motion, stress, mass,
                        volume, grid,
                    )  # fmt: skip


@ti.kernel
def scatter_atomic(
    sx: i32,
    sy: i32,
    sz: i32,
    h: f32,
    dt: f32,
    law: Ints,
    body: Ints,
    layer: Ints,  # [bodies] first node
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,
    stress: Vec8s,
    mass: Floats,
    volume: Floats,
    grid: Vec4s,
):
    for p in cell:
        if law[p] != FROZEN:
            scatter_point(
                p, layer[body[p]], sx, sy, sz, h, dt, True, cell, offset, motion, stress, mass,
                volume, grid,
            )  # fmt: skip


@ti.func
def gather_velocity(base: i32, f: Vec3, sx: i32, sy: i32, sz: i32, grid: template):
    """Return v and the moments sum w v d^T (columns, cells), separably along z, y, x."""
    w = weights(f)
    v, cx, cy, cz = vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0)
    for i in ti.static(range(3)):
        vi, cyi, czi = vec4(0.0), vec4(0.0), vec4(0.0)
        for j in ti.static(range(3)):
            line = base + i * sx + j * sy
            g0, g1 = w[0][2] * grid[line], w[1][2] * grid[line + sz]
            g2 = w[2][2] * grid[line + 2 * sz]
            s = g0 + g1 + g2
            vi += w[j][1] * s
            czi += w[j][1] * (g2 - g0)
            if ti.static(j != 1):
                cyi += (w[j][1] * float(j - 1)) * s
        v += w[i][0] * vi
        cy += w[i][0] * cyi
        cz += w[i][0] * czi
        if ti.static(i != 1):
            cx += (w[i][0] * float(i - 1)) * vi
    # Distances so far are from the middle node; the particle is f away from it.
    cx -= f[0] * v
    cy -= f[1] * v
    cz -= f[2] * v
    return v, cx, cy, cz


@ti.func
def rows_of(v: Vec4, x: Vec4, y: Vec4, z: Vec4):
    """What gather_velocity returns, as one matrix, last lanes included."""
    return mat4(
        v[0], v[1], v[2], v[3], x[0], x[1], x[2], x[3],
        y[0], y[1], y[2], y[3], z[0], z[1], z[2], z[3],
    )  # fmt: skip
