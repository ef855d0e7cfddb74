"""One particle's law over one substep: advance F, map it back where it yields, find tau."""

import taichi as ti

from ...array_types import Mat3, f32, i32, template, vec6
from .brittle import brittle_stress
from .elastic import elastic_stress, rubber_stress
from .grains import sand_stress, snow_stress
from .liquids import THINNEST, water_stress
from .pastes import cream_stress
from .plastic import metal_stress, plasticine_stress
from .table import (
    BRITTLE,
    CREAM,
    DENSITY,
    ELASTIC,
    KIND,
    LAMBDA,
    METAL,
    MU,
    PLASTICINE,
    RUBBER,
    SAND,
    SNOW,
    WATER,
)

STRETCHED = SAND | SNOW
"""Kinds that keep the left stretch alone."""
REMEMBERING = METAL | PLASTICINE | BRITTLE | STRETCHED
"""Kinds that yield, and have a history."""

INVERTED = 3
"""Reason of a failure: matter was turned inside out."""


@ti.func
def yielded(f: Mat3, past: f32, kinds: template, kind: i32, l: i32, table: template):
    """Return what law number `l` keeps, tau, what it remembers, and rho0 c^2."""
    kept, tau, now, rho_c2 = f, vec6(0.0), past, 0.0
    if ti.static(kinds & METAL > 0) and kind == METAL:
        kept, tau, now, rho_c2 = metal_stress(f, past, l, table)
    if ti.static(kinds & PLASTICINE > 0) and kind == PLASTICINE:
        kept, tau, now, rho_c2 = plasticine_stress(f, past, l, table)
    if ti.static(kinds & BRITTLE > 0) and kind == BRITTLE:
        kept, tau, now, rho_c2 = brittle_stress(f, past, l, table)
    if ti.static(kinds & SAND > 0) and kind == SAND:
        kept, tau, now, rho_c2 = sand_stress(f @ f.transpose(), past, l, table)
    if ti.static(kinds & SNOW > 0) and kind == SNOW:
        kept, tau, now, rho_c2 = snow_stress(f @ f.transpose(), past, l, table)
    return kept, tau, now, rho_c2


@ti.func
def update_law(
    p: i32,
    dt: f32,
    c: Mat3,
    kinds: template,
    table: template,
    law: template,
    deformation: template,
    history: template,
):
    """Advance F by C, map it back where the law yields; return (tau, c^2, reason).

    `kinds` is known when this is compiled: a law that no body has costs nothing.
    """
    l = law[p]
    kind = int(table[l, KIND])
    mu, lam = table[l, MU], table[l, LAMBDA]
    tau, rho_c2 = vec6(0.0), 0.0
    reason = 0
    if ti.static(kinds & WATER > 0) and kind == WATER:
        j = deformation[p][0, 0] * (1.0 + dt * c.trace())
        if j <= 0.0:
            reason = INVERTED
        j = ti.math.clamp(j, 1e-2, THINNEST)
        deformation[p][0, 0] = j
        tau, rho_c2 = water_stress(j, c, l, table)
    if ti.static(kinds & ELASTIC > 0) and kind == ELASTIC:
        f = deformation[p] + dt * (c @ deformation[p])
        deformation[p] = f
        tau, rho_c2 = elastic_stress(f, mu, lam)
        if f.determinant() < -1.0:
            reason = INVERTED
    if ti.static(kinds & RUBBER > 0) and kind == RUBBER:
        f = deformation[p] + dt * (c @ deformation[p])
        deformation[p] = f
        tau, rho_c2 = rubber_stress(f, mu, lam)
        if f.determinant() < -1.0:
            reason = INVERTED
    if ti.static(kinds & REMEMBERING > 0) and kind & REMEMBERING > 0:
        f = deformation[p] + dt * (c @ deformation[p])
        kept, tau_now, past, rho_c2_now = yielded(f, history[p], kinds, kind, l, table)
        deformation[p], history[p] = kept, past
        tau, rho_c2 = tau_now, rho_c2_now
        if kind & STRETCHED == 0 and f.determinant() <= 0.0:
            reason = INVERTED
    if ti.static(kinds & CREAM > 0) and kind == CREAM:
        b = deformation[p] + dt * (c @ deformation[p])
        b += dt * (b @ c.transpose())
        deformation[p], tau, rho_c2 = cream_stress(b, dt, l, table)
    return tau, rho_c2 / table[l, DENSITY], reason
