"""One particle's law over one substep: advance F, map it back where it yields, find tau."""

import taichi as ti

from ...array_types import Mat3, f32, i32, template
from .elastic import elastic_stress, rubber_stress
from .grains import sand_stress
from .liquids import THINNEST, water_stress
from .table import DENSITY, ELASTIC, KIND, LAMBDA, MU, RUBBER, SAND, WATER

INVERTED = 3
"""Reason of a failure: matter was turned inside out."""


@ti.func
def update_law(
    p: i32,
    dt: f32,
    c: Mat3,
    kinds: template,
    table: template,
    law: template,
    deformation: template,
    stress: template,
    history: template,
):
    """Advance F by C, map it back where the law yields, store tau; return (c^2, reason).

    `kinds` is known when this is compiled: a law that no body has costs nothing.
    """
    l = law[p]
    kind = int(table[l, KIND])
    mu, lam = table[l, MU], table[l, LAMBDA]
    rho_c2 = 0.0
    reason = 0
    if ti.static(kinds & WATER > 0) and kind == WATER:
        j = deformation[p][0, 0] * (1.0 + dt * c.trace())
        if j <= 0.0:
            reason = INVERTED
        j = ti.math.clamp(j, 1e-2, THINNEST)
        deformation[p][0, 0] = j
        stress[p], rho_c2 = water_stress(j, c, l, table)
    if ti.static(kinds & SAND > 0) and kind == SAND:
        f = deformation[p] + dt * (c @ deformation[p])
        stretch, tau, left, rho_c2_now = sand_stress(f @ f.transpose(), history[p], l, table)
        deformation[p], stress[p], history[p] = stretch, tau, left
        rho_c2 = rho_c2_now
    if ti.static(kinds & ELASTIC > 0) and kind == ELASTIC:
        f = deformation[p] + dt * (c @ deformation[p])
        deformation[p] = f
        stress[p], rho_c2 = elastic_stress(f, mu, lam)
        if f.determinant() < -1.0:
            reason = INVERTED
    if ti.static(kinds & RUBBER > 0) and kind == RUBBER:
        f = deformation[p] + dt * (c @ deformation[p])
        deformation[p] = f
        stress[p], rho_c2 = rubber_stress(f, mu, lam)
        if f.determinant() < -1.0:
            reason = INVERTED
    return rho_c2 / table[l, DENSITY], reason
