"""Grid to particles: motion from the nodes, then what the laws and the walls make of it.

Called by stepper, once in a substep. How transfer explains it, the sums run in a loop of their own.
"""

import math

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ..array_types import (
    Cells,
    Floats,
    Ints,
    Mat3s,
    Mat4s,
    Table,
    Vec3,
    Vec3s,
    Vec4,
    Vec4s,
    Vec8s,
    f32,
    i32,
    mat3,
    mat4,
    template,
    vec3,
    vec8,
)
from .materials.update import INVERTED, update_law
from .state import FROZEN, PAD
from .transfer import CHUNK, PART, RUN, SEED, gather_velocity

SPEED, WAVE, FAILED, REASON, LEFT = 0, 1, 2, 3, 4
REPORT = 5
NOT_FINITE, TOO_FAST = 1, 2
REASONS = {
    NOT_FINITE: "its velocity or stress is not finite",
    TOO_FAST: "it moved by more than a cell in one substep",
    INVERTED: "it was turned inside out",
}
ON_GROUND = 1e-3
"""Cells by which the ground may lie under the domain, by rounding, and still close its low side."""


def first_failure(report: NDArray[np.float32]) -> tuple[int, str] | None:
    """Return the row of a particle that went wrong, and how."""
    failed = report[:, REASON] > 0
    if not failed.any():
        return None
    first = report[failed.argmax()]
    return int(first[FAILED]), REASONS[int(first[REASON])]


def summary(report: NDArray[np.float32]) -> tuple[float, float, int]:
    """Return top speed [m/s], top wave speed [m/s], and how many left the domain."""
    wave = math.sqrt(report[:, WAVE].max(initial=1e-12))
    return float(report[:, SPEED].max()), wave, int(report[:, LEFT].sum())


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
    motion: template,
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
                motion[p][0, d] = 0.0
            else:
                left = 1
    cell[p] = now
    offset[p] = at
    return left


@ti.func
def gather_motion(
    p: i32, layer: i32, sx: i32, sy: i32, sz: i32, h: f32, cell: template, offset: template,
    grid: template,
):  # fmt: skip
    """Return v and the columns of C, with a last lane that means nothing."""
    base = layer + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
    v, cx, cy, cz = gather_velocity(base, offset[p], sx, sy, sz, grid)
    return v, (4.0 / h) * cx, (4.0 / h) * cy, (4.0 / h) * cz


@ti.func
def padded(v: Vec4, x: Vec4, y: Vec4, z: Vec4):
    """Rows of a particle's motion (state.ParticleArrays)."""
    return mat4(
        v[0], v[1], v[2], 1.0, x[0], x[1], x[2], 0.0, y[0], y[1], y[2], 0.0, z[0], z[1], z[2], 0.0
    )


@ti.func
def advance(
    p: i32,
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
    motion: template,
    deformation: template,
    stress: template,
    history: template,
):
    """Advance x, F and tau by the particle's motion; return speed, c^2, reason, left."""
    u = motion[p]
    v = vec3(u[0, 0], u[0, 1], u[0, 2])
    c = mat3(u[1, 0], u[2, 0], u[3, 0], u[1, 1], u[2, 1], u[3, 1], u[1, 2], u[2, 2], u[3, 2])
    tau, wave2, reason = update_law(p, dt, c, kinds, table, law, deformation, history)
    stress[p] = vec8(tau[0], tau[1], tau[2], tau[3], tau[4], tau[5], 0.0, 0.0)
    speed = ti.max(abs(v[0]), abs(v[1]), abs(v[2]))
    left = 0
    if not speed < 1e30 or not wave2 < 1e30:
        reason = NOT_FINITE
    elif speed * dt > h:
        reason = TOO_FAST
    else:
        left = move(p, (dt / h) * v, open_walls, floor, low, high, cell, offset, motion)
        if left == 1:
            law[p] = FROZEN
    return speed, wave2, reason, left


@ti.kernel
def gather_runs(
    sx: i32,
    sy: i32,
    sz: i32,
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
    motion: Mat4s,
    deformation: Mat3s,
    stress: Vec8s,
    history: Floats,
    grid: Vec4s,  # [nodes] m/s and kg
    seed: Vec4s,  # [SEED runs] written only
    report: Table,  # [runs, REPORT]: top speed, top c^2, first failed particle, reason, left
):
    for q in range(report.shape[0] * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            top, top_wave2, failed, why, gone = 0.0, 0.0, -1, 0, 0
            for part in range(RUN // PART):
                first = run * RUN + part * PART
                last = ti.min(first + PART, cell.shape[0])
                for p in range(first, last):
                    # Those that have left are still where nodes are.
                    v, cx, cy, cz = gather_motion(
                        p, layer[body[p]], sx, sy, sz, h, cell, offset, grid
                    )
                    seed[SEED * run] = v
                    seed[SEED * run + sz] = cx
                    seed[SEED * run + 2 * sz] = cy
                    seed[SEED * run + 3 * sz] = cz
                    if law[p] != FROZEN:
                        motion[p] = padded(v, cx, cy, cz)
                for p in range(first, last):
                    if law[p] != FROZEN:
                        speed, wave2, reason, left = advance(
                            p, h, dt, open_walls, floor, low, high, kinds, table, law, cell,
                            offset, motion, deformation, stress, history,
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
    sz: i32,
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
    motion: Mat4s,
    deformation: Mat3s,
    stress: Vec8s,
    history: Floats,
    grid: Vec4s,
    seed: Vec4s,  # not used
    report: Table,  # [1, REPORT]
):
    for p in cell:
        if law[p] != FROZEN:
            v, cx, cy, cz = gather_motion(p, layer[body[p]], sx, sy, sz, h, cell, offset, grid)
            motion[p] = padded(v, cx, cy, cz)
            speed, wave2, reason, left = advance(
                p, h, dt, open_walls, floor, low, high, kinds, table, law, cell, offset, motion,
                deformation, stress, history,
            )  # fmt: skip
            ti.atomic_max(report[0, SPEED], speed)
            ti.atomic_max(report[0, WAVE], wave2)
            report[0, LEFT] += float(left)
            if reason != 0:
                report[0, FAILED] = float(p)
                report[0, REASON] = float(reason)
