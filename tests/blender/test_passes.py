"""Our passes beside those of Cycles, for one moving textured cube; and as Blender loads them."""

import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import OpenEXR
import pytest

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)"),
]

FRAME = 2
SIZE = (240, 160)
MAKE = """
import sys
from pathlib import Path
from impetus.backend.contract.shot_file import read_shot
from impetus.backend.stages.pipeline import Workspace, run

class Quiet:
    def progress(self, stage, done, total, eta): pass
    def frame(self, number): pass
    def log(self, level, text): pass
    def check(self): pass

folder = Path(sys.argv[1])
shot, arrays = read_shot(folder / "cube.shot")
for name in ("cache", "take"):
    (folder / name).mkdir()
run(shot, arrays, Workspace(folder / "cache", folder / "take"), Quiet())
"""


def moving_cube(scene: bpy.types.Scene) -> None:
    """A checkered cube that flies and turns, under a camera that moves too; three frames."""
    scene.frame_start, scene.frame_end = 1, 3
    scene.impetus.splats = 60_000
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    bpy.ops.mesh.primitive_cube_add(size=1.6)
    cube = bpy.context.object
    cube.pass_index = 1
    cube.impetus.role = "KINEMATIC"
    cube.data.materials.append(_checkered())
    for frame in (1, 2, 3):
        cube.location = (0.06 * frame, 0.1 * frame, 0.03 * frame**2)
        cube.rotation_euler = (0.3, 0.05 * frame, 0.5 + 0.08 * frame)
        cube.keyframe_insert("location", frame=frame)
        cube.keyframe_insert("rotation_euler", frame=frame)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    for frame in (1, 2, 3):
        camera.location = (0.05 * frame, -5.0 + 0.08 * frame, 1.4)
        camera.rotation_euler = (1.32, 0.01 * frame, 0.015 * frame)
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)


def _checkered() -> bpy.types.Material:
    image = bpy.data.images.new("Checker", 32, 32)
    tiles = np.indices((32, 32)).sum(0) // 4 % 2
    pixels = np.ones((32, 32, 4), np.float32)
    pixels[..., :3] = np.where(tiles[..., None], (0.8, 0.2, 0.1), (0.1, 0.3, 0.7))
    image.pixels.foreach_set(pixels.ravel())
    material = bpy.data.materials.new("Checkered")
    if not material.node_tree:
        material.use_nodes = True  # from 5.0 on materials have nodes, and asking warns
    nodes = material.node_tree.nodes
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material


def render_with_cycles(scene: bpy.types.Scene, folder: Path) -> dict[str, np.ndarray]:
    """Render one frame's passes, each pixel from one ray through its middle."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_vector = layer.use_pass_object_index = True
    layer.use_pass_normal = True
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    scene.frame_set(FRAME)
    scene.render.filepath = str(folder / "cycles.exr")
    bpy.ops.render.render(write_still=True)
    return read_passes(folder / "cycles.exr")


def read_passes(path: Path) -> dict[str, np.ndarray]:
    """Return channels of all parts by pass and letter, whatever the layer is called."""
    found = {}
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            for name, channel in part.channels.items():
                found[".".join(name.split(".")[-2:])] = np.array(channel.pixels, np.float32)
    return found


def render_with_impetus(scene: bpy.types.Scene, folder: Path) -> Path:
    """Export the scene, make it in the backend's own environment, and return the take."""
    from blender_addon.shot_export import export_shot
    from impetus.backend.contract.shot_file import write_shot

    exported = export_shot(scene)
    write_shot(folder / "cube.shot", exported.shot, exported.arrays)
    subprocess.run([PYTHON, "-P", "-c", MAKE, str(folder)], check=True, timeout=280)
    return folder / "take"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """Return the frame's EXR as we made it, and Cycles' passes."""
    import blender_addon

    folder = tmp_path_factory.mktemp("cube")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()
    try:
        moving_cube(bpy.context.scene)
        take = render_with_impetus(bpy.context.scene, folder)
        return take / "passes" / f"{FRAME:04d}.exr", render_with_cycles(bpy.context.scene, folder)
    finally:
        blender_addon.unregister()


def shrunk(region: np.ndarray, border: int) -> np.ndarray:
    """Return where a region is, `border` pixels from its outline."""
    for _ in range(border):
        for axis in (0, 1):
            region = region & np.roll(region, 1, axis) & np.roll(region, -1, axis)
    return region


def edges(normal: np.ndarray) -> np.ndarray:
    """Return the pixels (h, w) beside which the normal (h, w, 3) is another."""
    steps = (np.abs(normal - np.roll(normal, 1, axis)).max(-1) > 0.1 for axis in (0, 1))
    return next(steps) | next(steps)


def test_depth_and_vector_equal_those_of_cycles(made) -> None:
    theirs, ours = made[1], read_passes(made[0])
    index = theirs.get("IndexOB.X", theirs.get("Object Index.X"))
    cube = shrunk(index == 1, 1)
    assert cube.sum() > 12000
    assert (ours["IndexOB.X"][cube] == 1).all()
    assert np.abs(ours["Depth.Z"] / theirs["Depth.Z"] - 1)[cube].max() < 0.01
    for pair in ("XY", "ZW"):
        mine, cycles = (
            np.stack([passes[f"Vector.{c}"] for c in pair], -1) for passes in (ours, theirs)
        )
        assert np.linalg.norm(cycles[cube], axis=-1).mean() > 2, "it moves"
        error = np.linalg.norm(mine - cycles, axis=-1)
        assert error[cube].max() < 0.1
        assert error[cube].mean() < 0.002
    # A splat is three pixels wide here: on the cube's edges its normal is that of both faces.
    faces = cube & shrunk(~edges(np.stack([theirs[f"Normal.{c}"] for c in "XYZ"], -1)), 3)
    assert faces.sum() > 9000
    for name in "XYZ":
        step = np.abs(ours[f"Normal.{name}"] - theirs[f"Normal.{name}"])[faces]
        assert step.max() < 0.02
    empty = shrunk(index == 0, 6)
    assert (ours["Depth.Z"][empty] == 1e10).all()
    assert (theirs["Depth.Z"][empty] == 1e10).all()


def test_blender_loads_the_passes_as_a_multilayer_image(made) -> None:
    image = bpy.data.images.load(str(made[0]))
    tree = bpy.data.node_groups.new("Passes", "CompositorNodeTree")
    node = tree.nodes.new("CompositorNodeImage")
    node.image = image
    assert image.type == "MULTILAYER"
    assert {"Combined", "Depth", "Normal", "Vector", "IndexOB"} <= {
        output.name for output in node.outputs if output.enabled
    }
