"""Liquids: weakly compressible water, thin or thick; called by update."""

import taichi as ti

from ...array_types import Mat3, f32, i32, template
from .table import BULK, GAMMA, VISCOSITY
from .tensors import symmetric

THINNEST = 1.5
"""J at which water that flies apart stops remembering how far: it presses again only where it has
come back to J = 1, so a splash gains no volume, and spray does not lose its own."""


@ti.func
def water_pressure(j: f32, bulk: f32, gamma: f32) -> f32:
    """Tait: p = K / gamma (J^-gamma - 1), in Pa; a free surface bears no tension."""
    return bulk / gamma * (ti.pow(ti.min(j, 1.0), -gamma) - 1.0)


@ti.func
def water_stress(j: f32, grad: Mat3, law: i32, table: template):
    """Return tau = J (-p + 2 eta dev D), and rho0 c^2 of sound."""
    bulk, gamma = table[law, BULK], table[law, GAMMA]
    p = water_pressure(j, bulk, gamma)
    rate = 0.5 * (grad + grad.transpose())
    mean = (rate[0, 0] + rate[1, 1] + rate[2, 2]) / 3.0
    tau = symmetric(rate) * (2.0 * table[law, VISCOSITY] * j)
    for i in ti.static(range(3)):
        tau[i] -= j * p + 2.0 * table[law, VISCOSITY] * j * mean
    return tau, (bulk + gamma * p) * ti.min(j, 1.0)
