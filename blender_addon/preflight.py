"""What would keep a shot from being made, told before it is asked for. Cheap: one look at now."""

from collections.abc import Iterator
from typing import NamedTuple

import bpy

from .shot_export.meshes import MESHABLE
from .shot_export.timeline import fcurves


class Problem(NamedTuple):
    """`fix` names a repair of operators.IMPETUS_OT_fix, or is empty."""

    where: str
    text: str
    fix: str = ""
    is_warning: bool = False


def problems(scene: bpy.types.Scene) -> list[Problem]:
    """Return what is wrong with the scene as it stands, the worst first."""
    found = [*_camera(scene), *_frames(scene)]
    acting = [ob for ob in scene.objects if ob.impetus.role != "NONE"]
    if not any(ob.impetus.role == "DYNAMIC" for ob in acting):
        found.append(Problem("Scene", "No object is dynamic yet", "ADD_PHYSICS"))
    for ob in acting:
        found += _object(ob)
    for ob in scene.objects:
        if ob.field is not None and ob.field.type not in {"NONE", "WIND"}:
            kind = ob.field.type.replace("_", " ").title()
            found.append(Problem(ob.name, f"{kind} fields are not simulated yet", "", True))
    return sorted(found, key=lambda problem: problem.is_warning)


def _camera(scene: bpy.types.Scene) -> Iterator[Problem]:
    camera = scene.camera
    if camera is None or camera.type != "CAMERA":
        yield Problem("Scene", "No active camera", "ADD_CAMERA")
    elif camera.data.type != "PERSP":
        yield Problem(camera.name, "The camera is not a perspective one", "PERSPECTIVE")


def _frames(scene: bpy.types.Scene) -> Iterator[Problem]:
    if scene.frame_end <= scene.frame_start:
        yield Problem("Scene", "The frame range has fewer than two frames")
    elif scene.impetus.simulation_start > scene.frame_end:
        yield Problem("Scene", "The simulation starts after the last frame", "START_FIRST")


def _object(ob: bpy.types.Object) -> Iterator[Problem]:
    if ob.hide_render:
        yield Problem(ob.name, "Hidden from render, so it takes no part", "SHOW_IN_RENDER", True)
    if ob.type not in MESHABLE:
        yield Problem(ob.name, "Has no surface to simulate", "REMOVE_PHYSICS")
    elif ob.type == "MESH" and not ob.data.polygons and not ob.modifiers:
        yield Problem(ob.name, "The mesh has no faces", "REMOVE_PHYSICS")
    animated = {curve.data_path for curve in fcurves(ob.animation_data)}
    if "scale" in animated and ob.impetus.role == "KINEMATIC":
        yield Problem(ob.name, "Its scale is animated, which cannot be simulated")
    if ob.impetus.role == "STATIC" and animated & {
        "location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle",
    }:  # fmt: skip
        yield Problem(ob.name, "Static, but animated", "MAKE_KINEMATIC", True)
