"""Walks a scene's frames and leaves the scene as it was; every export reads through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import FrameRange

_ANIMATED = (
    "armatures", "cameras", "curves", "lattices", "lights", "materials", "metaballs", "meshes",
    "node_groups", "objects", "scenes", "shape_keys", "worlds",
)  # fmt: skip


def frame_range(scene: bpy.types.Scene) -> FrameRange:
    """Return the scene's frames. Raises ShotError where there are none to walk."""
    first, last, start = scene.frame_start, scene.frame_end, scene.impetus.simulation_start
    if last <= first:
        raise ShotError(
            "Frame range",
            f"expected at least 2 frames, got {first} to {last}.",
            "Set the scene's end frame after its start.",
        )
    if start > last:
        raise ShotError(
            "Simulation start",
            f"expected a frame up to {last}, got {start}.",
            "Start the simulation inside or before the frame range.",
        )
    return FrameRange(first, last, scene.render.fps / scene.render.fps_base, start)


def walk(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer, frames: range
) -> Iterator[tuple[int, bpy.types.Depsgraph]]:
    """Set each frame in turn and yield it with the evaluated scene; use inside `kept`."""
    for frame in frames:
        scene.frame_set(frame)
        yield frame, layer.depsgraph


@contextmanager
def shown(layer: bpy.types.ViewLayer) -> Iterator[None]:
    """Show what only the window hides, and hide it again: a render sees it, and so does a shot."""
    nodes = [node for node in _nodes(layer.layer_collection) if not node.exclude]
    groups = [node.collection for node in nodes if node.collection.library is None]
    things = [ob for ob in layer.objects if ob.field is None or ob.field.type == "NONE"]
    closed_eyes = [ob for ob in things if not ob.hide_render and ob.hide_get(view_layer=layer)]
    owners = (*nodes, *groups, *(ob for ob in things if ob.library is None))
    off = [owner for owner in owners if owner.hide_viewport and not _is_unrendered(owner)]
    for owner in off:
        owner.hide_viewport = False
    for ob in closed_eyes:
        ob.hide_set(False, view_layer=layer)
    try:
        yield
    finally:
        for ob in closed_eyes:
            ob.hide_set(True, view_layer=layer)
        for owner in off:
            owner.hide_viewport = True


def _nodes(node: bpy.types.LayerCollection) -> Iterator[bpy.types.LayerCollection]:
    for child in node.children:
        yield child
        yield from _nodes(child)


def _is_unrendered(owner: Any) -> bool:
    return bool(getattr(owner, "collection", owner).hide_render)


@contextmanager
def kept(scene: bpy.types.Scene) -> Iterator[None]:
    """Put frame, camera and every animated value back at the end.

    Values too: a pose that is not keyed yet would be lost by changing the frame.
    """
    frame, subframe, camera = scene.frame_current, scene.frame_subframe, scene.camera
    values = list(_animated_values())
    try:
        yield
    finally:
        scene.frame_set(frame, subframe=subframe)
        if scene.camera != camera:
            scene.camera = camera
        for owner, name, index, value in values:
            _put_back(owner, name, index, value)


def fcurves(animation: bpy.types.AnimData | None) -> list[bpy.types.FCurve]:
    """Return the F-curves that drive one data-block, whatever Blender's version."""
    if animation is None or animation.action is None:
        return []
    action = animation.action
    if hasattr(action, "fcurves"):
        return list(action.fcurves)
    return [
        curve
        for layer in action.layers
        for strip in layer.strips
        for bag in strip.channelbags
        if bag.slot == animation.action_slot
        for curve in bag.fcurves
    ]


def _animated_values() -> Iterator[tuple[Any, str, int | None, Any]]:
    for collection in _ANIMATED:
        for block in getattr(bpy.data, collection, ()):
            trees = (block, getattr(block, "node_tree", None))
            for owner in (each for each in trees if each is not None):
                for curve in fcurves(owner.animation_data):
                    yield from _value(owner, curve)


def _value(
    block: bpy.types.ID, curve: bpy.types.FCurve
) -> Iterator[tuple[Any, str, int | None, Any]]:
    head, _, name = curve.data_path.rpartition(".")
    if name.endswith("]"):  # custom properties: Blender writes them as dictionary keys
        return
    try:
        owner = block.path_resolve(head) if head else block
        value = getattr(owner, name)
    except (AttributeError, ValueError):  # a curve whose property is gone
        return
    if hasattr(value, "__len__") and not isinstance(value, str):
        yield owner, name, curve.array_index, value[curve.array_index]
    else:
        yield owner, name, None, value


def _put_back(owner: Any, name: str, index: int | None, value: Any) -> None:
    if index is None:
        if getattr(owner, name) != value:
            setattr(owner, name, value)
    elif getattr(owner, name)[index] != value:
        getattr(owner, name)[index] = value
