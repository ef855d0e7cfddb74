"""Energies of the laws in float64 NumPy, written from the papers; stresses by differentiation.

Nothing here comes from the kernels: singular values instead of eigenvalues, no closed forms of tau.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impetus.kernels.mpm.materials.laws import (
    BrittleLaw,
    CreamLaw,
    ElasticLaw,
    Law,
    MetalLaw,
    PlasticineLaw,
    RubberLaw,
    SandLaw,
    SnowLaw,
)

Array = NDArray[Any]
STEP = 1e-5


def unpacked(tau: Array) -> Array:
    xx, yy, zz, yz, xz, xy = np.moveaxis(tau.astype(float), -1, 0)
    return np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape(-1, 3, 3)


def deformations(count: int, spread: float, seed: int = 0) -> Array:
    """Random F with positive J, rotated at random."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    q *= np.sign(np.linalg.det(q))[:, None, None]
    s = np.exp(rng.uniform(-spread, spread, (count, 3)))
    p = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    return np.einsum("nij,nkj,nk,nlk->nil", q, p, s, p)


def stretches(f: Array) -> Array:
    """Signed singular values (n, 3): the smallest takes the sign of det F."""
    s = np.linalg.svd(f, compute_uv=False)
    s[:, 2] *= np.sign(np.linalg.det(f))
    return s


def moduli(law: Any) -> tuple[float, float]:
    """Return mu and lambda [Pa]."""
    e, nu = law.young_modulus, law.poisson_ratio
    return e / 2 / (1 + nu), e * nu / (1 + nu) / (1 - 2 * nu)


def energy(law: Law, f: Array, history: Array) -> Array:
    """Energy density (n,) [J/m^3] of what a law keeps: F (n, 3, 3) and history (n,)."""
    mu, lam = moduli(law)
    s = stretches(f)
    j = s.prod(axis=1)
    match law:
        case ElasticLaw():  # Stomakhin et al. 2012, equation 5
            return mu * ((s - 1) ** 2).sum(axis=1) + lam / 2 * (j - 1) ** 2
        case RubberLaw():  # Simo and Pister 1984; log J goes on as its parabola below 0.1
            x = j / 0.1
            log_j = np.where(x > 1, np.log(np.maximum(x, 1)), x - 1 - (x - 1) ** 2 / 2)
            log_j += np.log(0.1)
            return mu / 2 * ((s**2).sum(axis=1) - 3) - mu * log_j + lam / 2 * (j - 1) ** 2
        case SnowLaw():  # Stomakhin et al. 2013, equations 1 and 2
            hard = np.exp(-law.hardening_coefficient * history)
            return hard * (mu * ((s - 1) ** 2).sum(axis=1) + lam / 2 * (j - 1) ** 2)
        case CreamLaw():  # Simo and Hughes 1998, (9.2.3); tension up to 3 sigma_Y
            bulk, most = lam + 2 * mu / 3, 3 * law.yield_stress
            held = np.minimum(j, np.sqrt(1 + 2 * most / bulk))
            swell = bulk / 2 * ((held**2 - 1) / 2 - np.log(held)) + most * np.log(j / held)
            return swell + mu / 2 * ((s**2).sum(axis=1) * j ** (-2 / 3) - 3)
    return hencky_energy(law, np.log(np.abs(s)), history)


def hencky_energy(law: Law, e: Array, history: Array) -> Array:
    """Energy of principal logarithmic strains (n, 3), weakened where the law tears."""
    mu, lam = moduli(law)
    trace = e.sum(axis=1)
    match law:
        case SandLaw() | MetalLaw():  # Klar et al. 2016, equation 25
            return mu * (e**2).sum(axis=1) + lam / 2 * trace**2
        case PlasticineLaw():  # only the volume's tension is weakened: shear is by its return
            bulk, damage = lam + 2 * mu / 3, history / law.tear_strain
            shear = mu * ((e - trace[:, None] / 3) ** 2).sum(axis=1)
            kept = np.where(trace > 0, 1 - damage, 1)
            return shear + kept * bulk / 2 * trace**2
        case BrittleLaw():  # Miehe et al. 2010, section 2.4, with logarithmic strains
            kept = 1 - crack_damage(law, history)
            tension = lam / 2 * np.maximum(trace, 0) ** 2
            tension = tension + mu * (np.maximum(e, 0) ** 2).sum(axis=1)
            pressed = lam / 2 * np.minimum(trace, 0) ** 2
            return kept * tension + pressed + mu * (np.minimum(e, 0) ** 2).sum(axis=1)
    raise TypeError(law)


def crack_damage(law: BrittleLaw, most: Array) -> Array:
    """Damage such that E (1 - D) times the strain falls linearly from the strength to nothing."""
    start = law.strength / law.young_modulus
    falling = law.strength * (1 - (most - start) / law.tear_strain)
    whole = law.young_modulus * np.maximum(most, start)
    return np.where(most > start, 1 - np.maximum(falling, 0) / whole, 0.0)


def kirchhoff(law: Law, f: Array, history: Array) -> Array:
    """Return tau (n, 3, 3) with tau : L = d psi((I + e L) F) / de, by central differences."""
    tau = np.zeros_like(f)
    for i in range(3):
        for j in range(3):
            turn = np.zeros((3, 3))
            turn[i, j] = STEP
            up, down = energy(law, f + turn @ f, history), energy(law, f - turn @ f, history)
            tau[:, i, j] = (up - down) / (2 * STEP)
    return tau


def wave_stiffness(law: Law, f: Array, history: Array) -> Array:
    """Return rho0 c^2 (n,) [Pa] of the fastest wave along a principal axis: s^2 d^2 psi / ds^2."""
    u, _, _ = np.linalg.svd(f)
    fastest = np.zeros(len(f))
    for axis in range(3):
        along = np.einsum("ni,nj->nij", u[:, :, axis], u[:, :, axis]) * 1e-4
        up, down = energy(law, f + along @ f, history), energy(law, f - along @ f, history)
        fastest = np.maximum(fastest, (up + down - 2 * energy(law, f, history)) / 1e-8)
    return fastest
