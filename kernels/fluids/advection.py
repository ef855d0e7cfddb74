"""Carry fields along a velocity: MacCormack's scheme over semi-Lagrangian steps; on the grid.

A step back along the velocity gives a first guess (Stam 1999); tracing that guess forth again
shows the error, half of which is taken off; where the result leaves the range of the values that
it came from, the guess stands (Selle et al. 2008, section 3).
"""

from typing import Any

import taichi as ti

from .grid import (
    Field,
    corner,
    face_centre,
    face_held,
    held,
    is_face,
    sample_cells,
    sample_component,
    trace,
)


@ti.func
def _range_of_cells(field: ti.template(), x):
    """Least and greatest of the values that an interpolation at x reads."""
    base = ti.cast(ti.floor(x - 0.5), ti.i32)
    low, high = 1e30, -1e30
    for o in range(2**x.n):
        value = field[held(field, corner(base, o))]
        low, high = ti.min(low, value), ti.max(high, value)
    return low, high


@ti.func
def _range_of_faces(field: ti.template(), x, d):
    shifted = x - 0.5
    shifted[d] += 0.5
    base = ti.cast(ti.floor(shifted), ti.i32)
    low, high = 1e30, -1e30
    for o in range(2**x.n):
        value = field[face_held(field, corner(base, o), d)][d]
        low, high = ti.min(low, value), ti.max(high, value)
    return low, high


@ti.func
def _leaves(field: ti.template(), x):
    """Whether x lies beyond the cells."""
    result = 0
    for d in ti.static(range(x.n)):
        if x[d] < 0.0 or x[d] > field.shape[d]:
            result = 1
    return result


@ti.kernel
def _guess_cells(u: Field, step: ti.f32, ambient: ti.f32, old: Field, guess: Field):
    for I in ti.grouped(old):
        x = trace(u, ti.cast(I, ti.f32) + 0.5, -step)
        guess[I] = ambient if _leaves(old, x) else sample_cells(old, x)


@ti.kernel
def _correct_cells(u: Field, step: ti.f32, old: Field, guess: Field, new: Field):
    for I in ti.grouped(old):
        centre = ti.cast(I, ti.f32) + 0.5
        x, ahead = trace(u, centre, -step), trace(u, centre, step)
        value = guess[I]
        if not (_leaves(old, x) or _leaves(old, ahead)):
            low, high = _range_of_cells(old, x)
            better = value + 0.5 * (old[I] - sample_cells(guess, ahead))
            if better >= low and better <= high:
                value = better
        new[I] = value


@ti.kernel
def _guess_faces(u: Field, step: ti.f32, old: Field, guess: Field):
    for I in ti.grouped(old):
        for d in range(I.n):
            if is_face(old, I, d):
                x = trace(u, face_centre(I, d), -step)
                guess[I][d] = sample_component(old, x, d)


@ti.kernel
def _correct_faces(u: Field, step: ti.f32, old: Field, guess: Field, new: Field):
    for I in ti.grouped(old):
        for d in range(I.n):
            if is_face(old, I, d):
                centre = face_centre(I, d)
                x, ahead = trace(u, centre, -step), trace(u, centre, step)
                low, high = _range_of_faces(old, x, d)
                better = guess[I][d] + 0.5 * (old[I][d] - sample_component(guess, ahead, d))
                new[I][d] = better if better >= low and better <= high else guess[I][d]


def carry_cells(u: Any, step: float, old: Any, guess: Any, new: Any, ambient: float = 0.0) -> None:
    """Carry the cells' numbers `old` by u for `step` [s per m of spacing] into `new`.

    What comes in through open sides is `ambient`. `guess` is overwritten.
    """
    _guess_cells(u, step, ambient, old, guess)
    _correct_cells(u, step, old, guess, new)


def carry_faces(u: Any, step: float, old: Any, guess: Any, new: Any) -> None:
    """Carry the field of faces `old` by u into `new`; `guess` is overwritten."""
    _guess_faces(u, step, old, guess)
    _correct_faces(u, step, old, guess, new)
