"""What splats are refined by: the object before white as the picture shows it, depth all round.

Depth is that of a body made of the picture's silhouette, or of depth that is given. Views are wide
enough to hold what floats around the object.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from .....kernels.splats.background import ray_distance
from .....kernels.splats.project import View
from ....splatting.gradients import Camera
from ...takes.picture import encode_srgb
from ..lattice import bounds_of
from ..picture import Floats, Picture
from ..seen import Seen
from ..splats import Splats, own_colors
from .refine import DepthView

Doubles = NDArray[np.float64]

TURNS = tuple(22.5 * k for k in range(16))
"""Degrees. From the paper's four sides much that floats hides before or behind the body in each: of
a person from the hips up 0.67 was left where colour alone leaves 1, with sixteen 0.45; twelve and
twenty-four did the same."""
DEPTH_SIDE = 128
"Pixels of the longer side of a body, its room included, where its depth is told."
ROOM, MOST_ROOM = 0.1, 0.5
"Of the object's longer side, seen around it: as much as what floats there needs, in these bounds."


@dataclass(frozen=True)
class Guide:
    """`picture` (h, w, 3) sRGB of the object before white, by `camera`; views of known depth."""

    picture: Floats
    camera: Camera
    views: tuple[DepthView, ...]


def guide_by_color(picture: Picture, mask: Floats, seen: Seen, splats: Splats) -> Guide:
    """Guide `splats` by the picture (H, W) alone, of which `mask` (H, W) is the object."""
    view = seen.view()
    bounds = np.array(bounds_of(mask >= 0.5), np.float64)
    low, high = _with_room(bounds[:2], bounds[2:], _pixels(view, splats))
    low, high = np.floor(np.maximum(low, 0)), np.ceil(np.minimum(high, picture.size))
    columns, rows = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    own = encode_srgb(own_colors(picture, mask))
    before = own * mask[..., None] + (1 - mask[..., None])
    part = np.asarray(before[rows, columns], np.float32)
    return Guide(part, camera_of(_part_of(view, low, high, 1.0)), ())


def guide_by_body(
    picture: Picture, mask: Floats, seen: Seen, splats: Splats, body: Splats
) -> Guide:
    """Guide `splats` by a body's depth as well, seen from TURNS about the middle of the body."""
    pivot = (body.mean.min(axis=0) + body.mean.max(axis=0)).astype(np.float64) / 2
    views = [_depth_of(body, _around(seen.turned(turn, pivot), body, splats)) for turn in TURNS]
    return replace(guide_by_color(picture, mask, seen, splats), views=tuple(views))


def camera_of(view: View) -> Camera:
    """Return a view as what gradients are asked of."""
    return Camera(
        torch.from_numpy(np.asarray(view.camera_to_world, np.float64)),
        torch.from_numpy(np.asarray(view.intrinsics, np.float64)),
        view.width, view.height, view.near, view.far,
    )  # fmt: skip


def _around(view: View, body: Splats, splats: Splats) -> View:
    """Return the part of a view that holds a body and `splats`, the body DEPTH_SIDE pixels large.

    Or as large as the view shows it, where that is less.
    """
    pixel = _pixels(view, body)
    low, high = pixel.min(axis=0), pixel.max(axis=0)
    scale = min(1.0, DEPTH_SIDE / ((1 + 2 * ROOM) * float((high - low).max())))
    return _part_of(view, *_with_room(low, high, _pixels(view, splats)), scale)


def _pixels(view: View, splats: Splats) -> Doubles:
    """Return where a view shows the middles of splats (n, 2), (x, y)."""
    local = (splats.mean - view.camera_to_world[:3, 3]) @ view.camera_to_world[:3, :3]
    fx, fy, cx, cy = view.intrinsics
    return np.asarray(local[:, :2] / np.maximum(local[:, 2:], 1e-9) * (fx, fy) + (cx, cy))


def _with_room(low: Doubles, high: Doubles, floating: Doubles) -> tuple[Doubles, Doubles]:
    """Return bounds (2,) in pixels with room around them, and around what floats (n, 2)."""
    longest = float((high - low).max())
    least, most = ROOM * longest, MOST_ROOM * longest
    before = np.clip(low - floating.min(axis=0) + least, least, most)
    after = np.clip(floating.max(axis=0) - high + least, least, most)
    return low - before, high + after


def _part_of(view: View, low: Doubles, high: Doubles, scale: float) -> View:
    """Return the view from pixel `low` to `high` (x, y), made `scale` as large."""
    fx, fy, cx, cy = view.intrinsics
    width, height = (max(1, int(np.ceil(scale * (b - a)))) for a, b in zip(low, high, strict=True))
    lens = scale * np.array([fx, fy, cx - low[0], cy - low[1]])
    return replace(view, intrinsics=lens, width=width, height=height)


def _depth_of(body: Splats, view: View) -> DepthView:
    _, alpha, depth = body.seen_by(view)
    distance = ray_distance(np.where(alpha > 0.5, depth, 0).astype(np.float32), view)
    return DepthView(camera_of(view), distance.astype(np.float32))
