"""Hencky elasticity in principal strains, and the return to von Mises' cylinder; called by laws."""

import taichi as ti

from ...array_types import Mat3, Vec3, f32
from .tensors import eigen_symmetric


@ti.func
def hencky_stress(e: Vec3, mu: f32, lam: f32):
    """Return principal tau = 2 mu epsilon + lambda tr epsilon, and rho0 c^2 of the fastest wave.

    psi = mu |epsilon|^2 + lambda / 2 (tr epsilon)^2; rho0 c_i^2 = d tau_i / d epsilon_i - tau_i.
    """
    tau = 2.0 * mu * e + lam * e.sum()
    return tau, 2.0 * mu + lam - ti.min(tau[0], tau[1], tau[2], 0.0)


@ti.func
def radial_return(e: Vec3, mu: f32, radius: f32, hardening: f32):
    """Return principal strains to |dev tau| <= radius; also the length of the plastic strain.

    `radius` grows by 2/3 `hardening` [Pa] times that length (Simo and Hughes 1998, box 3.2).
    """
    trace = e.sum()
    deviator = e - trace / 3.0
    size = deviator.norm()
    over = 2.0 * mu * size - radius
    flow = 0.0
    result = e
    if over > 0.0:
        flow = over / (2.0 * mu + 2.0 / 3.0 * hardening)
        result = e - deviator * (flow / size)
    return result, flow


@ti.func
def principal_strains(b: Mat3):
    """Return log V's eigenvalues and eigenvectors (columns) of b = V^2."""
    value, q = eigen_symmetric(b)
    return 0.5 * ti.log(ti.max(value, 1e-8)), q
