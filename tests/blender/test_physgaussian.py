"""A PhysGaussian configuration imported, and the shot that then goes to the backend."""

import json

import bpy
import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract.materials import Metal

pytestmark = pytest.mark.blender

PLANE = {
    "material": "metal", "E": 1e5, "nu": 0.3, "density": 1000, "yield_stress": 100, "n_grid": 60,
    "g": [0, 0, -2.0], "frame_dt": 0.04, "frame_num": 50, "scale": 0.8,
    "grid_v_damping_scale": 0.9999,
    "boundary_conditions": [
        {"type": "bounding_box"},
        {"type": "cuboid", "point": [0.6, 1, 1], "size": [0.1, 1, 1]},
        {
            "type": "enforce_particle_velocity_rotation", "point": [1.4, 1, 1],
            "normal": [0, 1, 0], "half_height_and_radius": [1, 0.1], "rotation_scale": 1.0,
            "start_time": 0.2, "end_time": 1.2,
        },
        {
            "type": "surface_collider", "point": [1, 1, 0.3], "normal": [0, 0, 1],
            "surface": "sticky",
        },
    ],
}  # fmt: skip


@pytest.fixture
def bar(scene):
    bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.4, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(size=2, location=(7, -3, 0))
    bar = bpy.context.object
    bar.scale = (4, 1, 0.5)
    bpy.context.view_layer.update()
    return bar


def test_a_configuration_becomes_a_scene_and_a_shot(bar, scene, tmp_path):
    from blender_addon.shot_export import export_shot

    path = tmp_path / "plane.json"
    path.write_text(json.dumps(PLANE))
    assert bpy.ops.impetus.import_physgaussian(filepath=str(path)) == {"FINISHED"}
    exported = export_shot(scene)
    shot, arrays = exported.shot, exported.arrays
    assert (shot.frames.first, shot.frames.last, shot.frames.fps) == (1, 51, 25.0)
    (body,) = shot.bodies
    assert isinstance(body.material, Metal)
    assert body.material.density == 1000
    assert body.material.young_modulus == pytest.approx(1e5)
    assert body.material.yield_stress == pytest.approx(100 * 1.5**0.5)
    assert body.material.hardening_modulus == 0
    pose = arrays.of(body.poses)[0]
    there = arrays.of(body.mesh.vertices) @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose(there.min(0), (0.6, 0.9, 0.95), atol=1e-5)
    np.testing.assert_allclose(there.max(0), (1.4, 1.1, 1.05), atol=1e-5)
    inset = 3 * 2 / 60
    np.testing.assert_allclose(shot.simulation.domain.low, [inset] * 3, atol=1e-5)
    np.testing.assert_allclose(shot.simulation.domain.high, [2 - inset] * 3, atol=1e-5)
    assert (shot.simulation.resolution, shot.simulation.walls) == (54, "slip")
    np.testing.assert_allclose(arrays.of(shot.gravity), [[0, 0, -2]])
    assert shot.world.ground.height == pytest.approx(0.3)
    assert shot.world.ground.contact.boundary == "stick"
    (drag,) = [force for force in shot.forces if isinstance(force, f.Drag)]
    assert drag.linear == pytest.approx(1.0, rel=1e-3)
    held, turned = [force for force in shot.forces if isinstance(force, f.Pin)]
    assert (held.window, held.motion) == (f.Window(), None)
    assert arrays.of(held.group.weights).sum() == 4
    assert turned.window == f.Window(6, 31)
    pose = arrays.of(turned.motion)[30]  # a second of turning, left-handed about y
    np.testing.assert_allclose(pose[:3, 2], (-np.sin(1), 0, np.cos(1)), atol=1e-4)
    text = bpy.data.texts["PhysGaussian Differences"].as_string()
    assert "plane.json" in text
    assert "- grid_v_damping_scale" in text
    assert "- metal: PhysGaussian's stress" in text


def test_what_is_wrong_with_a_file_is_said(bar, scene, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(PLANE | {"yield_stress": 0}))
    with pytest.raises(RuntimeError, match="nothing holds together"):
        bpy.ops.impetus.import_physgaussian(filepath=str(path))
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = scene.camera
    with pytest.raises(RuntimeError, match="Needs a mesh"):
        bpy.ops.impetus.import_physgaussian(filepath=str(path))


@pytest.mark.parametrize("key", ["ficus", "plane", "tear_bread", "wolf"])
def test_a_published_scene_is_set_up_as_far_as_it_is_known(bar, scene, key):
    from impetus.backend.contract.physgaussian.scenes import scenes

    published = scenes()[key]
    assert bpy.ops.impetus.physgaussian_scene(key=key) == {"FINISHED"}
    config, physics = published.config, bar.impetus
    assert physics.density == config.density
    assert physics.young_modulus == config.E
    assert scene.render.fps / scene.render.fps_base == pytest.approx(1 / config.frame_dt)
    assert scene.frame_end == 1 + config.frame_num
    assert scene.impetus.resolution == config.n_grid
    gravity = (0, 0, -9.81) if "g" in published.untold else config.g
    np.testing.assert_allclose(scene.gravity, gravity, rtol=1e-6)
    drags = [
        ob.field.quadratic_drag for ob in scene.objects if ob.field and ob.field.type == "DRAG"
    ]
    assert sum(drags) == pytest.approx(published.imported.drag, rel=1e-3, abs=1e-6)
    assert all(drag <= 2 for drag in drags)
    assert published.forcing in bpy.data.texts["PhysGaussian Differences"].as_string()
