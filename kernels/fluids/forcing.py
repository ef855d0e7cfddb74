"""What changes the velocity of air before it is carried: kernels on the staggered grid; for air."""

import taichi as ti

from .grid import Field, Numbers, face_held, held, is_cell, is_face


@ti.kernel
def add_buoyancy(
    heat: Field, density: Field, passes: Field, lift: Numbers, weight: Numbers, u: Field
):
    for I in ti.grouped(u):
        for d in range(I.n):
            if is_face(u, I, d) and passes[I][d] > 0.0:
                low = I
                low[d] -= 1
                a, b = held(heat, low), held(heat, I)
                warm, thick = 0.5 * (heat[a] + heat[b]), 0.5 * (density[a] + density[b])
                u[I][d] += lift[d] * warm + weight[d] * thick


@ti.kernel
def add_at_cells(change: Field, passes: Field, u: Field):
    """Add to each face the mean of its cells' change of velocity."""
    for I in ti.grouped(u):
        for d in range(I.n):
            if is_face(u, I, d) and passes[I][d] > 0.0:
                low = I
                low[d] -= 1
                u[I][d] += 0.5 * (change[held(change, low)][d] + change[held(change, I)][d])


@ti.kernel
def soften(share: ti.f32, passes: Field, u: Field, new: Field):
    """One explicit step of diffusion; what slides along a wall is not held by it.

    A neighbour that is closed counts only straight ahead, where the wall stops the air.
    """
    for I in ti.grouped(u):
        v = u[I]
        for d in range(I.n):
            if is_face(u, I, d) and passes[I][d] > 0.0:
                total = 0.0
                for e in range(I.n):
                    for side in range(2):
                        J = I
                        J[e] += 2 * side - 1
                        inside = is_cell(u, J) and is_face(u, J, d)
                        if inside and (e == d or passes[J][d] > 0.0):
                            total += u[J][d] - u[I][d]
                v[d] += share * total
        new[I] = v


@ti.func
def _difference(u: ti.template(), I, d, e):
    """How u_d changes from cell to cell along e, at the centre of cell I."""
    result = 0.0
    if d == e:
        J = I
        J[d] += 1
        result = u[J][d] - u[I][d]
    else:
        for side in range(2):
            ahead, behind = I, I
            ahead[d] += side
            behind[d] += side
            ahead[e] += 1
            behind[e] -= 1
            result += 0.25 * (u[face_held(u, ahead, d)][d] - u[face_held(u, behind, d)][d])
    return result


@ti.kernel
def find_curl(u: Field, curl: Field):
    """The size of the curl at the cells [velocity per cell]."""
    for I in ti.grouped(curl):
        square = 0.0
        for d in range(I.n):
            for e in range(d + 1, I.n):
                turn = _difference(u, I, d, e) - _difference(u, I, e, d)
                square += turn * turn
        curl[I] = ti.sqrt(square)


@ti.func
def _confinement(u: ti.template(), curl: ti.template(), I, d):
    """Component d of N x omega at cell I: sum_e N_e (d u_e / d x_d - d u_d / d x_e)."""
    n = ti.cast(I, ti.f32) * 0.0
    for e in range(I.n):
        ahead, behind = I, I
        ahead[e] += 1
        behind[e] -= 1
        n[e] = 0.5 * (curl[held(curl, ahead)] - curl[held(curl, behind)])
    n /= n.norm() + 1e-12
    total = 0.0
    for e in range(I.n):
        if e != d:
            total += n[e] * (_difference(u, I, e, d) - _difference(u, I, d, e))
    return total


@ti.kernel
def confine(strength: ti.f32, curl: Field, passes: Field, u: Field, new: Field):
    """Fedkiw et al. 2001, equations 9 to 11."""
    for I in ti.grouped(u):
        v = u[I]
        for d in range(I.n):
            if is_face(u, I, d) and passes[I][d] > 0.0:
                low = I
                low[d] -= 1
                force = _confinement(u, curl, held(curl, low), d)
                v[d] += 0.5 * strength * (force + _confinement(u, curl, held(curl, I), d))
        new[I] = v
