"""What is worked out of the passes: edges, the sky's motion, and where motion is valid."""

import numpy as np
from numpy.typing import NDArray

from .world.palette import Floats

Matrices = NDArray[np.float64]


def edges(depth: Floats, normal: Floats, index: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mark outlines and creases: 255 beside another object, a jump in depth or a turn."""
    found = np.zeros(depth.shape, bool)
    near = 1 / np.where(np.isfinite(depth), depth, 1e6)  # linear on screen for a plane
    for axis in (0, 1):
        ahead = np.roll(normal, -1, axis)
        step = np.abs(2 * near - np.roll(near, 1, axis) - np.roll(near, -1, axis)) > 0.03 * near
        step &= near > 1e-4
        change = (index != np.roll(index, -1, axis)) | step | ((normal * ahead).sum(-1) < 0.8)
        change &= (near > 1e-5) | (np.roll(near, -1, axis) > 1e-5)
        last = [slice(None), slice(None)]
        last[axis] = slice(-1, None)
        change[tuple(last)] = False
        found |= change
    return np.where(found, 255, 0).astype(np.uint8)


def sky_motion(
    size: tuple[int, int], intrinsics: Matrices, here: Matrices, there: Matrices
) -> Floats:
    """Return where what is infinitely far moves (h, w, 2), between two camera-to-world poses.

    `intrinsics` is (2, 4): fx, fy, cx, cy of the two cameras; axes as OpenCV's.
    """
    width, height = size
    y, x = np.mgrid[0:height, 0:width] + 0.5
    fx, fy, cx, cy = intrinsics[0]
    rays = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], -1)
    seen = rays @ (there[:3, :3].T @ here[:3, :3]).T
    fx, fy, cx, cy = intrinsics[1]
    ahead = np.maximum(seen[..., 2], 1e-3)
    return np.stack(
        [fx * seen[..., 0] / ahead + cx - x, fy * seen[..., 1] / ahead + cy - y], -1
    ).astype(np.float32)


def valid_motion(
    forward: Floats, backward_next: Floats, index: NDArray[np.uint8], index_next: NDArray[np.uint8]
) -> NDArray[np.bool_]:
    """Tell where a pixel's target is in the next frame and seen there: its motion leads back."""
    height, width = index.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x + forward[..., 0], y + forward[..., 1]
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    u, v = np.clip(u, 0, width - 1.001), np.clip(v, 0, height - 1.001)
    back = bilinear(backward_next, u, v)
    away = np.linalg.norm(forward + back, axis=-1)
    # Exact motion comes back exactly but for the interpolation where it is curved.
    tolerance = 0.25 + 0.02 * np.linalg.norm(forward, axis=-1)
    same = index_next[np.rint(v).astype(int), np.rint(u).astype(int)] == index
    return np.asarray(inside & same & (away < tolerance), np.bool_)


def bilinear(field: Floats, u: Floats, v: Floats) -> Floats:
    """Sample a field (h, w, c) at pixel coordinates (pixel middles are whole numbers)."""
    x, y = np.floor(u).astype(int), np.floor(v).astype(int)
    right, down = np.minimum(x + 1, field.shape[1] - 1), np.minimum(y + 1, field.shape[0] - 1)
    a, b = (u - x)[..., None], (v - y)[..., None]
    upper = field[y, x] * (1 - a) + field[y, right] * a
    lower = field[down, x] * (1 - a) + field[down, right] * a
    return np.asarray(upper * (1 - b) + lower * b, np.float32)
