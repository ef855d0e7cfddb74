"""Makes what the suite `fit` measures with: views of a textured Suzanne, and her baked light.

    BLENDER_PYTHON -P presets/shots/suzanne.py -- --out DIR

Runs in a Python with bpy, or in Blender in the background; works as the panel's button does.
"""

import argparse
import os
import sys
from pathlib import Path

import bpy
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT), str(Path(__file__).parent)]

import blender_addon  # noqa: E402
from blender_addon.fits import views_run  # noqa: E402
from blender_addon.jobs import bake  # noqa: E402
from blender_addon.shot_export import export_shot  # noqa: E402
from impetus.backend.contract.shot_file import write_shot  # noqa: E402

NAME = "Suzanne"
SIZE = 512
HELD_OUT_TURN = 0.7


def main() -> None:
    """Build the scene, render both sets of views, bake the light."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of what is made")
    parser.add_argument("--size", type=int, default=256, help="pixels of a view")
    parser.add_argument("--samples", type=int, default=64, help="light paths of a pixel")
    arguments = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :])
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    blender_addon.register()
    build()
    blend = out / "suzanne.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    for name, count, samples, turn in (
        ("suzanne", 32, arguments.samples, 0.0),
        ("held_out", 8, 2 * arguments.samples, HELD_OUT_TURN),
    ):
        bpy.ops.wm.open_mainfile(filepath=str(blend))  # a set of views changes the scene
        order = {
            "object": NAME, "light": "SCENE", "cameras": "SPHERE", "engine": "CYCLES",
            "views": count, "size": arguments.size, "samples": samples, "turn": turn,
            "device": "NONE", "result": str(out / f"{name}.views"),
        }  # fmt: skip
        views_run.run(bpy.context.scene, order)
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    scene = bpy.context.scene
    exported = export_shot(scene)
    *_, last = bake.run("bake", bake.plan(scene, exported, out / "bakes"))
    lit = bake.lit(exported, last.result)
    write_shot(out / "baked.shot", lit.shot, lit.arrays)


def build() -> None:
    """Replace the open file by Suzanne over a floor, a sun and a lamp about her."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 2
    scene.render.resolution_x = scene.render.resolution_y = 256
    scene.impetus.splats, scene.impetus.bake_samples = 200_000, 64
    bpy.ops.mesh.primitive_monkey_add(size=2.0)
    suzanne = bpy.context.object
    suzanne.name = NAME
    suzanne.impetus.role = "STATIC"
    smooth = suzanne.modifiers.new("Smooth", "SUBSURF")
    smooth.levels = smooth.render_levels = 2
    suzanne.data.polygons.foreach_set("use_smooth", np.ones(len(suzanne.data.polygons), bool))
    suzanne.data.materials.append(_painted())
    bpy.ops.mesh.primitive_plane_add(size=12, location=(0, 0, -1.1))
    bpy.context.object.name = "Floor"
    _lights(scene)
    bpy.ops.object.camera_add(location=(0, -6, 1), rotation=(np.radians(80), 0, 0))
    scene.camera = bpy.context.object


def _painted() -> bpy.types.Material:
    """A matt paint of stripes, dots and clouds, by an image on her own UV map."""
    image = bpy.data.images.new("Paint", SIZE, SIZE)
    image.pixels.foreach_set(_paint().ravel())
    image.update()
    image.pack()
    material = bpy.data.materials.new("Paint")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    nodes = material.node_tree.nodes
    texture, shader = nodes.new("ShaderNodeTexImage"), nodes["Principled BSDF"]
    texture.image = image
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.7
    shader.inputs["Specular IOR Level"].default_value = 0.2
    return material


def _paint() -> np.ndarray:
    """Return the paint (SIZE, SIZE, 4), f4, as an image's pixels have it."""
    rng = np.random.default_rng(7)
    v, u = np.mgrid[0 : 1 : SIZE * 1j, 0 : 1 : SIZE * 1j]
    clouds = np.zeros((SIZE, SIZE))
    for octave in range(1, 6):
        for _ in range(6):
            wave = rng.normal(size=2) * 2.0**octave
            clouds += np.sin(2 * np.pi * (wave[0] * u + wave[1] * v + rng.random())) / 1.6**octave
    clouds = (clouds - clouds.min()) / np.ptp(clouds)
    stripes = (np.sin(2 * np.pi * (8 * u + 2 * clouds)) > 0)[..., None]
    dots = (np.hypot(u * 12 % 1 - 0.5, v * 12 % 1 - 0.5) < 0.3)[..., None]
    color = np.where(stripes, (0.85, 0.45, 0.15), (0.15, 0.4, 0.6))
    color = np.where(dots & (v[..., None] > 0.5), (0.9, 0.85, 0.3), color)
    color = color * (0.6 + 0.4 * clouds[..., None])
    return np.concatenate([color, np.ones((SIZE, SIZE, 1))], axis=2).astype(np.float32)


def _lights(scene: bpy.types.Scene) -> None:
    bpy.ops.object.light_add(type="SUN", rotation=(np.radians(40), np.radians(15), 0))
    bpy.context.object.data.energy, bpy.context.object.data.angle = 2.5, 0.2
    bpy.ops.object.light_add(type="AREA", location=(-3, -3, 2.5), rotation=(1.0, 0, -0.8))
    bpy.context.object.data.energy, bpy.context.object.data.size = 150.0, 2.0
    scene.world = bpy.data.worlds.new("World")
    if bpy.app.version < (5, 0, 0):
        scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (0.55, 0.6, 0.7, 1.0)
    background.inputs["Strength"].default_value = 0.5


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # all is written; Blender 4.2's module may crash while Python clears up
