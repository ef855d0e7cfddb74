"""Energies of the laws in float64 NumPy, written from the papers; stresses by differentiation.

Nothing here comes from the kernels: singular values instead of eigenvalues, no closed forms of tau.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impetus.kernels.mpm.materials.laws import ElasticLaw, Law, RubberLaw, SandLaw

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
        case SandLaw():  # Klar et al. 2016, equation 25
            e = np.log(np.abs(s))
            return mu * (e**2).sum(axis=1) + lam / 2 * e.sum(axis=1) ** 2
    raise TypeError(law)


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
