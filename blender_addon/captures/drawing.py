"""Draws the points of captures in their colours: Blender draws loose vertices in one colour."""

from typing import Any

import bpy
import gpu
import numpy as np
from numpy.typing import NDArray

from ..viewport import shaders
from ..viewport.session import source_of, viewing
from .preview import COLOR
from .reading import is_capture

POINT_SIZE = 3.0
_handles: list[object] = []
_batches: dict[tuple[object, ...], gpu.types.GPUBatch] = {}


def draw() -> None:
    """Draw the captures that a view shows; called by Blender for each view."""
    context = bpy.context
    overlay = getattr(context.space_data, "overlay", None)
    if overlay is None or not overlay.show_overlays or _are_splats_shown(context):
        return
    seen = [ob for ob in context.view_layer.objects if is_capture(ob) and _is_seen(ob, context)]
    if not seen:
        return
    shader = shaders.flat_shader()
    with shaders.among_objects(POINT_SIZE):
        shader.bind()
        for ob in seen:
            gpu.matrix.push()
            gpu.matrix.multiply_matrix(ob.matrix_world)
            _batch(ob).draw(shader)
            gpu.matrix.pop()


def points_of(ob: bpy.types.Object) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a capture's preview: places (n, 3) in its space, colours (n, 4) as a screen has them.

    All of them are opaque: a point stands for splats, whose size it has not.
    """
    mesh = ob.data
    place = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", place.reshape(-1))
    color = np.ones((len(mesh.vertices), 4), np.float32)
    attribute = mesh.color_attributes.get(COLOR)
    if attribute is not None and attribute.domain == "POINT":
        attribute.data.foreach_get("color", color.reshape(-1))
    linear = np.clip(color[:, :3], 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return place, np.concatenate([shown, np.ones_like(shown[:, :1])], axis=1, dtype=np.float32)


def forget(*_: Any) -> None:
    """Take the points anew the next time: they were changed."""
    _batches.clear()


def _are_splats_shown(context: bpy.types.Context) -> bool:
    """Whether the backend has drawn the splats themselves."""
    if not context.window_manager.impetus.viewport.use:
        return False
    pictures = [pane.picture for pane in viewing.panes if pane.picture is not None]
    source = source_of(context.scene)
    return any(picture.stand.source == source for picture in pictures)


def _is_seen(ob: bpy.types.Object, context: bpy.types.Context) -> bool:
    return ob.visible_in_viewport_get(context.space_data) and ob.mode == "OBJECT"


def _batch(ob: bpy.types.Object) -> gpu.types.GPUBatch:
    key = (ob.name_full, ob.data.name_full, len(ob.data.vertices))
    if key not in _batches:
        _batches[key] = shaders.cloud(*points_of(ob))
    return _batches[key]


@bpy.app.handlers.persistent
def _after(*_: object) -> None:
    forget()


def _moments() -> tuple[list[Any], ...]:
    at = bpy.app.handlers
    return at.load_post, at.undo_post, at.redo_post


def register() -> None:
    for moment in _moments():
        moment.append(_after)
    if not bpy.app.background:  # there is nothing to draw on
        space = bpy.types.SpaceView3D
        _handles.append(space.draw_handler_add(draw, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    for moment in _moments():
        moment.remove(_after)
    forget()
