"""Brittle matter: elastic until it cracks, as bread and biscuits do; called by update."""

import taichi as ti

from ...array_types import Mat3, Vec3, f32, i32, template, vec3
from .hencky import hencky_stress, principal_strains
from .plastic import LOOSE
from .table import LAMBDA, MU, STRENGTH, TEAR, YOUNG
from .tensors import scaled_basis, symmetric


@ti.func
def crack_damage(most: f32, start: f32, tear: f32) -> f32:
    """Return the damage D at the largest strain so far: the stress falls linearly over `tear`."""
    damage = 0.0
    if most >= start + tear:
        damage = 1.0
    elif most > start:
        damage = 1.0 - start / most * (start + tear - most) / tear
    return damage


@ti.func
def closed_again(e: Vec3) -> Vec3:
    """Let a crack forget how far it opens beyond LOOSE; its volume does not fall below rest's."""
    beyond = vec3(ti.max(e[0] - LOOSE, 0.0), ti.max(e[1] - LOOSE, 0.0), ti.max(e[2] - LOOSE, 0.0))
    total = beyond.sum()
    part = ti.min(1.0, ti.max(e.sum(), 0.0) / ti.max(total, 1e-20))
    return e - part * beyond


@ti.func
def brittle_stress(f: Mat3, most: f32, law: i32, table: template):
    """Return F, tau, the largest strain so far, and rho0 c^2 of the fastest wave.

    Damage weakens tension only, direction by direction (Miehe, Hofacker and Welschinger 2010, 2.4,
    in Hencky strains): psi = (1 - D) psi+ + psi-, with
    psi+- = mu sum <epsilon_i>+-^2 + lambda / 2 <tr epsilon>+-^2.
    The strain that counts is the undamaged largest principal stress over E (Rankine).
    """
    mu, lam, young = table[law, MU], table[law, LAMBDA], table[law, YOUNG]
    strain, q = principal_strains(f @ f.transpose())
    whole, rho_c2 = hencky_stress(strain, mu, lam)
    worst = ti.max(most, ti.max(whole[0], whole[1], whole[2]) / young)
    damage = crack_damage(worst, table[law, STRENGTH] / young, table[law, TEAR])
    e, result, tau = strain, f, whole
    if damage >= 1.0:
        e = closed_again(strain)
        result = scaled_basis(q, ti.exp(e - strain)) @ f
    if damage > 0.0:
        trace = e.sum()
        for i in ti.static(range(3)):
            tau[i] = 2.0 * mu * (e[i] - damage * ti.max(e[i], 0.0))
            tau[i] += lam * (trace - damage * ti.max(trace, 0.0))
    return result, symmetric(scaled_basis(q, tau)), worst, rho_c2
