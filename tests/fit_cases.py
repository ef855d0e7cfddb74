"""A striped ball seen from all around, traced ray by ray: views whose every pixel is known."""

import numpy as np

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.fits.views import Views

from . import shots

RADIUS = 0.5


def stripes(point: Array) -> Array:
    """Return the colour (..., 3) of the ball at points (..., 3): bands around, dark below."""
    band = 0.5 + 0.4 * np.sign(np.sin(4 * np.arctan2(point[..., 1], point[..., 0])))
    height = (point[..., 2] / RADIUS + 1) / 2
    return np.stack([band, 0.2 + 0.6 * height, 0.3 + 0 * height], axis=-1)


def ball_views(
    count: int = 8, size: int = 32, turn: float = 0.0, samples: int = 4
) -> tuple[Views, ArraySet]:
    """Return views of the ball on a spiral from pole to pole."""
    arrays = ArraySet()
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    angle = turn + np.arange(count) * 2.399963
    flat = np.sqrt(1 - height**2)
    eyes = 2.0 * np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)
    poses = np.stack([shots.look_at(eye, (0, 0, 0)) for eye in eyes])
    lens = np.tile([1.6 * size, 1.6 * size, size / 2, size / 2], (count, 1))
    pictures = np.stack([trace(p, k, size, samples) for p, k in zip(poses, lens, strict=True)])
    mesh = shots.sphere(RADIUS, 3)
    looks = s.Looks(surfaces=(s.Surface(base_color=(0.5, 0.5, 0.3)),))
    views = Views(
        name="Ball",
        film=s.Film(size, size),
        body=shots.body(arrays, "Ball", mesh, role="static", looks=looks, contact=None),
        camera_to_body=arrays.add(poses),
        intrinsics=arrays.add(lens),
        pictures=arrays.add(pictures.astype(np.float16)),
    )
    return views, arrays


def trace(pose: Array, lens: Array, size: int, samples: int) -> Array:
    """Return the picture (size, size, 4), premultiplied, each pixel the mean of its rays."""
    at = (np.arange(size * samples) + 0.5) / samples
    x, y = np.meshgrid((at - lens[2]) / lens[0], (at - lens[3]) / lens[1])
    ray = np.stack([x, y, np.ones_like(x)], axis=-1) @ pose[:3, :3].T
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    eye = pose[:3, 3]
    b = ray @ eye
    root = b**2 - (eye @ eye - RADIUS**2)
    hit = root > 0
    point = eye + (-b - np.sqrt(np.maximum(root, 0)))[..., None] * ray
    rgba = np.concatenate([stripes(point), np.ones_like(x)[..., None]], axis=-1) * hit[..., None]
    return rgba.reshape(size, samples, size, samples, 4).mean(axis=(1, 3))
