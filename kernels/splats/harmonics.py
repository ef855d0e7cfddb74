"""Colours that change with the direction of view: spherical harmonics of degree 0 to 3.

Real harmonics with the Condon-Shortley phase, in the order and signs of captures (Kerbl et al., 3D
Gaussian Splatting, 2023): band l from m = -l to l, colour = max(0, 1/2 + sum of c Y(d)), d the unit
vector from the eye to the splat. A splat that has turned by R shows to d what it showed to R^T d.
"""

import numpy as np
import taichi as ti
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BAND_0, BAND_1 = 0.28209479177387814, 0.4886025119029199
BAND_2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)
BAND_3 = (0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154,
          1.445305721320277)  # fmt: skip
COUNTS = (1, 4, 9, 16)
"Coefficients up to each degree."


def view_directions(mean: Floats, eye: NDArray[np.float64], turn: Floats | None = None) -> Floats:
    """Return unit vectors (n, 3) from `eye` (3,) to `mean` (n, 3), in the splats' rest frames.

    `turn` (n, 3, 3) is the rotation of each splat since its coefficients were made.
    """
    away = np.asarray(mean, np.float64) - eye
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    if turn is not None:
        away = np.einsum("nji,nj->ni", turn, away)
    return away.astype(np.float32)


def harmonic_colors(coefficients: Floats, direction: Floats) -> Floats:
    """Return colours (n, 3) of `coefficients` (n, 1, 4, 9 or 16, 3) along unit `direction` (n, 3).

    ValueError where the shapes do not fit.
    """
    coefficients, direction = _checked(coefficients, direction)
    color = np.empty((len(direction), 3), np.float32)
    if len(direction):
        _evaluate(coefficients, direction, color)
    return color


def harmonic_gradient(
    coefficients: Floats, direction: Floats, given: Floats
) -> tuple[Floats, Floats]:
    """Pull the gradient `given` (n, 3) of the colours back to coefficients and directions.

    A colour that is held at zero has none.
    """
    coefficients, direction = _checked(coefficients, direction)
    owed, turned = np.zeros_like(coefficients), np.zeros_like(direction)
    if len(direction):
        _pull(coefficients, direction, np.ascontiguousarray(given, np.float32), owed, turned)
    return owed, turned


def _checked(coefficients: Floats, direction: Floats) -> tuple[Floats, Floats]:
    shape, count = np.shape(coefficients), len(direction)
    if len(shape) != 3 or shape[0] != count or shape[1] not in COUNTS or shape[2] != 3:
        raise ValueError(f"expected coefficients of shape ({count}, 1, 4, 9 or 16, 3), got {shape}")
    return (
        np.ascontiguousarray(coefficients, np.float32),
        np.ascontiguousarray(direction, np.float32),
    )


@ti.func
def _basis(d):
    """The 16 harmonics at a unit vector."""
    x, y, z = d[0], d[1], d[2]
    xx, yy, zz = x * x, y * y, z * z
    return ti.Vector([
        BAND_0,
        -BAND_1 * y, BAND_1 * z, -BAND_1 * x,
        BAND_2[0] * x * y, -BAND_2[0] * y * z, BAND_2[1] * (2.0 * zz - xx - yy),
        -BAND_2[0] * x * z, BAND_2[2] * (xx - yy),
        -BAND_3[0] * y * (3.0 * xx - yy), BAND_3[1] * x * y * z,
        -BAND_3[2] * y * (4.0 * zz - xx - yy), BAND_3[3] * z * (2.0 * zz - 3.0 * xx - 3.0 * yy),
        -BAND_3[2] * x * (4.0 * zz - xx - yy), BAND_3[4] * z * (xx - yy),
        -BAND_3[0] * x * (xx - 3.0 * yy),
    ])  # fmt: skip


@ti.func
def _slopes(d):
    """Partial derivatives (16, 3) of the polynomials of `_basis`."""
    x, y, z = d[0], d[1], d[2]
    xx, yy, zz = x * x, y * y, z * z
    a, b = BAND_2[0], BAND_2[1]
    c, e, f, g, h = BAND_3[0], BAND_3[1], BAND_3[2], BAND_3[3], BAND_3[4]
    return ti.Matrix([
        [0.0, 0.0, 0.0],
        [0.0, -BAND_1, 0.0], [0.0, 0.0, BAND_1], [-BAND_1, 0.0, 0.0],
        [a * y, a * x, 0.0], [0.0, -a * z, -a * y], [-2.0 * b * x, -2.0 * b * y, 4.0 * b * z],
        [-a * z, 0.0, -a * x], [2.0 * BAND_2[2] * x, -2.0 * BAND_2[2] * y, 0.0],
        [-6.0 * c * x * y, -3.0 * c * (xx - yy), 0.0], [e * y * z, e * x * z, e * x * y],
        [2.0 * f * x * y, -f * (4.0 * zz - xx - 3.0 * yy), -8.0 * f * y * z],
        [-6.0 * g * x * z, -6.0 * g * y * z, 3.0 * g * (2.0 * zz - xx - yy)],
        [-f * (4.0 * zz - 3.0 * xx - yy), 2.0 * f * x * y, -8.0 * f * x * z],
        [2.0 * h * x * z, -2.0 * h * y * z, h * (xx - yy)],
        [-3.0 * c * (xx - yy), 6.0 * c * x * y, 0.0],
    ])  # fmt: skip


@ti.func
def _color(coefficients: ti.template(), i, basis):
    color = ti.Vector([0.5, 0.5, 0.5])
    for k in ti.static(range(16)):
        if k < coefficients.shape[1]:
            for c in ti.static(range(3)):
                color[c] += coefficients[i, k, c] * basis[k]
    return color


@ti.kernel
def _evaluate(
    coefficients: ti.types.ndarray(ti.f32, 3),  # [n, 1, 4, 9 or 16, 3]
    direction: ti.types.ndarray(ti.f32, 2),  # [n, 3] unit
    color: ti.types.ndarray(ti.f32, 2),  # [n, 3]
):
    for i in range(direction.shape[0]):
        d = ti.Vector([direction[i, 0], direction[i, 1], direction[i, 2]])
        shown = _color(coefficients, i, _basis(d))
        for c in ti.static(range(3)):
            color[i, c] = ti.max(shown[c], 0.0)


@ti.kernel
def _pull(
    coefficients: ti.types.ndarray(ti.f32, 3),
    direction: ti.types.ndarray(ti.f32, 2),
    given: ti.types.ndarray(ti.f32, 2),  # [n, 3]
    owed: ti.types.ndarray(ti.f32, 3),
    turned: ti.types.ndarray(ti.f32, 2),
):
    for i in range(direction.shape[0]):
        d = ti.Vector([direction[i, 0], direction[i, 1], direction[i, 2]])
        basis, slopes = _basis(d), _slopes(d)
        shown = _color(coefficients, i, basis)
        for c in ti.static(range(3)):
            g = ti.select(shown[c] > 0.0, given[i, c], 0.0)
            for k in ti.static(range(16)):
                if k < coefficients.shape[1]:
                    owed[i, k, c] = g * basis[k]
                    for axis in ti.static(range(3)):
                        turned[i, axis] += g * coefficients[i, k, c] * slopes[k, axis]
