"""What is wrong with a scene is told before a job begins, and changes nothing in it."""

import math

import bpy
import pytest

from impetus.backend.contract.errors import ShotError

pytestmark = pytest.mark.blender


@pytest.fixture
def whole(scene):
    """A scene that a take can be made of."""
    bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.4, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 1), size=1)
    bpy.context.object.impetus.role = "DYNAMIC"
    bpy.context.view_layer.update()
    return scene


def cube():
    return bpy.data.objects["Cube"]


def found(scene):
    from blender_addon import preflight

    bpy.context.view_layer.update()
    return [(each.where, each.text, each.is_warning) for each in preflight.problems(scene)]


def state(scene):
    """What an artist would see changed; text, since NaN equals nothing."""
    objects = [
        (ob.name, str(ob.matrix_basis), ob.impetus.role, ob.hide_render) for ob in scene.objects
    ]
    return objects, scene.frame_current, scene.camera, len(scene.impetus.takes)


def open_lid(_scene):
    import bmesh

    mesh = bmesh.new()
    mesh.from_mesh(cube().data)
    mesh.faces.ensure_lookup_table()
    mesh.faces.remove(mesh.faces[0])
    mesh.to_mesh(cube().data)
    mesh.free()


def molecules(_scene):
    bpy.ops.object.effector_add(type="LENNARDJ")


def panorama(scene):
    scene.camera.data.type = "PANO"


def no_camera(scene):
    scene.camera = None


def nothing_dynamic(_scene):
    cube().impetus.role = "STATIC"


def hidden(_scene):
    cube().hide_render = True


@pytest.mark.parametrize(
    ("spoil", "where", "words", "is_warning"),
    [
        (open_lid, "Cube", "mesh is open", True),
        (molecules, "Lennard-Jones", "fields of type Lennardj are not simulated", True),
        (panorama, "Camera", "neither perspective nor orthographic", False),
        (no_camera, "Scene", "No active camera", False),
        (nothing_dynamic, "Scene", "No object is dynamic", False),
        (hidden, "Scene", "Every dynamic object is hidden", False),
    ],
)
def test_the_panel_tells_before_a_job_is_made(whole, spoil, where, words, is_warning):
    assert found(whole) == []
    spoil(whole)
    told = [each for each in found(whole) if words in each[1]]
    assert [(each[0], each[2]) for each in told] == [(where, is_warning)]


def test_an_open_mesh_that_will_be_thick_is_well(whole):
    open_lid(whole)
    cube().impetus.thickness = 0.1
    assert found(whole) == []
    cube().impetus.thickness = 0
    cube().modifiers.new("Solidify", "SOLIDIFY").thickness = 0.1
    assert found(whole) == []


def infinite_scale(_scene):
    cube().scale.x = math.inf


def flat_camera(scene):
    scene.camera.scale = (0, 0, 0)


def backward_clip(scene):
    scene.camera.data.clip_start, scene.camera.data.clip_end = 5, 1


def gravity_of_nothing(scene):
    scene.gravity = (0, 0, math.nan)


@pytest.mark.parametrize(
    ("spoil", "sentence", "remedy"),
    [
        (infinite_scale, "Cube: expected a transform of finite numbers", "Clear its transform"),
        (flat_camera, "Camera: expected a scale above zero", "Clear its scale"),
        (backward_clip, "Camera: expected its clip end beyond", "Raise the camera's clip end"),
        (gravity_of_nothing, "Scene gravity: expected finite numbers, got nan", "Enter a number"),
        (hidden, "Scene: expected at least one object that is dynamic", "show it in renders"),
    ],
)
def test_a_report_names_what_to_do_and_the_scene_stays(whole, tmp_path, spoil, sentence, remedy):
    import sys
    from pathlib import Path

    from blender_addon.jobs import machine, session

    machine.choose(python=Path(sys.executable), home=tmp_path)
    spoil(whole)
    before = state(whole)
    try:
        with pytest.raises(ShotError) as caught:
            session.make_take(whole)
    finally:
        machine.choose()
    assert caught.value.sentence.startswith(sentence)
    assert remedy in caught.value.remedy
    assert state(whole) == before
