"""Scenes as shots of our own format, for the backend to render as splats; needs the extension."""

import json
from pathlib import Path

import bpy
import numpy as np

import blender_addon
from blender_addon.shot_export import export_shot
from impetus.backend.contract.shot_file import write_shot

from .samples import cameras, close_draft, describe, open_draft
from .scenes import Scene
from .world.palette import linear

SPLATS = 120_000


def write_shot_of(scene: Scene, seed: int, folder: Path) -> None:
    """Export a built compact scene: its shot, and scene.json as a sample has it."""
    _dress(scene)
    exported = export_shot(bpy.context.scene)
    draft = open_draft(folder)
    write_shot(draft / "scene.shot", exported.shot, exported.arrays)
    poses, intrinsics = cameras(scene)
    about = describe(scene, seed, poses[1:-1], intrinsics[1:-1]) | {"renderer": "splats"}
    (draft / "scene.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    close_draft(draft, folder)


def _dress(scene: Scene) -> None:
    """Say through the extension's properties what each thing is, and even out the sky."""
    if not hasattr(bpy.types.Scene, "impetus"):
        blender_addon.register()
    job = bpy.context.scene.impetus
    job.splats = SPLATS
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = scene.stage.size
    for thing in scene.stage.things:
        moves = thing.object.animation_data is not None
        thing.object.impetus.role = "KINEMATIC" if moves else "STATIC"
    # A shot's surroundings are one colour: the one just above the horizon.
    nodes = bpy.context.scene.world.node_tree.nodes
    image = next(node.image for node in nodes if node.bl_idname == "ShaderNodeTexEnvironment")
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    band = pixels.reshape(height, width, 4)[height // 2 : height * 5 // 8, :, :3]
    color = nodes["Background"].inputs["Color"]
    bpy.context.scene.world.node_tree.links.remove(color.links[0])
    color.default_value = (*linear(band.mean((0, 1))), 1.0)
