"""A slow NumPy twin of one substep of the material point method, in float64.

Written from the papers, on its own: dense loops over particles and nodes, no sorting, no factored
sums, the polar decomposition by a singular value decomposition.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass
class TwinState:
    """Elastic particles: x (n, 3) m, v, C, F, mass and rest volume (n,)."""

    x: Array
    v: Array
    c: Array
    f: Array
    mass: Array
    volume: Array


def kernel(distance: Array) -> Array:
    """Quadratic B-spline of a distance in cells (Steffen et al. 2008)."""
    d = np.abs(distance)
    return np.where(d < 0.5, 0.75 - d**2, np.where(d < 1.5, 0.5 * (1.5 - d) ** 2, 0.0))


def nodes_of(x: Array, h: float) -> tuple[Array, Array, Array]:
    """Indices (27, 3), weights (27,) and distances (27, 3) [m] of the nodes around one particle."""
    middle = np.floor(x / h + 0.5).astype(int)
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1], indexing="ij"), axis=-1)
    nodes = middle + steps.reshape(-1, 3)
    distance = nodes * h - x
    return nodes, kernel(distance / h).prod(axis=1), distance


def fixed_corotated(f: Array, mu: float, lam: float) -> Array:
    """Kirchhoff stress of one F: 2 mu (F - R) F^T + lambda J (J - 1) (Stomakhin et al. 2012)."""
    u, s, vt = np.linalg.svd(f)
    if np.linalg.det(u @ vt) < 0:
        u[:, 2] *= -1
        s[2] *= -1
    j = s.prod()
    return 2 * mu * (f - u @ vt) @ f.T + lam * j * (j - 1) * np.eye(3)


def to_grid(
    state: TwinState, h: float, dt: float, lame: tuple[float, float], count: int
) -> tuple[Array, Array]:
    """Scatter mass (count,)^3 and momentum; node i at i h (Hu et al. 2018, equations 16 and 29)."""
    mass, momentum = np.zeros((count,) * 3), np.zeros((count,) * 3 + (3,))
    for x, v, c, f, m, volume in zip(
        state.x, state.v, state.c, state.f, state.mass, state.volume, strict=True
    ):
        nodes, weight, distance = nodes_of(x, h)
        affine = m * c - dt * volume * 4 / h**2 * fixed_corotated(f, *lame)
        for node, w, d in zip(nodes, weight, distance, strict=True):
            mass[tuple(node)] += w * m
            momentum[tuple(node)] += w * (m * v + affine @ d)
    return mass, momentum


def from_grid(state: TwinState, h: float, dt: float, velocity: Array) -> TwinState:
    """Gather v and C, advance x and F."""
    new = TwinState(*(value.copy() for value in vars(state).values()))
    for p, x in enumerate(state.x):
        nodes, weight, distance = nodes_of(x, h)
        v = velocity[tuple(nodes.T)]
        new.v[p] = weight @ v
        new.c[p] = 4 / h**2 * np.einsum("i,ia,ib->ab", weight, v, distance)
        new.x[p] = x + dt * new.v[p]
        new.f[p] = state.f[p] + dt * new.c[p] @ state.f[p]
    return new


def substep(
    state: TwinState, h: float, dt: float, lame: tuple[float, float], kick: Array, count: int
) -> TwinState:
    """Run one whole substep without walls; body forces add `kick` (3,) m/s to velocities."""
    mass, momentum = to_grid(state, h, dt, lame, count)
    velocity = momentum / np.maximum(mass, 1e-300)[..., None] + kick
    return from_grid(state, h, dt, velocity)
