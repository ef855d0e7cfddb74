"""A capture object's splats: read from its file, thresholded and cropped, in NumPy."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.captures.files import read_capture
from impetus.backend.contract.captures.gaussians import BAND_0, Gaussians, Points
from impetus.backend.contract.captures.harmonics import mirrored
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import Capture, Mesh

from .properties import ImpetusCapture, ImpetusCropBox

Array = NDArray[Any]
Read = Gaussians | Points

POINT_OPACITY = 0.99
LEAST_SIDE = 1e-4
"Of the box around splats that lie in a plane, relative to its longest side."
CORNERS = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float64)
SIDES = np.array([[0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
                  [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5]],
                 np.int32)  # fmt: skip


def is_capture(ob: bpy.types.Object) -> bool:
    """Whether splats of a file stand in the object's place."""
    return ob.type == "MESH" and bool(ob.impetus.capture.path)


def path_of(ob: bpy.types.Object) -> Path:
    """Return where an object's splats are."""
    library = ob.library
    return Path(bpy.path.abspath(ob.impetus.capture.path, library=library))


def kept_of(ob: bpy.types.Object) -> tuple[Read, Array, int]:
    """Return an object's splats that threshold and boxes leave, their places, and how many were.

    Places (n, 3) are in the object's space. Raises CaptureError of the file, and ShotError where
    nothing is left.
    """
    read, settings = read_capture(path_of(ob)), ob.impetus.capture
    place = read.mean if isinstance(read, Gaussians) else read.position
    good = _inside(settings, ob, place)
    if isinstance(read, Gaussians):
        good &= read.opacity >= settings.opacity_threshold
    if not good.any():
        raise ShotError(
            ob.name,
            f"expected splats inside its crop boxes and above its opacity threshold, got none of "
            f"{len(read):,}.",
            "Lower the threshold, or move the boxes.",
        )
    count = len(read)
    if not good.all():
        read = _only(read, good)
        place = place[good]
    return read, place, count


def shown_colors(read: Read, *, is_linear: bool) -> Array:
    """Return linear colours (n, 4) that a preview shows."""
    color = read.colors if isinstance(read, Gaussians) else read.color
    color = np.clip(color, 0, None)
    if not is_linear:
        color = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    alpha = read.opacity if isinstance(read, Gaussians) else np.ones(len(color))
    return np.concatenate([color, alpha[:, None]], axis=1).astype(np.float32)


def capture_of(
    ob: bpy.types.Object, stretch: NDArray[np.float64], arrays: ArraySet
) -> tuple[Capture, Mesh, tuple[str, ...]]:
    """Return an object's splats for the shot, the box around them, and what to know of them.

    `stretch` (3, 3) is the scale that the body's rigid poses lack: symmetric, metres of a unit in
    it; it mirrors where its determinant is negative.
    """
    read, place, _ = kept_of(ob)
    mean = (place @ stretch.T).astype(np.float32)
    linear = bool(ob.impetus.capture.is_linear)
    if isinstance(read, Points):
        color = ((read.color - np.float32(0.5)) / np.float32(BAND_0))[:, None]
        opacity = np.full(len(read), POINT_OPACITY, np.float32)
        mean_ref, opacity_ref, waves_ref = map(arrays.add, (mean, opacity, color))
        capture = Capture(mean_ref, opacity_ref, waves_ref, linear=linear)
        return capture, _box(mean, arrays), read.notes
    # a mirrored splat is the same splat seen from the other side of its middle
    waves = mirrored(read.harmonics) if np.linalg.det(stretch) < 0 else read.harmonics
    half = _rotations(read.quaternion) * np.exp(read.log_scale)[:, None, :]
    axes = (stretch.astype(np.float32) @ half).astype(np.float32)
    mean_ref, opacity_ref, waves_ref, axes_ref = map(arrays.add, (mean, read.opacity, waves, axes))
    capture = Capture(mean_ref, opacity_ref, waves_ref, axes_ref, linear)
    return capture, _box(mean, arrays), read.notes


def _only(read: Read, good: NDArray[np.bool_]) -> Read:
    if isinstance(read, Gaussians):
        return read.only(good)
    return Points(read.position[good], read.color[good], read.notes)


def _inside(settings: ImpetusCapture, ob: bpy.types.Object, place: Array) -> NDArray[np.bool_]:
    """Return which places (n, 3) all boxes leave: in one that keeps, if any does, and in no cut."""
    boxes = [box for box in settings.boxes if box.use and box.box is not None]
    keeping = [box for box in boxes if box.side == "KEEP"]
    good = np.full(len(place), not keeping)
    for box in keeping:
        good |= _in_box(box, ob, place)
    for box in boxes:
        if box.side == "CUT":
            good &= ~_in_box(box, ob, place)
    return good


def _in_box(box: ImpetusCropBox, ob: bpy.types.Object, place: Array) -> NDArray[np.bool_]:
    target = box.box
    if target.type == "EMPTY":
        low, high = np.full(3, -target.empty_display_size), np.full(3, target.empty_display_size)
    else:
        corners = np.array([corner[:] for corner in target.bound_box])
        low, high = corners.min(axis=0), corners.max(axis=0)
    to_box = np.array(target.matrix_world.inverted_safe() @ ob.matrix_world, np.float64)
    inside = np.ones(len(place), bool)
    for axis in range(3):  # one row at a time: a million places need no copy of all three
        along = place @ to_box[axis, :3] + to_box[axis, 3]
        inside &= (along >= low[axis]) & (along <= high[axis])
    return inside


def _rotations(quaternion: Array) -> Array:
    """Return rotation matrices (n, 3, 3) of quaternions wxyz (n, 4) of any length but zero."""
    unit = quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)
    w, x, y, z = unit.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def _box(mean: Array, arrays: ArraySet) -> Mesh:
    low, high = mean.min(axis=0).astype(np.float64), mean.max(axis=0).astype(np.float64)
    thin = LEAST_SIDE * max(float((high - low).max()), 1e-3)
    low, high = low - thin, high + thin
    vertices = (low + CORNERS * (high - low)).astype(np.float32)
    return Mesh(arrays.add(vertices), arrays.add(SIDES))
