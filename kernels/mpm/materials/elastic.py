"""Elasticity without plastic flow: fixed corotated, and neo-Hookean rubber; called by update."""

import taichi as ti

from ...array_types import Mat3, f32, mat3
from .tensors import stretch_by_eigenvalues, stretch_by_newton, symmetric

UNSAFE = 0.1
"""Below this J the quartic for the stretch is badly conditioned; eigenvalues are used instead."""
CRUSHED = 0.1
"""Below this J rubber's logarithm goes on as its parabola: what is turned inside out recovers."""


@ti.func
def largest_square_stretch(b: Mat3) -> f32:
    """Bound the largest eigenvalue of b from above by mean + sqrt(2/3) |dev b|."""
    mean = (b[0, 0] + b[1, 1] + b[2, 2]) / 3.0
    dev2 = (b[0, 0] - mean) ** 2 + (b[1, 1] - mean) ** 2 + (b[2, 2] - mean) ** 2
    dev2 += 2.0 * (b[0, 1] ** 2 + b[0, 2] ** 2 + b[1, 2] ** 2)
    return mean + ti.sqrt(2.0 / 3.0 * dev2)


@ti.func
def elastic_stress(f: Mat3, mu: f32, lam: f32):
    """Return tau = 2 mu (b - V) + lambda J (J - 1), and rho0 c^2 of its fastest wave."""
    j = f.determinant()
    b = f @ f.transpose()
    v = mat3(0.0)
    if j > UNSAFE:
        v = stretch_by_newton(b, j)
    if j <= UNSAFE:
        v = stretch_by_eigenvalues(b, j)
    tau = symmetric(2.0 * mu * (b - v))
    for i in ti.static(range(3)):
        tau[i] += lam * j * (j - 1.0)
    return tau, 2.0 * mu * largest_square_stretch(b) + lam * j * j


@ti.func
def rubber_stress(f: Mat3, mu: f32, lam: f32):
    """Return tau of compressible neo-Hookean rubber, and rho0 c^2 of its fastest wave.

    psi = mu / 2 (tr b - 3) - mu log J + lambda / 2 (J - 1)^2 (Simo and Pister 1984 with the
    volumetric term of Stomakhin et al. 2012), so tau = mu (b - I) + lambda J (J - 1).
    """
    j = f.determinant()
    b = f @ f.transpose()
    log_slope = 1.0 / ti.max(j, CRUSHED)  # d log J / dJ
    if j < CRUSHED:
        log_slope = (2.0 * CRUSHED - j) / (CRUSHED * CRUSHED)
    tau = mu * symmetric(b)
    for i in ti.static(range(3)):
        tau[i] += lam * j * (j - 1.0) - mu * j * log_slope
    return tau, mu * (largest_square_stretch(b) + 1.0) + lam * j * j
