"""The splats of a captured body: its own, and blobs inside it; called by prepare."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ....kernels.mesh_distance import closest_point
from ...contract.captures.gaussians import BAND_0
from ...contract.materials import Flowing, Rigid
from ...contract.shot import Body
from ..bodies.looks import BLOB_SIGMA, INNER_SHARE, INSET, OPAQUE, BodySplats, concatenate
from ..bodies.sampling import volume_samples
from ..bodies.shape import Shape
from ..bodies.textures import srgb_to_linear
from .hull import OPAQUE as VISIBLE
from .own import OwnSplats

Floats = NDArray[np.float32]

MOST_INNER = 60_000
"""Blobs inside of one capture."""


@dataclass(frozen=True)
class Captured:
    """What captured splats of a shot show by direction, c of them.

    `splat` (c,) i64 are their places among all splats, ascending; `harmonics` (c, k, 3) in the
    body's space; `linear` (c,) bool: whether these give linear light rather than sRGB.
    """

    splat: NDArray[np.int64]
    harmonics: Floats
    linear: NDArray[np.bool_]


def captured_count(body: Body, own: OwnSplats) -> int:
    """Return how many splats a captured body has at most."""
    return len(own.mean) + _inner_count(body, own)


def captured_splats(
    body: Body, own: OwnSplats, shape: Shape, rng: np.random.Generator
) -> tuple[BodySplats, Floats]:
    """Return a captured body's splats in body space, and their harmonics (n, k, 3)."""
    inner, first = _inner(body, own, shape, rng)
    coefficients = np.zeros((len(own.mean) + len(first), *own.harmonics.shape[1:]), np.float32)
    coefficients[: len(own.mean)] = own.harmonics
    coefficients[len(own.mean) :, 0] = first
    normal = own.flat_normals()
    middle = (own.low + own.high) / 2
    away = np.einsum("nd,nd->n", normal, own.mean - middle)
    normal = np.where(away[:, None] < 0, -normal, normal).astype(np.float32)
    outer = _lit_splats(body, own.mean, own.axes, normal, own.opacity)
    splats = concatenate([outer, inner])
    splats.albedo[:] = mean_colors(coefficients, np.full(len(coefficients), own.linear))
    return splats, coefficients


def gathered(found: list[tuple[int, Floats, bool]]) -> Captured | None:
    """Join what captured bodies show: first splat, harmonics and space of each; None of none."""
    if not found:
        return None
    widest = max(harmonics.shape[1] for _, harmonics, _ in found)
    padded = [np.pad(h, ((0, 0), (0, widest - h.shape[1]), (0, 0))) for _, h, _ in found]
    return Captured(
        np.concatenate([first + np.arange(len(h)) for first, h, _ in found]),
        np.concatenate(padded),
        np.concatenate([np.full(len(h), linear) for _, h, linear in found]),
    )


def mean_colors(harmonics: Floats, linear: NDArray[np.bool_]) -> Floats:
    """Return the linear colour (n, 3) that splats show on average over all directions."""
    return shown_colors(np.float32(0.5) + np.float32(BAND_0) * harmonics[:, 0], linear)


def shown_colors(color: Floats, linear: NDArray[np.bool_]) -> Floats:
    """Return linear light (n, 3) of colours as trained, which may lie below zero."""
    color = np.maximum(color, 0)
    return np.where(linear[:, None], color, srgb_to_linear(color)).astype(np.float32)


def _inner_count(body: Body, own: OwnSplats) -> int:
    if body.role != "dynamic" or isinstance(body.material, Rigid):
        return 0
    share = 1.0 if isinstance(body.material, Flowing) else INNER_SHARE
    return min(round(share * len(own.mean)), MOST_INNER)


def _inner(
    body: Body, own: OwnSplats, shape: Shape, rng: np.random.Generator
) -> tuple[BodySplats, Floats]:
    """Fill a body with blobs below its surface; return them and their first coefficients (m, 3).

    They have the colour of the nearest splat that one can see, or the body's inner colour.
    """
    count = _inner_count(body, own)
    points = np.zeros((0, 3), np.float32)
    sigma = 0.0
    if count:
        sigma = BLOB_SIGMA * (shape.volume / count) ** (1 / 3)
        points = volume_samples(shape, count, 0.0, rng)
        depth = closest_point(points, shape.vertices, shape.triangles)[2]
        points = points[depth > INSET * sigma]
    if body.looks.inner_color is not None:
        chosen = np.asarray(body.looks.inner_color, np.float32)
        color = chosen if own.linear else linear_to_srgb(chosen)
        first = np.tile((color - np.float32(0.5)) / np.float32(BAND_0), (len(points), 1))
    else:
        seen = np.flatnonzero(own.opacity > VISIBLE)
        seen = seen if len(seen) else np.arange(len(own.mean))
        nearest = cKDTree(own.mean[seen]).query(points, workers=-1)[1]
        first = own.harmonics[seen[nearest], 0]
    size = len(points)
    axes = np.tile(np.eye(3, dtype=np.float32) * np.float32(sigma), (size, 1, 1))
    up = np.tile(np.array([0, 0, 1], np.float32), (size, 1))
    return _lit_splats(body, points, axes, up, np.full(size, OPAQUE, np.float32)), first


def _lit_splats(
    body: Body, mean: Floats, axes: Floats, normal: Floats, opacity: Floats
) -> BodySplats:
    """Make splats that hold their light already; their colours are filled in later."""
    count = len(mean)
    return BodySplats(
        mean=mean.astype(np.float32),
        axes=axes.astype(np.float32),
        normal=normal,
        backing=np.zeros(count, np.float32),
        round=np.full(count, isinstance(body.material, Flowing)),
        albedo=np.zeros((count, 3), np.float32),
        opacity=opacity,
        emission=np.zeros((count, 3), np.float32),
        roughness=np.ones(count, np.float32),
        specular=np.zeros(count, np.float32),
        metallic=np.zeros(count, np.float32),
        lit=np.ones(count, bool),
    )


def linear_to_srgb(value: Floats) -> Floats:
    """Encode linear light as sRGB (IEC 61966-2-1)."""
    high = 1.055 * np.maximum(value, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(value <= 0.0031308, 12.92 * value, high).astype(np.float32)
