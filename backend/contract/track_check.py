"""Whether tracks are what they should be: rows for every frame, finite, rigid; for shot_check."""

import numpy as np

from .arrays import Array, require_finite
from .errors import ShotError
from .shot import FrameRange

RIGID_TOLERANCE = 1e-4


def check_track(where: str, array: Array, frames: FrameRange, row: tuple[int, ...]) -> None:
    """Raise ShotError for a track that has not one row, or one for every tracked frame."""
    if array.shape[1:] != row or array.shape[:1] not in ((1,), (frames.tracked_count,)):
        raise ShotError(
            where,
            f"expected {row or 'one value'} for 1 or {frames.tracked_count} frames, "
            f"got {array.shape}.",
        )
    require_finite(where, array, "Enter a number there.")


def check_poses(where: str, poses: Array, frames: FrameRange) -> None:
    """Raise ShotError for a track of poses that are not rigid."""
    require_finite(where, poses)
    check_track(where, poses, frames, (4, 4))
    check_rigid(where, poses)


def check_rigid(where: str, poses: Array) -> None:
    require_finite(where, poses)
    rotation = poses[:, :3, :3]
    drift = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max()
    if drift > RIGID_TOLERANCE or (np.linalg.det(rotation) < 0).any():
        raise ShotError(
            where,
            "expected a transform without scale, shear or mirroring here, got one.",
            "Apply the object's scale (Ctrl A), or remove the scale animation.",
        )
