"""The estimate beside Make Take, against what a take then takes."""

import os
import time
from pathlib import Path

import bpy
import numpy as np
import pytest

from impetus.backend.contract.outlook.pace import Pace
from impetus.backend.contract.simulation_record import read_simulation

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
needs_backend = pytest.mark.skipif(
    not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)"
)
pytestmark = pytest.mark.blender
LIMIT = 900.0
"Seconds that a take may need on a machine with other things to do."


def add(kind="cube", material="ELASTIC", role="DYNAMIC", **options):
    getattr(bpy.ops.mesh, f"primitive_{kind}_add")(**options)
    ob = bpy.context.object
    ob.impetus.role, ob.impetus.material = role, material
    return ob


def look(scene):
    from blender_addon.outlook import watch

    bpy.context.view_layer.update()
    return watch.look(scene, bpy.context.view_layer)


def lines(outlook):
    from blender_addon.outlook.panels import lines

    return dict(lines(outlook))


def test_particles_follow_from_volume_resolution_and_scale(scene):
    cube = add(size=1, location=(0, 0, 2), rotation=(0.3, 0.2, 0.9))
    add("plane", role="STATIC", size=10)
    assert scene.impetus.resolution == 64
    found = look(scene)
    assert found.particle_count == round(2 / found.spacing) ** 3
    assert found.low[2] == pytest.approx(0.0, abs=1e-6)  # the floor catches it
    cube.scale = (2, 2, 2)
    scene.unit_settings.scale_length = 0.01
    bigger = look(scene)
    assert bigger.particle_count == round(2 * 0.02 / bigger.spacing) ** 3
    scene.impetus.resolution = 128
    assert look(scene).particle_count == pytest.approx(8 * bigger.particle_count, rel=0.1)
    cube.impetus.role = "STATIC"
    assert look(scene) is None


def test_it_is_what_the_exported_shot_says(scene):
    """Bounds of turned, subdivided and instanced objects agree with an export's vertices."""
    from blender_addon.shot_export import export_shot
    from impetus.backend.contract.outlook.reach import automatic_reach
    from impetus.backend.contract.outlook.standing import Standing, mesh_size

    bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.4, 0, 0))
    scene.camera = bpy.context.object
    ball = add("uv_sphere", "SAND", radius=0.7, location=(0, 0, 3), rotation=(0.5, 1, 0))
    ball.scale = (1, 2, 0.5)
    ball.modifiers.new("Subdivide", "SUBSURF").levels = 3  # Catmull-Clark: a modifier counts
    ball.impetus.velocity = (3, 0, 1)
    add("monkey", "WATER", location=(2, 1, 4), rotation=(1, 0, 2))
    add("plane", role="STATIC", size=3)
    found, exported = look(scene), export_shot(scene)
    bodies = []
    for body in exported.shot.bodies:
        pose = exported.arrays.of(body.poses)[0]
        world = exported.arrays.of(body.mesh.vertices) @ pose[:3, :3].T + pose[:3, 3]
        bodies.append(
            Standing(body.name, world.min(0), world.max(0), body.material, velocity=body.velocity)
        )
    low, high = automatic_reach(bodies, np.array([0, 0, -9.81]), None)
    np.testing.assert_allclose(found.low, low, atol=0.01)
    np.testing.assert_allclose(found.high, high, atol=0.01)
    (sand,) = [body.mesh for body in exported.shot.bodies if body.name == "Sphere"]
    volume, _, closed = mesh_size(*map(exported.arrays.of, (sand.vertices, sand.triangles)))
    assert closed
    filled = found.particles["Sphere"] * found.spacing**3 / scene.impetus.particles_per_cell
    assert filled == pytest.approx(volume, rel=0.1)  # the lattice fits the ball's bounds


def test_what_the_view_hides_is_counted(scene):
    cube = add(size=1, location=(0, 0, 2))
    add("plane", role="STATIC", size=10)
    found = look(scene)
    cube.hide_set(True)
    assert look(scene).particle_count == found.particle_count  # a take has it
    cube.hide_set(False)
    cube.hide_viewport = True
    assert look(scene).particle_count == found.particle_count
    cube.hide_render = True
    assert look(scene) is None


def test_bounds_of_a_mesh_with_very_many_vertices():
    from blender_addon.outlook.reading import FEW_VERTICES, _outermost

    rng = np.random.default_rng(3)
    points = rng.normal(size=(2 * FEW_VERTICES, 3))
    points *= [1, 2, 0.5] / np.linalg.norm(points, axis=1)[:, None]
    kept = _outermost(points.astype(np.float32))
    assert len(kept) <= 124
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    np.testing.assert_allclose((kept @ turn).max(0), (points @ turn).max(0), rtol=0.02)


def test_a_capture_is_about_what_its_splats_enclose():
    """A shell of splats with a hole at its foot, as a table leaves it."""
    from blender_addon.outlook.reading import _measure_cloud

    rng = np.random.default_rng(4)
    points = rng.normal(size=(20_000, 3))
    points *= [1, 1, 0.6] / np.linalg.norm(points, axis=1)[:, None]
    found = _measure_cloud(points[points[:, 2] > -0.5].astype(np.float32))
    exact = np.pi * 0.6 * (2 / 3 + 5 / 6 - (5 / 6) ** 3 / 3)
    assert found.volume == pytest.approx(exact, rel=0.1)
    assert _measure_cloud(points[:50].astype(np.float32)) is None


def test_the_panel_says_it_as_people_do(scene):
    from blender_addon.outlook import watch

    add(size=1, location=(0, 0, 2), material="RIGID")
    told = lines(look(scene))
    assert "Particles" not in told
    assert told["Time"] == "Known after a take"
    add(size=1, location=(3, 0, 2), material="SAND")
    told = lines(look(scene))
    assert told["Particles"].replace(",", "").isdigit()
    assert told["Substeps"].endswith("a frame")
    assert told[""] == "for Cube.001"
    assert told["Memory"].endswith(("MB", "GB"))
    watch.shown(scene)  # what drawing the panel does
    bpy.context.view_layer.update()
    assert watch.step()
    assert watch.shown(scene).particle_count > 0
    assert not watch.step()  # nothing has changed since


def test_a_pin_makes_room_for_where_it_goes(scene):
    cube = add(size=1, location=(0, 0, 2))
    hand = bpy.data.objects.new("Hand", None)
    scene.collection.objects.link(hand)
    before = look(scene)
    for frame, x in ((1, 0.0), (10, 5.0)):
        hand.location.x = x
        hand.keyframe_insert("location", frame=frame)
    pin = cube.impetus.acts.add()
    pin.kind, pin.target = "PIN", hand
    assert look(scene).high[0] == pytest.approx(before.high[0] + 5.0, abs=1e-3)


@needs_backend
def test_a_take_takes_what_was_told(scene, tmp_path):
    """Particles within 3 %, substeps of every frame within a factor of 2; then time is known.

    Its particles come beside the frames.
    """
    from blender_addon import takes
    from blender_addon.jobs import machine, session
    from blender_addon.outlook import watch
    from blender_addon.preview import store
    from impetus.backend.contract.client import Client
    from impetus.backend.contract.keys import read_connection

    home = tmp_path / "home"
    machine.choose(python=Path(PYTHON), home=home)
    bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.4, 0, 0))
    scene.camera = bpy.context.object
    add(size=1, location=(0, 0, 1.2), rotation=(0.2, 0.3, 0.1))
    add("uv_sphere", "WATER", radius=0.4, location=(1.5, 0, 1.0))
    add("plane", role="STATIC", size=6)
    scene.frame_end = 11
    settings = scene.impetus
    settings.resolution, settings.splats, settings.take_name = 28, 1000, "Told"
    bpy.ops.object.empty_add(type="CUBE", radius=1.5, location=(0.7, 0, 1.4))
    settings.domain = bpy.context.object
    watch._watch.pace = Pace()  # as on a machine that has made no take yet
    told = look(scene)
    assert told.seconds is None
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    try:
        bpy.ops.impetus.make_take()
        end = time.monotonic() + LIMIT
        while bpy.context.scene.impetus.takes[0].is_active:
            assert time.monotonic() < end, "nothing happened"
            session.tick()
            time.sleep(0.02)
        take = bpy.context.scene.impetus.takes[0]
        assert take.state == "done", take.sentence
        record = read_simulation(takes.folder_of(take))
        assert told.particle_count == pytest.approx(record.frames[0].particles, rel=0.03)
        for frame in record.frames[1:]:
            assert told.substeps_at_rest / 2 <= frame.substeps <= 2 * told.substeps, frame
        assert store.frames_of(take) == list(range(1, 12))
        assert store._newest[take.key] == 11
        points = store.read(takes.folder_of(take) / "points" / "0011.npz")
        assert len(points.position) == record.frames[0].particles
        again = look(scene)
        assert again.seconds > 0
        assert "About" in lines(again)["Time"]
    finally:
        with Client(read_connection(home)) as client:
            client.shutdown()
        machine.choose()
