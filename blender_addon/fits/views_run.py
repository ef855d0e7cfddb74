"""Runs in a background Blender, on a copy: pictures of one object from all around, as views."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import msgspec
import numpy as np

from impetus.backend.cameras.around import directions, looking_at
from impetus.backend.cameras.track import OPENCV_FROM_BLENDER
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.fits.files import write_views
from impetus.backend.contract.fits.views import Views
from impetus.backend.contract.shot import Body, Film

from ..jobs.bake_run import prepare_cycles, say
from ..shot_export import nodes
from ..shot_export.camera import lens_intrinsics
from .subject import Subjects, subjects

ANGLE = math.radians(40)
ROOM = 1.04
"A camera sees this many radii of the object to each side."
BRIGHTEST = 6e4
"Half precision ends at 65504."


def run(scene: Any, order: dict[str, Any]) -> None:
    """Render the views that are asked for, and write them whole."""
    layer = scene.view_layers[0]
    found = subjects(scene, layer)
    scene.frame_set(scene.impetus.simulation_start)
    name = order["object"]
    if name not in found.originals:
        raise ShotError(name, "expected it in the scene, got none.", "Fit it again.")
    isolate(found.originals[name], scene, neutral=order["light"] == "NEUTRAL")
    prepare(scene, order)
    poses = camera_poses(found, name, order["cameras"].lower(), order["views"], order["turn"])
    camera, film = new_camera(scene, order["size"]), Film(order["size"], order["size"])
    lens = lens_intrinsics(camera.data, film, 1.0)
    metres = scene.unit_settings.scale_length
    path = Path(order["result"])
    pictures = []
    for index, pose in enumerate(poses):
        say(f"IMPETUS {index} {len(poses)} {name}")
        pictures.append(picture(scene, camera, pose, metres, path.with_suffix(".exr")))
    to_body = np.linalg.inv(found.poses[name])
    views = Views(
        name=name,
        film=film,
        body=still(found.bodies[name], found),
        camera_to_body=found.arrays.add(to_body @ np.stack(poses)),
        intrinsics=found.arrays.add(np.tile(lens, (len(poses), 1))),
        pictures=found.arrays.add(np.stack(pictures)),
        light="neutral" if order["light"] == "NEUTRAL" else "scene",
    )
    write_views(path, views, found.arrays)


def still(body: Body, found: Subjects) -> Body:
    """Return the body as something that is only looked at, at the origin of its space."""
    return msgspec.structs.replace(
        body, role="static", material=None, contact=None, velocity=(0.0, 0.0, 0.0),
        angular_velocity=(0.0, 0.0, 0.0), poses=found.arrays.add(np.eye(4)[None]),
        stiffness_scale=None, density_scale=None,
    )  # fmt: skip


def isolate(ob: Any, scene: Any, *, neutral: bool) -> None:
    """Let the cameras see one object alone: in the scene's light, or in even white light."""
    for other in bpy.data.objects:
        if other != ob and neutral:
            other.hide_render = True
        elif other != ob:
            other.visible_camera = False
    ob.visible_camera, ob.hide_render = True, False
    for modifier in ob.modifiers:  # a shot has them as the viewport does
        modifier.show_render = modifier.show_viewport
        if hasattr(modifier, "render_levels"):
            modifier.render_levels = modifier.levels
    if neutral:
        scene.world = white_world()


def white_world() -> Any:
    world = bpy.data.worlds.new("White")
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    background = next(n for n in world.node_tree.nodes if n.bl_idname == "ShaderNodeBackground")
    background.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    background.inputs["Strength"].default_value = 1.0
    return world


def prepare(scene: Any, order: dict[str, Any]) -> None:
    """Set the render up for plain pictures with alpha; the copy is ours to change."""
    render = scene.render
    if order["engine"] == "CYCLES":
        prepare_cycles(scene, order)
        scene.cycles.film_transparent_glass = False
    else:
        old = bpy.app.version < (5, 0, 0)
        render.engine = "BLENDER_EEVEE_NEXT" if old else "BLENDER_EEVEE"
        scene.eevee.taa_render_samples = order["samples"]
    render.resolution_x = render.resolution_y = order["size"]
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.film_transparent, render.use_persistent_data = True, True
    for name in ("use_border", "use_compositing", "use_sequencer", "use_motion_blur",
                 "use_multiview", "use_simplify", "use_freestyle"):  # fmt: skip
        setattr(render, name, False)
    for layer in scene.view_layers:
        layer.use = layer == scene.view_layers[0]
    image = render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth = "OPEN_EXR", "RGBA", "32"


def new_camera(scene: Any, size: int) -> Any:
    lens = bpy.data.cameras.new("Views")
    lens.angle = ANGLE
    camera = bpy.data.objects.new("Views", lens)
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


def camera_poses(found: Subjects, name: str, kind: Any, count: int, turn: float) -> Sequence[Any]:
    """Return `camera_to_world` (4, 4), metres, of cameras that see the whole object."""
    pose, body = found.poses[name], found.bodies[name]
    vertices = found.arrays.of(body.mesh.vertices)[np.unique(found.arrays.of(body.mesh.triangles))]
    world = vertices @ pose[:3, :3].T + pose[:3, 3]
    centre = (world.min(axis=0) + world.max(axis=0)) / 2
    radius = np.linalg.norm(world - centre, axis=1).max()
    distance = ROOM * radius / math.sin(ANGLE / 2)
    around = directions(kind, count, turn=turn)
    return [looking_at(centre + distance * way, centre) for way in around]


def picture(scene: Any, camera: Any, pose: Any, metres: float, path: Path) -> Any:
    """Render one view and return it, f2 (H, W, 4), linear and premultiplied, top row first."""
    matrix = pose @ OPENCV_FROM_BLENDER
    matrix[:3, 3] /= metres
    camera.matrix_world = matrix.T  # Blender reads a flat sequence column by column
    away = float(np.linalg.norm(pose[:3, 3])) / metres
    camera.data.clip_start, camera.data.clip_end = 1e-3, 1e3 + 10 * away
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(str(path))
    pixels = nodes.pixels(image)
    bpy.data.images.remove(image)
    path.unlink(missing_ok=True)
    if pixels is None:
        raise ShotError("Views", "expected a picture, got none.", f"Look at {path.parent}.")
    whole = np.clip(np.nan_to_num(pixels), 0, BRIGHTEST)
    whole[..., 3] = np.minimum(whole[..., 3], 1)
    sys.stdout.flush()
    return whole.astype(np.float16)
