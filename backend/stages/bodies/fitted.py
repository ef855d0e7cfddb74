"""The splats of a body that were fitted to pictures of it, in the place of its surface's."""

import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import closest_point
from ...contract.arrays import ArraySet
from ...contract.shot import Body
from .looks import INNER_SHARE, BodySplats, concatenate, inner_splats, surface_fields
from .shape import Shape

Floats = NDArray[np.float32]


def fitted_count(body: Body, shape: Shape) -> int:
    """Return how many splats a body with fitted ones has, those that fill it included."""
    assert body.fit is not None
    count = body.fit.mean.shape[0]
    filled = body.role == "dynamic" and shape.closed
    return count + (round(count * INNER_SHARE / (1 - INNER_SHARE)) if filled else 0)


def fitted_splats(
    body: Body, arrays: ArraySet, shape: Shape, *, rng: np.random.Generator
) -> BodySplats:
    """Return a body's fitted splats in its space, and what fills it where it may tear.

    Normals, and the rest of the looks, are those of the nearest point of the surface.
    """
    fit = body.fit
    assert fit is not None
    mean = np.ascontiguousarray(arrays.of(fit.mean), np.float32)
    triangle, corner, _ = closest_point(mean, shape.vertices, shape.triangles)
    normal = np.einsum("nk,nkd->nd", corner, shape.corner_normals[triangle])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    turns = rotations(arrays.of(fit.turn))
    surface = BodySplats(
        mean=mean,
        axes=(turns * arrays.of(fit.scale)[:, None, :]).astype(np.float32),
        normal=normal.astype(np.float32),
        backing=np.zeros(len(mean), np.float32),  # they learnt where outlines are
        round=np.zeros(len(mean), bool),
        albedo=np.asarray(arrays.of(fit.color), np.float32),
        opacity=np.asarray(arrays.of(fit.opacity), np.float32),
        lit=np.full(len(mean), fit.lit),
        **surface_fields(body, arrays, triangle.astype(np.int64)),
    )
    inner = fitted_count(body, shape) - len(mean)
    if not inner:
        return surface
    return concatenate([surface, inner_splats(body, shape, surface, inner, rng)])


def rotations(quaternion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return rotation matrices (n, 3, 3) of quaternions (n, 4) wxyz of any length but zero."""
    unit = np.asarray(quaternion, np.float64)
    w, x, y, z = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).T
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(rows, axis=1).reshape(-1, 3, 3)
