"""Particles to grid, grid to particles; called by solver, once each in a substep.

MLS-MPM (Hu et al. 2018) with quadratic B-splines and APIC (Jiang et al. 2015).
x position, v velocity, C affine velocity [1/s], F deformation, tau Kirchhoff stress,
m mass, V rest volume, w weights, h = grid spacing; a grid node holds (m v, m), later (v, m).

On the CPU the scatter runs over blocks of BLOCK x BLOCK columns in four colours, so that two blocks
at work at once never write the same node even where particles have drifted by up to a cell since
the sort: plain stores, no atomics, the same sum in the same order on any number of threads.
Taichi runs a CPU loop in chunks of CHUNK iterations; a task is one chunk of which only the
first iteration works.
"""

import taichi as ti

from ..array_types import (
    Cells,
    Floats,
    Ints,
    Mat3s,
    Spans,
    Table,
    Vec3,
    Vec3s,
    Vec4s,
    Vec6s,
    f32,
    i32,
    mat3,
    template,
    vec3,
    vec4,
)
from .materials.tensors import unpacked
from .materials.update import update_law
from .state import FROZEN, PAD

CHUNK = 512
RUN = 2048
"""Particles per task of the gather."""
SPEED, WAVE, FAILED, REASON, LEFT = 0, 1, 2, 3, 4
REPORT = 5
NOT_FINITE, TOO_FAST = 1, 2
ON_GROUND = 1e-3
"""Cells by which the ground may lie under the domain, by rounding, and still close its low side."""


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
    h: f32,
    dt: f32,
    atomic: template,
    cell: template,
    offset: template,
    velocity: template,
    gradient: template,
    stress: template,
    mass: template,
    volume: template,
    grid: template,
):
    """Add one particle's mass and momentum to its 27 nodes (Hu et al. 2018, equations 16, 29)."""
    f, m, v = offset[p], mass[p], velocity[p]
    a = (m * h) * gradient[p] - (4.0 * dt * volume[p] / h) * unpacked(stress[p])
    w = weights(f)
    ax = vec4(a[0, 0], a[1, 0], a[2, 0], 0.0)
    ay = vec4(a[0, 1], a[1, 1], a[2, 1], 0.0)
    az = vec4(a[0, 2], a[1, 2], a[2, 2], 0.0)
    q = vec4(m * v[0], m * v[1], m * v[2], m) - ax * (1.0 + f[0]) - ay * (1.0 + f[1])
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
                    grid[line + k] += add
                else:
                    grid[line + k] = grid[line + k] + add


@ti.kernel
def scatter_colored(
    sx: i32,
    sy: i32,
    h: f32,
    dt: f32,
    t0: i32,
    t1: i32,
    t2: i32,
    t3: i32,
    span: Spans,  # [tasks, 3] first and last + 1 particle, layer; tasks sorted by colour
    cell: Cells,
    offset: Vec3s,
    velocity: Vec3s,
    gradient: Mat3s,
    stress: Vec6s,
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
                        p, layer, sx, sy, h, dt, False, cell, offset, velocity, gradient, stress,
                        mass, volume, grid,
                    )  # fmt: skip


@ti.kernel
def scatter_atomic(
    sx: i32,
    sy: i32,
    h: f32,
    dt: f32,
    law: Ints,
    body: Ints,
    layer: Ints,  # [bodies] first node
    cell: Cells,
    offset: Vec3s,
    velocity: Vec3s,
    gradient: Mat3s,
    stress: Vec6s,
    mass: Floats,
    volume: Floats,
    grid: Vec4s,
):
    for p in cell:
        if law[p] != FROZEN:
            scatter_point(
                p, layer[body[p]], sx, sy, h, dt, True, cell, offset, velocity, gradient, stress,
                mass, volume, grid,
            )  # fmt: skip


@ti.func
def gather_velocity(base: i32, f: Vec3, sx: i32, sy: i32, grid: template):
    """Return v and the moments sum w v d^T (columns, cells), separably along z, y, x."""
    w = weights(f)
    v, cx, cy, cz = vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0)
    for i in ti.static(range(3)):
        vi, cyi, czi = vec4(0.0), vec4(0.0), vec4(0.0)
        for j in ti.static(range(3)):
            line = base + i * sx + j * sy
            g0, g1, g2 = w[0][2] * grid[line], w[1][2] * grid[line + 1], w[2][2] * grid[line + 2]
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
def move(
    p: i32,
    shift: Vec3,
    open_walls: i32,
    floor: f32,
    low: Vec3,
    high: Vec3,
    cell: template,
    offset: template,
    velocity: template,
) -> i32:
    """Move a particle by `shift`; return whether it has left the domain, from `low` to `high`.

    Closed walls and the ground (`floor`) keep it inside, with no velocity into them. In cells.
    """
    at = offset[p] + shift
    step = ti.floor(at + 0.5)
    at -= step
    now = cell[p] + int(step)
    left = 0
    for d in ti.static(range(3)):
        x = float(now[d] + 1 - PAD) + at[d]
        least = ti.max(floor, low[d]) if ti.static(d == 2) else low[d]
        if x < least or x > high[d]:
            on_ground = x < least and floor > low[d] - ON_GROUND if ti.static(d == 2) else False
            if open_walls == 0 or on_ground:
                x = ti.math.clamp(x, least, high[d])
                whole = ti.floor(x + 0.5)
                now[d] = int(whole) + PAD - 1
                at[d] = x - whole
                velocity[p][d] = 0.0
            else:
                left = 1
    cell[p] = now
    offset[p] = at
    return left


@ti.func
def gather_point(
    p: i32,
    layer: i32,
    sx: i32,
    sy: i32,
    h: f32,
    dt: f32,
    open_walls: i32,
    floor: f32,
    low: Vec3,
    high: Vec3,
    kinds: template,
    table: template,
    law: template,
    cell: template,
    offset: template,
    velocity: template,
    gradient: template,
    deformation: template,
    stress: template,
    history: template,
    grid: template,
):
    """Take v and C from the grid, advance x, F and tau; return speed, c^2, reason, left."""
    base = layer + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
    v, cx, cy, cz = gather_velocity(base, offset[p], sx, sy, grid)
    scale = 4.0 / h
    c = scale * mat3(cx[0], cy[0], cz[0], cx[1], cy[1], cz[1], cx[2], cy[2], cz[2])
    velocity[p] = vec3(v[0], v[1], v[2])
    gradient[p] = c
    wave2, reason = update_law(p, dt, c, kinds, table, law, deformation, stress, history)
    speed = ti.max(abs(v[0]), abs(v[1]), abs(v[2]))
    left = 0
    if not speed < 1e30 or not wave2 < 1e30:
        reason = NOT_FINITE
    elif speed * dt > h:
        reason = TOO_FAST
    else:
        shift = (dt / h) * vec3(v[0], v[1], v[2])
        left = move(p, shift, open_walls, floor, low, high, cell, offset, velocity)
        if left == 1:
            law[p] = FROZEN
    return speed, wave2, reason, left


@ti.kernel
def gather_runs(
    sx: i32,
    sy: i32,
    h: f32,
    dt: f32,
    open_walls: i32,
    floor: f32,
    low: Vec3,
    high: Vec3,
    kinds: template,
    table: Table,
    body: Ints,
    layer: Ints,  # [bodies] first node
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    velocity: Vec3s,
    gradient: Mat3s,
    deformation: Mat3s,
    stress: Vec6s,
    history: Floats,
    grid: Vec4s,  # [nodes] m/s and kg
    report: Table,  # [runs, REPORT]: top speed, top c^2, first failed particle, reason, left
):
    for q in range(report.shape[0] * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            top, top_wave2, failed, why, gone = 0.0, 0.0, -1, 0, 0
            for p in range(run * RUN, ti.min((run + 1) * RUN, cell.shape[0])):
                if law[p] != FROZEN:
                    speed, wave2, reason, left = gather_point(
                        p, layer[body[p]], sx, sy, h, dt, open_walls, floor, low, high, kinds,
                        table, law, cell, offset, velocity, gradient, deformation, stress, history,
                        grid,
                    )  # fmt: skip
                    top = ti.max(top, speed)
                    top_wave2 = ti.max(top_wave2, wave2)
                    gone += left
                    if reason != 0 and failed < 0:
                        failed, why = p, reason
            report[run, SPEED], report[run, WAVE] = top, top_wave2
            report[run, FAILED], report[run, REASON] = float(failed), float(why)
            report[run, LEFT] = float(gone)


@ti.kernel
def gather_all(
    sx: i32,
    sy: i32,
    h: f32,
    dt: f32,
    open_walls: i32,
    floor: f32,
    low: Vec3,
    high: Vec3,
    kinds: template,
    table: Table,
    body: Ints,
    layer: Ints,  # [bodies] first node
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    velocity: Vec3s,
    gradient: Mat3s,
    deformation: Mat3s,
    stress: Vec6s,
    history: Floats,
    grid: Vec4s,
    report: Table,  # [1, REPORT]
):
    for p in cell:
        if law[p] != FROZEN:
            speed, wave2, reason, left = gather_point(
                p, layer[body[p]], sx, sy, h, dt, open_walls, floor, low, high, kinds, table, law,
                cell, offset, velocity, gradient, deformation, stress, history, grid,
            )  # fmt: skip
            ti.atomic_max(report[0, SPEED], speed)
            ti.atomic_max(report[0, WAVE], wave2)
            report[0, LEFT] += float(left)
            if reason != 0:
                report[0, FAILED] = float(p)
                report[0, REASON] = float(reason)
