"""Meshes, poses and patterns that suites build their scenes of, without Blender."""

import numpy as np
from numpy.typing import NDArray

Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]
"Vertices (V, 3) in metres and outward triangles (F, 3)."
Pose = NDArray[np.float64]


def box(x: float, y: float | None = None, z: float | None = None) -> Mesh:
    """Return a box about the origin; a cube where only `x` is given."""
    half = np.array([x, x if y is None else y, x if z is None else z], np.float32) / 2
    corners = [[i, j, k] for k in (-1, 1) for j in (-1, 1) for i in (-1, 1)]
    sides = ([0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5])
    faces = [face for a, b, c, d in sides for face in ([a, b, c], [a, c, d])]
    return (np.array(corners) * half).astype(np.float32), np.array(faces, np.int32)


def ball(radius: float, rings: int = 32) -> Mesh:
    """Return a sphere of `rings` rings and twice as many segments about the origin."""
    segments = 2 * rings
    polar = np.pi * np.arange(1, rings) / rings
    around = 2 * np.pi * np.arange(segments) / segments
    body = np.stack(
        [np.outer(np.sin(polar), np.cos(around)), np.outer(np.sin(polar), np.sin(around)),
         np.repeat(np.cos(polar)[:, None], segments, 1)], -1
    ).reshape(-1, 3)  # fmt: skip
    vertices = np.concatenate([[[0, 0, 1]], body, [[0, 0, -1]]]) * radius
    here, onward = np.arange(segments), (np.arange(segments) + 1) % segments
    last = len(vertices) - 1
    faces = [np.stack([np.zeros_like(here), 1 + here, 1 + onward], 1)]
    for ring in range(rings - 2):
        top, low = 1 + ring * segments, 1 + (ring + 1) * segments
        faces.append(np.stack([top + here, low + here, low + onward], 1))
        faces.append(np.stack([top + here, low + onward, top + onward], 1))
    top = 1 + (rings - 2) * segments
    faces.append(np.stack([top + here, np.full_like(here, last), top + onward], 1))
    return vertices.astype(np.float32), np.concatenate(faces).astype(np.int32)


def plate(size: float, repeats: int) -> tuple[*Mesh, NDArray[np.float32]]:
    """Return a square in z = 0 that faces up, and uv (2, 3, 2) that repeats a picture on it."""
    half = size / 2
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * repeats
    return corners.astype(np.float32), faces, uv[faces]


def place(at: tuple[float, float, float], about_z: float = 0.0) -> Pose:
    """Return a pose (4, 4), turned by radians about the vertical."""
    pose = np.eye(4)
    cos, sin = np.cos(about_z), np.sin(about_z)
    pose[:2, :2] = [[cos, -sin], [sin, cos]]
    pose[:3, 3] = at
    return pose


def look_at(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Pose:
    """Return `camera_to_world` (4, 4) in OpenCV axes, the world's Z up in the picture."""
    forward = np.subtract(target, eye).astype(float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def tiles(first: tuple[float, ...], second: tuple[float, ...], cells: int = 2) -> NDArray[np.uint8]:
    """Return a chequered picture (64, 64, 4) sRGB of linear colours."""
    odd = (np.indices((64, 64)) * cells // 64).sum(0) % 2
    linear = np.where(odd[..., None], first, second)
    picture = np.full((64, 64, 4), 255, np.uint8)
    picture[..., :3] = np.round(255 * np.clip(linear, 0, 1) ** (1 / 2.2))
    return picture


def mottled(
    points: NDArray[np.float32], first: tuple[float, ...], second: tuple[float, ...]
) -> NDArray[np.float32]:
    """Return linear colours (V, 3) in two tones: lands and seas by a sum of waves."""
    rng = np.random.default_rng(5)
    waves = rng.normal(size=(14, 3)) * np.linspace(2.0, 7.0, 14)[:, None]
    height = np.sin(points @ waves.T + rng.uniform(0, 6.28, 14)) / np.linspace(1.0, 3.0, 14)
    share = 1 / (1 + np.exp(-6 * height.sum(1, keepdims=True)))
    colors = share * np.array(second) + (1 - share) * np.array(first)
    return np.asarray(colors, np.float32)
