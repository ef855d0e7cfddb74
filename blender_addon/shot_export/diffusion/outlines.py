"""Where the camera sees objects: a ray through the middle of every pixel that may show them.

Exact, with what stands in front taken off, for the scene as it is evaluated now.
"""

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ..things import shown_in_render
from .plane import Plane

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
STEP = 1e-5
"Share of the distance by which a ray goes on behind what no render shows."
MOST_UNSEEN = 64


class Sight:
    """What the camera sees of a scene at this frame."""

    def __init__(
        self,
        scene: bpy.types.Scene,
        layer: bpy.types.ViewLayer,
        plane: Plane,
        clip: tuple[float, float],
    ) -> None:
        self._scene, self._layer, self._plane, self._clip = scene, layer, plane, clip
        self._shown = shown_in_render(layer)
        self._known: dict[tuple[str, ...], Labels] = {}

    def labels(self, objects: Sequence[bpy.types.Object]) -> Labels:
        """Return (H, W): 0 for the background, n where the n-th of `objects` is in front."""
        key = tuple(ob.name_full for ob in objects)
        if key not in self._known:
            self._known[key] = self._cast(objects)
        return self._known[key]

    def _cast(self, objects: Sequence[bpy.types.Object]) -> Labels:
        film = self._plane.film
        found = np.zeros((film.height, film.width), np.int32)
        (x0, y0), (x1, y1) = self._reach(objects)
        if x1 <= x0 or y1 <= y0:
            return found
        columns, rows = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        pixels = np.stack([columns.ravel(), rows.ravel()], 1)
        eyes, rays = self._plane.rays(pixels.astype(np.float64) + 0.5)
        numbers = {ob.name_full: number for number, ob in enumerate(objects, 1)}
        shown: dict[bpy.types.Object, int] = {}  # the number of each object met; -1: look behind it
        near, far = self._clip
        cast, depsgraph = self._scene.ray_cast, self._layer.depsgraph
        reach = (far - near) * np.linalg.norm(rays, axis=1)
        starts = eyes + near * rays
        each = zip(eyes, starts.tolist(), rays.tolist(), reach.tolist(), strict=True)
        labels = []
        for eye, start, ray, length in each:
            hit, place, _, _, ob, _ = cast(depsgraph, start, ray, distance=length)
            if hit and ob not in shown:
                seen = self._is_shown(ob.original)
                shown[ob] = numbers.get(ob.original.name_full, 0) if seen else -1
            number = shown[ob] if hit else 0
            labels.append(self._behind(eye, ray, place, numbers) if number < 0 else number)
        found[pixels[:, 1], pixels[:, 0]] = labels
        return found

    def _behind(self, eye: Floats, ray: list[float], place: Vector, numbers: dict[str, int]) -> int:
        """Return the number of what a render shows behind `place`, which it does not show."""
        direction, end = Vector(ray), Vector(eye) + Vector(ray) * self._clip[1]
        for _ in range(MOST_UNSEEN):
            start = place + direction * STEP * (place - Vector(eye)).length
            hit, place, _, _, ob, _ = self._scene.ray_cast(
                self._layer.depsgraph, start, direction, distance=(end - start).length
            )
            if not hit:
                return 0
            if self._is_shown(ob.original):
                return numbers.get(ob.original.name_full, 0)
        return 0

    def _is_shown(self, ob: bpy.types.Object) -> bool:
        return not ob.hide_render and ob.visible_camera and ob != self._scene.impetus.domain

    def _reach(
        self, objects: Sequence[bpy.types.Object]
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the pixels, from and to, that the objects' bounding boxes may cover."""
        film = self._plane.film
        whole = np.array([film.width, film.height])
        corners = []
        for ob in objects:
            if ob.name in self._shown and not ob.hide_render:
                evaluated = ob.evaluated_get(self._layer.depsgraph)
                matrix = np.array(evaluated.matrix_world)
                box = np.array([corner[:] for corner in evaluated.bound_box])
                corners.append(box @ matrix[:3, :3].T + matrix[:3, 3])
        if not corners:
            return (0, 0), (0, 0)
        seen = self._plane.pixels(np.concatenate(corners))
        if np.isnan(seen).any():  # some of it is behind the camera: it may cover anything
            return (0, 0), (film.width, film.height)
        low = np.floor(seen.min(0)).clip(0, whole).astype(int)
        high = np.ceil(seen.max(0)).clip(0, whole).astype(int)
        return (int(low[0]), int(low[1])), (int(high[0]), int(high[1]))


def regions(mask: NDArray[np.uint8]) -> Labels:
    """Return a number for each connected part of a mask (H, W), 0 off it; sides connect."""
    numbers = np.arange(1, mask.size + 1, dtype=np.int64).reshape(mask.shape)
    big = np.int64(mask.size + 1)
    labels = np.where(mask > 0, numbers, big)
    while True:
        before = labels
        for axis in (0, 1):
            for way in (slice(None), slice(None, None, -1)):
                labels = _swept(labels, mask > 0, axis, way)
        if (labels == before).all():
            break
    names = np.unique(labels[mask > 0])
    return np.where(mask > 0, np.searchsorted(names, labels) + 1, 0).astype(np.int32)


def _swept(
    labels: NDArray[np.int64], inside: NDArray[np.bool_], axis: int, way: slice
) -> NDArray[np.int64]:
    """Let the smallest number of a run go to its end, along one axis in one direction."""
    turned, within = np.moveaxis(labels, axis, 0)[way].copy(), np.moveaxis(inside, axis, 0)[way]
    for row in range(1, len(turned)):
        joined = within[row] & within[row - 1]
        turned[row] = np.where(joined, np.minimum(turned[row], turned[row - 1]), turned[row])
    return np.moveaxis(turned[way], 0, axis)
