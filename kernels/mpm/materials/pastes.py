"""Pastes: foam and cream, which stand until they are pushed and then flow; called by update.

b_bar = J^(-2/3) b. Herschel-Bulkley flow after Yue et al. 2015 (Continuum Foam, sections 3 and 4.3)
of a compressible neo-Hookean (Simo and Hughes 1998, 9.2): no decomposition is needed.
"""

import taichi as ti

from ...array_types import Mat3, f32, i32, template
from .liquids import THINNEST
from .plastic import OPENING, SQRT_2_3
from .table import CONSISTENCY, FLOW_INDEX, LAMBDA, MU, YIELD
from .tensors import symmetric

THICKEST = 1e-2
"""Least J."""


@ti.func
def flow_rate(over: f32, c: f32, k: f32, n: f32) -> f32:
    """Solve k g^n + c g = over for g >= 0 by Newton's method.

    One term alone gives half of `over` at the start: to within a factor of 2, on the side from
    which the steps do not leave the root's other side again.
    """
    g = ti.min(0.5 * over / c, ti.pow(0.5 * over / ti.max(k, 1e-20), 1.0 / n))
    change = g
    steps = 0
    while abs(change) > 1e-6 * g and steps < 20:
        resisted = k * ti.pow(g, n)
        change = (resisted + c * g - over) / (n * resisted / ti.max(g, 1e-20) + c)
        g = ti.max(g - change, 1e-12)
        steps += 1
    return g


@ti.func
def isochoric_mean(mean: f32, deviator: Mat3) -> f32:
    """Find the mean m of the tensor m I + deviator whose determinant is 1, from `mean` above it."""
    half, det = 0.5 * deviator.norm_sqr(), deviator.determinant()
    m = mean
    for _ in range(4):
        m -= (m * m * m - half * m + det - 1.0) / (3.0 * m * m - half)
    return m


@ti.func
def cream_flow(b: Mat3, j: f32, dt: f32, law: i32, table: template):
    """Return dev b_bar and tr b_bar / 3 after a step's flow.

    |dev tau| - sqrt(2/3) sigma_Y = k g^n with g = |D_p|; implicit, so viscosity bounds no step
    (Yue et al. 2015, equations 13 and 23). The flow keeps det b_bar = 1.
    """
    mu = table[law, MU]
    bar = ti.pow(j, -2.0 / 3.0) * b
    mean = bar.trace() / 3.0
    deviator = bar
    for i in ti.static(range(3)):
        deviator[i, i] -= mean
    size = deviator.norm()
    over = mu * size - SQRT_2_3 * table[law, YIELD]
    if over > 0.0:
        c = 2.0 * mu * mean * ti.max(dt, 1e-9)
        g = flow_rate(over, c, table[law, CONSISTENCY], table[law, FLOW_INDEX])
        deviator *= ti.max(1.0 - c * g / (mu * size), 0.0)
        mean = isochoric_mean(mean, deviator)
    return deviator, mean


@ti.func
def cream_stress(b: Mat3, dt: f32, law: i32, table: template):
    """Return b after the flow, tau = mu dev b_bar + K / 2 (J^2 - 1), and rho0 c^2.

    Mean tension goes up to OPENING sigma_Y: then it cavitates.
    """
    mu = table[law, MU]
    bulk = table[law, LAMBDA] + 2.0 / 3.0 * mu
    j = ti.sqrt(ti.max(b.determinant(), THICKEST * THICKEST))
    deviator, mean = cream_flow(b, j, dt, law, table)
    j = ti.min(j, THINNEST)
    kept = deviator
    tau = mu * symmetric(deviator)
    swell = ti.min(0.5 * bulk * (j * j - 1.0), OPENING * table[law, YIELD])
    for i in ti.static(range(3)):
        kept[i, i] += mean
        tau[i] += swell
    # d tau_i / d eps_i - tau_i along the axis of the least stretch, bounded from below.
    bend = mu * (4.0 / 3.0 * mean + 0.2722 * deviator.norm())
    return ti.pow(j, 2.0 / 3.0) * kept, tau, 0.5 * bulk * (j * j + 1.0) + bend
