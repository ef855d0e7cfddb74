"""Pushes, blows, pins and releases: set in Blender, in the shot as they were set."""

import math

import bpy
import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract.errors import ShotError

pytestmark = pytest.mark.blender


@pytest.fixture
def cube(scene):
    """A dynamic cube of two metres with a group of its upper four corners, and a camera."""
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.mesh.primitive_cube_add(size=2.0)
    ob = bpy.context.object
    ob.name, ob.impetus.role = "Cube", "DYNAMIC"
    group = ob.vertex_groups.new(name="Top")
    group.add([v.index for v in ob.data.vertices if v.co.z > 0], 0.75, "REPLACE")
    return ob


def add_act(ob, kind, **values):
    bpy.ops.object.impetus_act_add(kind=kind)
    act = ob.impetus.acts[-1]
    act.vertex_group = ""
    for name, value in values.items():
        setattr(act, name, value)
    return act


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


def told(scene):
    from blender_addon.preflight import problems

    return [(each.where, each.text) for each in problems(scene) if not each.is_warning]


def test_a_force_is_sampled_as_it_is_keyed(scene, cube):
    act = add_act(cube, "FORCE", use_window=True, frame_start=3, frame_end=7)
    for frame, newtons in ((1, 2.0), (10, 20.0)):
        act.vector = (0.0, 0.0, newtons)
        cube.keyframe_insert("impetus.acts[0].vector", frame=frame)
    scene.unit_settings.scale_length = 0.01  # newtons stay newtons
    exported = export(scene)
    (push,) = exported.shot.forces
    assert isinstance(push, f.Push)
    assert (push.name, push.body, push.group, push.torque) == ("Cube, Force", "Cube", None, None)
    assert push.window == f.Window(3, 7)
    force = exported.arrays.of(push.force)
    assert force.shape == (10, 3)
    np.testing.assert_allclose(force[[0, -1]], [[0, 0, 2], [0, 0, 20]])
    assert scene.frame_current == 1


def test_a_torque_stands_as_one_row_where_it_is_not_keyed(scene, cube):
    add_act(cube, "TORQUE", vector=(0.0, 3.0, 0.0))
    exported = export(scene)
    (push,) = exported.shot.forces
    assert push.force is None
    assert push.window == f.Window()
    assert exported.arrays.of(push.torque).tolist() == [[0.0, 3.0, 0.0]]


def test_blows_are_what_their_keys_say_at_their_frame(scene, cube):
    act = add_act(cube, "IMPULSE", frame_start=5)
    for frame, amount in ((1, 1.0), (10, 10.0)):
        act.vector = (amount, 0.0, 0.0)
        cube.keyframe_insert("impetus.acts[0].vector", frame=frame)
    add_act(cube, "SPIN", frame_start=2, vector=(0.0, 0.0, 4.0))
    scene.frame_set(5)
    here = cube.impetus.acts[0].vector[0]
    blow, spin = export(scene).shot.forces
    assert blow.frame == 5
    assert blow.linear == pytest.approx((here, 0, 0))
    assert 1 < here < 10
    assert (spin.frame, spin.linear, spin.angular) == (2, (0, 0, 0), (0, 0, 4))


def test_a_pin_holds_a_group_through_modifiers_and_follows_an_object(scene, cube):
    cube.modifiers.new("Subdivide", "SUBSURF").levels = 2
    empty = bpy.data.objects.new("Hand", None)
    scene.collection.objects.link(empty)
    for frame, x, angle in ((1, 0.0, 0.0), (10, 3.0, math.pi / 2)):
        empty.location.x, empty.rotation_euler.z = x, angle
        empty.keyframe_insert("location", frame=frame)
        empty.keyframe_insert("rotation_euler", frame=frame)
    empty.scale = (2, 2, 2)
    add_act(cube, "PIN", vertex_group="Top", target=empty)
    exported = export(scene)
    (pin,) = exported.shot.forces
    (body,) = exported.shot.bodies
    weights = exported.arrays.of(pin.group.weights)
    vertices = exported.arrays.of(body.mesh.vertices)
    assert len(weights) == len(vertices) > 8
    assert weights[vertices[:, 2] > 0.55].min() > 0.5
    assert weights[vertices[:, 2] < -0.55].max() < 0.25
    motion = exported.arrays.of(pin.motion)
    np.testing.assert_allclose(motion[-1, :3, 3], [3, 0, 0], atol=1e-6)
    np.testing.assert_allclose(motion[-1, :3, 0], [0, 1, 0], atol=1e-6)


def test_a_release_and_what_is_switched_off(scene, cube):
    add_act(cube, "RELEASE", frame_start=2, frame_end=8, direction=(0.0, 1.0, 0.0))
    add_act(cube, "FORCE", vector=(1.0, 0.0, 0.0), use=False)
    (release,) = export(scene).shot.forces
    assert release == f.Release("Cube, Release", "Cube", 2, 8, (0.0, 1.0, 0.0))
    cube.impetus.role = "STATIC"
    assert not export(scene).shot.forces


def test_instances_are_pushed_each(scene, cube):
    add_act(cube, "FORCE", vector=(1.0, 0.0, 0.0))
    linked = cube.copy()
    linked.location.x = 5.0
    scene.collection.objects.link(linked)
    forces = export(scene).shot.forces
    assert {each.body for each in forces} == {"Cube", linked.name}


def test_what_cannot_act_is_told_before_and_refused(scene, cube):
    act = add_act(cube, "PIN", vertex_group="Gone")
    assert told(scene) == [("Cube", "Pin: it has no vertex group or colours Gone")]
    with pytest.raises(
        ShotError, match=r"expected a vertex group or colour attribute 'Gone' on Cube"
    ):
        export(scene)
    act.vertex_group = "Top"
    assert told(scene) == []
    act.use_window, act.frame_start, act.frame_end = True, 4, 4
    assert told(scene) == [("Cube", "Pin: its end frame is not after its start")]
    with pytest.raises(ShotError, match="time window that ends after its start"):
        export(scene)
    act.use_window = False
    cube.vertex_groups["Top"].add([v.index for v in cube.data.vertices], 0.2, "REPLACE")
    with pytest.raises(ShotError, match=r"at least one half, got at most 0\.2"):
        export(scene)


def test_the_list_adds_with_the_active_group_and_removes(scene, cube):
    bpy.ops.object.impetus_act_add(kind="PIN")
    act = cube.impetus.acts[0]
    assert (act.name, act.vertex_group, act.frame_start) == ("Pin", "Top", scene.frame_current)
    bpy.ops.object.impetus_act_add(kind="FORCE")
    assert cube.impetus.act_index == 1
    bpy.ops.object.impetus_act_remove()
    bpy.ops.object.impetus_act_remove()
    assert (len(cube.impetus.acts), cube.impetus.act_index) == (0, 0)
    with pytest.raises(RuntimeError, match="Nothing is chosen"):
        bpy.ops.object.impetus_act_remove()
    cube.impetus.role = "STATIC"
    with pytest.raises(RuntimeError, match="dynamic Impetus physics"):
        bpy.ops.object.impetus_act_add(kind="PIN")
