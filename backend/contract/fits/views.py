"""Views of one body from all around, rendered by Blender: what splats are fitted to."""

from typing import Literal

import msgspec
import numpy as np

from ..arrays import ArrayRef, ArraySet, require_finite
from ..errors import ShotError
from ..part import Name, Part
from ..ranges import check_ranges
from ..shot import Body, Film, FrameRange
from ..shot_check import check_body, check_numbers, check_presence
from ..track_check import check_rigid

MOST_VIEWS = 1000
LEAST_VIEWS = 2
AGAIN = "Render its views again."


class Views(Part, frozen=True):
    """Pictures of a body and the cameras that saw them, N of each, all in the body's space."""

    name: Name
    film: Film
    body: Body
    "Static, at the origin of its space: what is seen, as a shot would have it."
    camera_to_body: ArrayRef
    "f8 (N, 4, 4), OpenCV axes, rigid, metres."
    intrinsics: ArrayRef
    "f8 (N, 4): fx, fy, cx, cy in pixels; pixel centres at +0.5."
    pictures: ArrayRef
    "f2 (N, H, W, 4), linear Rec.709, premultiplied alpha, top row first."
    light: Literal["scene", "neutral"] = "scene"
    """What lit them: the scene, so that colours are light; or even white light all around and
    nothing else, so that they are what surfaces reflect."""
    format: Literal[1] = 1


def check_views(views: Views, arrays: ArraySet) -> None:
    """Raise ShotError on the first thing in `views` that nothing can be fitted to."""
    check_numbers(views)
    check_ranges(views, views.name)
    check_presence(views, arrays)
    still = FrameRange(1, 2, 24.0, 1)
    check_body(msgspec.structs.replace(views.body, fit=None), still, arrays)
    where = f"{views.name}, views"
    poses, lens = arrays.of(views.camera_to_body), arrays.of(views.intrinsics)
    pictures = arrays.of(views.pictures)
    count = len(pictures) if pictures.ndim else 0
    if not LEAST_VIEWS <= count <= MOST_VIEWS:
        text = f"expected {LEAST_VIEWS} to {MOST_VIEWS} pictures, got {count}."
        raise ShotError(where, text, AGAIN)
    shape = (count, views.film.height, views.film.width, 4)
    if pictures.shape != shape or pictures.dtype.kind != "f":
        text = f"expected pictures {shape}, got {pictures.dtype.str[1:]} {pictures.shape}."
        raise ShotError(where, text, AGAIN)
    if poses.shape != (count, 4, 4) or lens.shape != (count, 4):
        text = f"expected {count} poses and intrinsics, got {poses.shape} and {lens.shape}."
        raise ShotError(where, text, AGAIN)
    check_rigid(f"{views.name}, cameras", poses)
    require_finite(f"{where}, intrinsics", lens, AGAIN)
    require_finite(f"{where}, pictures", pictures, AGAIN)
    if (lens[:, :2] <= 0).any():
        raise ShotError(where, "expected positive focal lengths, got others.", AGAIN)
    if pictures.min() < 0 or pictures[..., 3].max() > 1 + 1e-3:
        raise ShotError(where, "expected colours from zero up and alpha of 0 to 1.", AGAIN)
    if not np.any(pictures[..., 3] > 0.5):
        raise ShotError(where, "expected a body in the pictures, got none.", AGAIN)
