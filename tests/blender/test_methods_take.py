"""Takes that end in diffusion, made through the real backend with small random networks."""

import os
import subprocess
import time
from pathlib import Path

import bpy
import numpy as np
import pytest
from PIL import Image

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)"),
]
ROOT = Path(__file__).resolve().parents[2]
LIMIT = 240.0
WRITE_NETWORKS = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from impetus.backend.diffusion.flow_network import FlowNetwork
sys.path.append(sys.argv[2])
from tests.tiny_model import write_model
models = Path(sys.argv[1])
models.mkdir(parents=True)
write_model(models / "small")
torch.manual_seed(0)
save_file(FlowNetwork("small").state_dict(), models / "eye.safetensors")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A backend's home, and a user's folder with two networks; the server ends with the module."""
    from impetus.backend.contract.client import Client
    from impetus.backend.contract.errors import LinkError
    from impetus.backend.contract.keys import read_connection

    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    command = [PYTHON, "-P", "-c", WRITE_NETWORKS, str(data / "impetus" / "models"), str(ROOT)]
    subprocess.run(command, check=True, timeout=LIMIT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(data))
        yield home
    try:
        with Client(read_connection(home)) as client:
            client.shutdown()
    except LinkError:
        pass


@pytest.fixture
def shot(scene, home, tmp_path):
    """A saved file: a cube that nothing moves yet, a camera, a sun; three small frames."""
    from blender_addon.jobs import machine

    machine.choose(python=Path(PYTHON), home=home)
    bpy.ops.object.camera_add(location=(0, -6, 0), rotation=(1.5708, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(location=(-0.5, 0, 0), rotation=(0.3, 0.2, 0.4), size=1.5)
    bpy.ops.object.light_add(type="SUN", rotation=(0.8, 0, 0))
    scene.frame_end = 3
    scene.render.resolution_x = scene.render.resolution_y = 64
    settings, diffusion = scene.impetus, scene.impetus.diffusion
    settings.splats, settings.take_name = 3000, "Moved"
    diffusion.model, diffusion.flow_network = "small", "eye"
    bpy.ops.impetus.select(where="Cube")
    diffusion.method = "MOTION_GUIDANCE"
    bpy.ops.impetus.keep_where_it_was()
    cube = bpy.data.objects["Cube"]
    cube.location.x = 0.5
    cube.keyframe_insert("location", frame=3)
    scene.frame_set(1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield scene
    machine.choose()


def make(scene):
    """Make a take of the scene, as Blender's timer would; return its pictures."""
    from blender_addon import takes
    from blender_addon.jobs import session

    assert bpy.ops.impetus.make_take() == {"FINISHED"}
    end = time.monotonic() + LIMIT
    while (take := scene.impetus.takes[-1]).is_active:
        assert time.monotonic() < end, "nothing happened"
        session.tick()
        time.sleep(0.02)
    assert (take.state, take.sentence) == ("done", "")
    strip = takes.strip_of(scene, take)
    assert [element.filename for element in strip.elements] == ["0001.png", "0002.png", "0003.png"]
    files = sorted((takes.folder_of(take) / "beauty").iterdir())
    return np.stack([np.asarray(Image.open(path).convert("RGB"), int) for path in files])


def test_motioncraft_lands_on_the_timeline(shot):
    diffusion = shot.impetus.diffusion
    diffusion.method = "MOTIONCRAFT"
    craft = diffusion.motioncraft
    craft.steps, craft.guidance = 10, 2.0
    frames = make(shot)
    assert frames.shape == (3, 64, 64, 3)
    assert np.abs(frames[1] - frames[0]).mean() > 0.5
    assert "small" in bpy.data.window_managers[0].impetus.models.split("\n")


@pytest.mark.parametrize("motion", ["SHOT", "AUTHORED"])
def test_motion_guidance_lands_on_the_timeline(shot, motion):
    guided = shot.impetus.diffusion.motion_guidance
    guided.steps, guided.recursions, guided.gradient, guided.motion = 4, 1, "ESTIMATE", motion
    guided.terms.flow_iterations, guided.dilation = 1, 0
    if motion == "AUTHORED":
        bpy.ops.impetus.add_edit(kind="SCALE")
    frames = make(shot)
    changed = np.abs(frames[2] - frames[0]).max(-1) > 8
    assert changed.any()
    assert not changed[:2].any()  # far from the edit, the source stays


def test_a_model_that_is_not_there_is_told_in_the_list(shot):
    from blender_addon.jobs import session

    diffusion = shot.impetus.diffusion
    diffusion.method, diffusion.model = "MOTIONCRAFT", "nowhere"
    bpy.data.window_managers[0].impetus.models = ""  # as before the first connection
    assert bpy.ops.impetus.make_take() == {"FINISHED"}
    end = time.monotonic() + LIMIT
    while shot.impetus.takes[-1].is_active and time.monotonic() < end:
        session.tick()
        time.sleep(0.02)
    take = shot.impetus.takes[-1]
    assert take.state == "failed"
    assert "nowhere" in take.sentence
