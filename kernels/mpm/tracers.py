"""Tracers: massless points that ride the grid with a deformation of their own.

They do not move in every substep but once after several, by the grid's mean motion over these:
the mass-weighted mean velocity of every node. Inside the interval the velocity is taken as
v + L (x - x0) about the start, and the N explicit steps x += dt v, F = (I + dt L) F that the
particles took are composed in closed form, (I + dt L)^N, to third order. So a tracer keeps beside
the particles that it started with, in steady motion up to terms of (N dt L)^4.
"""

import numpy as np
import taichi as ti
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..array_types import (
    Cell,
    Cells,
    Floats,
    Ints,
    Mat3,
    Mat3s,
    Mat4,
    Mat4s,
    Vec3,
    Vec3s,
    Vec4s,
    f32,
    i32,
    mat3,
    template,
    vec3,
)
from .input import Particles, Tracers
from .state import FROZEN, PAD
from .transfer import CHUNK, PART, RUN, SEED, gather_velocity, rows_of, weights

OUTSIDE = 0.5
"""Cells beyond an open side from which on a tracer has left: those of a surface lie a little beyond
their particles, which leave at the side itself."""
FULL = 0.9999
"""Share of a stencil's weight on moving nodes from which on its moments are those of a full one."""


def parents_of(particles: Particles, tracers: Tracers) -> NDArray[np.int32]:
    """Return for each tracer the nearest particle of its body, of any where its body has none."""
    if len(particles.position) == 0:
        return np.zeros(0, np.int32)
    parent = np.zeros(len(tracers.position), np.int32)
    for body in np.unique(tracers.body):
        mine = np.flatnonzero(tracers.body == body)
        own = np.flatnonzero(particles.body == body)
        if len(own) == 0:
            own = np.arange(len(particles.position))
        parent[mine] = own[cKDTree(particles.position[own]).query(tracers.position[mine])[1]]
    return parent


@ti.func
def spread_of_nodes(base: i32, f: Vec3, sx: i32, sy: i32, motion: template) -> Mat3:
    """Return the sum w d d^T over the nodes of a stencil that moved, d in cells from the point."""
    w = weights(f)
    spread = mat3(0.0)
    for i, j in ti.static(ti.ndrange(3, 3)):
        for k in ti.static(range(3)):
            d = vec3(i - 1, j - 1, k - 1) - f
            wt = w[i][0] * w[j][1] * w[k][2] * motion[base + i * sx + j * sy + k][3]
            spread += wt * d.outer_product(d)
    return spread


@ti.func
def affine_velocity(base: i32, f: Vec3, sx: i32, sy: i32, felt: Mat4, motion: template):
    """Fit v + L d [m/s, 1/cell] to the nodes that moved, by weighted least squares.

    `felt` are the rows of gather_velocity: velocities are 0 and the last component is 0 where
    nothing moved, so that sums the weights. Near a surface some nodes of the stencil carry nothing;
    the fit still reproduces every affine field. Returns (v, L, whether any node moved).
    """
    total, mean = felt[0, 3], vec3(felt[0, 0], felt[0, 1], felt[0, 2])
    moment = mat3(0.0)
    for i, k in ti.static(ti.ndrange(3, 3)):
        moment[i, k] = felt[1 + k, i]
    first = vec3(felt[1, 3], felt[2, 3], felt[3, 3])
    gradient = 4.0 * (moment - mean.outer_product(first))
    if total > 1e-6 and total < FULL:
        mean /= total
        first /= total
        spread = spread_of_nodes(base, f, sx, sy, motion) / total - first.outer_product(first)
        # A little of the full stencil's moment keeps flat sets of nodes solvable.
        for d in ti.static(range(3)):
            spread[d, d] += 1e-4
        gradient = (moment / total - mean.outer_product(first)) @ spread.inverse()
        mean -= gradient @ first
    return mean, gradient, total > 1e-6


@ti.func
def ride_along(
    p: i32, base: i32, sx: i32, sy: i32, h: f32, one: f32, two: f32, three: f32, size: Cell,
    felt: Mat4, motion: template, cell: template, offset: template, deformation: template,
):  # fmt: skip
    v, gradient, moved = affine_velocity(base, offset[p], sx, sy, felt, motion)
    if moved:
        per_metre = 1.0 / h  # one division, not one for each number
        l = per_metre * gradient
        lv, lf = l @ v, l @ deformation[p]
        x = one * v + two * lv + three * (l @ lv)
        llf = l @ lf
        # Plain stores: += would be atomic.
        deformation[p] = deformation[p] + one * lf + two * llf + three * (l @ llf)
        at = offset[p] + per_metre * x
        step = ti.floor(at + 0.5)
        offset[p] = at - step
        cell[p] = ti.math.clamp(cell[p] + int(step), PAD - 2, size + PAD)


@ti.kernel
def ride_runs(
    sx: i32,
    sy: i32,
    sz: i32,
    h: f32,
    one: f32,  # s, the interval: sum of dt
    two: f32,  # s^2, its (1 - 1/N) / 2 square
    three: f32,  # s^3
    size: Cell,
    layer: Ints,  # [bodies] first node
    motion: Vec4s,  # [nodes] m/s, and 1 where there is any
    body: Ints,
    cell: Cells,
    offset: Vec3s,
    deformation: Mat3s,
    seed: Vec4s,  # [SEED runs] written only: see transfer
    felt: Mat4s,  # [PART runs] what tracers of a part feel
):
    for q in range(felt.shape[0] // PART * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            for part in range(RUN // PART):
                first = run * RUN + part * PART
                last = ti.min(first + PART, cell.shape[0])
                for p in range(first, last):
                    base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
                    v, cx, cy, cz = gather_velocity(base, offset[p], sx, sy, sz, motion)
                    seed[SEED * run] = v
                    seed[SEED * run + sz] = cx
                    seed[SEED * run + 2 * sz] = cy
                    seed[SEED * run + 3 * sz] = cz
                    felt[PART * run + p - first] = rows_of(v, cx, cy, cz)
                for p in range(first, last):
                    base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
                    ride_along(
                        p, base, sx, sy, h, one, two, three, size, felt[PART * run + p - first],
                        motion, cell, offset, deformation,
                    )  # fmt: skip


@ti.kernel
def ride_all(
    sx: i32,
    sy: i32,
    sz: i32,
    h: f32,
    one: f32,
    two: f32,
    three: f32,
    size: Cell,
    layer: Ints,
    motion: Vec4s,
    body: Ints,
    cell: Cells,
    offset: Vec3s,
    deformation: Mat3s,
    seed: Vec4s,  # these two not used
    felt: Mat4s,
):
    for p in cell:
        base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
        v, cx, cy, cz = gather_velocity(base, offset[p], sx, sy, sz, motion)
        ride_along(
            p, base, sx, sy, h, one, two, three, size, rows_of(v, cx, cy, cz), motion, cell,
            offset, deformation,
        )  # fmt: skip


@ti.kernel
def mass_normals(
    sx: i32,
    sy: i32,
    layer: Ints,  # [bodies] first node
    mass: Vec4s,  # [nodes], mass last
    body: Ints,
    cell: Cells,
    offset: Vec3s,
    normal: Vec3s,  # [m, 3] unit, down the gradient of mass; 0 where none
):
    for p in cell:
        base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
        f = offset[p]
        w = weights(f)
        slope = (f - 0.5, -2.0 * f, f + 0.5)
        n = vec3(0.0)
        for i, j in ti.static(ti.ndrange(3, 3)):
            for k in ti.static(range(3)):
                m = mass[base + i * sx + j * sy + k][3]
                n[0] -= m * slope[i][0] * w[j][1] * w[k][2]
                n[1] -= m * w[i][0] * slope[j][1] * w[k][2]
                n[2] -= m * w[i][0] * w[j][1] * slope[k][2]
        length = n.norm()
        normal[p] = n / length if length > 1e-20 else vec3(0.0)


@ti.kernel
def leash(
    sx: i32,
    sy: i32,
    h: f32,
    least: f32,  # share of the rest density below which a tracer is lost
    reach: f32,  # cells from its parent at which a lost one is set down
    parent: Ints,  # [m] row of the particle that each tracer began beside
    layer: Ints,  # [bodies] first node
    mass: Vec4s,  # [nodes], mass last
    to_cell: Cells,
    to_offset: Vec3s,
    particle_mass: Floats,
    volume: Floats,
    law: Ints,
    body: Ints,
    cell: Cells,
    offset: Vec3s,
    gone: Ints,  # [m] set to 1 where that particle has left the domain
):
    """Bring tracers that the matter has left back to the particle that they began beside."""
    for p in cell:
        base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
        w = weights(offset[p])
        found = 0.0
        for i, j in ti.static(ti.ndrange(3, 3)):
            line = base + i * sx + j * sy
            for k in ti.static(range(3)):
                found += w[i][0] * w[j][1] * w[k][2] * mass[line + k][3]
        q = parent[p]
        lost = found < least * h**3 * particle_mass[q] / volume[q]
        if lost and law[q] == FROZEN:
            gone[p] = 1
        elif lost and gone[p] == 0:
            arm = float(cell[p] - to_cell[q]) + offset[p] - to_offset[q]
            arm *= ti.min(1.0, reach / ti.max(arm.norm(), 1e-9))
            at = to_offset[q] + arm
            step = ti.floor(at + 0.5)
            cell[p] = to_cell[q] + int(step)
            offset[p] = at - step


@ti.kernel
def mark_gone(low: Vec3, high: Vec3, cell: Cells, offset: Vec3s, gone: Ints):
    """Note which tracers have left a domain from `low` to `high`, in cells from node PAD."""
    for p in cell:
        for d in ti.static(range(3)):
            x = float(cell[p][d] + 1 - PAD) + offset[p][d]
            if x < low[d] - OUTSIDE or x > high[d] + OUTSIDE:
                gone[p] = 1
