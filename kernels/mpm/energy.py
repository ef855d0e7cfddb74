"""Conserved quantities of a set of particles, in float64 NumPy; for reports and tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .materials.elastic import CRUSHED
from .materials.laws import (
    BrittleLaw,
    CreamLaw,
    ElasticLaw,
    Law,
    PlasticineLaw,
    RubberLaw,
    SnowLaw,
    WaterLaw,
    lame,
)
from .materials.plastic import OPENING
from .state import FROZEN, ParticleArrays

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Totals:
    """Sums over all particles that have not left the domain; SI units, world."""

    mass: float
    momentum: Vector
    "(3,) kg m/s."
    angular_momentum: Vector
    "(3,) kg m^2/s about the world's origin, the affine part of APIC included."
    kinetic: float
    "J, the affine part included."
    elastic: float
    "J."
    gravity: float
    "J, relative to the world's origin, in the gravity of the last interval."


def measure_totals(
    particles: ParticleArrays,
    position: Vector,
    laws: Sequence[Law],
    spacing: float,
    gravity: Vector,
) -> Totals:
    """Sum up; `position` (n, 3) m in the particles' own order."""
    law = particles.law.to_numpy()
    there = law != FROZEN
    x, m = position[there], particles.mass.to_numpy()[there].astype(float)
    v = particles.velocity.to_numpy()[there].astype(float)
    c = particles.gradient.to_numpy()[there].astype(float)
    # A quadratic B-spline's second moment is h^2 / 4 along each axis (Jiang et al. 2015).
    moment = spacing**2 / 4
    spin = np.stack([c[:, 2, 1] - c[:, 1, 2], c[:, 0, 2] - c[:, 2, 0], c[:, 1, 0] - c[:, 0, 1]], 1)
    kinetic = 0.5 * m @ ((v**2).sum(axis=1) + moment * (c**2).sum(axis=(1, 2)))
    f = particles.deformation.to_numpy()[there].astype(float)
    volume = particles.volume.to_numpy()[there].astype(float)
    history = particles.history.to_numpy()[there].astype(float)
    elastic = 0.0
    for number, one in enumerate(laws):
        mine = law[there] == number
        elastic += float(volume[mine] @ energy_density(one, f[mine], history[mine]))
    return Totals(
        mass=float(m.sum()),
        momentum=m @ v,
        angular_momentum=m @ (np.cross(x, v) + moment * spin),
        kinetic=float(kinetic),
        elastic=elastic,
        gravity=float(-(m @ x) @ gravity),
    )


def energy_density(law: Law, f: Vector, history: Vector) -> Vector:
    """Elastic energy (n,) [J/m^3 of rest volume] of what a law keeps: F (n, 3, 3), history (n,)."""
    match law:
        case WaterLaw():
            # The integral of -p(J) from 1: p = K / gamma (J^-gamma - 1), no tension beyond.
            j, g = np.minimum(f[:, 0, 0], 1.0), law.gamma
            if g == 1:
                return law.bulk_modulus * (j - 1 - np.log(j))
            return law.bulk_modulus / g * ((j ** (1 - g) - 1) / (g - 1) + j - 1)
        case CreamLaw():
            return _cream_energy(law, f)
        case RubberLaw():
            return _rubber_energy(law, f)
    mu, lam = lame(law.young_modulus, law.poisson_ratio)
    stretch, j = np.linalg.svd(f, compute_uv=False), np.linalg.det(f)
    if isinstance(law, ElasticLaw | SnowLaw):
        stretch[:, 2] *= np.sign(j)
        packing = law.hardening_coefficient if isinstance(law, SnowLaw) else 0.0
        corotated = mu * ((stretch - 1) ** 2).sum(axis=1) + 0.5 * lam * (j - 1) ** 2
        return np.asarray(np.exp(-packing * history) * corotated)
    strain = np.log(np.maximum(stretch, 1e-6))
    trace = strain.sum(axis=1)
    pulled = 0.5 * lam * np.maximum(trace, 0) ** 2
    lost = np.zeros(len(f))
    match law:
        case BrittleLaw():
            pulled += mu * (np.maximum(strain, 0) ** 2).sum(axis=1)
            lost = pulled * _crack_damage(law, history)
        case PlasticineLaw():
            pulled += mu / 3 * np.maximum(trace, 0) ** 2
            lost = pulled * history / law.tear_strain
    return np.asarray(mu * (strain**2).sum(axis=1) + 0.5 * lam * trace**2 - lost)


def _rubber_energy(law: RubberLaw, f: Vector) -> Vector:
    mu, lam = lame(law.young_modulus, law.poisson_ratio)
    j = np.linalg.det(f)
    crushed = np.minimum(j / CRUSHED - 1, 0)
    log_j = np.log(np.maximum(j, CRUSHED)) + crushed - crushed**2 / 2
    bend = 0.5 * mu * ((f**2).sum(axis=(1, 2)) - 3) - mu * log_j
    return np.asarray(bend + 0.5 * lam * (j - 1) ** 2)


def _cream_energy(law: CreamLaw, b: Vector) -> Vector:
    """K / 2 ((J^2 - 1) / 2 - log J) + mu / 2 (tr b_bar - 3), straight beyond its tension."""
    mu, lam = lame(law.young_modulus, law.poisson_ratio)
    bulk = lam + 2 * mu / 3
    j = np.sqrt(np.linalg.det(b))
    most = OPENING * law.yield_stress
    held = np.minimum(j, math.sqrt(1 + 2 * most / bulk))
    swell = 0.5 * bulk * ((held**2 - 1) / 2 - np.log(held)) + most * np.log(j / held)
    mean = np.trace(b, axis1=1, axis2=2) * j ** (-2 / 3)
    return np.asarray(swell + 0.5 * mu * (mean - 3))


def _crack_damage(law: BrittleLaw, most: Vector) -> Vector:
    start = law.strength / law.young_modulus
    most = np.maximum(most, start)
    left = start / most * (start + law.tear_strain - most) / law.tear_strain
    return np.asarray(1 - np.maximum(left, 0))
