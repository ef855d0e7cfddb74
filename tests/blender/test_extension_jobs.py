"""Takes made through the real backend: its server, its worker, tiny shots."""

import os
import time
from pathlib import Path

import bpy
import pytest

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)"),
]
LIMIT = 240.0


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A backend's home; its server ends with the module."""
    from impetus.backend.contract.client import Client
    from impetus.backend.contract.errors import LinkError
    from impetus.backend.contract.keys import read_connection

    home = tmp_path_factory.mktemp("home")
    yield home
    try:
        with Client(read_connection(home)) as client:
            client.shutdown()
    except LinkError:
        pass


@pytest.fixture
def shot(scene, home, tmp_path):
    """A saved file: a cube over a floor, a camera, a sun; four small frames."""
    from blender_addon.jobs import machine

    machine.choose(python=Path(PYTHON), home=home)
    bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.4, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 1.2), size=1)
    bpy.context.object.impetus.role = "DYNAMIC"
    bpy.ops.mesh.primitive_plane_add(size=6)
    bpy.context.object.impetus.role = "STATIC"
    bpy.ops.object.light_add(type="SUN")
    scene.frame_end = 4
    settings = scene.impetus
    settings.resolution, settings.splats, settings.take_name = 16, 3000, "Drop"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield scene
    machine.choose()


def wait(condition):
    """Let the session run, as Blender's timer would, until `condition()`."""
    from blender_addon.jobs import session

    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        session.tick()
        time.sleep(0.02)


def first_take():
    return bpy.context.scene.impetus.takes[0]


def names(strip):
    return [element.filename for element in strip.elements]


def test_a_take_grows_on_the_timeline_and_stays(shot):
    from blender_addon import takes

    assert bpy.ops.impetus.make_take() == {"FINISHED"}
    take = first_take()
    assert take.is_active
    wait(lambda: first_take().frames_done > 0)
    strip = takes.strip_of(shot, take)
    assert names(strip)[0] == "0001.png"
    wait(lambda: not first_take().is_active)
    assert (take.state, take.frames_done) == ("done", 4)
    assert names(strip) == [f"{n:04d}.png" for n in range(1, 5)]
    folder = takes.folder_of(take)
    assert folder == Path(bpy.data.filepath).parent / "impetus" / "Drop_001"
    for name in ("preview.mp4", "contact_sheet.png", "take.json", "passes/0004.exr"):
        assert (folder / name).stat().st_size > 0
    assert take.last_seq > 0
    bpy.ops.impetus.show_take()
    assert bpy.ops.impetus.remove_take(files=True) == {"FINISHED"}
    assert not folder.exists()
    assert not len(takes.strips_of(shot))


def test_a_reopened_file_goes_on_where_it_was(shot):
    from blender_addon import takes
    from blender_addon.jobs.state import state

    shot.impetus.seed = 1
    bpy.ops.impetus.make_take()
    wait(lambda: bool(first_take().job))
    bpy.ops.wm.save_mainfile()
    saved = bpy.data.filepath
    bpy.ops.wm.read_factory_settings(use_empty=True)  # the artist goes elsewhere
    assert not state.known
    bpy.ops.wm.open_mainfile(filepath=saved)
    wait(lambda: not first_take().is_active)
    assert first_take().state == "done"
    assert len(names(takes.strip_of(bpy.context.scene, first_take()))) == 4


def test_a_folder_that_cannot_be_written_is_told_and_waited_for(shot):
    from blender_addon import takes

    shot.impetus.seed = 4
    bpy.ops.impetus.make_take()
    folder = takes.folder_of(first_take())
    folder.rmdir()
    folder.write_text("in the way")
    wait(lambda: bool(first_take().sentence))
    assert "cannot be written" in first_take().sentence
    assert first_take().is_active
    folder.unlink()
    wait(lambda: not first_take().is_active)
    assert (first_take().state, first_take().frames_done) == ("done", 4)
    assert first_take().sentence == ""


def test_a_cancelled_take_resumes(shot):
    shot.impetus.seed, shot.frame_end = 2, 12
    bpy.ops.impetus.make_take()
    wait(lambda: first_take().frames_done > 0)
    bpy.ops.impetus.cancel()
    wait(lambda: not first_take().is_active)
    assert first_take().state == "cancelled"
    assert 0 < first_take().frames_done < 12
    assert bpy.ops.impetus.resume() == {"FINISHED"}
    wait(lambda: not first_take().is_active)
    assert (first_take().state, first_take().frames_done) == ("done", 12)


def test_what_the_backend_cannot_make_is_told_in_the_list(shot):
    bpy.data.objects["Cube"].data.clear_geometry()
    mesh = bpy.data.objects["Cube"].data
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [], [(0, 1, 2)])
    bpy.ops.impetus.make_take()
    wait(lambda: not first_take().is_active)
    assert first_take().state == "failed"
    assert "Cube" in first_take().sentence
    shot.impetus.seed = 3  # the backend goes on serving
    bpy.data.objects["Cube"].data.clear_geometry()
    bpy.ops.object.select_all(action="DESELECT")
    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 2), size=1)
    bpy.context.object.impetus.role = "DYNAMIC"
    bpy.data.objects["Cube"].impetus.role = "NONE"
    bpy.ops.impetus.make_take()
    wait(lambda: not bpy.context.scene.impetus.takes[1].is_active)
    assert bpy.context.scene.impetus.takes[1].state == "done"


def test_render_file_without_a_window(shot, home, tmp_path):
    from blender_addon.headless import DONE, FAILED, render_file, run_command

    said = []
    path, out = bpy.data.filepath, tmp_path / "out"
    before = Path(path).read_bytes()
    chosen = {"python": Path(PYTHON), "home": home}
    assert render_file(path, out, **chosen, say=said.append) == DONE
    assert sorted(each.name for each in (out / "beauty").iterdir())[-1] == "0004.png"
    assert (out / "take.json").is_file()
    assert Path(path).read_bytes() == before
    assert said[-2].endswith(": done")
    assert said[-1] == f"done: {out}"
    (out / "beauty" / "0003.png").unlink()  # a second run puts back what is missing
    assert render_file(path, out, **chosen, say=said.append) == DONE
    assert (out / "beauty" / "0003.png").is_file()
    bpy.context.scene.impetus.seed = 77
    other = tmp_path / "other.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(other))
    assert render_file(other, out, **chosen, say=said.append) == FAILED
    assert "frames of another" in said[-1]
    assert render_file(tmp_path / "none.blend", out, **chosen, say=said.append) == FAILED
    assert said[-1].startswith("error: Expected a blend file")
    bpy.context.scene.camera = None
    bpy.ops.wm.save_as_mainfile(filepath=str(other))
    assert run_command(["render", str(other), "--out", str(out), "--python", PYTHON]) == FAILED
