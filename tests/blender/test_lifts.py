"""A picture becomes an object: what the operator asks of the backend, and what it puts in place."""

import json
import os
from pathlib import Path

import bpy
import numpy as np
import pytest

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = pytest.mark.blender


@pytest.fixture
def picture(tmp_path):
    """A red ball on a clear ground, 80 x 60, right of the middle."""
    y, x = np.mgrid[:60, :80] + 0.5
    alpha = np.clip(20.5 - np.hypot(x - 46, y - 30), 0, 1)
    rgba = np.stack([0.8 * alpha, 0.1 * alpha, 0.2 * alpha, alpha], axis=-1)[::-1]
    image = bpy.data.images.new("ball", 80, 60, alpha=True)
    image.pixels.foreach_set(rgba.astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(tmp_path / "ball.png"), "PNG"
    image.save()
    return tmp_path / "ball.png"


def ordered(picture, monkeypatch, **properties):
    """Call the operator; return what it asked for."""
    from blender_addon.lifts import lifting

    asked = []
    monkeypatch.setattr(lifting, "begin", asked.append)
    assert bpy.ops.impetus.body_from_picture(filepath=str(picture), **properties) == {"FINISHED"}
    return asked[0]


def test_the_operator_says_what_the_command_reads(scene, picture, backend, monkeypatch):
    plain = ordered(picture, monkeypatch)
    assert plain.options == ("--length", "1", "--lens", "50", "--roundness", "1")
    assert plain.folder == backend / "cache" / "bodies" / "ball"
    wanted = ordered(
        picture, monkeypatch, mask="BOX", box=(10, 5, 90, 95), form="disparity",
        depth_file=str(picture), length=0.25, splats=900,
    )  # fmt: skip
    assert wanted.options[-6:-4] == ("--box", "10%,5%,90%,95%")
    assert wanted.options[-4:] == ("--depth", str(picture), "--depth-kind", "disparity")
    assert wanted.options[:2] == ("--length", "0.25")


def test_refining_is_asked_for_with_what_it_begins_with(scene, picture, backend, monkeypatch):
    home = backend / "home" / "cache"
    wanted = ordered(picture, monkeypatch, refine=True, epochs=20)
    assert wanted.options[6:] == ("--refine", "--epochs", "20", "--cache", str(home))
    wanted = ordered(picture, monkeypatch, refine=True, epochs=20, coarse=str(picture))
    assert wanted.options[-2:] == ("--coarse", str(picture))
    assert "--coarse" not in ordered(picture, monkeypatch, coarse=str(picture)).options


def test_no_body_is_overwritten(scene, picture, backend, monkeypatch):
    (backend / "cache" / "bodies" / "ball").mkdir(parents=True)
    assert ordered(picture, monkeypatch).folder.name == "ball.001"


def test_nothing_is_begun_without_a_picture_or_a_file(scene, picture, tmp_path, backend):
    with pytest.raises(RuntimeError, match="expected a picture"):
        bpy.ops.impetus.body_from_picture(filepath=str(tmp_path / "none.png"))
    for named, asked in (
        ("Mask File", {"mask": "FILE"}),
        ("Mask File", {"mask": "FILE", "mask_file": str(tmp_path / "none.png")}),
        ("Model", {"mask": "SAM"}),
        ("Depth File", {"form": "metric"}),
        ("Coarse Splats", {"refine": True, "coarse": str(tmp_path / "none.ply")}),
    ):
        with pytest.raises(RuntimeError, match=f"{named}: expected a file or folder"):
            bpy.ops.impetus.body_from_picture(filepath=str(picture), **asked)


@pytest.mark.skipif(not PYTHON, reason="needs the backend's Python")
def test_a_picture_becomes_a_body_and_its_camera(scene, picture, backend):
    from blender_addon.lifts import lifting, order
    from blender_addon.shot_export import export_shot

    folder = backend / "body"
    options = ("--length", "0.5", "--splats", "900", "--device", "cpu", "--refine",
               "--epochs", "20", "--cache", str(backend / "kept"))  # fmt: skip
    wanted = order.Wanted(picture, folder, options, True, "DYNAMIC")
    *steps, last = order.run("lift", wanted, Path(PYTHON))
    assert (steps[0].text, steps[0].factor) == ("Make a body", 0.0)
    assert (steps[-1].text, steps[-1].factor) == ("Refine", 1.0)
    assert json.loads((folder / "lift.json").read_text())["epochs"] == 20
    scene.cursor.location = (1, 2, 3)
    ob, _ = lifting.place(bpy.context, last.result)
    bpy.context.view_layer.update()
    assert bpy.context.object == ob
    assert ob.impetus.role == "DYNAMIC"
    assert ob.impetus.capture.count == 900
    assert ob.location[:] == pytest.approx((1, 2, 3))
    assert max(ob.dimensions) == pytest.approx(0.5, rel=0.12)
    assert scene.camera is not None
    assert (scene.render.resolution_x, scene.render.resolution_y) == (80, 60)
    seen = camera_sees(scene, np.array(ob.matrix_world)[:3, 3])
    assert seen == pytest.approx((46, 30), abs=1.5)
    scene.frame_end = 2
    exported = export_shot(scene)
    body = next(body for body in exported.shot.bodies if body.name == "ball")
    assert body.capture is not None
    assert body.role == "dynamic"


def camera_sees(scene, point):
    """Return the pixel (x, y), from the upper left, where the scene's camera sees a point."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    x, y, _ = world_to_camera_view(scene, scene.camera, Vector(point))
    return x * scene.render.resolution_x, (1 - y) * scene.render.resolution_y


@pytest.mark.skipif(not PYTHON, reason="needs the backend's Python")
def test_a_picture_without_object_says_so(scene, picture, backend):
    from blender_addon import headless
    from blender_addon.jobs.watched import ChildError

    said = []
    with pytest.raises(ChildError, match=r"^Expected a box") as raised:
        headless.body_of_picture(
            picture, backend / "body", options=("--box", "0,0,80,60"), say=said.append
        )
    assert raised.value.remedy == ""  # the sentence has it
    assert said == ["ball.png: Make a body"]
    assert not scene.objects
    assert not (backend / "body" / "lift.json").exists()
