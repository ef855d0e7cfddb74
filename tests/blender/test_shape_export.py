"""Meshes that change their shape: what is exported is where Blender has their vertices."""

import math

import bpy
import numpy as np
import pytest

from impetus.backend.contract.errors import ShotError

pytestmark = pytest.mark.blender


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


def key(owner, path, **values):
    for frame, value in values.items():
        setattr(owner, path, value)
        owner.keyframe_insert(path, frame=int(frame[1:]))


@pytest.fixture
def cube(scene):
    """A kinematic cube of finer faces before a camera, moved, turned and scaled unevenly."""
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0, -6, 1), (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.mesh.primitive_cube_add(size=2)
    cube = bpy.context.object
    cube.name, cube.impetus.role = "Cube", "KINEMATIC"
    cube.location, cube.rotation_euler, cube.scale = (1, 2, 3), (0.3, 0.2, 0.1), (1, 2, 0.5)
    scene.unit_settings.scale_length = 0.5
    return cube


def by_shape_key(scene, cube):
    cube.shape_key_add(name="Basis")
    wide = cube.shape_key_add(name="Wide")
    for point in wide.data:
        point.co.x *= 1.5
    key(wide, "value", f1=0.0, f10=1.0)


def by_modifier(scene, cube):
    cube.modifiers.new("Fine", "SUBSURF").levels = 2
    bend = cube.modifiers.new("Bend", "SIMPLE_DEFORM")
    bend.deform_method = "BEND"
    key(bend, "angle", f1=0.0, f10=1.0)


def by_armature_as_parent(scene, cube):
    """The parent's bone has all vertices: a modifier that Blender does not list."""
    bpy.ops.object.armature_add()
    rig = bpy.context.object
    bone = rig.pose.bones[0]
    cube.vertex_groups.new(name=bone.name).add([0, 1, 2, 3], 1.0, "ADD")
    cube.parent, cube.parent_type = rig, "ARMATURE"
    key(bone, "location", f1=(0, 0, 0), f10=(0, 1, 0))


def by_its_scale(scene, cube):
    key(cube, "scale", f1=(1, 2, 0.5), f10=(2, 2, 0.25))


def found_in(exported, name="Cube"):
    return next(each for each in exported.shot.bodies if each.name == name)


@pytest.mark.parametrize("change", [by_shape_key, by_modifier, by_armature_as_parent, by_its_scale])
def test_every_frame_has_its_vertices_where_blender_has_them(scene, cube, change):
    change(scene, cube)
    scene.impetus.simulation_start = 4
    exported = export(scene)
    found = found_in(exported)
    assert found.role == "kinematic"
    assert not [text for text in exported.warnings if "Cube" in text]
    poses, moved = (exported.arrays.of(ref) for ref in (found.poses, found.vertex_cache.vertices))
    for row, frame in enumerate(range(1, 11)):
        scene.frame_set(frame)
        seen = cube.evaluated_get(bpy.context.evaluated_depsgraph_get())
        local = np.array([v.co for v in seen.to_mesh().vertices])
        seen.to_mesh_clear()
        matrix = np.array(seen.matrix_world)
        expected = 0.5 * (local @ matrix[:3, :3].T + matrix[:3, 3])
        pose = poses[row if len(poses) > 1 else 0]
        np.testing.assert_allclose(moved[row] @ pose[:3, :3].T + pose[:3, 3], expected, atol=1e-5)
    start = exported.arrays.of(found.vertex_cache.mesh.vertices)
    np.testing.assert_array_equal(start, moved[3])
    np.testing.assert_array_equal(start, exported.arrays.of(found.mesh.vertices))


def test_what_keeps_its_shape_has_no_moving_vertices(scene, cube):
    cube.modifiers.new("Fine", "SUBSURF").levels = 2
    found = found_in(export(scene))
    assert (found.role, found.vertex_cache) == ("static", None)


def test_a_static_body_that_changes_shape_is_told(scene, cube):
    by_shape_key(scene, cube)
    cube.impetus.role = "STATIC"
    exported = export(scene)
    assert found_in(exported).vertex_cache is None
    assert any("static but changes shape" in text for text in exported.warnings)


def test_what_is_only_seen_may_change_its_faces_and_is_told(scene, cube):
    cube.impetus.role = "NONE"
    build = cube.modifiers.new("Build", "BUILD")
    build.frame_start, build.frame_duration = -8, 16
    exported = export(scene)
    assert found_in(exported).vertex_cache is None
    assert any("shown as it is at frame 1" in text for text in exported.warnings)


def test_moving_vertices_beyond_a_limit_are_refused_by_name(scene, cube, monkeypatch):
    from blender_addon.shot_export import shapes

    by_shape_key(scene, cube)
    monkeypatch.setattr(shapes, "MOST_SHAPE_BYTES", 8 * 12 * 5)
    with pytest.raises(ShotError, match="8 vertices in 6 frames") as caught:
        export(scene)
    assert "Cube" in caught.value.where
    assert "Decimate" in caught.value.remedy
