"""Conserved quantities of a set of particles, in float64 NumPy; for reports and tests."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .materials.elastic import CRUSHED
from .materials.laws import ElasticLaw, Law, RubberLaw, SandLaw, WaterLaw, lame
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
        case ElasticLaw():
            mu, lam = lame(law.young_modulus, law.poisson_ratio)
            stretch, j = np.linalg.svd(f, compute_uv=False), np.linalg.det(f)
            stretch[:, 2] *= np.sign(j)
            return np.asarray(mu * ((stretch - 1) ** 2).sum(axis=1) + 0.5 * lam * (j - 1) ** 2)
        case RubberLaw():
            mu, lam = lame(law.young_modulus, law.poisson_ratio)
            j = np.linalg.det(f)
            u = np.minimum(j / CRUSHED - 1, 0)
            log_j = np.log(np.maximum(j, CRUSHED)) + u - u**2 / 2
            bend = 0.5 * mu * ((f**2).sum(axis=(1, 2)) - 3) - mu * log_j
            return np.asarray(bend + 0.5 * lam * (j - 1) ** 2)
        case SandLaw():
            mu, lam = lame(law.young_modulus, law.poisson_ratio)
            strain = np.log(np.maximum(np.linalg.svd(f, compute_uv=False), 1e-6))
            return np.asarray(mu * (strain**2).sum(axis=1) + 0.5 * lam * strain.sum(axis=1) ** 2)
        case WaterLaw():
            # The integral of -p(J) from 1: p = K / gamma (J^-gamma - 1), no tension beyond.
            j, g = np.minimum(f[:, 0, 0], 1.0), law.gamma
            if g == 1:
                return law.bulk_modulus * (j - 1 - np.log(j))
            return law.bulk_modulus / g * ((j ** (1 - g) - 1) / (g - 1) + j - 1)
