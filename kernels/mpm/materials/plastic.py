"""Solids that flow without a change of volume: metal, and plasticine that tears; called by update.

Both are Hencky elastic and yield where |dev tau| = sqrt(2/3) sigma_Y (von Mises), sigma_Y the
stress at which a bar under tension yields. The plastic strain alpha = sqrt(2/3) sum |d eps_p| is
the bar's own (Simo and Hughes 1998, 3.3.1).
"""

import math

import taichi as ti

from ...array_types import Mat3, Vec3, f32, i32, template
from .hencky import hencky_stress, principal_strains, radial_return
from .liquids import THINNEST
from .table import HARDENING, LAMBDA, MU, TEAR, YIELD
from .tensors import scaled_basis, symmetric

SQRT_2_3 = 0.816496580927726
OPENING = 3.0
"""Mean tension over sigma_Y at which a hole in soft matter grows by itself (Bishop, Hill and Mott
1945: (2/3) (1 + log(E / sigma_Y)), 3 to 4 where E is 30 to 100 times sigma_Y)."""
CRUMBS = 0.4
"""|dev tau| over mean pressure at which crumbs of torn matter slide: sand's at about 36 degrees."""
LOOSE = math.log(THINNEST)
"""Volumetric strain at which torn matter that flies apart stops remembering how far."""


@ti.func
def metal_stress(f: Mat3, alpha: f32, law: i32, table: template):
    """Return F returned to the yield surface, tau, alpha, and rho0 c^2 of the fastest wave."""
    mu, hardening = table[law, MU], table[law, HARDENING]
    strain, q = principal_strains(f @ f.transpose())
    radius = SQRT_2_3 * (table[law, YIELD] + hardening * alpha)
    e, flow = radial_return(strain, mu, radius, hardening)
    tau, rho_c2 = hencky_stress(e, mu, table[law, LAMBDA])
    result = f
    if flow > 0.0:
        result = scaled_basis(q, ti.exp(e - strain)) @ f
    return result, symmetric(scaled_basis(q, tau)), alpha + SQRT_2_3 * flow, rho_c2


@ti.func
def plasticine_return_map(e: Vec3, alpha: f32, mu: f32, bulk: f32, strength: f32, tear: f32):
    """Return principal strains to the softened yield surface; return them and alpha.

    sigma_Y falls linearly with alpha, to nothing at `tear`; nothing wears where a bar is pressed,
    whose mean stress is -1/3 sigma_Y (Bao and Wierzbicki 2005), and fully from pure shear on. What
    is torn bears no tension; under pressure it slides like grains.
    """
    trace = e.sum()
    deviator = e - trace / 3.0
    size = deviator.norm()
    tension = bulk * trace / (OPENING * strength)
    worn = ti.min(ti.max(alpha, tear * (tension - 1.0)), tear)
    damage = worn / tear
    rubbing = CRUMBS * damage * ti.max(-bulk * trace, 0.0)
    bond = SQRT_2_3 * strength * (1.0 - damage)
    pressed = 3.0 * SQRT_2_3 * ti.max(-bulk * trace, 0.0) / ti.max(bond, 1e-9 * strength)
    wear = SQRT_2_3 * ti.max(1.0 - pressed, 0.0)
    result = e
    if 2.0 * mu * size > ti.max(rubbing, bond):
        # To where friction holds, unless the bond holds before.
        flow = size - rubbing / (2.0 * mu)
        soft = (2.0 * mu * size - bond) / (2.0 * mu - wear * SQRT_2_3 * strength / tear)
        if worn + wear * soft < tear:
            flow = ti.min(flow, soft)
        worn = ti.min(worn + wear * flow, tear)
        result = e - deviator * (flow / size)
    if worn >= tear:
        result -= ti.max(trace - LOOSE, 0.0) / 3.0
    return result, worn


@ti.func
def plasticine_stress(f: Mat3, alpha: f32, law: i32, table: template):
    """Return F returned to the yield surface, tau, alpha, and rho0 c^2 of the fastest wave.

    psi = mu |dev epsilon|^2 + K / 2 ((1 - D) <tr epsilon>+^2 + <tr epsilon>-^2), D = alpha / tear.
    """
    mu, tear = table[law, MU], table[law, TEAR]
    bulk = table[law, LAMBDA] + 2.0 / 3.0 * mu
    strain, q = principal_strains(f @ f.transpose())
    e, worn = plasticine_return_map(strain, alpha, mu, bulk, table[law, YIELD], tear)
    tau, rho_c2 = hencky_stress(e, mu, table[law, LAMBDA])
    tau -= worn / tear * bulk * ti.max(e.sum(), 0.0)
    result = scaled_basis(q, ti.exp(e - strain)) @ f
    return result, symmetric(scaled_basis(q, tau)), worn, rho_c2
