"""Hencky elasticity in principal strains, and the return to von Mises' cylinder; called by laws."""

import taichi as ti

from ...array_types import Vec3, f32


@ti.func
def hencky_stress(e: Vec3, mu: f32, lam: f32):
    """Return principal tau = 2 mu epsilon + lambda tr epsilon, and rho0 c^2 of the fastest wave.

    psi = mu |epsilon|^2 + lambda / 2 (tr epsilon)^2; rho0 c_i^2 = d tau_i / d epsilon_i - tau_i.
    """
    tau = 2.0 * mu * e + lam * e.sum()
    return tau, 2.0 * mu + lam - ti.min(tau[0], tau[1], tau[2], 0.0)
