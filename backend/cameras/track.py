"""Camera tracks: Blender's cameras to OpenCV, points to pixels; used at export and render."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OPENCV_FROM_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])
"Right-multiplied: Blender's camera looks along -Z with Y up, OpenCV's along +Z with Y down."


def opencv_pose(matrix_world: Floats) -> Floats:
    """Return `camera_to_world` (..., 4, 4), OpenCV axes, from Blender's matrix less its scale."""
    pose = np.asarray(matrix_world, np.float64) @ OPENCV_FROM_BLENDER
    pose[..., :3, :3] /= np.linalg.norm(pose[..., :3, :3], axis=-2, keepdims=True)
    return pose


def intrinsics(
    lens: float,
    sensor: tuple[float, float],
    film: tuple[int, int],
    *,
    fit: str = "AUTO",
    shift: tuple[float, float] = (0.0, 0.0),
    pixel_aspect: float = 1.0,
) -> Floats:
    """Return fx, fy, cx, cy in pixels for a Blender perspective camera.

    `lens` and `sensor` (width, height) are in millimetres; `pixel_aspect` is aspect_y / aspect_x.
    With AUTO the sensor width spans the longer side, as in Blender's BKE_camera_params.
    """
    width, height = film
    horizontal = fit == "HORIZONTAL" or (fit == "AUTO" and width >= height * pixel_aspect)
    if horizontal:
        fx = lens / sensor[0] * width
        span: float = width
    else:
        size = sensor[1] if fit == "VERTICAL" else sensor[0]
        fx = lens / size * height * pixel_aspect
        span = height * pixel_aspect
    cx = width / 2 - shift[0] * span
    cy = height / 2 + shift[1] * span / pixel_aspect
    return np.array([fx, fx / pixel_aspect, cx, cy])


def project(points: Floats, camera_to_world: Floats, k: Floats) -> tuple[Floats, Floats]:
    """Project world points (N, 3) to pixels (N, 2) and depth along the axis (N,) in metres."""
    rotation, origin = camera_to_world[:3, :3], camera_to_world[:3, 3]
    local = (np.asarray(points, np.float64) - origin) @ rotation
    depth = local[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local[:, :2] / depth[:, None] * k[:2] + k[2:]
    return pixels, depth
