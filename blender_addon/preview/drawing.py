"""Draws the points in every 3D view that shows overlays."""

from pathlib import Path

import bpy
import gpu
import numpy as np

from impetus.backend.contract.points import Points

from ..viewport import shaders
from . import store
from .coloring import UPPER, colors

_handles: list[object] = []
_batches: dict[str, gpu.types.GPUBatch] = {}
"The last batch, by nothing but its key: one frame is on the graphics card at a time."


def draw() -> None:
    """Draw the present points; called by Blender for each view."""
    context = bpy.context
    overlay = getattr(context.space_data, "overlay", None)
    if overlay is None or not overlay.show_overlays:
        return
    found = store.present(context)
    if found is None:
        _batches.clear()
        return
    path, points = found
    settings = context.scene.impetus.view
    metres = context.scene.unit_settings.scale_length
    batch, shader = _batch(path, points, settings.points_color, metres), shaders.flat_shader()
    with shaders.among_objects(settings.points_size):
        shader.bind()
        batch.draw(shader)


def values_of(path: Path, points: Points, color: str) -> tuple[np.ndarray, float]:
    """Return the numbers (n,) that colours are made of, and the one that counts as much."""
    match color:
        case "SPEED":
            return points.speed, store.fastest(path, points)
        case "STRAIN":
            return points.strain, UPPER[color]
    return points.damage, UPPER["DAMAGE"]


def _batch(path: Path, points: Points, color: str, metres: float) -> gpu.types.GPUBatch:
    values, upper = values_of(path, points, color)
    key = f"{path} {path.stat().st_mtime_ns} {color} {upper:.6g} {metres}"
    if key not in _batches:
        _batches.clear()
        _batches[key] = shaders.cloud(points.position / metres, colors(values, upper))
    return _batches[key]


@bpy.app.handlers.persistent
def after_load(*_: object) -> None:
    store.clear()
    _batches.clear()


def register() -> None:
    bpy.app.handlers.load_post.append(after_load)
    if not bpy.app.background:  # there is nothing to draw on
        space = bpy.types.SpaceView3D
        _handles.append(space.draw_handler_add(draw, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    bpy.app.handlers.load_post.remove(after_load)
    after_load()
