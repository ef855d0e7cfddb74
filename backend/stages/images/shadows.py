"""Shadow maps: the shot seen from each lamp; used by render, read by the lighting kernel.

A map's window is fitted to where bodies can be during the whole shot, not to where they are in a
frame, so that the shadow of a still thing stays still to the last texel.
"""

import math
from dataclasses import dataclass

import numpy as np

from ....kernels.splats.project import SplatPose, View
from ....kernels.splats.raster import render_depth
from ....kernels.splats.shade import ShadowMap
from ...contract.arrays import Array, ArraySet
from ...contract.shot import Body, Shot
from .lamps import Lamp

RESOLUTION = 1024
"Texels along the longer side of a map."
SUN_DISTANCE = 40.0
"A sun is seen from this many radii away: nearly parallel, and still fine in depth."
WIDEST = math.radians(140.0)
"Full angle that one map of a near lamp covers at most."
LARGE = 2.0
"A still body larger than this many times all that moves does not widen the map."
CASTS = 0.5
"Splats fainter than this let the light through."
MARGIN = 1.02


@dataclass(frozen=True)
class Arena:
    """Corners (k, 3) of all boxes where bodies that cast shadows can be during the shot."""

    corners: Array

    @property
    def center(self) -> Array:
        center: Array = (self.corners.min(0) + self.corners.max(0)) / 2
        return center

    def around(self, box: Array | None) -> "Arena":
        """Return the arena with room for a box, low and high corner (2, 3)."""
        if box is None:
            return self
        return Arena(np.concatenate([self.corners, _box_corners(box[0], box[1])]))

    @property
    def radius(self) -> float:
        return float(np.linalg.norm(self.corners - self.center, axis=1).max())


def arena_of(shot: Shot, arrays: ArraySet, low: Array, high: Array) -> Arena:
    """Return the arena of a shot whose simulation domain reaches from `low` to `high` (3,)."""
    boxes = []
    if any(body.role == "dynamic" for body in shot.bodies):
        boxes.append(_box_corners(low, high))
    boxes += [_swept(body, arrays) for body in shot.bodies if body.role == "kinematic"]
    still = [_swept(body, arrays) for body in shot.bodies if body.role == "static"]
    if boxes:
        limit = LARGE * np.ptp(np.concatenate(boxes), axis=0).max()
        still = [corners for corners in still if np.ptp(corners, axis=0).max() <= limit]
    return Arena(np.concatenate([*boxes, *still]) if boxes or still else _box_corners(low, high))


def cast_shadow(lamp: Lamp, arena: Arena, pose: SplatPose, opacity: Array) -> ShadowMap | None:
    """Render what the lamp sees; None for a lamp that casts none, or sees nothing."""
    if not lamp.light.shadow:
        return None
    view = _sun_view(lamp, arena) if lamp.light.kind == "sun" else _near_view(lamp, arena)
    if view is None:
        return None
    solid = opacity >= CASTS
    if not solid.all():
        pose, opacity = SplatPose(pose.mean[solid], pose.axes[solid]), opacity[solid]
    depth = render_depth(pose, view, opacity)
    ahead = (arena.corners - view.camera_to_world[:3, 3]) @ view.camera_to_world[:3, 2]
    nearest = max(float(ahead.min()), view.near)
    if lamp.light.kind == "sun":
        return ShadowMap(depth, view, math.tan(lamp.light.size / 2), nearest, parallel=True)
    radius = lamp.light.size * (0.56 if lamp.light.kind == "area" else 1.0)  # disc of equal area
    return ShadowMap(depth, view, radius, nearest, parallel=False)


def _sun_view(lamp: Lamp, arena: Arena) -> View:
    radius = max(arena.radius, 1e-3)
    pose = _look(lamp.axis, arena.center - lamp.axis * SUN_DISTANCE * radius)
    return _fit(pose, arena, (SUN_DISTANCE - 1.5) * radius, (SUN_DISTANCE + 4) * radius)


def _near_view(lamp: Lamp, arena: Arena) -> View | None:
    """A view from the lamp that covers the arena, or as much of it as one picture can."""
    toward = arena.center - lamp.position
    distance = float(np.linalg.norm(toward))
    axis = toward / distance if distance > 1e-6 else lamp.axis
    if lamp.light.kind != "point" and lamp.light.spot_angle < WIDEST:
        axis = lamp.axis if lamp.light.kind == "spot" else axis
    near = max(1e-3, 1e-3 * arena.radius, lamp.light.size / 4)
    view = _fit(_look(axis, lamp.position), arena, near, distance + 4 * arena.radius)
    return view if view.width > 1 and view.height > 1 else None


def _fit(pose: Array, arena: Arena, near: float, far: float) -> View:
    """Return the view from `pose` whose window just holds the arena, square texels."""
    local = (arena.corners - pose[:3, 3]) @ pose[:3, :3]
    limit = math.tan(WIDEST / 2)
    ahead = local[:, 2:] > near
    slopes = np.where(ahead, local[:, :2] / np.where(ahead, local[:, 2:], 1), 0)
    # A corner beside or behind the lamp is out to the limit on its side.
    slopes = np.where(ahead, slopes, np.sign(local[:, :2]) * limit).clip(-limit, limit)
    low, high = slopes.min(0), slopes.max(0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2 * MARGIN, 1e-6)
    focal = RESOLUTION / (2 * half.max())
    width, height = (max(1, math.ceil(2 * h * focal)) for h in half)
    center = np.array([width, height]) / 2 - middle * focal
    return View(pose, np.array([focal, focal, *center]), width, height, near, far)


def _look(axis: Array, position: Array) -> Array:
    """Return `camera_to_world` at `position` looking along `axis`."""
    side = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.9 else np.array([0, 1.0, 0])
    down = np.cross(axis, side)
    down /= np.linalg.norm(down)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([np.cross(down, axis), down, axis], axis=1)
    pose[:3, 3] = position
    return pose


def _box_corners(low: Array, high: Array) -> Array:
    return np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1])
                     for z in (low[2], high[2])], float)  # fmt: skip


def _swept(body: Body, arrays: ArraySet) -> Array:
    """Return corners of the boxes around a posed body over its whole track."""
    cache = body.vertex_cache
    vertices = arrays.of(body.mesh.vertices if cache is None else cache.vertices).reshape(-1, 3)
    corners = _box_corners(vertices.min(0), vertices.max(0))
    poses = arrays.of(body.poses)
    moved: Array = np.einsum("tij,kj->tki", poses[:, :3, :3], corners) + poses[:, None, :3, 3]
    return moved.reshape(-1, 3)
