"""Between the particles of a liquid and its grid: affine particle-in-cell on the staggered grid.

Jiang et al., The Affine Particle-In-Cell Method, 2015: each particle carries its velocity v and the
slopes C of its components; linear weights. Faces gather from the particles of the cells around,
which are sorted by cell: nothing is added up in an order that could change.
Positions are in cells from the origin, velocities in m/s, C in m/s per cell.
"""

import taichi as ti

from .grid import (
    Field,
    corner,
    corner_weight,
    face_centre,
    face_held,
    is_cell,
    is_face,
    sample_faces,
    trace,
)


@ti.func
def _number(kind: ti.template(), I):
    """The number of a cell, the last axis first."""
    number = 0
    for k in ti.static(range(I.n)):
        number = number * kind.shape[k] + I[k]
    return number


@ti.func
def _around(I, o):
    """Cell o (0 to 3^n - 1) of those around and with I."""
    J, rest = I, o
    for k in ti.static(range(I.n)):
        J[k] += rest % 3 - 1
        rest //= 3
    return J


@ti.func
def _hat(apart):
    weight = 1.0
    for k in ti.static(range(apart.n)):
        weight *= ti.max(0.0, 1.0 - ti.abs(apart[k]))
    return weight


@ti.func
def _place(position: ti.template(), p, n: ti.template()):
    return ti.Vector([position[p, k] for k in ti.static(range(n))])


@ti.kernel
def to_faces(
    kind: Field,  # cells, for their shape
    start: Field,  # [cells + 1] first particle of each cell
    position: Field,  # [n, dimension]
    velocity: Field,  # [n, dimension]
    slopes: Field,  # [n, dimension, dimension]
    u: Field,  # faces, written
    known: Field,  # faces, written: 1 where there are particles
):
    for I in ti.grouped(u):
        for d in range(I.n):
            momentum, mass = 0.0, 0.0
            if is_face(u, I, d):
                face = face_centre(I, d)
                for o in range(3**I.n):
                    J = _around(I, o)
                    if is_cell(kind, J):
                        cell = _number(kind, J)
                        for p in range(start[cell], start[cell + 1]):
                            apart = face - _place(position, p, ti.static(I.n))
                            weight = _hat(apart)
                            v = velocity[p, d]
                            for k in ti.static(range(I.n)):
                                v += slopes[p, d, k] * apart[k]
                            momentum += weight * v
                            mass += weight
            u[I][d] = momentum / mass if mass > 1e-6 else 0.0
            known[I][d] = 1.0 if mass > 1e-6 else 0.0


@ti.kernel
def crowding(kind: Field, start: Field, position: Field, count: Field):
    """How many particles are at each cell, by linear weights."""
    for I in ti.grouped(count):
        total = 0.0
        for o in range(3**I.n):
            J = _around(I, o)
            if is_cell(kind, J):
                cell = _number(kind, J)
                for p in range(start[cell], start[cell + 1]):
                    total += _hat(ti.cast(I, ti.f32) + 0.5 - _place(position, p, ti.static(I.n)))
        count[I] = total


@ti.kernel
def to_particles(kind: Field, u: Field, position: Field, velocity: Field, slopes: Field):
    """Give the particles the grid's velocity and its slopes."""
    for p in range(position.shape[0]):
        x = _place(position, p, ti.static(len(kind.shape)))
        for d in range(x.n):
            shifted = x - 0.5
            shifted[d] += 0.5
            base = ti.cast(ti.floor(shifted), ti.i32)
            a = shifted - base
            v, slope = 0.0, x * 0.0
            for o in range(2**x.n):
                value = u[face_held(u, corner(base, o), d)][d]
                v += corner_weight(a, o) * value
                for k in ti.static(range(x.n)):
                    # The weight without its factor along k, which is 1 - a or a.
                    b = a
                    b[k] = ti.cast((o >> k) & 1, ti.f32)
                    slope[k] += (2.0 * b[k] - 1.0) * corner_weight(b, o) * value
            velocity[p, d] = v
            for k in ti.static(range(x.n)):
                slopes[p, d, k] = slope[k]


@ti.kernel
def move(kind: Field, u: Field, step: ti.f32, position: Field):
    """Let the particles ride u for `step` [s per m of spacing]."""
    for p in range(position.shape[0]):
        x = trace(u, _place(position, p, ti.static(len(kind.shape))), step)
        for k in ti.static(range(x.n)):
            position[p, k] = x[k]


@ti.kernel
def shift(kind: Field, way: Field, position: Field):
    """Move the particles by a field of faces [cells]."""
    for p in range(position.shape[0]):
        x = _place(position, p, ti.static(len(kind.shape)))
        moved = x + sample_faces(way, x)
        for k in ti.static(range(x.n)):
            position[p, k] = moved[k]
