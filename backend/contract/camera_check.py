"""Whether a shot's camera and film can be rendered; for shot_check."""

import numpy as np

from .arrays import ArraySet, require_finite
from .errors import ShotError
from .shot import CameraTrack, Film, Shot
from .track_check import check_rigid


def check_camera(shot: Shot, arrays: ArraySet) -> None:
    """Raise ShotError where the camera is not one for each frame, or sees nothing."""
    camera, count = shot.camera, len(shot.frames.numbers)
    poses, k = arrays.of(camera.camera_to_world), arrays.of(camera.intrinsics)
    if poses.shape != (count, 4, 4) or k.shape != (count, 4):
        raise ShotError(
            "Camera",
            f"expected one pose and one set of intrinsics for each of {count} frames, "
            f"got {poses.shape} and {k.shape}.",
        )
    check_rigid("Camera", poses)
    require_finite("Camera intrinsics", k, "Set the camera's lens, sensor and shift.")
    if (k[:, :2] <= 0).any():
        raise ShotError(
            "Camera",
            f"expected a positive focal length, got {k[:, :2].min():.3g} px.",
            "Set the camera's focal length, or its orthographic scale.",
        )
    if camera.orthographic is not None:
        kinds = arrays.of(camera.orthographic)
        if kinds.shape != (count,) or kinds.dtype.kind not in "bu":
            raise ShotError(
                "Camera",
                f"expected 0 or 1 for each of {count} frames to tell its kind, "
                f"got {kinds.dtype.str} {kinds.shape}.",
            )
    _check_clip(camera, arrays, count)


def _check_clip(camera: CameraTrack, arrays: ArraySet, count: int) -> None:
    clip = np.array([[camera.clip_start, camera.clip_end]])
    if camera.clip is not None:
        clip = arrays.of(camera.clip)
        if clip.shape != (count, 2):
            raise ShotError(
                "Camera", f"expected clip start and end for {count} frames, got {clip.shape}."
            )
        require_finite("Camera clip", clip, "Set the camera's clip start and end.")
        if (clip[:, 0] <= 0).any():
            raise ShotError(
                "Camera",
                f"expected a clip start above zero, got {clip[:, 0].min():.3g} m.",
                "Raise the camera's clip start.",
            )
    reversed_ = np.flatnonzero(clip[:, 1] <= clip[:, 0])
    if len(reversed_):
        start, end = clip[reversed_[0]].tolist()
        raise ShotError(
            "Camera",
            f"expected its clip end beyond its clip start, got {end:.6g} and {start:.6g} m.",
            "Raise the camera's clip end, or lower its clip start.",
        )


def check_film(film: Film) -> None:
    """Raise ShotError for a region or a whole film that the film does not fit."""
    if film.region is not None:
        left, top, right, bottom = film.region
        if not (0 <= left < right <= film.width and 0 <= top < bottom <= film.height):
            raise ShotError(
                "Render region",
                f"expected it inside {film.width} x {film.height} px, got {film.region}.",
                "Draw it again, or switch it off (Ctrl Alt B).",
            )
    if film.whole is not None:
        left, top, width, height = film.whole
        fits = left >= 0 and top >= 0
        if not (fits and left + film.width <= width and top + film.height <= height):
            raise ShotError(
                "Render region",
                f"expected {film.width} x {film.height} px to be cut out of a larger film, "
                f"got {film.whole}.",
                "Draw it again, or switch it off (Ctrl Alt B).",
            )


def check_blur(shot: Shot, arrays: ArraySet) -> None:
    """Raise ShotError for a shutter or a lens that no camera has."""
    blur, count = shot.render.blur, len(shot.frames.numbers)
    if blur is None:
        return
    opens, closes = blur.shutter
    if not -1 <= opens <= closes <= 1:
        raise ShotError(
            "Motion blur",
            f"expected a shutter that opens and closes within a frame, got {opens:.3g} to "
            f"{closes:.3g} frames.",
            "Set the shutter to at most one frame, two where it is centered.",
        )
    if blur.lens is not None:
        lens = arrays.of(blur.lens)
        if lens.shape != (count, 2):
            raise ShotError(
                "Depth of field",
                f"expected radius and distance for {count} frames, got {lens.shape}.",
            )
        require_finite("Depth of field", lens, "Set the camera's F-stop and focus distance.")
        if (lens[:, 0] < 0).any() or (lens[:, 1] <= 0).any():
            raise ShotError(
                "Depth of field",
                f"expected a focus distance above zero, got {lens[:, 1].min():.3g} m.",
                "Set the camera's focus distance.",
            )
