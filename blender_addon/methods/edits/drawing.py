"""Draws the edits over the picture, in every 3D view that shows overlays."""

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from numpy.typing import NDArray

from ...shot_export.diffusion.plane import plane_of
from .figures import arrow_head, circle, figure
from .handles import SIZE, places_of
from .properties import ImpetusHandle

BEFORE, AFTER = (0.9, 0.9, 0.9, 0.55), (1.0, 0.62, 0.18, 1.0)
FAINT = 0.35
"Strength of edits that are not chosen."
HEAD = 0.018
"Of an arrow, as a share of the picture's width."

_handles: list[object] = []


def draw() -> None:
    """Draw all edits that count; called by Blender for each view."""
    context = bpy.context
    diffusion = context.scene.impetus.diffusion
    overlay = getattr(context.space_data, "overlay", None)
    if diffusion.motion != "AUTHORED" or overlay is None or not overlay.show_overlays:
        return
    depsgraph = context.evaluated_depsgraph_get()
    if (plane := plane_of(context.scene, depsgraph)) is None:
        return
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("NONE")
    for index, edit in enumerate(diffusion.edits):
        at = places_of(edit, context.scene, plane, depsgraph) if edit.use else {}
        if not at:
            continue
        drawn = figure(edit.kind, at)
        strength = 1.0 if index == diffusion.edit_index else FAINT
        heads = [arrow_head(way, HEAD * plane.film.width) for way in drawn.ways]
        for lines, color in ((drawn.before, BEFORE), ([*drawn.after, *drawn.ways, *heads], AFTER)):
            for line in lines:
                _draw_line(plane.world(line), (*color[:3], color[3] * strength))
        for handle in edit.handles:
            radius = SIZE * plane.film.width * (0.7 if handle.name.startswith("goal") else 1.0)
            _draw_line(plane.world(circle(at[handle.name], radius)), _handle_color(handle))
    gpu.state.blend_set("NONE")


def _handle_color(handle: ImpetusHandle) -> tuple[float, ...]:
    """Handles are drawn as well as their empties: a picture in front of the camera hides those."""
    theme = bpy.context.preferences.themes[0].view_3d
    if not handle.object.select_get():
        return AFTER if handle.name.startswith("goal") else BEFORE
    active = handle.object == bpy.context.view_layer.objects.active
    return (*(theme.object_active if active else theme.object_selected), 1.0)


def _draw_line(points: NDArray[np.float64], color: tuple[float, ...]) -> None:
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    batch = batch_for_shader(shader, "LINE_STRIP", {"pos": points.astype(np.float32).tolist()})
    region = bpy.context.region
    shader.uniform_float("viewportSize", (region.width, region.height))
    shader.uniform_float("lineWidth", 2.0 * bpy.context.preferences.system.ui_scale)
    shader.uniform_float("color", color)
    batch.draw(shader)


def register() -> None:
    if not bpy.app.background:  # there is nothing to draw on
        space = bpy.types.SpaceView3D
        _handles.append(space.draw_handler_add(draw, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
