"""Liquids: weakly compressible water, thin or thick; called by update."""

import taichi as ti

from ...array_types import Mat3, f32, i32, template
from .table import BULK, GAMMA, VISCOSITY
from .tensors import symmetric

THINNEST = 1.5
"""J at which water that flies apart stops remembering how far: it presses again only where it has
come back to J = 1, so a splash gains no volume, and spray does not lose its own."""


HOLDING_RATE = 50.0
"""1/s: a liquid bears as much tension as its viscosity resists at this rate.

A thread of honey thins where it is drawn out; without tension it would swell, and crumble. Water
lets go at once.
"""


@ti.func
def water_pressure(j: f32, bulk: f32, gamma: f32, most: f32) -> f32:
    """Tait: p = K / gamma (J^-gamma - 1), in Pa; its tension goes up to `most`: then it parts."""
    return ti.max(bulk / gamma * (ti.pow(j, -gamma) - 1.0), -most)


@ti.func
def water_stress(j: f32, grad: Mat3, law: i32, table: template):
    """Return tau = J (-p + 2 eta dev D), and rho0 c^2 of sound."""
    bulk, gamma, viscosity = table[law, BULK], table[law, GAMMA], table[law, VISCOSITY]
    p = water_pressure(j, bulk, gamma, HOLDING_RATE * viscosity)
    rate = 0.5 * (grad + grad.transpose())
    mean = (rate[0, 0] + rate[1, 1] + rate[2, 2]) / 3.0
    tau = symmetric(rate) * (2.0 * viscosity * j)
    for i in ti.static(range(3)):
        tau[i] -= j * p + 2.0 * viscosity * j * mean
    return tau, (bulk + gamma * p) * ti.min(j, 1.0)
