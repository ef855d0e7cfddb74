"""Grains: Drucker-Prager sand, and snow; called by update."""

import taichi as ti

from ...array_types import Mat3, Vec3, f32, i32, template, vec3
from .hencky import hencky_stress, principal_strains
from .table import COHESION, COMPRESSION, LAMBDA, MU, PACKING, SLOPE, STRETCH, TIP
from .tensors import eigen_symmetric, scaled_basis, symmetric

DENSEST, LOOSEST = 0.6, 1.5
"""Limits of snow's plastic J: beyond them it hardens no further, and forgets how far it flew."""


@ti.func
def sand_return_map(strain: Vec3, gained: f32, slope: f32, cohesion: f32, tip: f32):
    """Project principal Hencky strains onto the yield cone; return them and the volume gained.

    `gained` is the volumetric strain that tension has left behind (Tampubolon et al. 2017, 3.2).
    """
    e = strain + gained / 3.0
    trace = e.sum()
    left = 0.0
    if trace >= tip:
        e = vec3(tip / 3.0)
        left = trace - tip
    else:
        deviator = e - trace / 3.0
        size = deviator.norm()
        over = size - ti.max(cohesion - slope * trace, 0.0)
        if over > 0.0:
            e -= deviator * (over / size)
    return e, left


@ti.func
def sand_stress(b: Mat3, gained: f32, law: i32, table: template):
    """Return the projected stretch, tau, the volume gained, and rho0 c^2 of the fastest wave."""
    strain, q = principal_strains(b)
    slope, cohesion, tip = table[law, SLOPE], table[law, COHESION], table[law, TIP]
    e, left = sand_return_map(strain, gained, slope, cohesion, tip)
    tau, rho_c2 = hencky_stress(e, table[law, MU], table[law, LAMBDA])
    return scaled_basis(q, ti.exp(e)), symmetric(scaled_basis(q, tau)), left, rho_c2


@ti.func
def snow_stress(b: Mat3, packed: f32, law: i32, table: template):
    """Return the clamped stretch, tau, J_P - 1, and rho0 c^2 of the fastest wave.

    Fixed corotated with mu, lambda times exp(xi (1 - J_P)); what elastic stretches lie beyond
    [1 - theta_c, 1 + theta_s] becomes plastic (Stomakhin et al. 2013, sections 4 and 5).
    """
    value, q = eigen_symmetric(b)
    trial = ti.sqrt(ti.max(value, 1e-8))
    s = vec3(0.0)
    for i in ti.static(range(3)):
        s[i] = ti.math.clamp(trial[i], 1.0 - table[law, COMPRESSION], 1.0 + table[law, STRETCH])
    j = s[0] * s[1] * s[2]
    plastic = (1.0 + packed) * (trial[0] * trial[1] * trial[2]) / j
    plastic = ti.math.clamp(plastic, DENSEST, LOOSEST)
    hard = ti.exp(table[law, PACKING] * (1.0 - plastic))
    mu, lam = hard * table[law, MU], hard * table[law, LAMBDA]
    tau = 2.0 * mu * s * (s - 1.0) + lam * j * (j - 1.0)
    fastest = ti.max(s[0], s[1], s[2])
    rho_c2 = 2.0 * mu * fastest * fastest + lam * j * j
    return scaled_basis(q, s), symmetric(scaled_basis(q, tau)), plastic - 1.0, rho_c2
