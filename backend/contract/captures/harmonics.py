"""Real spherical harmonics of degree 0 to 3 in NumPy: values, and coefficients of turned splats.

Order and signs of captures (Kerbl et al., 3D Gaussian Splatting, 2023): band l from m = -l to l,
Condon-Shortley phase; kernels/splats/harmonics.py evaluates the same ones for each splat.
"""

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

BANDS = (slice(0, 1), slice(1, 4), slice(4, 9), slice(9, 16))
CHUNK = 1 << 16
GOLDEN = pi * (3 - sqrt(5))


def basis(direction: Doubles) -> Doubles:
    """Return the 16 harmonics (…, 16) at unit vectors (…, 3)."""
    x, y, z = np.moveaxis(np.asarray(direction, np.float64), -1, 0)
    xx, yy, zz = x * x, y * y, z * z
    one = sqrt(3 / (4 * pi))
    two = sqrt(15 / pi) / 2
    a, b, c = sqrt(35 / (2 * pi)) / 4, sqrt(105 / pi) / 2, sqrt(21 / (2 * pi)) / 4
    return np.stack(
        [
            np.full_like(x, sqrt(1 / pi) / 2),
            -one * y, one * z, -one * x,
            two * x * y, -two * y * z, sqrt(5 / pi) / 4 * (2 * zz - xx - yy),
            -two * x * z, two / 2 * (xx - yy),
            -a * y * (3 * xx - yy), b * x * y * z, -c * y * (4 * zz - xx - yy),
            sqrt(7 / pi) / 4 * z * (2 * zz - 3 * xx - 3 * yy), -c * x * (4 * zz - xx - yy),
            b / 2 * z * (xx - yy), -a * x * (xx - 3 * yy),
        ],
        axis=-1,
    )  # fmt: skip


def turned(coefficients: Floats, turn: Doubles) -> Floats:
    """Return coefficients (n, k, 3) of turned splats: they show to R d what they showed to d.

    `turn` (3, 3) or (n, 3, 3) are rotations. A band's new coefficients are those that give the old
    values in as many directions as the band has members, which is exact.
    """
    result = np.array(coefficients, np.float32)
    single = np.ndim(turn) == 2
    for band, members in enumerate(BANDS):
        if band == 0 or members.stop > coefficients.shape[1]:
            continue
        along = _directions(2 * band + 1)
        solve = np.linalg.inv(basis(along)[:, members])
        if single:
            change = solve @ basis(along @ turn)[:, members]
            result[:, members] = np.einsum("ij,njc->nic", change, coefficients[:, members])
            continue
        for first in range(0, len(result), CHUNK):
            rows = slice(first, first + CHUNK)
            seen = basis(np.einsum("kd,nde->nke", along, turn[rows]))[..., members]
            result[rows, members] = np.einsum(
                "ik,nkj,njc->nic", solve, seen, coefficients[rows, members], optimize=True
            )
    return result


def mirrored(coefficients: Floats) -> Floats:
    """Return coefficients (n, k, 3) of splats reflected at a point: odd bands change sign."""
    result = np.array(coefficients, np.float32)
    for band in (1, 3):
        result[:, BANDS[band]] *= -1
    return result


def _directions(count: int) -> Doubles:
    """Return unit vectors (count, 3) that no band of as many members vanishes on.

    A spiral over the upper half: a band has one parity, and opposite directions say the same.
    """
    along = np.arange(count)
    z = (along + 0.5) / count
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(GOLDEN * along), ring * np.sin(GOLDEN * along), z], axis=1)
