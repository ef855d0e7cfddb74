"""Light baked by Cycles in a background Blender, on a copy: known light in, known colours out."""

import math
from pathlib import Path

import bpy
import numpy as np
import pytest

pytestmark = pytest.mark.blender


def world_of(scene, color, strength=1.0):
    scene.world = bpy.data.worlds.new("World")
    if bpy.app.version < (5, 0, 0):
        scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*color, 1)
    background.inputs["Strength"].default_value = strength


def diffuse(name, color):
    made = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    nodes = made.node_tree.nodes
    nodes.remove(nodes["Principled BSDF"])
    shader = nodes.new("ShaderNodeBsdfDiffuse")
    shader.inputs["Color"].default_value = (*color, 1)
    output = next(node for node in nodes if node.type == "OUTPUT_MATERIAL")
    made.node_tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return made


@pytest.fixture
def lit_scene(scene, tmp_path):
    """A diffuse floor of albedo 0.5 under a sun of 3 W/m2 at 60 degrees, a cube over one half."""
    bpy.ops.object.camera_add(location=(0, -6, 3), rotation=(1.2, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_plane_add(size=4, location=(1, 0, 0))
    floor = bpy.context.object
    floor.name, floor.scale = "Floor", (1, 1.5, 1)
    floor.data.materials.append(diffuse("Grey", (0.5, 0.25, 0.5)))
    bpy.ops.object.light_add(type="SUN", rotation=(math.radians(30), 0, 0))
    bpy.context.object.data.energy, bpy.context.object.data.angle = 3.0, 0.0
    world_of(scene, (0, 0, 0))
    scene.impetus.splats, scene.impetus.bake_samples = 4000, 4
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "lit.blend"))
    return scene


def bake(scene, folder):
    """Plan and run a bake to its end; return the lit export."""
    from blender_addon.jobs import bake as module
    from blender_addon.shot_export import export_shot

    exported = export_shot(scene)
    plan = module.plan(scene, exported, folder)
    *steps, last = module.run("key", plan)
    return module.lit(exported, last.result), plan, steps


def corners(exported, name):
    """Return the world positions (F, 3, 3), colours (F, 3, 4) and normals of a body's corners."""
    body = next(each for each in exported.shot.bodies if each.name == name)
    of = exported.arrays.of
    pose = of(body.poses)[0]
    vertices = of(body.mesh.vertices) @ pose[:3, :3].T + pose[:3, 3]
    return vertices[of(body.mesh.triangles)], of(body.looks.colors), of(body.mesh.normals), body


def test_a_sun_bakes_to_what_lambert_says(lit_scene, tmp_path):
    before = Path(bpy.data.filepath).read_bytes()
    names = sorted(ob.name for ob in bpy.data.objects)
    exported, plan, steps = bake(lit_scene, tmp_path / "bakes")
    place, colors, normals, body = corners(exported, "Floor")
    assert body.looks.lit
    assert len(place) >= 500  # dense enough to hold detail
    expected = np.array([0.5, 0.25, 0.5]) / math.pi * 3.0 * math.cos(math.radians(30))
    np.testing.assert_allclose(colors[..., :3].reshape(-1, 3).mean(0), expected, rtol=2e-3)
    np.testing.assert_allclose(place.reshape(-1, 3).min(0), [-1, -3, 0], atol=1e-5)
    np.testing.assert_allclose(place.reshape(-1, 3).max(0), [3, 3, 0], atol=1e-5)
    np.testing.assert_allclose(normals.reshape(-1, 3).mean(0), [0, 0, 1], atol=1e-5)
    assert any("Floor" in step.text for step in steps)
    # The artist's file and session are as they were.
    assert Path(bpy.data.filepath).read_bytes() == before
    assert sorted(ob.name for ob in bpy.data.objects) == names
    assert not plan.copy.exists()


def test_corners_that_meet_share_their_samples(lit_scene, tmp_path):
    world_of(lit_scene, (1, 1, 1))
    bpy.ops.mesh.primitive_cube_add(size=1, location=(1, 0, 0.5))  # half of the sky: noise
    exported, _, _ = bake(lit_scene, tmp_path / "bakes")
    place, colors, _, _ = corners(exported, "Floor")
    _, group = np.unique(place.reshape(-1, 3).round(4), axis=0, return_inverse=True)
    for index in range(0, group.max(), 50):
        meeting = colors.reshape(-1, 4)[group.reshape(-1) == index]
        assert np.ptp(meeting, axis=0).max() < 1e-6
    _, colors, normals, _ = corners(exported, "Cube")
    top = normals[..., 2] > 0.9
    side = abs(normals[..., 2]) < 0.1
    assert colors[top].mean() > 1.5 * colors[side].mean()  # sides see half the sky: not mixed in


def test_a_shadow_lies_where_it_falls(lit_scene, tmp_path):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(1, 0, 0.5))
    exported, _, _ = bake(lit_scene, tmp_path / "bakes")
    place, colors, _, _ = corners(exported, "Floor")
    middle, light = place.mean(1), colors[..., 0].mean(1)
    # The sun shines along +Y at 60 degrees: the shadow of the cube lies behind it.
    shaded = (abs(middle[:, 0] - 1) < 0.3) & (middle[:, 1] > 0.6) & (middle[:, 1] < 0.9)
    clear = (abs(middle[:, 0] - 1) < 0.3) & (middle[:, 1] < -1.5)
    assert shaded.any()
    assert light[shaded].mean() < 0.25 * light[clear].mean()


def test_a_bake_is_made_once(lit_scene, tmp_path):
    _, first, steps = bake(lit_scene, tmp_path / "bakes")
    assert steps
    made = first.result.stat().st_mtime_ns
    _, second, steps = bake(lit_scene, tmp_path / "bakes")
    assert not steps
    assert second.result == first.result
    assert first.result.stat().st_mtime_ns == made
    material = bpy.data.materials["Grey"]
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_DIFFUSE")
    shader.inputs["Roughness"].default_value = 0.7
    _, third, _ = bake(lit_scene, tmp_path / "bakes")
    assert third.key != first.key


def test_instances_are_baked_each_in_its_place(lit_scene, tmp_path):
    parts = bpy.data.collections.new("Parts")
    bpy.ops.mesh.primitive_plane_add(size=1)
    tile = bpy.context.object
    tile.name = "Tile"
    tile.data.materials.append(bpy.data.materials["Grey"])
    lit_scene.collection.objects.unlink(tile)
    parts.objects.link(tile)
    for index, height in enumerate((2.0, -2.0)):  # over the floor, and under it in the dark
        holder = bpy.data.objects.new(f"Holder {index}", None)
        holder.instance_type, holder.instance_collection = "COLLECTION", parts
        holder.location = (1, 0, height)
        lit_scene.collection.objects.link(holder)
    exported, _, _ = bake(lit_scene, tmp_path / "bakes")
    high = corners(exported, "Tile")[1][..., 0].mean()
    low = corners(exported, "Tile #2")[1][..., 0].mean()
    assert high > 0.3
    assert low < 0.05


def test_a_bake_can_be_stopped(lit_scene, tmp_path):
    from blender_addon.jobs import bake as module
    from blender_addon.shot_export import export_shot

    lit_scene.impetus.bake_samples = 4096
    exported = export_shot(lit_scene)
    plan = module.plan(lit_scene, exported, tmp_path / "bakes")
    work = module.run("key", plan)
    next(work)
    work.close()
    assert not plan.copy.exists()
    assert not plan.result.exists()
