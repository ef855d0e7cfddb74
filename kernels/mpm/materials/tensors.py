"""Symmetric tensors: packing, eigenvalues, the left stretch; called by the laws."""

import taichi as ti

from ...array_types import Mat3, Vec3, Vec6, f32, mat3, vec3, vec6


@ti.func
def symmetric(m: Mat3) -> Vec6:
    """Pack a symmetric matrix as xx yy zz yz xz xy."""
    return vec6(m[0, 0], m[1, 1], m[2, 2], m[1, 2], m[0, 2], m[0, 1])


@ti.func
def eigen_symmetric(m: Mat3):
    """Eigenvalues and eigenvectors (columns) of a symmetric matrix by cyclic Jacobi rotations."""
    a = m
    q = mat3(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    sweep = 0
    while sweep < 6:
        off = a[0, 1] ** 2 + a[0, 2] ** 2 + a[1, 2] ** 2
        if off <= 1e-14 * (a[0, 0] ** 2 + a[1, 1] ** 2 + a[2, 2] ** 2):
            sweep = 6
        else:
            for i, j in ti.static(((0, 1), (0, 2), (1, 2))):
                if a[i, j] != 0.0:
                    theta = 0.5 * (a[j, j] - a[i, i]) / a[i, j]
                    sign = ti.select(theta < 0.0, -1.0, 1.0)
                    t = sign / (abs(theta) + ti.sqrt(theta * theta + 1.0))
                    c = 1.0 / ti.sqrt(t * t + 1.0)
                    s = t * c
                    k = ti.static(3 - i - j)
                    a[i, i], a[j, j] = a[i, i] - t * a[i, j], a[j, j] + t * a[i, j]
                    ik, jk = c * a[i, k] - s * a[j, k], s * a[i, k] + c * a[j, k]
                    a[i, k], a[k, i], a[j, k], a[k, j] = ik, ik, jk, jk
                    a[i, j], a[j, i] = 0.0, 0.0
                    for r in ti.static(range(3)):
                        q[r, i], q[r, j] = c * q[r, i] - s * q[r, j], s * q[r, i] + c * q[r, j]
            sweep += 1
    return vec3(a[0, 0], a[1, 1], a[2, 2]), q


@ti.func
def scaled_basis(q: Mat3, d: Vec3) -> Mat3:
    """Return q diag(d) q^T."""
    return (
        d[0] * vec3(q[0, 0], q[1, 0], q[2, 0]).outer_product(vec3(q[0, 0], q[1, 0], q[2, 0]))
        + d[1] * vec3(q[0, 1], q[1, 1], q[2, 1]).outer_product(vec3(q[0, 1], q[1, 1], q[2, 1]))
        + d[2] * vec3(q[0, 2], q[1, 2], q[2, 2]).outer_product(vec3(q[0, 2], q[1, 2], q[2, 2]))
    )


@ti.func
def stretch_by_eigenvalues(b: Mat3, j: f32) -> Mat3:
    """Left stretch V of F = V R with a rotation R; one stretch is negative where J < 0."""
    value, q = eigen_symmetric(b)
    d = ti.sqrt(ti.max(value, 0.0))
    if j < 0.0:
        if d[0] <= d[1] and d[0] <= d[2]:
            d[0] = -d[0]
        elif d[1] <= d[2]:
            d[1] = -d[1]
        else:
            d[2] = -d[2]
    return scaled_basis(q, d)


@ti.func
def stretch_by_newton(b: Mat3, j: f32) -> Mat3:
    """Left stretch V = sqrt(b) from its invariants.

    Newton on the quartic (s^2 - tr b)^2 = 4 II_b + 8 J s of s = tr V (Franca 1989; Lin, Chitalu
    and Komura 2022), then V (b + II_V) = I_V b + J by Cayley-Hamilton (Hoger and Carlson 1984).
    It begins at s^2 = 3 tr b - sum (b_i - b_j)^2 / (4/3 tr b), which is 3 tr b - sum (V_i - V_j)^2
    where stretches are nearly alike: at moderate strain one step or two are left. Errors are
    squared in each, so that after a change by less than 1e-4 only rounding remains.
    """
    c1 = b[0, 0] + b[1, 1] + b[2, 2]
    yz = b[1, 1] * b[2, 2] - b[1, 2] * b[1, 2]
    xz = b[0, 0] * b[2, 2] - b[0, 2] * b[0, 2]
    c2 = b[0, 0] * b[1, 1] - b[0, 1] * b[0, 1] + xz + yz
    s = ti.sqrt(1.5 * c1 + 4.5 * c2 / c1)
    change = s
    steps = 0
    while abs(change) > 1e-4 * s and steps < 12:
        e = s * s - c1
        change = (e * e - 4.0 * c2 - 8.0 * j * s) / (4.0 * s * e - 8.0 * j)
        s -= change
        steps += 1
    h = 0.5 * (s * s - c1)
    # The inverse of b + II_V, symmetric, by cofactors.
    x, y, z = b[0, 0] + h, b[1, 1] + h, b[2, 2] + h
    p, q, r = b[1, 2], b[0, 2], b[0, 1]
    ixx, iyy, izz = y * z - p * p, x * z - q * q, x * y - r * r
    iyz, ixz, ixy = q * r - x * p, r * p - y * q, p * q - z * r
    scale = 1.0 / (x * ixx + r * ixy + q * ixz)
    # V = I_V - (I_V II_V - J) (b + II_V)^-1
    k = -(s * h - j) * scale
    vxx, vyy, vzz = s + k * ixx, s + k * iyy, s + k * izz
    vyz, vxz, vxy = k * iyz, k * ixz, k * ixy
    return mat3(vxx, vxy, vxz, vxy, vyy, vyz, vxz, vyz, vzz)
