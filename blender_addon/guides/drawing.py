"""Draws the guides in every 3D view that shows overlays: lines in the scene, words over it."""

import blf
import bpy
import gpu
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from gpu_extras.batch import batch_for_shader

from .collecting import DOMAIN, PIN, PUSH, RELEASE, VELOCITY, Guide, groups, guides
from .figures import segments

COLORS = {
    DOMAIN: (0.45, 0.78, 1.0),
    PUSH: (1.0, 0.62, 0.18),
    PIN: (1.0, 0.35, 0.4),
    RELEASE: (0.82, 0.6, 1.0),
    VELOCITY: (0.5, 0.9, 0.45),
}
BEHIND = 0.25
"Share of its strength that is seen of what lies behind surfaces."
TEXT_SIZE = 12
GAP = 6
"Pixels between a guide and its words."

_handles: list[object] = []


def draw_lines() -> None:
    """Draw the lines; called by Blender for each view."""
    context = bpy.context
    if not _is_shown(context):
        return
    drawn: dict[tuple[str, float], list[np.ndarray]] = {}
    for guide in guides(context):
        drawn.setdefault((guide.kind, guide.strength), []).append(segments(guide.lines))
    if not drawn:
        return
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    region, scale = context.region, context.preferences.system.ui_scale
    gpu.state.blend_set("ALPHA")
    for depth, share in (("GREATER", BEHIND), ("LESS_EQUAL", 1.0)):
        gpu.state.depth_test_set(depth)
        for (kind, strength), parts in drawn.items():
            points = np.concatenate(parts).astype(np.float32)
            batch = batch_for_shader(shader, "LINES", {"pos": points.tolist()})
            shader.uniform_float("viewportSize", (region.width, region.height))
            shader.uniform_float("lineWidth", 2.0 * scale)
            shader.uniform_float("color", (*COLORS[kind], strength * share))
            batch.draw(shader)
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("NONE")


def draw_words() -> None:
    """Draw what the guides say, over the view."""
    context = bpy.context
    if not _is_shown(context):
        return
    blf.size(0, TEXT_SIZE * context.preferences.system.ui_scale)
    for guide in guides(context):
        if guide.label and guide.at is not None:
            _draw_word(context, guide)


def _draw_word(context: bpy.types.Context, guide: Guide) -> None:
    place = location_3d_to_region_2d(context.region, context.region_data, guide.at)
    if place is None:
        return
    blf.position(0, place[0] + GAP, place[1] + GAP, 0)
    blf.color(0, *COLORS[guide.kind], max(guide.strength, 0.5))
    blf.draw(0, guide.label)


def _is_shown(context: bpy.types.Context) -> bool:
    overlay = getattr(context.space_data, "overlay", None)
    return overlay is not None and overlay.show_overlays


@bpy.app.handlers.persistent
def after_update(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """A mesh changed: its groups may lie elsewhere."""
    for update in depsgraph.updates:
        if update.is_updated_geometry and isinstance(update.id, bpy.types.Object):
            groups.forget(update.id.original.name_full)


@bpy.app.handlers.persistent
def after_load(*_: object) -> None:
    groups.clear()


def register() -> None:
    bpy.app.handlers.depsgraph_update_post.append(after_update)
    bpy.app.handlers.load_post.append(after_load)
    if not bpy.app.background:  # there is nothing to draw on
        space = bpy.types.SpaceView3D
        _handles.append(space.draw_handler_add(draw_lines, (), "WINDOW", "POST_VIEW"))
        _handles.append(space.draw_handler_add(draw_words, (), "WINDOW", "POST_PIXEL"))


def unregister() -> None:
    while _handles:
        bpy.types.SpaceView3D.draw_handler_remove(_handles.pop(), "WINDOW")
    bpy.app.handlers.load_post.remove(after_load)
    bpy.app.handlers.depsgraph_update_post.remove(after_update)
    groups.clear()
