"""What is wrong with the scene itself: camera, frames, objects and their physics."""

from collections.abc import Iterator

import bpy

from ..captures.reading import is_capture, path_of
from ..fits.fitting import is_stale
from ..regions.properties import weight_names
from ..shot_export.camera import SEEN_BY
from ..shot_export.forces import is_active_field, not_simulated
from ..shot_export.meshes import MESHABLE
from ..shot_export.timeline import fcurves
from .problem import Problem


def scene_problems(scene: bpy.types.Scene) -> Iterator[Problem]:
    """Yield what is wrong with the scene as it stands."""
    yield from _camera(scene)
    yield from _frames(scene)
    acting = [ob for ob in scene.objects if ob.impetus.role != "NONE"]
    dynamic = [ob for ob in acting if ob.impetus.role == "DYNAMIC"]
    moving = [ob for ob in acting if ob.impetus.role in {"DYNAMIC", "SMOKE", "FLOCK"}]
    if not moving and scene.impetus.diffusion.method == "NONE":
        yield Problem("Scene", "No object is dynamic yet", "ADD_PHYSICS")
    elif moving and all(ob.hide_render for ob in moving):
        yield Problem("Scene", "Every dynamic object is hidden from render; show one")
    for ob in dynamic:
        yield from _open_mesh(scene, ob)
        yield from _acts(scene, ob)
        yield from _regions(ob)
    for ob in acting:
        yield from _object(ob)
        yield from _air(scene, ob)
    for ob in scene.objects:
        if is_capture(ob) and not ob.hide_render and not path_of(ob).is_file():
            yield Problem(ob.name, f"Its splats are not there: {path_of(ob)}")
        if is_active_field(ob) and (text := not_simulated(ob)):
            yield Problem(ob.name, text[0].upper() + text[1:], "", True)


def _camera(scene: bpy.types.Scene) -> Iterator[Problem]:
    camera = scene.camera
    if camera is None or camera.type != "CAMERA":
        yield Problem("Scene", "No active camera", "ADD_CAMERA")
    elif camera.data.type not in SEEN_BY:
        text = "The camera is neither perspective nor orthographic"
        yield Problem(camera.name, text, "PERSPECTIVE")


def _frames(scene: bpy.types.Scene) -> Iterator[Problem]:
    if scene.frame_end <= scene.frame_start:
        yield Problem("Scene", "The frame range has fewer than two frames; raise its end")
    elif scene.impetus.simulation_start > scene.frame_end:
        yield Problem("Scene", "The simulation starts after the last frame", "START_FIRST")


def _object(ob: bpy.types.Object) -> Iterator[Problem]:
    if ob.hide_render:
        yield Problem(ob.name, "Hidden from render, so it takes no part", "SHOW_IN_RENDER", True)
    if ob.type not in MESHABLE:
        yield Problem(ob.name, "Has no surface to simulate", "REMOVE_PHYSICS")
    elif ob.type == "MESH" and not (ob.data.polygons or ob.modifiers or is_capture(ob)):
        yield Problem(ob.name, "The mesh has no faces", "REMOVE_PHYSICS")
    animated = {curve.data_path for curve in fcurves(ob.animation_data)}
    if "scale" in animated and ob.impetus.role == "SMOKE":
        yield Problem(ob.name, "Its scale is animated, which cannot be simulated; remove that")
    keys = getattr(ob.data, "shape_keys", None)
    animated |= {"shape" for _ in fcurves(keys.animation_data)} if keys else set()
    if ob.impetus.role == "STATIC" and animated & {
        "location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale",
        "shape",
    }:  # fmt: skip
        yield Problem(ob.name, "Static, but animated", "MAKE_KINEMATIC", True)
    if ob.impetus.splat_source == "FITTED" and not ob.impetus.fit.key:
        yield Problem(ob.name, "Its splats are not fitted yet: Physics, Splats, Fit", "", True)
    elif ob.impetus.splat_source == "FITTED" and is_stale(ob):
        yield Problem(ob.name, "Changed since its splats were fitted; fit them again", "", True)


def _acts(scene: bpy.types.Scene, ob: bpy.types.Object) -> Iterator[Problem]:
    for act in ob.impetus.acts:
        if not act.use:
            continue
        least = act.frame_start if act.kind == "RELEASE" else act.frame_start + 1
        name = act.vertex_group if act.kind != "RELEASE" else ""
        if name and name not in weight_names(ob):
            yield Problem(ob.name, f"{act.name}: it has no vertex group or colours {name}")
        if act.is_timed and act.frame_end < least:
            yield Problem(ob.name, f"{act.name}: its end frame is not after its start")
        if act.kind == "PIN" and act.target and act.target.name not in scene.objects:
            yield Problem(ob.name, f"{act.name}: {act.target.name} is not in the scene")


def _regions(ob: bpy.types.Object) -> Iterator[Problem]:
    physics = ob.impetus
    for what, scale in (("stiffness", physics.stiffness_scale), ("density", physics.density_scale)):
        if scale.group and scale.group not in weight_names(ob):
            text = f"Regions of {what}: it has no vertex group or colours {scale.group}"
            yield Problem(ob.name, text)


def _air(scene: bpy.types.Scene, ob: bpy.types.Object) -> Iterator[Problem]:
    physics = ob.impetus
    if physics.role == "SMOKE":
        smoke = physics.smoke
        if smoke.use_window and smoke.frame_end <= smoke.frame_start:
            yield Problem(ob.name, "Its smoke ends before it starts; raise its end frame")
    elif physics.role == "FLOCK":
        flock = physics.flock
        if not flock.slowest <= flock.speed <= flock.fastest:
            yield Problem(ob.name, "Its speed is not between its slowest and its fastest")
        if flock.space > flock.sight:
            yield Problem(ob.name, "It needs more space than it sees; raise its sight")
        if flock.goal is not None and flock.goal.name not in scene.objects:
            yield Problem(ob.name, f"Its goal {flock.goal.name} is not in the scene")


def _open_mesh(scene: bpy.types.Scene, ob: bpy.types.Object) -> Iterator[Problem]:
    """Where two faces meet at every edge, there are two corners for each edge; counts are cheap."""
    depsgraph = scene.view_layers[0].depsgraph
    if ob.type != "MESH" or ob.mode == "EDIT" or ob.impetus.thickness > 0 or depsgraph is None:
        return
    mesh = ob.evaluated_get(depsgraph).data  # with its modifiers, as of the last redraw
    if mesh.polygons and len(mesh.loops) != 2 * len(mesh.edges):
        text = "The mesh is open, so it counts as a sheet; close it, or set its thickness"
        yield Problem(ob.name, text, "", True)
