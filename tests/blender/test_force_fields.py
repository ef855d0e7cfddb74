"""Exported fields, by the formulas that the kernels follow, against Blender's own particles."""

import math

import bpy
import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.kernels.blender_noise import PERMUTATION, gust

from ..reference_fields import acceleration

pytestmark = pytest.mark.blender

STEP = 0.04
"Seconds that Blender's particles take a frame for, at any rate of frames."
NUMBERS = np.array(PERMUTATION)
PLACED = {"location": (0.3, 0.2, 0.1), "rotation_euler": (0.3, 0.5, 0.7), "scale": (1, 2, 0.5)}


def add_particles(scene, count=60, velocity=(0.0, 0.0, 0.0)):
    """Particles of 1 kg at random places, all born in frame 1, that only fields act on."""
    places = np.random.default_rng(1).uniform(-2, 2, (count, 3))
    mesh = bpy.data.meshes.new("Emitter")
    mesh.from_pydata(places.tolist(), [], [])
    emitter = bpy.data.objects.new("Emitter", mesh)
    scene.collection.objects.link(emitter)
    emitter.modifiers.new("Particles", "PARTICLE_SYSTEM")
    settings = emitter.particle_systems[0].settings
    settings.count, settings.frame_start, settings.frame_end = count, 1, 1
    settings.lifetime, settings.emit_from = 1000, "VERT"
    settings.use_emit_random, settings.normal_factor = False, 0.0
    settings.object_align_factor = velocity
    settings.mass, settings.drag_factor, settings.integrator = 1.0, 0.0, "EULER"
    settings.effector_weights.gravity = 0.0
    return emitter


def add_field(kind, **values):
    bpy.ops.object.effector_add(type="FORCE")
    ob = bpy.context.object
    ob.name, ob.field.type, ob.field.shape, ob.field.flow = "Field", kind, "POINT", 0.0
    for name, value in values.items():
        setattr(ob if hasattr(ob, name) else ob.field, name, value)
    return ob


def states(scene, emitter, frames):
    found = []
    for frame in frames:
        scene.frame_set(frame)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        particles = emitter.evaluated_get(depsgraph).particle_systems[0].particles
        x, v = np.zeros(3 * len(particles)), np.zeros(3 * len(particles))
        particles.foreach_get("location", x)
        particles.foreach_get("velocity", v)
        found.append((x.reshape(-1, 3), v.reshape(-1, 3)))
    return found


def exported_field(scene):
    from blender_addon.shot_export import export_shot

    if scene.camera is None:
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
    exported = export_shot(scene)
    (field,) = exported.shot.forces
    return field, exported.arrays, exported.warnings


NEAR = {"falloff_power": 1.5, "use_min_distance": True, "distance_min": 0.6,
        "use_max_distance": True, "distance_max": 2.2}  # fmt: skip
TUBE = {"falloff_type": "TUBE", "falloff_power": 1.0, "radial_falloff": 0.7,
        "use_radial_min": True, "radial_min": 0.3, "use_radial_max": True, "radial_max": 1.6,
        "z_direction": "POSITIVE"}  # fmt: skip
CONE = {"falloff_type": "CONE", "falloff_power": 0.5, "radial_falloff": 0.4,
        "use_radial_max": True, "radial_max": 70.0, "z_direction": "POSITIVE"}  # fmt: skip
KINDS = {
    "FORCE": {"strength": 3.0, "flow": 0.4},
    "WIND": {"strength": 3.0, "flow": 1.0},
    "VORTEX": {"strength": 1.5, "flow": 0.3},
    "TURBULENCE": {"strength": 4.0, "size": 0.7, "flow": 0.2},
    "DRAG": {"linear_drag": 0.4, "quadratic_drag": 0.3},
    "HARMONIC": {"strength": 2.0, "rest_length": 0.7, "harmonic_damping": 0.3},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("falloff", [{}, NEAR, TUBE, CONE], ids=["none", "near", "tube", "cone"])
def test_a_field_does_what_it_does_to_blenders_particles(scene, kind, falloff):
    shapes = ("POINT", "PLANE") if kind == "VORTEX" else ("POINT", "LINE", "PLANE")
    for shape in shapes:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = bpy.context.scene
        scene.frame_end, scene.use_gravity = 3, False
        emitter = add_particles(scene, velocity=(0.5, 1.0, -0.7))
        add_field(kind, shape=shape, **KINDS[kind], **PLACED, **falloff)
        (x, v), (_, after) = states(scene, emitter, (1, 2))
        field, arrays, _ = exported_field(scene)
        expected = acceleration(field, arrays, 0, x, v, NUMBERS)
        found = (after - v) / STEP
        np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(found).max() + 1e-5)
        assert np.abs(found).max() > 0.1


def test_turbulence_of_the_world_and_of_no_size(scene):
    scene.use_gravity = False
    emitter = add_particles(scene)
    ob = add_field("TURBULENCE", strength=2.0, size=0.0, use_global_coords=True, **PLACED)
    for is_global in (True, False):
        ob.field.use_global_coords = is_global
        emitter.particle_systems[0].seed += 1  # else the particles come from the cache
        (x, v), (_, after) = states(scene, emitter, (1, 2))
        field, arrays, _ = exported_field(scene)
        assert field.is_global == is_global
        expected = acceleration(field, arrays, 0, x, v, NUMBERS)
        np.testing.assert_allclose((after - v) / STEP, expected, atol=1e-3)


def test_noise_is_that_of_the_first_particle(scene):
    scene.use_gravity = False
    emitter = add_particles(scene, count=1)
    add_field("WIND", strength=3.0, noise=2.0, seed=7)
    found = np.diff([v[0, 2] for _, v in states(scene, emitter, range(1, 9))]) / STEP
    field, _, _ = exported_field(scene)
    assert (field.noise, field.seed) == (2.0, 7)
    expected = [3.0 + 2.0 * gust(field.seed + frame) for frame in range(2, 9)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_particle_flies_as_blenders_through_a_keyed_and_moving_field(scene):
    """Over one second, steps of Blender's own kind: within 5 % of the way that it makes."""
    scene.use_gravity, scene.frame_end = False, 26
    emitter = add_particles(scene, count=40, velocity=(0.2, 0.0, 0.1))
    ob = add_field("VORTEX", falloff_power=1.0, flow=0.5)
    for frame, strength, x in ((1, 1.0, -1.0), (14, 3.0, 0.0), (26, -1.0, 1.0)):
        ob.field.strength, ob.location.x = strength, x
        ob.keyframe_insert("field.strength", frame=frame)
        ob.keyframe_insert("location", index=0, frame=frame)
    found = states(scene, emitter, range(1, 27))
    field, arrays, _ = exported_field(scene)
    assert len(arrays.of(field.strength)) == len(arrays.of(field.poses)) == 26
    x, v = found[0]
    for row in range(1, 26):
        x, v = x + STEP * v, v + STEP * acceleration(field, arrays, row, x, v, NUMBERS)
    way = np.linalg.norm(found[-1][0] - found[0][0], axis=1)
    away = np.linalg.norm(x - found[-1][0], axis=1)
    assert (away < 0.05 * np.maximum(way, way.mean())).all()


def test_units_and_keyed_numbers_come_out_in_metres(scene):
    scene.unit_settings.scale_length = 0.5
    ob = add_field("FORCE", strength=4.0, falloff_power=1.0, use_max_distance=True,
                   distance_max=3.0, location=(2.0, 0.0, 0.0))  # fmt: skip
    for frame, power in ((1, 1.0), (10, 2.0)):
        ob.field.falloff_power = power
        ob.keyframe_insert("field.falloff_power", frame=frame)
    field, arrays, _ = exported_field(scene)
    assert isinstance(field, f.PointForce)
    assert arrays.of(field.strength).tolist() == [2.0]
    assert (field.unit, field.falloff.farthest) == (0.5, 1.5)
    power = arrays.of(field.falloff.power)
    assert (power[0], power[-1], len(power)) == (1.0, 2.0, 10)
    x = np.array([[2.0, 0.0, 0.0]])  # two units beside it
    a = acceleration(field, arrays, 0, x, np.zeros((1, 3)), NUMBERS)
    assert a[0, 0] == pytest.approx(4.0 * 0.5 / (1 + 2))


def test_what_acts_otherwise_is_told_and_what_blender_ignores_is_ignored(scene):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.forcefield_toggle()
    cube.field.type, cube.field.shape, cube.field.flow = "FORCE", "SURFACE", -1.0
    field, _, warnings = exported_field(scene)
    assert field.shape == "point"
    assert field.flow == 0
    assert any("Surface is not simulated" in text for text in warnings)
    assert any("below zero" in text for text in warnings)
    cube.field.apply_to_location = False
    from blender_addon.shot_export import export_shot

    assert not export_shot(scene).shot.forces
    cube.field.apply_to_location, cube.hide_viewport = True, True
    assert not export_shot(scene).shot.forces
    cube.hide_viewport, cube.field.type = False, "LENNARDJ"
    exported = export_shot(scene)
    assert not exported.shot.forces
    assert any("not simulated" in text for text in exported.warnings)


def test_a_field_turned_over_by_its_scale_blows_the_other_way(scene):
    add_field("WIND", strength=3.0, scale=(1, 1, -1), rotation_euler=(0, math.pi / 2, 0))
    field, arrays, _ = exported_field(scene)
    np.testing.assert_allclose(arrays.of(field.poses)[0, :3, 2], [-1, 0, 0], atol=1e-6)
    assert np.linalg.det(arrays.of(field.poses)[0, :3, :3]) == pytest.approx(1)
