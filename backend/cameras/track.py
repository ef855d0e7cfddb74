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
    span = _span(film, fit, pixel_aspect)
    size = sensor[1] if fit == "VERTICAL" else sensor[0]
    return _with_centre(lens / size * span, span, film, shift, pixel_aspect)


def orthographic_intrinsics(
    scale: float,
    film: tuple[int, int],
    *,
    fit: str = "AUTO",
    shift: tuple[float, float] = (0.0, 0.0),
    pixel_aspect: float = 1.0,
) -> Floats:
    """Return fx, fy in pixels per unit and cx, cy in pixels for a Blender orthographic camera.

    `scale` is its orthographic scale: what the side that the sensor fits spans, in those units.
    """
    span = _span(film, fit, pixel_aspect)
    return _with_centre(span / scale, span, film, shift, pixel_aspect)


def _span(film: tuple[int, int], fit: str, pixel_aspect: float) -> float:
    """Return the side that the sensor fits, in pixel widths."""
    width, height = film
    if fit == "HORIZONTAL" or (fit == "AUTO" and width >= height * pixel_aspect):
        return width
    return height * pixel_aspect


def _with_centre(
    fx: float, span: float, film: tuple[int, int], shift: tuple[float, float], pixel_aspect: float
) -> Floats:
    cx = film[0] / 2 - shift[0] * span
    cy = film[1] / 2 + shift[1] * span / pixel_aspect
    return np.array([fx, fx / pixel_aspect, cx, cy])


def project(
    points: Floats, camera_to_world: Floats, k: Floats, *, orthographic: bool = False
) -> tuple[Floats, Floats]:
    """Project world points (N, 3) to pixels (N, 2) and depth along the axis (N,) in metres."""
    rotation, origin = camera_to_world[:3, :3], camera_to_world[:3, 3]
    local = (np.asarray(points, np.float64) - origin) @ rotation
    depth = local[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        aside = local[:, :2] if orthographic else local[:, :2] / depth[:, None]
    pixels = aside * k[:2] + k[2:]
    return pixels, depth


def pose_between(here: Floats, there: Floats, share: float) -> Floats:
    """Return the pose (4, 4) on the way from one to another, 0 to 1; beyond, it goes on so."""
    turn = here[:3, :3].T @ there[:3, :3]
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine = float(np.linalg.norm(axis)) / 2
    angle = np.arctan2(sine, (np.trace(turn) - 1) / 2)
    x, y, z = axis / (2 * sine) if sine > 1e-12 else np.zeros(3)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    part = share * angle
    pose = np.eye(4)
    pose[:3, :3] = here[:3, :3] @ (
        np.eye(3) + np.sin(part) * cross + (1 - np.cos(part)) * cross @ cross
    )
    pose[:3, 3] = here[:3, 3] + share * (there[:3, 3] - here[:3, 3])
    return pose
