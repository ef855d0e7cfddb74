"""The splats of one body: discs on its surface, blobs inside it, and their colours; for prepare.

Sizes come from measured coverage: discs of 0.85 spacings hide what is behind one sheet by more than
98 % at its thinnest point; on a closed body, two sheets deep, 0.8 is enough and crisper.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import closest_point
from ...contract.arrays import ArraySet
from ...contract.materials import Flowing, Sand, Water
from ...contract.shot import Body
from .backing import backing_of
from .creases import trimmed
from .facing import HIDDEN_DENSITY, shown_area
from .sampling import surface_samples, volume_samples
from .shape import Shape
from .textures import surface_colors, surface_index

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

OPAQUE = 0.99
"Opacity of a splat of an opaque surface: it hides, and still has a soft rim."
CLOSED_SIGMA, OPEN_SIGMA = 0.8, 0.85
"Standard deviation of a disc in spacings, on closed and on open meshes."
COVER, WIDEST = 0.72, 1.6
"A disc covers this radius in spacings; over a larger hole it is larger, up to this factor."
RIM_REACH = 2.5
"Spacings from a crease within which discs are trimmed."
FLATNESS = 0.01
"Thickness of a disc in standard deviations: thicker ones blur the motion field."
OVERLAP = 4.0
"Discs over a point (2 pi sigma^2 / spacing^2): they share a see-through surface's alpha."
INNER_SHARE = 0.2
"Share of an elastic body's splats that fill it, for where it tears or is cut."
BLOB_SIGMA = 0.6
"Standard deviation of a round splat in spacings."
INSET = 2.2
"Standard deviations that an inner splat keeps from the surface."
GRAIN_SHADE, GRAIN_TINT = 0.22, 0.05
"Spread of the brightness and of the tint of grains: sand is many stones."
WATER_ALPHA = 0.35
"Share of alpha that a blob of water keeps: thin water is clear, deep water is not."


@dataclass(frozen=True)
class BodySplats:
    """Splats of one body in body space, (n, …).

    `mean` (n, 3) m, `axes` (n, 3, 3) whose columns are the 1-sigma half axes [m], `normal` (n, 3)
    for shading; `backing` (n,) as in SplatPose; `round` keeps its shape (sand, water); the rest as
    in `prepare.SplatLooks`.
    """

    mean: Floats
    axes: Floats
    normal: Floats
    backing: Floats
    round: NDArray[np.bool_]
    albedo: Floats
    opacity: Floats
    emission: Floats
    roughness: Floats
    specular: Floats
    metallic: Floats
    lit: NDArray[np.bool_]


def body_splats(
    body: Body,
    arrays: ArraySet,
    shape: Shape,
    *,
    seen: NDArray[np.bool_],
    count: int,
    thickness: float,
    rng: np.random.Generator,
) -> BodySplats:
    """Make up to `count` splats. Where they lie follows from geometry alone, never from colours.

    `seen` (F,) are the triangles that some frame may show (`facing.faced`); `thickness` in metres
    is what an open mesh of what flows is given.
    """
    if isinstance(body.material, Flowing):
        points = volume_samples(shape, count, thickness, rng)
        sigma = BLOB_SIGMA * ((shape.volume or shape.area * thickness) / count) ** (1 / 3)
        return _volume_splats(body, arrays, shape, points, sigma=sigma, rng=rng)
    inner = round(count * INNER_SHARE) if body.role == "dynamic" and shape.closed else 0
    parts = []
    outer, whole = count - inner, shown_area(shape, seen)
    for part, density in ((seen, 1.0), (~seen, HIDDEN_DENSITY)):
        if shape.areas[part].sum() > 0:
            share = max(1, round(outer * density * shape.areas[part].sum() / whole))
            parts.append(surface_splats(body, arrays, shape, part, share, rng))
    surface = concatenate(parts)
    surface = replace(surface, backing=backing_of(shape, surface.mean, surface.axes))
    if not inner:
        return surface
    return concatenate([surface, inner_splats(body, shape, parts[0], inner, rng)])


def concatenate(parts: Sequence[BodySplats]) -> BodySplats:
    """Join splats in order; of no parts it makes no splats."""
    names = [field.name for field in fields(BodySplats)]
    every = [_NONE, *parts]
    return BodySplats(*(np.concatenate([getattr(part, n) for part in every]) for n in names))


def tangent_frames(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return right-handed frames (n, 3, 3) whose third column is the unit normal (n, 3).

    Duff et al., Building an Orthonormal Basis, Revisited, 2017, listing 3.
    """
    x, y, z = normal.T
    sign = np.copysign(1.0, z)
    a = -1.0 / (sign + z)
    b = x * y * a
    first = np.stack([1.0 + sign * x * x * a, sign * b, -sign * x], axis=1)
    second = np.stack([b, sign + y * y * a, -y], axis=1)
    return np.stack([first, second, normal], axis=2)


def surface_splats(
    body: Body,
    arrays: ArraySet,
    shape: Shape,
    part: NDArray[np.bool_],
    count: int,
    rng: np.random.Generator,
) -> BodySplats:
    samples = surface_samples(shape, part, count, rng)
    enough = samples.spacing * (CLOSED_SIGMA if shape.closed else OPEN_SIGMA)
    sigma = enough * np.clip(samples.cover / (COVER * samples.spacing), 1.0, WIDEST)
    corners = shape.corner_normals[samples.triangle]
    shading = np.einsum("nk,nkd->nd", samples.barycentric, corners)
    shading /= np.maximum(np.linalg.norm(shading, axis=1, keepdims=True), 1e-9)
    axes = tangent_frames(samples.normal) * sigma[:, None, None]
    reach = RIM_REACH * samples.spacing
    close, vector, counts = samples.creases.near(samples.position, samples.normal, reach)
    axes[close] = trimmed(axes[close], vector, counts)
    axes[:, :, 2] *= FLATNESS
    color, alpha = surface_colors(
        body, arrays, shape, samples.triangle, samples.barycentric, footprint=2 * sigma
    )
    alpha = np.clip(alpha, 0.0, 1.0)  # mixing corner colours rounds to a little more than one
    return BodySplats(
        mean=samples.position.astype(np.float32),
        axes=axes.astype(np.float32),
        normal=shading.astype(np.float32),
        backing=np.zeros(count, np.float32),
        round=np.zeros(count, bool),
        albedo=color,
        opacity=np.float32(OPAQUE) * (1 - (1 - alpha) ** np.float32(1 / OVERLAP)),
        lit=np.full(count, body.looks.lit),
        **surface_fields(body, arrays, samples.triangle),
    )


def surface_fields(body: Body, arrays: ArraySet, triangle: Indices) -> dict[str, Floats]:
    """Return what does not vary inside one surface of the body, for each triangle named."""
    index = surface_index(body, arrays)[triangle]
    names = ("emission", "roughness", "specular", "metallic")
    values = {n: np.array([getattr(s, n) for s in body.looks.surfaces], np.float32) for n in names}
    return {name: value[index] for name, value in values.items()}


def _round_axes(sigma: float, count: int) -> Floats:
    return np.tile(np.eye(3, dtype=np.float32) * np.float32(sigma), (count, 1, 1))


def _outward(points: Floats, shape: Shape) -> tuple[Indices, Floats, Floats]:
    """Return triangle, barycentric and unit normal of the surface nearest to each point."""
    triangle, barycentric, _ = closest_point(points, shape.vertices, shape.triangles)
    return triangle.astype(np.int64), barycentric, shape.face_normals[triangle]


def inner_splats(
    body: Body, shape: Shape, surface: BodySplats, count: int, rng: np.random.Generator
) -> BodySplats:
    """Fill a body with blobs of its inner colour that stay below its surface."""
    sigma = BLOB_SIGMA * (shape.volume / count) ** (1 / 3)
    points = volume_samples(shape, count, 0.0, rng)
    depth = closest_point(points, shape.vertices, shape.triangles)[2]
    points = points[depth > INSET * sigma]
    mean_color = surface.albedo.mean(axis=0, dtype=np.float64)
    color = np.asarray(body.looks.inner_color or mean_color, np.float32)
    size = len(points)
    return BodySplats(
        mean=points,
        axes=_round_axes(sigma, size),
        normal=_outward(points, shape)[2],
        backing=np.zeros(size, np.float32),
        round=np.zeros(size, bool),
        albedo=np.tile(color, (size, 1)),
        opacity=np.full(size, OPAQUE, np.float32),
        emission=np.zeros((size, 3), np.float32),
        roughness=np.full(size, 0.6, np.float32),
        specular=np.full(size, 0.3, np.float32),
        metallic=np.zeros(size, np.float32),
        lit=np.zeros(size, bool),
    )


def _volume_splats(
    body: Body,
    arrays: ArraySet,
    shape: Shape,
    points: Floats,
    *,
    sigma: float,
    rng: np.random.Generator,
) -> BodySplats:
    """Show what flows by blobs coloured as the nearest point of the surface."""
    size = len(points)
    triangle, barycentric, normal = _outward(points, shape)
    color, alpha = surface_colors(
        body,
        arrays,
        shape,
        triangle,
        barycentric.astype(np.float64),
        footprint=np.full(size, 2 * sigma),
    )
    opacity = OPAQUE * alpha
    if isinstance(body.material, Water):
        opacity = opacity * WATER_ALPHA
    elif isinstance(body.material, Sand):
        stray = np.clip(rng.standard_normal((size, 4), np.float32), -2, 2)
        color = color * np.exp(GRAIN_SHADE * stray[:, :1]) * (1 + GRAIN_TINT * stray[:, 1:])
    return BodySplats(
        mean=points,
        axes=_round_axes(sigma, size),
        normal=normal,
        backing=np.zeros(size, np.float32),
        round=np.ones(size, bool),
        albedo=np.clip(color, 0, None).astype(np.float32),
        opacity=opacity.astype(np.float32),
        lit=np.full(size, body.looks.lit),
        **surface_fields(body, arrays, triangle),
    )


_NONE = BodySplats(
    mean=np.zeros((0, 3), np.float32),
    axes=np.zeros((0, 3, 3), np.float32),
    normal=np.zeros((0, 3), np.float32),
    backing=np.zeros(0, np.float32),
    round=np.zeros(0, bool),
    albedo=np.zeros((0, 3), np.float32),
    opacity=np.zeros(0, np.float32),
    emission=np.zeros((0, 3), np.float32),
    roughness=np.zeros(0, np.float32),
    specular=np.zeros(0, np.float32),
    metallic=np.zeros(0, np.float32),
    lit=np.zeros(0, bool),
)
