"""What lies behind the splats, infinitely far: its motion from frame to frame; called by raster."""

import numpy as np
from numpy.typing import NDArray

from .project import Floats, SplatPose, View, pinhole

FAR_AWAY = 1e5
"Pixels of motion that stand for: not on the image plane of that frame."

Frame = tuple[SplatPose, View]


def comparable(view: View, frame: Frame | None) -> Frame | None:
    """Return `frame`, or None where its camera projects in another way: then nothing can follow."""
    if frame is None or frame[1].orthographic != view.orthographic:
        return None
    return frame


def background_motion(view: View, frame: Frame | None) -> Floats:
    """Motion (2, h, w) of points at infinity: K' R'^T R K^-1 q - q, zero without a `frame`.

    FAR_AWAY from a pinhole to an orthographic camera and back. Behind an orthographic camera all
    that is infinitely far is one point, and stays.
    """
    if frame is not None and comparable(view, frame) is None:
        return np.full((2, view.height, view.width), FAR_AWAY, np.float32)
    if frame is None or view.orthographic:
        return np.zeros((2, view.height, view.width), np.float32)
    other = frame[1]
    turn = other.world_to_camera()[0] @ view.world_to_camera()[0].T - np.eye(3)
    # What rounding leaves of a camera that stands still is no motion.
    turn[np.abs(turn) < 1e-14] = 0
    scale_x, scale_y, cx, cy, other_cx, other_cy = lens_change(view, other).astype(np.float64)
    step = _matrix(other) @ turn @ np.linalg.inv(_matrix(view))
    step[0] += scale_x, 0, other_cx - cx - scale_x * cx
    step[1] += 0, scale_y, other_cy - cy - scale_y * cy
    x = (np.arange(view.width) + 0.5)[None, :]
    y = (np.arange(view.height) + 0.5)[:, None]
    moved = [row[0] * x + row[1] * y + row[2] for row in step]
    ahead = 1 + moved[2]
    away = ahead < 1e-3
    scale = 1 / np.where(away, 1, ahead)
    motion = np.stack([(moved[0] - x * moved[2]) * scale, (moved[1] - y * moved[2]) * scale])
    # A direction behind the other camera has no pixel there: send it far out of the frame.
    motion[:, np.broadcast_to(away, motion.shape[1:])] = FAR_AWAY
    held: Floats = np.clip(motion, -FAR_AWAY, FAR_AWAY).astype(np.float32)
    return held


def lens_change(view: View, other: View) -> Floats:
    """What the change of lens and the other image's centre add to motion: (6,) for the kernel."""
    fx, fy, cx, cy = (float(value) for value in view.intrinsics)
    gx, gy, dx, dy = (float(value) for value in other.intrinsics)
    return np.array([gx / fx - 1, gy / fy - 1, cx, cy, dx, dy], np.float32)


def ray_distance(depth: Floats, view: View) -> Floats:
    """Return the distance (h, w) [m] along each pixel's ray, of `depth` z [m].

    From the camera; from the plane through it where rays are parallel: there it is z.
    """
    fx, fy, cx, cy = (float(value) for value in view.intrinsics)
    x = (np.arange(view.width) + 0.5 - cx) / fx
    y = (np.arange(view.height) + 0.5 - cy) / fy
    lengths = np.sqrt(1 + pinhole(view) * (x[None, :] ** 2 + y[:, None] ** 2))
    return (depth * lengths).astype(np.float32)


def _matrix(view: View) -> NDArray[np.float64]:
    fx, fy, cx, cy = (float(value) for value in view.intrinsics)
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
