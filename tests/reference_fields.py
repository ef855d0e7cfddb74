"""A slow NumPy twin of Blender's force fields, in float64, of the shot's own parts.

Written from what Blender 5.0's particles do, on its own: vectors over points, no tables. Needs no
Taichi, so that it can be held to Blender itself, and the kernels to it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract import forces as f
from impetus.backend.contract.arrays import ArrayRef, ArraySet

Array = NDArray[Any]


def acceleration(
    field: f.Field, arrays: ArraySet, row: int, x: Array, v: Array, permutation: Array
) -> Array:
    """What a field does to 1 kg at x (n, 3) m with v (n, 3) m/s: (n, 3) m/s^2, without its noise.

    `row` is that of its tracks.
    """

    def number(value: float | ArrayRef) -> float:
        if isinstance(value, ArrayRef):
            track = arrays.of(value)
            return float(track[min(row, len(track) - 1)])
        return value

    poses = arrays.of(field.poses)
    pose = poses[min(row, len(poses) - 1)]
    center, n = pose[:3, 3], pose[:3, 2]
    strength = number(field.strength)
    d = x - center
    height = d @ n
    axial = height[:, None] * n
    lateral = d - axial
    wheel = isinstance(field, f.Vortex) and field.shape == "plane"
    q = {"point": d, "line": lateral, "plane": lateral if wheel else axial}[field.shape]
    share = lessening(field, d, q, height, lateral, number)[:, None]
    speed = np.linalg.norm(v, axis=1, keepdims=True)
    flow = number(getattr(field, "flow", 0.0))
    match field:
        case f.PointForce():
            return strength * share * unit(q) - flow * share * v
        case f.Wind():
            return strength * share * n - flow * share * v
        case f.Vortex():
            round_ = np.cross(n, d)
            if not wheel:
                length = np.linalg.norm(d, axis=1, keepdims=True)
                return strength * share * length * unit(round_) - flow * share * v
            round_ = strength * share * round_
            there = np.sign(share)  # nothing acts where the falloff is zero
            return strength * share * np.cross(n, round_) + round_ - (there + flow * share) * v
        case f.Turbulence():
            size = number(field.size) or field.unit
            place = x if field.is_global else d + field.unit * n
            return strength * share * noise(place / size, permutation) - flow * share * v
        case f.Drag():
            return -share * (strength * speed + number(field.linear)) * v
        case f.Harmonic():
            stretch = q - number(field.rest_length) * unit(q)
            damping = 2 * number(field.damping) * np.sqrt(abs(strength))
            return -strength * share * stretch - damping * np.sign(share) * v
    raise TypeError(field)


def unit(v: Array) -> Array:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)


def lessening(
    field: f.Field, d: Array, q: Array, height: Array, lateral: Array, number: Any
) -> Array:
    fall = field.falloff

    def along(distance: Array, power: Any, nearest: Any, farthest: Any, one: float) -> Array:
        beyond = np.maximum(distance - number(nearest), 0) / one
        left = (1 + beyond) ** -number(power)
        return left if farthest is None else np.where(distance > number(farthest), 0.0, left)

    main = fall.power, fall.nearest, fall.farthest, field.unit
    radial = fall.radial_power, fall.radial_nearest, fall.radial_farthest
    if fall.kind == "sphere":
        left = along(np.linalg.norm(q, axis=1), *main)
    else:
        off = np.linalg.norm(lateral, axis=1)
        left = along(np.abs(height), *main)
        if fall.kind == "tube":
            left = left * along(off, *radial, field.unit)
        else:
            angle = np.degrees(np.arccos(height / np.linalg.norm(d, axis=1)))
            left = left * along(angle, *radial, 1.0)
    side = {"both": 0, "positive": 1, "negative": -1}[fall.side]
    return np.where(side * height < 0, 0.0, left)


def noise(p: Array, permutation: Array) -> Array:
    """Three octaves of improved noise in each component (Perlin 2002)."""
    octaves = [(1.0, 4 / 7), (2.0, 2 / 7), (4.0, 1 / 7)]
    turned = [np.roll(p, -shift, axis=1) for shift in range(3)]
    parts = [sum(w * perlin(s * each, permutation) for s, w in octaves) for each in turned]
    return np.stack(parts, axis=1)


EDGES = np.array(
    [[1, 1, 0], [-1, 1, 0], [1, -1, 0], [-1, -1, 0], [1, 0, 1], [-1, 0, 1], [1, 0, -1], [-1, 0, -1],
     [0, 1, 1], [0, -1, 1], [0, 1, -1], [0, -1, -1], [1, 1, 0], [0, -1, 1], [-1, 1, 0], [0, -1, -1]]
)  # fmt: skip


def perlin(p: Array, permutation: Array) -> Array:
    cell = np.floor(p).astype(int)
    offset = p - cell
    blend = 6 * offset**5 - 15 * offset**4 + 10 * offset**3
    total = np.zeros(len(p))
    for corner in np.ndindex(2, 2, 2):
        x, y, z = ((cell + corner) % 256).T
        hashed = permutation[(permutation[(permutation[x] + y) % 256] + z) % 256] % 16
        weight = np.where(corner, blend, 1 - blend).prod(axis=1)
        total += weight * (EDGES[hashed] * (offset - corner)).sum(axis=1)
    return total
