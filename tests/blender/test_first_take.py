"""The whole way, as the demo goes it: a scene built, submitted, made, and on the timeline."""

import os
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.blender
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "presets" / "shots" / "first_take.py"


NOT_DIFFUSED = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the demo where the model is no model: the plain take is made all the same."""
    backend_python = os.environ["IMPETUS_BACKEND_PYTHON"]
    out = tmp_path_factory.mktemp("demo")
    model = tmp_path_factory.mktemp("data") / "impetus" / "models" / "tiny"
    model.mkdir(parents=True)
    (model / "model_index.json").write_text("{}")
    command = [sys.executable, "-P", SCRIPT, "--draft", "--diffused", "--out", out]
    command += ["--backend-python", backend_python]
    environment = dict(os.environ, XDG_DATA_HOME=str(model.parents[2]))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == NOT_DIFFUSED, done.stdout + done.stderr
    assert "no diffused take: Expected model_index.json of tiny to name a pipeline" in done.stdout
    return out


def test_the_saved_file_holds_the_take_on_its_timeline(made: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(made / "first_take.blend"))
    scene = bpy.context.scene
    editor = scene.sequence_editor
    (strip,) = editor.strips_all if bpy.app.version >= (4, 4, 0) else editor.sequences_all
    folder = Path(bpy.path.abspath(strip.directory))
    files = [folder / element.filename for element in strip.elements]
    assert [path.name for path in files] == [f"{frame:04d}.png" for frame in range(1, 5)]
    assert all(path.is_file() for path in files)
    new = bpy.app.version >= (5, 1, 0)
    span = (
        (strip.left_handle, strip.right_handle)
        if new
        else (strip.frame_final_start, strip.frame_final_end)
    )
    assert span == (1, 5)


def test_the_strip_shows_the_png_as_it_is(made: Path, tmp_path: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(made / "first_take.blend"))
    scene = bpy.context.scene
    scene.frame_set(3)
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(tmp_path / "frame.png")
    bpy.ops.render.render(write_still=True)
    shown = np.asarray(Image.open(tmp_path / "frame.png").convert("RGB"), int)
    (made_frame,) = made.rglob("impetus/*/beauty/0003.png")
    frame = np.asarray(Image.open(made_frame).convert("RGB"), int)
    assert np.abs(shown - frame).max() <= 1
    assert frame.std() > 10  # a picture, not a flat field
