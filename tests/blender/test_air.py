"""Smoke, fire and flocks: set in Blender, in the shot in SI units."""

import bpy
import pytest

pytestmark = pytest.mark.blender


@pytest.fixture
def camera(scene):
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera


def thing(scene, name, role, location=(0, 0, 0), **fields):
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=location)
    ob = bpy.context.object
    ob.name, ob.impetus.role = name, role
    for key, value in fields.items():
        setattr(getattr(ob.impetus, role.lower()), key, value)
    return ob


def exported(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


@pytest.mark.usefixtures("camera")
def test_what_smokes_is_an_emitter_with_its_keys(scene):
    torch = thing(
        scene, "Torch", "SMOKE", (1, 0, 2), fuel=0.5, velocity=(0, 0, 2), color=(1, 0.5, 0.25),
        use_window=True, frame_start=2, frame_end=8,
    )  # fmt: skip
    for frame, value in ((1, 10.0), (10, 28.0)):
        torch.impetus.smoke.smoke = value
        torch.impetus.smoke.keyframe_insert("smoke", frame=frame)
    torch.impetus.smoke.velocity = (0, 0, 2)
    scene.unit_settings.scale_length = 0.5
    made = exported(scene)
    shot, arrays = made.shot, made.arrays
    (emitter,) = shot.emitters
    assert shot.bodies == ()
    smoke = arrays.of(emitter.smoke)
    assert smoke.shape == (10,)
    assert smoke[0] == pytest.approx(10)
    assert smoke[9] == pytest.approx(28)
    assert emitter.temperature == pytest.approx(60)
    assert emitter.fuel == pytest.approx(0.5)
    assert emitter.velocity == pytest.approx((0, 0, 1))
    assert emitter.color == pytest.approx((1, 0.5, 0.25))
    assert (emitter.window.first, emitter.window.last) == (2, 8)
    assert arrays.of(emitter.poses)[0, :3, 3] == pytest.approx([0.5, 0, 1])
    assert abs(arrays.of(emitter.mesh.vertices)).max() == pytest.approx(0.125)
    torch.impetus.smoke.show = True
    (body,) = exported(scene).shot.bodies
    assert (body.name, body.contact) == ("Torch", None)


@pytest.mark.usefixtures("camera")
def test_the_air_is_the_scenes(scene):
    thing(scene, "Torch", "SMOKE")
    room = thing(scene, "Room", "STATIC")
    room.scale = (4, 4, 8)
    gas = scene.impetus.gas
    gas.domain, gas.closed, gas.resolution = room, {"-z", "+x"}, 40
    gas.flame_brightness, gas.soot_color = 3.0, (0.25, 0.5, 0.75)
    shot = exported(scene).shot
    assert shot.bodies == ()  # the domain is not seen
    assert shot.gas.closed == ("+x", "-z")
    assert (shot.gas.resolution, shot.gas.looks.flame_brightness) == (40, 3.0)
    assert shot.gas.soot_color == pytest.approx((0.25, 0.5, 0.75))
    assert shot.gas.domain.high == pytest.approx((1, 1, 2))


@pytest.mark.usefixtures("camera")
def test_a_flock_has_its_goal_and_its_bounds(scene):
    goal = bpy.data.objects.new("Goal", None)
    scene.collection.objects.link(goal)
    for frame, x in ((1, 0.0), (10, 9.0)):
        goal.location = (x, 2, 0)
        goal.keyframe_insert("location", frame=frame)
    room = thing(scene, "Room", "STATIC", (0, 0, 1))
    room.scale = (8, 8, 4)
    fields = {"count": 12, "goal": goal, "bounds": room, "collides": True, "ahead": "-x"}
    thing(scene, "Bird", "FLOCK", (0, 0, 1), **fields)
    scene.unit_settings.scale_length = 2.0
    made = exported(scene)
    (flock,) = made.shot.flocks
    assert made.shot.bodies == ()
    assert (flock.count, flock.ahead, flock.body.role) == (12, "-x", "kinematic")
    assert flock.body.contact is not None
    assert flock.speed == pytest.approx(4)
    assert flock.sight == pytest.approx(2)
    track = made.arrays.of(flock.goal)
    assert track.shape == (10, 3)
    assert track[0] == pytest.approx([0, 4, 0])
    assert track[9] == pytest.approx([18, 4, 0])
    assert flock.bounds.low == pytest.approx((-4, -4, 0))


@pytest.mark.usefixtures("camera")
def test_what_cannot_be_is_told_before_a_take(scene):
    from blender_addon.preflight import problems

    torch = thing(scene, "Torch", "SMOKE", use_window=True, frame_start=5, frame_end=5)
    bird = thing(scene, "Bird", "FLOCK", speed=9.0)
    found = [(p.where, p.text) for p in problems(scene)]
    assert ("Torch", "Its smoke ends before it starts; raise its end frame") in found
    assert ("Bird", "Its speed is not between its slowest and its fastest") in found
    assert not [text for _, text in found if "dynamic" in text]
    torch.impetus.role = bird.impetus.role = "NONE"
    assert any("dynamic" in p.text for p in problems(scene))
