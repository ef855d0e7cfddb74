"""Grains: Drucker-Prager sand; called by update."""

import taichi as ti

from ...array_types import Mat3, Vec3, f32, i32, template, vec3
from .hencky import hencky_stress
from .table import COHESION, LAMBDA, MU, SLOPE, TIP
from .tensors import eigen_symmetric, scaled_basis, symmetric


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
    value, q = eigen_symmetric(b)
    strain = 0.5 * ti.log(ti.max(value, 1e-8))
    slope, cohesion, tip = table[law, SLOPE], table[law, COHESION], table[law, TIP]
    e, left = sand_return_map(strain, gained, slope, cohesion, tip)
    tau, rho_c2 = hencky_stress(e, table[law, MU], table[law, LAMBDA])
    return scaled_basis(q, ti.exp(e)), symmetric(scaled_basis(q, tau)), left, rho_c2
