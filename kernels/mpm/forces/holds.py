"""Regions that are held or moved by hand, on particles and on the grid; called by acting.

A held particle moves exactly as it is told. So does every node that has at least half of its mass
from held particles, and every node that is nearest to one, however few there are: matter beside a
region feels a boundary that is where the region ends.
"""

import taichi as ti

from ...array_types import (
    Cells,
    Floats,
    Ints,
    Mat3,
    Mat4s,
    Vec3,
    Vec3s,
    Vec4s,
    f32,
    i32,
    ivec3,
    mat3,
    vec4,
)
from ..gather import move
from ..state import FROZEN, PAD
from ..transfer import weights
from .pushes import cross_matrix, moving, place_of

FREE, HELD, LET_GO = 0, 1, 2
FULL = 65536.0
"""Counts of the heaviest particle's mass."""
MOST = 0.5 - 1e-3
"""Share of a node's mass from which on it is held."""


@ti.kernel
def hold_velocity(
    h: f32,
    velocity_there: Vec3,  # m/s, at the centre
    spin: Vec3,  # rad/s
    center: Vec3,  # m from node PAD
    rows: Ints,  # [k]
    state: Ints,  # [k] FREE, HELD, LET_GO
    freed: Vec3s,  # [k] m/s of those that are let go
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,
):
    """Before the scatter: give held particles their motion, and others what they start with."""
    for i in rows:
        p = rows[i]
        if law[p] != FROZEN:
            if state[i] == HELD:
                arm = place_of(p, h, cell, offset) - center
                motion[p] = moving(velocity_there + spin.cross(arm), cross_matrix(spin))
            elif state[i] == LET_GO:
                motion[p] = moving(freed[i], mat3(0.0))


@ti.kernel
def count_held(
    sx: i32,
    sy: i32,
    one: f32,  # kg that count as FULL
    rows: Ints,
    state: Ints,
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    mass: Floats,
    body: Ints,
    layer: Ints,  # [bodies] first node
    held: Ints,  # [nodes] added to; 0 everywhere before
    kept_cell: Cells,  # [k] set
    kept_offset: Vec3s,  # [k] set
):
    """Sum up the mass that held particles give to nodes, and note where they are.

    In whole numbers, so that the order of the sum does not matter.
    """
    for i in rows:
        p = rows[i]
        kept_cell[i], kept_offset[i] = cell[p], offset[p]
        if state[i] == HELD and law[p] != FROZEN:
            w = weights(offset[p])
            base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
            scale = FULL * mass[p] / one
            for a, b in ti.static(ti.ndrange(3, 3)):
                for c in ti.static(range(3)):
                    part = w[a][0] * w[b][1] * w[c][2] * scale
                    ti.atomic_add(held[base + a * sx + b * sy + c], int(part + 0.5))


@ti.kernel
def hold_nodes(
    sx: i32,
    sy: i32,
    h: f32,
    one: f32,
    velocity_there: Vec3,
    spin: Vec3,
    center: Vec3,
    rows: Ints,
    state: Ints,
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    body: Ints,
    layer: Ints,
    held: Ints,
    grid: Vec4s,  # [nodes] m/s and kg
):
    """Before the gather: give nodes the motion of the held particles that most of them is of."""
    for i in rows:
        p = rows[i]
        if state[i] == HELD and law[p] != FROZEN:
            base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
            for a, b in ti.static(ti.ndrange(3, 3)):
                for c in ti.static(range(3)):
                    at = base + a * sx + b * sy + c
                    nearest = ti.static(a == 1 and b == 1 and c == 1)
                    mass = grid[at][3]
                    if nearest or float(held[at]) * one >= (MOST * FULL) * mass:
                        arm = h * float(cell[p] + ivec3(a, b, c) - PAD) - center
                        v = velocity_there + spin.cross(arm)
                        # Several particles may write here: all write the same.
                        grid[at] = vec4(v[0], v[1], v[2], mass)


@ti.kernel
def forget_held(
    sx: i32, sy: i32, rows: Ints, cell: Cells, body: Ints, layer: Ints, held: Ints
):  # fmt: skip
    for i in rows:
        p = rows[i]
        base = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
        for a, b in ti.static(ti.ndrange(3, 3)):
            for c in ti.static(range(3)):
                held[base + a * sx + b * sy + c] = 0


@ti.kernel
def hold_place(
    h: f32,
    turn: Mat3,  # rotation of this substep, less 1
    shift: Vec3,  # m, of the centre
    velocity_there: Vec3,
    spin: Vec3,
    center: Vec3,
    floor: f32,
    low: Vec3,  # cells
    high: Vec3,
    rows: Ints,
    state: Ints,
    kept_cell: Cells,
    kept_offset: Vec3s,
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    motion: Mat4s,
):
    """After the gather: move held particles by the motion alone; the domain's walls stop them."""
    for i in rows:
        p = rows[i]
        if state[i] == HELD and law[p] != FROZEN:
            cell[p], offset[p] = kept_cell[i], kept_offset[i]
            arm = place_of(p, h, cell, offset) - center
            motion[p] = moving(velocity_there + spin.cross(arm), cross_matrix(spin))
            step = (turn @ arm + shift) / h
            move(p, step, 0, floor, low, high, cell, offset, motion)
