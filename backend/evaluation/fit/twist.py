"""A twist about the vertical: where it takes points, and how it stretches what is around them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion

from ...splatting.gradients import Camera

Floats = NDArray[np.float64]

FINER = 4
"Pixels of a silhouette are filled on a grid so many times as fine."
RIM = 2
"Pixels beside a silhouette's outline that do not count as its inside: there splats are soft."


def twisted(points: Floats, turn: float) -> tuple[Floats, Floats]:
    """Return points (n, 3) twisted by `turn` radians a metre of height, and F (n, 3, 3) there."""
    angle = turn * points[:, 2]
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(len(points))
    rotation = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], axis=1)
    slope = np.stack([-sin, -cos, zero, cos, -sin, zero, zero, zero, zero], axis=1)
    rotation, slope = rotation.reshape(-1, 3, 3), slope.reshape(-1, 3, 3)
    gradient = rotation.copy()
    gradient[:, :, 2] += turn * np.einsum("nij,nj->ni", slope, points)
    return np.einsum("nij,nj->ni", rotation, points), gradient


def silhouette_inside(
    vertices: Floats, triangles: NDArray[np.int32], camera: Camera
) -> NDArray[np.bool_]:
    """Return the pixels (h, w) that lie inside a mesh's silhouette, away from its outline."""
    pose, lens = camera.camera_to_world.numpy(), camera.intrinsics.numpy()
    local = (vertices - pose[:3, 3]) @ pose[:3, :3]
    pixel = FINER * (local[:, :2] / local[:, 2:] * lens[:2] + lens[2:]) - 0.5
    canvas = Image.new("1", (FINER * camera.width, FINER * camera.height))
    draw = ImageDraw.Draw(canvas)
    for corners in pixel[triangles].reshape(-1, 6):
        draw.polygon(corners.tolist(), fill=1)
    fine = np.asarray(canvas).reshape(camera.height, FINER, camera.width, FINER)
    whole = fine.all(axis=(1, 3))
    return np.asarray(binary_erosion(whole, np.ones((2 * RIM + 1, 2 * RIM + 1))), bool)
