"""Our passes beside those of Cycles, for one moving textured cube; and as Blender loads them.

Seen by a pinhole and by an orthographic camera, both with shifted lenses.
"""

import os
import subprocess
from pathlib import Path

import bpy
import numpy as np
import OpenEXR
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)"),
]

FRAME = 2
SIZE = (240, 160)
KINDS = ("PERSP", "ORTHO")
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
(folder / "cache").mkdir()
for kind in sys.argv[2:]:
    shot, arrays = read_shot(folder / f"{kind}.shot")
    (folder / kind).mkdir()
    run(shot, arrays, Workspace(folder / "cache", folder / kind), Quiet())
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
    camera.data.shift_x, camera.data.shift_y, camera.data.ortho_scale = 0.08, -0.05, 4.5
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


def render_with_cycles(scene: bpy.types.Scene, path: Path) -> dict[str, np.ndarray]:
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
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read_passes(path)


def read_passes(path: Path) -> dict[str, np.ndarray]:
    """Return channels of all parts by pass and letter, whatever the layer is called."""
    found = {}
    with OpenEXR.File(str(path), separate_channels=True) as file:
        for part in file.parts:
            for name, channel in part.channels.items():
                found[".".join(name.split(".")[-2:])] = np.array(channel.pixels, np.float32)
    return found


def render_with_impetus(scene: bpy.types.Scene, folder: Path) -> None:
    """Export the scene by each camera, and make the takes in the backend's own environment."""
    from blender_addon.shot_export import export_shot
    from impetus.backend.contract.shot_file import write_shot

    for kind in KINDS:
        scene.camera.data.type = kind
        exported = export_shot(scene)
        write_shot(folder / f"{kind}.shot", exported.shot, exported.arrays)
    subprocess.run([PYTHON, "-P", "-c", MAKE, str(folder), *KINDS], check=True, timeout=280)


def traced(scene: bpy.types.Scene, depth: np.ndarray) -> np.ndarray:
    """Follow points of the cube through Blender's own matrices and projection.

    Rows of x, y in the picture and the four numbers of Vector: previous - now, now - next, y up.
    """
    rng = np.random.default_rng(0)
    scene.frame_set(FRAME)
    cube, camera = bpy.data.objects["Cube"], scene.camera
    rows, columns = np.nonzero(depth < 1e9)
    chosen = rng.choice(len(rows), 60, replace=False)
    found = []
    for row, column in zip(rows[chosen], columns[chosen], strict=True):
        share = (column + 0.5) / SIZE[0], 1 - (row + 0.5) / SIZE[1]
        here = point_at(scene, camera, share, depth[row, column])
        found.append((column, row, cube.matrix_world.inverted() @ here))
    seen = {}
    for frame in (FRAME - 1, FRAME, FRAME + 1):
        scene.frame_set(frame)
        places = [cube.matrix_world @ local for _, _, local in found]
        views = [world_to_camera_view(scene, camera, place) for place in places]
        seen[frame] = np.array([view[:2] for view in views]) * SIZE
    steps = seen[FRAME - 1] - seen[FRAME], seen[FRAME] - seen[FRAME + 1]
    at = np.array([[column, row] for column, row, _ in found])
    return np.concatenate([at, *steps], axis=1)


def point_at(
    scene: bpy.types.Scene, camera: bpy.types.Object, share: tuple[float, float], depth: float
) -> Vector:
    """Return the world's point of this depth at a place in the picture, its y upwards."""
    right_top, _, left_bottom, left_top = camera.data.view_frame(scene=scene)
    corner, across, up = left_bottom, right_top - left_top, left_top - left_bottom
    place = corner + across * share[0] + up * share[1]
    if camera.data.type == "PERSP":
        return camera.matrix_world @ (place * float(-depth / place.z))
    return camera.matrix_world @ Vector((place.x, place.y, -float(depth)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict, np.ndarray]]:
    """Return for each kind of camera our EXR of the frame, Cycles' passes, and traced motion."""
    import blender_addon

    folder = tmp_path_factory.mktemp("cube")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()
    try:
        scene = bpy.context.scene
        moving_cube(scene)
        render_with_impetus(scene, folder)
        found = {}
        for kind in KINDS:
            scene.camera.data.type = kind
            theirs = render_with_cycles(scene, folder / f"{kind}.exr")
            ours = folder / kind / "passes" / f"{FRAME:04d}.exr"
            found[kind] = (ours, theirs, traced(scene, theirs["Depth.Z"]))
        return found
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


@pytest.mark.parametrize("kind", KINDS)
def test_depth_vector_and_normal_equal_those_of_cycles(made, kind) -> None:
    theirs, ours = made[kind][1], read_passes(made[kind][0])
    index = theirs.get("IndexOB.X", theirs.get("Object Index.X"))
    cube = shrunk(index == 1, 1)
    assert cube.sum() > 10000
    assert (ours["IndexOB.X"][cube] == 1).all()
    assert np.abs(ours["Depth.Z"] / theirs["Depth.Z"] - 1)[cube].max() < 0.01
    # What Cycles writes as Vector for an orthographic camera is not its motion: see the next test.
    for pair in ("XY", "ZW") if kind == "PERSP" else ():
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


@pytest.mark.parametrize("kind", KINDS)
def test_vector_is_the_motion_by_blenders_own_projection(made, kind) -> None:
    ours, truth = read_passes(made[kind][0]), made[kind][2]
    inside = shrunk(ours["IndexOB.X"] == 1, 1)
    column, row = truth[:, :2].astype(int).T
    kept = inside[row, column]
    assert kept.sum() > 40
    vector = np.stack([ours[f"Vector.{c}"][row, column] for c in "XYZW"], -1)
    error = np.abs(vector - truth[:, 2:])[kept]
    assert np.abs(truth[kept, 2:]).mean() > 2, "it moves"
    assert error.max() < 0.1
    assert error.mean() < 0.003


def test_blender_loads_the_passes_as_a_multilayer_image(made) -> None:
    image = bpy.data.images.load(str(made["PERSP"][0]))
    tree = bpy.data.node_groups.new("Passes", "CompositorNodeTree")
    node = tree.nodes.new("CompositorNodeImage")
    node.image = image
    assert image.type == "MULTILAYER"
    assert {"Combined", "Depth", "Normal", "Vector", "IndexOB", "Depth Median", "Coverage"} <= {
        output.name for output in node.outputs if output.enabled
    }
