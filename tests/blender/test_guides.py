"""Guides in the 3D view: what is drawn, where it lies, how long it is."""

import bpy
import numpy as np
import pytest

pytestmark = pytest.mark.blender


@pytest.fixture
def cube(scene):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(2, 0, 3))
    cube = bpy.context.object
    cube.impetus.role, cube.impetus.density = "DYNAMIC", 100.0
    return cube


def add_act(ob, kind, **values):
    act = ob.impetus.acts.add()
    act.kind, act.name = kind, kind.title()
    for name, value in values.items():
        setattr(act, name, value)
    return act


def drawn():
    """Return the guides beside the domain's box."""
    from blender_addon.guides.collecting import DOMAIN, guides

    bpy.context.view_layer.update()
    return [guide for guide in guides(bpy.context) if guide.kind != DOMAIN]


def test_a_push_that_carries_the_weight_is_one_size_long(cube):
    add_act(cube, "FORCE", vector=(0.0, 0.0, 981.0))
    (push,) = drawn()
    shaft = push.lines[0]
    np.testing.assert_allclose(shaft[0], (2, 0, 3), atol=1e-6)
    np.testing.assert_allclose(shaft[1] - shaft[0], (0, 0, 3**0.5 / 2), atol=1e-3)
    assert (push.label, push.strength) == ("981 N", 1.0)
    cube.impetus.acts[0].vector = (0.0, 9810.0, 0.0)
    (push,) = drawn()
    assert push.label == "9,810 N"
    assert np.linalg.norm(np.ptp(push.lines[0], axis=0)) == pytest.approx(4 * 3**0.5 / 2)


def test_what_does_not_act_now_is_faint(cube, scene):
    add_act(cube, "FORCE", vector=(1.0, 0.0, 0.0), use_window=True, frame_start=3, frame_end=5)
    add_act(cube, "SPIN", vector=(0.0, 0.0, 2.0), frame_start=4)
    add_act(cube, "IMPULSE", vector=(0.0, 1.0, 0.0), use=False)
    strengths = []
    for frame in (2, 3, 4, 5):
        scene.frame_set(frame)
        strengths.append([guide.strength == 1.0 for guide in drawn()])
    assert strengths == [[False, False], [True, False], [True, True], [False, False]]
    assert drawn()[1].label == "2 N m s at 4"


def test_a_turn_goes_round_its_axis(cube):
    cube.impetus.angular_velocity = (0.0, 0.0, 3.0)
    cube.impetus.velocity = (4.0, 0.0, 0.0)
    velocity, spin = drawn()
    np.testing.assert_allclose(velocity.lines[0], [(2, 0, 3), (3, 0, 3)], atol=1e-6)
    assert (velocity.label, spin.label) == ("4 m/s", "3 rad/s")
    ring = spin.lines[0] - (2, 0, 3)
    assert np.abs(ring[:, 2]).max() < 1e-9
    assert np.cross(ring[:-1], ring[1:])[:, 2].min() > 0  # counter-clockwise from above


def test_a_pin_marks_its_group_and_leads_to_what_it_follows(cube, scene):
    group = cube.vertex_groups.new(name="Top")
    group.add([v.index for v in cube.data.vertices if v.co.z > 0], 1.0, "REPLACE")
    hand = bpy.data.objects.new("Hand", None)
    hand.location = (2, 0, 6)
    scene.collection.objects.link(hand)
    add_act(cube, "PIN", vertex_group="Top", target=hand)
    (pin,) = drawn()
    *strokes, leash = pin.lines
    assert len(strokes) == 3 * 4
    assert {round(float(stroke.mean(axis=0)[2]), 4) for stroke in strokes} == {3.5}
    np.testing.assert_allclose(leash, [(2, 0, 3.5), (2, 0, 6)], atol=1e-6)
    add_act(cube, "FORCE", vector=(1.0, 0.0, 0.0), vertex_group="Top")
    np.testing.assert_allclose(drawn()[1].lines[0][0], (2, 0, 3.5), atol=1e-6)


def test_a_group_that_changes_is_read_anew(cube):
    from blender_addon.guides.collecting import groups

    group = cube.vertex_groups.new(name="Some")
    group.add([0], 1.0, "REPLACE")
    add_act(cube, "PIN", vertex_group="Some")
    assert len(drawn()[0].lines) == 3
    group.add([1, 2], 1.0, "REPLACE")
    cube.data.update()
    assert len(drawn()[0].lines) == 9
    groups.clear()


def test_only_what_is_selected_unless_all_is_asked_for(cube, scene):
    cube.impetus.velocity = (1.0, 0.0, 0.0)
    assert len(drawn()) == 1
    cube.select_set(False)
    assert not drawn()
    scene.impetus.view.guides = "ALL"
    assert len(drawn()) == 1
    cube.hide_set(True)
    assert not drawn()
    cube.hide_set(False)
    scene.impetus.view.guides = "OFF"
    assert not drawn()


def test_the_domain_is_the_box_that_will_be_simulated(cube, scene):
    from blender_addon.guides.collecting import DOMAIN, FAINT, guides
    from blender_addon.outlook import watch

    def box():
        watch.shown(scene)
        bpy.context.view_layer.update()
        watch._watch.next_at = 0.0
        watch.step()
        (found,) = [guide for guide in guides(bpy.context) if guide.kind == DOMAIN]
        return found, np.concatenate(found.lines)

    found, ends = box()
    assert found.strength == 2 * FAINT
    low, high = ends.min(axis=0), ends.max(axis=0)
    assert low[0] < 1.5
    assert high[0] > 2.5
    bpy.ops.object.empty_add(type="CUBE", radius=4, location=(2, 0, 3))
    scene.impetus.domain = bpy.context.object
    found, ends = box()
    assert found.strength == 1.0
    np.testing.assert_allclose([ends.min(axis=0), ends.max(axis=0)], [(-2, -4, -1), (6, 4, 7)])
    assert found.label == "8 x 8 x 8 m, cells of 0.125 m"
    assert len(found.lines) == 12
    assert all((np.ptp(line, axis=0) > 0).sum() == 1 for line in found.lines)
