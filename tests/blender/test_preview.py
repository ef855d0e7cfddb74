"""Particles in the 3D view: which file is shown, how it is coloured, what stays in memory."""

import bpy
import numpy as np
import pytest

from impetus.backend.contract.points import Points, encode_points, pack_points
from impetus.backend.contract.take_files import frame_path

pytestmark = pytest.mark.blender


@pytest.fixture
def take(scene, tmp_path):
    """A take with points of frames 1 to 20, the n-th of which moves with up to n m/s."""
    from blender_addon.preview import store

    take = scene.impetus.takes.add()
    take.name, take.key, take.state, take.folder = "Shot_001", "k", "done", str(tmp_path / "take")
    take.first, take.last = 1, 20
    place = np.random.default_rng(2).uniform(0, 1, (100, 3)).astype(np.float32)
    for frame in range(1, 21):
        ramp = np.linspace(0, 1, 100, dtype=np.float32)
        path = frame_path(tmp_path / "take", "points", frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_points(pack_points(Points(place, frame * ramp, ramp, ramp))))
    scene.frame_end = 20
    store.clear()
    yield take
    store.clear()


def shown():
    from blender_addon.preview import store

    return store.present(bpy.context)


def test_nothing_is_read_when_it_is_off(scene, take):
    from blender_addon.preview import store

    assert shown() is None
    assert not store._read


def test_scrubbing_shows_the_frame_s_own_points_and_keeps_few(scene, take):
    from blender_addon.preview import store

    scene.impetus.view.show_points = True
    for frame in range(1, 21):
        scene.frame_set(frame)
        path, points = shown()
        assert path.name == f"{frame:04d}.npz"
        assert points.speed.max() == pytest.approx(frame, rel=1e-3)
    assert len(store._read) == store.KEPT_FRAMES
    scene.frame_set(30)
    assert shown() is None


def test_a_running_job_is_followed(scene, take):
    from blender_addon.preview import store

    scene.impetus.view.show_points = True
    scene.frame_set(3)
    take.state = "running"
    assert shown()[0].stem == "0003"  # nothing has come yet
    store.arrived(take, 7)
    assert shown()[0].stem == "0007"
    scene.impetus.view.follow_job = False
    assert shown()[0].stem == "0003"
    scene.impetus.view.follow_job, take.state = True, "done"
    assert shown()[0].stem == "0003"


def test_a_file_that_is_replaced_or_broken_is_not_the_old_one(scene, take):
    import os

    scene.impetus.view.show_points = True
    path, before = shown()
    path.write_bytes(b"no points")
    os.utime(path, (1, 1))
    assert shown() is None
    path.write_bytes(encode_points(pack_points(before)))
    os.utime(path, (2, 2))
    np.testing.assert_allclose(shown()[1].position, before.position, atol=1e-4)


def test_colours_go_from_blue_to_red(scene, take):
    from blender_addon.preview.coloring import STOPS, colors
    from blender_addon.preview.drawing import values_of

    ramp = np.linspace(0, 2, 9, dtype=np.float32)
    found = colors(ramp, 1.0)
    np.testing.assert_allclose(found[0, :3], STOPS[0])
    np.testing.assert_allclose(found[4:, :3], np.tile(STOPS[-1], (5, 1)))
    assert (found[:, 3] == 1).all()
    scene.impetus.view.show_points = True
    scene.frame_set(20)
    path, points = shown()
    _, upper = values_of(path, points, "SPEED")
    assert upper == pytest.approx(20, rel=0.02)
    scene.frame_set(2)  # the same colours mean the same speed in every frame
    assert values_of(*shown(), "SPEED")[1] == upper
    assert values_of(path, points, "STRAIN")[1] == 0.5
    assert values_of(path, points, "DAMAGE")[1] == 1.0


def test_the_panel_says_what_is_shown(scene, take):
    from blender_addon.preview.panels import state_text

    scene.impetus.view.show_points = True
    scene.frame_set(2)
    assert state_text(bpy.context) == "Frame 2: 0 to 1.98 m/s"
    scene.frame_set(25)
    assert state_text(bpy.context) == "Particles of frames 1 to 20"
    scene.impetus.takes.clear()
    assert state_text(bpy.context) == "There is no take yet"
