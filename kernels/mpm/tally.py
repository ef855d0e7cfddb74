"""Sums over particles and a thinned look at them in one pass each, in float64; called by totals.

The same formulas as energy.py, whose NumPy they are held to, five times as fast. Each task sums up
a run of particles in their order, and the host adds the tasks up: the same bits on any number of
threads.
"""

import taichi as ti

from ..array_types import (
    Cells,
    Floats,
    Ints,
    Mat3s,
    Mat4s,
    Reals,
    Reals2,
    Reals3,
    Table,
    Vec3s,
    dmat3,
    dvec3,
    f64,
    i32,
    template,
)
from .materials import table as t
from .materials.elastic import CRUSHED
from .materials.liquids import HOLDING_RATE
from .materials.plastic import OPENING
from .state import FROZEN, PAD

CHUNK = 512
LEAST = 1e-6
"""Stretches below it count as it."""
ROWS = 14
"""Mass, momentum, angular momentum, kinetic, elastic, volume, mass times place, count."""


@ti.func
def principal(f: template):
    """Singular values of F, largest first: roots of the cubic of F^T F (Smith 1961)."""
    c = f.transpose() @ f
    mean = c.trace() / 3.0
    d0, d1, d2 = c[0, 0] - mean, c[1, 1] - mean, c[2, 2] - mean
    x, y, z = c[0, 1], c[0, 2], c[1, 2]
    size = ti.sqrt((d0 * d0 + d1 * d1 + d2 * d2 + 2.0 * (x * x + y * y + z * z)) / 6.0)
    det = d0 * (d1 * d2 - z * z) - x * (x * d2 - z * y) + y * (x * z - d1 * y)
    ratio = ti.math.clamp(det / ti.max(2.0 * size * size * size, 1e-300), -1.0, 1.0)
    angle = ti.acos(ratio) / 3.0
    first = mean + 2.0 * size * ti.cos(angle)
    last = mean + 2.0 * size * ti.cos(angle + f64(2.0943951023931953))
    zero = f64(0.0)
    middle = 3.0 * mean - first - last
    return dvec3(
        ti.sqrt(ti.max(first, zero)), ti.sqrt(ti.max(middle, zero)), ti.sqrt(ti.max(last, zero))
    )


@ti.func
def lost_strength(kind: i32, l: i32, past: f64, table: template) -> f64:
    """Share of its strength under tension that matter has lost."""
    lost = f64(0.0)
    if kind == t.PLASTICINE:
        lost = ti.math.clamp(past / f64(table[l, t.TEAR]), 0.0, 1.0)
    if kind == t.BRITTLE:
        start, tear = f64(table[l, t.STRENGTH]) / f64(table[l, t.YOUNG]), f64(table[l, t.TEAR])
        most = ti.max(past, start)
        lost = 1.0 - ti.math.clamp(start / most * (start + tear - most) / tear, 0.0, 1.0)
    return lost


@ti.func
def water_energy(j: f64, l: i32, table: template) -> f64:
    g, bulk = f64(table[l, t.GAMMA]), f64(table[l, t.BULK])
    most = HOLDING_RATE * f64(table[l, t.VISCOSITY])
    left, held = 1.0 - g * most / bulk, j
    if left > 0.0:
        held = ti.min(j, left ** (-1.0 / g))
    result = bulk * (held - 1.0 - ti.log(held))
    if g != 1.0:
        result = bulk / g * ((held ** (1.0 - g) - 1.0) / (g - 1.0) + held - 1.0)
    return result + most * (j - held)


@ti.func
def cream_energy(b: template, j: f64, l: i32, table: template) -> f64:
    mu, lam = f64(table[l, t.MU]), f64(table[l, t.LAMBDA])
    bulk, most = lam + 2.0 * mu / 3.0, OPENING * f64(table[l, t.YIELD])
    held = ti.min(j, ti.sqrt(1.0 + 2.0 * most / bulk))
    swell = 0.5 * bulk * ((held * held - 1.0) / 2.0 - ti.log(held)) + most * ti.log(j / held)
    return swell + 0.5 * mu * (b.trace() * j ** (-f64(2.0) / 3.0) - 3.0)


@ti.func
def rubber_energy(f: template, j: f64, l: i32, table: template) -> f64:
    mu, lam = f64(table[l, t.MU]), f64(table[l, t.LAMBDA])
    crushed = ti.min(j / CRUSHED - 1.0, 0.0)
    log_j = ti.log(ti.max(j, CRUSHED)) + crushed - crushed * crushed / 2.0
    return 0.5 * mu * (f.norm_sqr() - 3.0) - mu * log_j + 0.5 * lam * (j - 1.0) ** 2


@ti.func
def strained_energy(f: template, j: f64, kind: i32, l: i32, past: f64, table: template) -> f64:
    """Of the laws whose energy is one of principal stretches."""
    mu, lam = f64(table[l, t.MU]), f64(table[l, t.LAMBDA])
    s = principal(f)
    result = f64(0.0)
    if kind & (t.ELASTIC | t.SNOW) > 0:
        s[2] *= ti.math.sign(j)
        packing = f64(table[l, t.PACKING]) if kind == t.SNOW else f64(0.0)
        result = mu * (s - 1.0).norm_sqr() + 0.5 * lam * (j - 1.0) ** 2
        result *= ti.exp(-packing * past)
    else:
        e = ti.log(ti.max(s, LEAST))
        trace = e.sum()
        pulled = ti.max(trace, 0.0) ** 2
        tension = 0.5 * lam * pulled
        if kind == t.BRITTLE:
            tension += mu * ti.max(e, 0.0).norm_sqr()
        if kind == t.PLASTICINE:
            tension += mu / 3.0 * pulled
        result = mu * e.norm_sqr() + 0.5 * lam * trace * trace
        result -= tension * lost_strength(kind, l, past, table)
    return result


@ti.func
def energy_and_volume(f: template, past: f64, l: i32, table: template):
    """Energy [J/m^3 of rest volume], and volume over that at rest."""
    kind = int(table[l, t.KIND])
    energy, volume = f64(0.0), f.determinant()
    if kind == t.WATER:
        volume = f[0, 0]
        energy = water_energy(volume, l, table)
    elif kind == t.CREAM:
        volume = ti.sqrt(volume)
        energy = cream_energy(f, volume, l, table)
    elif kind == t.RUBBER:
        energy = rubber_energy(f, volume, l, table)
    else:
        energy = strained_energy(f, volume, kind, l, past, table)
        if kind == t.SAND:
            volume *= ti.exp(past)
        if kind == t.SNOW:
            volume *= 1.0 + past
    return energy, volume


@ti.func
def doubled(m: template):
    r = dmat3(0.0)
    for i, j in ti.static(ti.ndrange(3, 3)):
        r[i, j] = f64(m[i, j])
    return r


@ti.func
def placed(cell: template, offset: template, corner: template, h: f64):
    """World position [m]."""
    x = dvec3(0.0)
    for d in ti.static(range(3)):
        x[d] = corner[d] + h * (f64(cell[d] + 1 - PAD) + f64(offset[d]))
    return x


@ti.kernel
def tally(
    h: f64,
    each: i32,  # particles of a run
    corner: Reals,  # [3] m, world
    table: Table,
    law: Ints,
    body: Ints,
    cell: Cells,
    offset: Vec3s,
    mass: Floats,
    motion: Mat4s,
    deformation: Mat3s,
    volume: Floats,
    history: Floats,
    sums: Reals3,  # [runs, bodies, ROWS], added to
):
    for q in range(sums.shape[0] * CHUNK):
        if q % CHUNK == 0:
            r = q // CHUNK
            for p in range(r * each, ti.min((r + 1) * each, cell.shape[0])):
                if law[p] != FROZEN:
                    x = placed(cell[p], offset[p], corner, h)
                    m, b, c = f64(mass[p]), body[p], dmat3(0.0)
                    for i, j in ti.static(ti.ndrange(3, 3)):
                        c[i, j] = f64(motion[p][1 + j, i])
                    v = dvec3(motion[p][0, 0], motion[p][0, 1], motion[p][0, 2])
                    # A quadratic B-spline's second moment is h^2 / 4 along each axis (Jiang 2015).
                    spin = dvec3(c[2, 1] - c[1, 2], c[0, 2] - c[2, 0], c[1, 0] - c[0, 1])
                    turning = m * (x.cross(v) + h * h / 4.0 * spin)
                    energy, swollen = energy_and_volume(
                        doubled(deformation[p]), f64(history[p]), law[p], table
                    )
                    sums[r, b, 0] = sums[r, b, 0] + m
                    for d in ti.static(range(3)):
                        sums[r, b, 1 + d] = sums[r, b, 1 + d] + m * v[d]
                        sums[r, b, 4 + d] = sums[r, b, 4 + d] + turning[d]
                        sums[r, b, 10 + d] = sums[r, b, 10 + d] + m * x[d]
                    moving = v.norm_sqr() + h * h / 4.0 * c.norm_sqr()
                    sums[r, b, 7] = sums[r, b, 7] + 0.5 * m * moving
                    sums[r, b, 8] = sums[r, b, 8] + f64(volume[p]) * energy
                    sums[r, b, 9] = sums[r, b, 9] + f64(volume[p]) * swollen
                    sums[r, b, 13] = sums[r, b, 13] + 1.0


@ti.kernel
def look(
    h: f64,
    every: i32,
    corner: Reals,
    table: Table,
    law: Ints,  # [n]
    body: Ints,
    index: Ints,
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,
    deformation: Mat3s,
    history: Floats,
    place: Reals2,  # [those seen, 3] m, world
    values: Reals2,  # [those seen, 3] speed m/s, strain, damage
    seen: Ints,  # [those seen] body, -1 outside of the domain
):
    for p in law:
        if index[p] % every == 0:
            at, l = index[p] // every, ti.max(law[p], 0)
            x = placed(cell[p], offset[p], corner, h)
            f, past, kind = doubled(deformation[p]), f64(history[p]), int(table[l, t.KIND])
            for d in ti.static(range(3)):
                place[at, d] = x[d]
            v = dvec3(motion[p][0, 0], motion[p][0, 1], motion[p][0, 2])
            seen[at] = -1
            if law[p] != FROZEN:
                seen[at] = body[p]
                values[at, 0] = v.norm()
                if kind == t.WATER:
                    values[at, 1] = abs(ti.log(ti.max(f[0, 0], LEAST))) / 3.0
                else:
                    s = principal(f)
                    most = abs(ti.log(ti.max(s[0], LEAST)))
                    most = ti.max(most, abs(ti.log(ti.max(s[2], LEAST))))
                    values[at, 1] = most * (0.5 if kind == t.CREAM else 1.0)
                values[at, 2] = lost_strength(kind, l, past, table)
