"""Colour at a surface point: corner colours, base colour or image; called by looks."""

import numpy as np
from numpy.typing import NDArray

from ...contract.arrays import Array, ArraySet
from ...contract.shot import Body
from .shape import Shape

Floats = NDArray[np.float32]


def surface_colors(
    body: Body,
    arrays: ArraySet,
    shape: Shape,
    triangle: NDArray[np.int64],
    barycentric: NDArray[np.float64],
    *,
    footprint: NDArray[np.float64],
) -> tuple[Floats, Floats]:
    """Return linear colour (n, 3) and alpha (n,) at points of a body's surface.

    `triangle` (n,) and `barycentric` (n, 3) name the points in the corner order of `shape`;
    `footprint` (n,) is the width in metres over which an image is averaged.
    """
    index = surface_index(body, arrays)[triangle]
    surfaces = body.looks.surfaces
    color = np.array([s.base_color for s in surfaces], np.float32)[index]
    alpha = np.array([s.alpha for s in surfaces], np.float32)[index]
    if body.looks.colors is not None:
        corners = _corners(shape, arrays.of(body.looks.colors), triangle)
        mixed = np.einsum("nk,nkc->nc", barycentric, corners).astype(np.float32)
        return mixed[:, :3], mixed[:, 3] * alpha
    for which, surface in enumerate(surfaces):
        chosen = np.flatnonzero(index == which)
        if surface.image is None or body.looks.uv is None or not len(chosen):
            continue
        corners = _corners(shape, arrays.of(body.looks.uv), triangle[chosen])
        uv = np.einsum("nk,nkc->nc", barycentric[chosen], corners)
        image = arrays.of(surface.image)
        texels = footprint[chosen] * _texels_per_metre(shape, corners, triangle[chosen], image)
        rgba = look_up(image, uv, texels)
        color[chosen], alpha[chosen] = rgba[:, :3], rgba[:, 3] * alpha[chosen]
    return color, alpha


def surface_index(body: Body, arrays: ArraySet) -> NDArray[np.int64]:
    """Return which of the body's surfaces each triangle (F,) shows."""
    if body.looks.surface_index is None:
        return np.zeros(body.mesh.triangles.shape[0], np.int64)
    return np.asarray(arrays.of(body.looks.surface_index), np.int64)


def look_up(image: Array, uv: NDArray[np.float64], texels: NDArray[np.float64]) -> Floats:
    """Look up an image (H, W, 4), u1 sRGB or float linear, at uv (n, 2): linear rgba (n, 4).

    v points upwards, the image repeats. `texels` (n,) is the width to average over; the next
    smaller level of a pyramid of halved images is read bilinearly.
    """
    level = np.maximum(np.floor(np.log2(np.maximum(texels, 1.0))), 0).astype(int)
    result = np.zeros((len(uv), 4), np.float32)
    current = image
    for depth in range(int(level.max(initial=0)) + 1):
        if depth > 0 and min(current.shape[:2]) > 1:
            current = _halved(current)
        chosen = level == depth
        if chosen.any():
            result[chosen] = _bilinear(current, uv[chosen])
    return result


def srgb_to_linear(value: Array) -> Floats:
    """Decode sRGB in 0..1 (IEC 61966-2-1)."""
    value = np.asarray(value, np.float32)
    return np.where(
        value <= 0.04045, value / np.float32(12.92), ((value + 0.055) / 1.055) ** 2.4
    ).astype(np.float32)


def _corners(shape: Shape, values: Array, triangle: NDArray[np.int64]) -> Array:
    """Return corner values (n, 3, …) in the order of the shape's corners."""
    chosen = values[triangle]
    return chosen[:, ::-1] if shape.turned else chosen


def _texels_per_metre(
    shape: Shape, uv: Array, triangle: NDArray[np.int64], image: Array
) -> NDArray[np.float64]:
    side, other = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    covered = np.abs(side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0]) / 2
    texels = covered.astype(np.float64) * image.shape[0] * image.shape[1]
    return np.asarray(np.sqrt(texels / np.maximum(shape.areas[triangle], 1e-30)))


def _linear(texels: Array) -> Floats:
    """Decode texels (…, 4) of an image to linear floats."""
    if texels.dtype != np.uint8:
        return np.asarray(texels, np.float32)
    table = srgb_to_linear(np.arange(256) / 255.0)
    alpha = texels[..., 3:].astype(np.float32) / 255.0
    return np.concatenate([table[texels[..., :3]], alpha], axis=-1)


def _halved(image: Array) -> Floats:
    """Average 2 x 2 texels in linear light; an odd last row or column is dropped."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    total = np.zeros((height // 2, width // 2, 4), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            total += _linear(image[row:height:2, column:width:2])
    return total * np.float32(0.25)


def _bilinear(image: Array, uv: NDArray[np.float64]) -> Floats:
    """Read between texel centres, repeating at the borders."""
    height, width = image.shape[:2]
    x = uv[:, 0] * width - 0.5
    y = (1.0 - uv[:, 1]) * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    result = np.zeros((len(uv), 4), np.float32)
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            result += wy * wx * _linear(image[(top + dy) % height, (left + dx) % width])
    return result
