"""Views through the real backend: its server, its viewer, a tiny shot, with and without a take."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon.jobs import machine
from blender_addon.jobs import session as jobs
from blender_addon.jobs.state import state
from blender_addon.viewport import session
from blender_addon.viewport.lens import Lens
from blender_addon.viewport.panes import Pane, Picture, Stand
from blender_addon.viewport.points import clouds_of, matrix_of
from blender_addon.viewport.session import viewing
from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import LinkError
from impetus.backend.contract.keys import read_connection

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)"),
]
LIMIT = 200.0
REGION = 1
DISTANCE = 5.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A backend's home; its server ends with the module."""
    home = tmp_path_factory.mktemp("home")
    yield home
    try:
        with Client(read_connection(home)) as client:
            client.shutdown()
    except LinkError:
        pass


@pytest.fixture
def shot(scene: bpy.types.Scene, home: Path, tmp_path: Path) -> Iterator[bpy.types.Scene]:
    """A red cube of one metre at the origin over a floor, a camera, a sun; three frames."""
    machine.choose(python=Path(str(PYTHON)), home=home)
    bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.4, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 0), size=1)
    bpy.context.object.impetus.role = "DYNAMIC"
    bpy.context.object.color = (1.0, 0.0, 0.0, 1.0)
    bpy.ops.mesh.primitive_plane_add(size=6, location=(0, 0, -1.5))
    bpy.context.object.impetus.role = "STATIC"
    bpy.ops.object.light_add(type="SUN")
    scene.frame_end = 3
    scene.impetus.resolution, scene.impetus.splats = 16, 4000
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield scene
    bpy.data.window_managers[0].impetus.viewport.use = False
    machine.choose()


def wait(condition: Callable[[], object]) -> None:
    """Let the timers run, as Blender would, until `condition()`."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"nothing happened: {viewing.sentence}"
        jobs.tick()
        session.tick()
        time.sleep(0.01)


def look(frame: int, bodies: str = "splats_only") -> Pane:
    """Look at the cube from the front, as the draw handler of a view would have it."""
    pose = np.array([[1, 0, 0, 0], [0, 0, 1, -DISTANCE], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    lens = Lens(pose, np.array([200.0, 200, 80, 60]), 160, 120, 0.1, 100.0, False)
    source = session.source_of(bpy.context.scene)
    assert source is not None
    pane = viewing.panes.of(REGION)
    pane.see(Stand(source, frame, bodies, lens), time.monotonic())  # type: ignore[arg-type]
    return pane


def shown(frame: int, bodies: str = "splats_only") -> Picture:
    wait(lambda: look(frame, bodies).is_shown())
    picture = viewing.panes.of(REGION).picture
    assert picture is not None
    return picture


def test_a_scene_is_shown_before_any_take_and_then_the_take(shot: bpy.types.Scene) -> None:
    settings = bpy.data.window_managers[0].impetus.viewport
    threads = threading.active_count()
    settings.use = True
    wait(lambda: state.is_linked)
    assert session.source_of(shot) is None
    assert session.told(shot) == "Update shows the scene as it stands"
    assert session.tick() is None, "nothing is asked for yet: no timer runs"
    assert bpy.ops.impetus.view_scene() == {"FINISHED"}
    wait(lambda: session.source_of(shot) is not None)
    check_cube(shown(1), height=0.0)
    wide = shown(1, "all")
    assert wide.splats > shown(1).splats
    assert session.tick() is None, "shown finely: no timer runs"
    wait(lambda: len(viewing.clouds) == 2)
    place, color = viewing.clouds[look(1).stand.subject]  # type: ignore[union-attr]
    assert np.abs(place).max() == pytest.approx(0.5, abs=0.02)
    assert (color[:, 0] > color[:, 2]).mean() > 0.5 or color.max() > 0

    bpy.ops.impetus.make_take()
    take = shot.impetus.takes[0]
    wait(lambda: not take.is_active)
    assert take.state == "done"
    assert session.source_of(shot) == take.take
    fallen = -9.81 / 2 * (2 / 24) ** 2
    check_cube(shown(3), height=fallen)
    pane = look(4)
    wait(lambda: look(4).absent is not None)
    assert "Frame 4 is not simulated" in viewing.sentence
    assert not pane.waits()
    settings.subject = "SCENE"
    check_cube(shown(1), height=0.0)
    settings.subject = "TAKE"

    settings.use = False
    assert viewing.watcher is None
    assert not viewing.clouds
    wait(lambda: threading.active_count() <= threads + 1)  # the jobs' own


def check_cube(picture: Picture, height: float) -> None:
    """The front face of the cube: where it is seen, and how far away."""
    rows, columns = np.nonzero(picture.color[..., 3] > 0.5)
    half = 200 * 0.5 / (DISTANCE - 0.5)
    middle = 60 - 200 * height / (DISTANCE - 0.5)
    top, bottom = rows.min() + picture.top, rows.max() + 1 + picture.top
    left, right = columns.min() + picture.left, columns.max() + 1 + picture.left
    assert np.allclose([left, right], [80 - half, 80 + half], atol=1.5)
    assert np.allclose([top, bottom], [middle - half, middle + half], atol=1.5)
    center = picture.depth[round(middle) - picture.top, 80 - picture.left]
    assert center == pytest.approx(DISTANCE - 0.5, abs=0.03)
    assert np.isinf(picture.depth[picture.color[..., 3] == 0]).all()


def test_a_backend_that_ends_is_told_and_one_that_comes_back_is_used(
    shot: bpy.types.Scene, home: Path
) -> None:
    settings = bpy.data.window_managers[0].impetus.viewport
    settings.use = True
    wait(lambda: state.is_linked)
    bpy.ops.impetus.view_scene()
    wait(lambda: session.source_of(shot) is not None)
    shown(1)
    with Client(read_connection(home)) as client:
        client.shutdown()
    wait(lambda: not is_served(home))
    longest = 0.0
    look(2)
    while not viewing.is_lost:
        began = time.monotonic()
        session.tick()
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.01)
    assert longest < 0.2, "nothing waits for what is not there"
    assert viewing.panes.of(REGION).picture is not None, "the picture stays"
    assert session.told(shot)
    assert shown(2).stand.frame == 2, "it was started again"


def is_served(home: Path) -> bool:
    try:
        read_connection(home)
    except LinkError:
        return False
    return True


def test_points_lie_on_the_bodies_where_no_backend_runs(shot: bpy.types.Scene) -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(radius=2.0, location=(3, 0, 0))
    ball = bpy.context.object
    ball.scale = (1, 1, 0.5)
    ball.impetus.role = "STATIC"
    bpy.context.view_layer.update()
    clouds = {cloud.name: cloud for cloud in clouds_of(shot, bpy.context.view_layer)}
    assert set(clouds) == {"Cube", "Plane", "Sphere"}
    cube, _ = clouds["Cube"].points
    assert np.allclose(np.abs(cube).max(axis=1), 0.5, atol=1e-6), "on its faces"
    assert np.abs(cube.mean(axis=0)).max() < 0.02
    matrix = matrix_of(clouds["Sphere"])
    assert matrix is not None
    assert np.allclose(matrix[:3, 3], (3, 0, 0))
    sphere, _ = clouds["Sphere"].points
    assert np.linalg.norm(sphere, axis=1).min() > 2.0 * math.cos(math.pi / 16) - 0.01
    plane, _ = clouds["Plane"].points
    counts, _, _ = np.histogram2d(plane[:, 0], plane[:, 1], bins=4, range=[[-3, 3], [-3, 3]])
    assert counts.std() / counts.mean() < 0.1, "evenly"
    bpy.data.objects.remove(ball)
    assert matrix_of(clouds["Sphere"]) is None
