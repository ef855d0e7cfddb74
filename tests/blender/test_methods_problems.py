"""What is wrong with the diffusion settings, or the backend for them, told beforehand."""

import math
import sys

import bpy
import numpy as np
import pytest

from impetus.backend.contract import methods as m
from impetus.backend.contract.errors import ImpetusError, ShotError

pytestmark = pytest.mark.blender


@pytest.fixture
def stage(scene):
    """A camera before a cube; ten frames of 96 x 72; MotionCraft is chosen."""
    bpy.ops.object.camera_add(location=(0, -8, 0), rotation=(math.pi / 2, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add()
    scene.render.resolution_x, scene.render.resolution_y = 96, 72
    scene.impetus.diffusion.method = "MOTIONCRAFT"
    return scene


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


def texts(scene):
    from blender_addon import preflight

    return [problem.text for problem in preflight.problems(scene) if not problem.is_warning]


def test_problems_are_told_before_the_run(stage):
    diffusion = stage.impetus.diffusion
    diffusion.frame, diffusion.use_frame = 99, True
    assert texts(stage) == ["Its source frame 99 is not in the shot"]
    with pytest.raises(ShotError, match="expected one of 1 to 10, got 99"):
        export(stage)
    bpy.ops.impetus.fix(where="Diffusion", fix="FIRST_SOURCE")
    assert texts(stage) == []
    diffusion.model = "  "
    assert texts(stage) == ["No model is chosen"]
    bpy.ops.impetus.fix(where="Diffusion", fix="BUILT_IN_MODEL")
    bpy.data.window_managers[0].impetus.models = "tiny\nlarge"
    diffusion.model = "missing"
    assert texts(stage) == ["The backend has no model named missing"]
    diffusion.model = "large"
    diffusion.motioncraft.tau, diffusion.motioncraft.steps = 1, 100
    assert texts(stage) == ["So little noise leaves no step; raise Steps or Noise"]
    diffusion.motioncraft.tau, diffusion.motioncraft.novelty.floor = 400, 0.5
    diffusion.motioncraft.novelty.ceiling = 0.25
    assert texts(stage) == ["What is not new is freer than what is"]
    diffusion.method = "MOTION_GUIDANCE"
    guided = diffusion.motion_guidance
    guided.schedule = "1 x"
    assert texts(stage) == ["The schedule is not numbers from 0 up, such as 1 1 0.5"]
    with pytest.raises(ShotError, match="expected numbers from 0 up, got '1 x'"):
        export(stage)
    guided.schedule, guided.terms.flow_weight, guided.terms.color_weight = "0 0", 0, 0
    assert len(texts(stage)) == 2
    guided.schedule, guided.terms.color_weight = "1 0", 1
    stage.render.resolution_percentage = 80
    assert texts(stage) == ["The film is 76 x 57 pixels; the least is 64 x 64"]


def test_motion_that_is_brought_begins_at_the_first_frame(stage, tmp_path):
    diffusion = stage.impetus.diffusion
    diffusion.method, diffusion.motion_guidance.motion = "MOTION_GUIDANCE", "FILE"
    np.save(tmp_path / "flow.npy", np.zeros((9, 6, 8, 2)))
    diffusion.found.path = str(tmp_path / "flow.npy")
    assert texts(stage) == []
    diffusion.frame, diffusion.use_frame = 4, True
    assert texts(stage) == ["Motion that is brought begins at the first frame, not at 4"]
    bpy.ops.impetus.fix(where="Diffusion", fix="FIRST_SOURCE")
    assert export(stage).shot.method.start == m.RenderStart(None)


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A backend's environment that renders, and no more."""
    from blender_addon.jobs import machine
    from blender_addon.jobs.backend_setup import backend_python

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = machine.environment_folder()
    python = backend_python(folder)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (folder / "ready.txt").write_text("impetus-0-py3-none-any.whl")
    return folder


def test_a_backend_that_cannot_diffuse_is_told(stage, environment):
    from blender_addon import preflight

    problem, *others = preflight.problems(stage)
    assert all(other.is_warning for other in others)
    assert problem.text == "The backend has what renders, not yet what diffuses"
    assert problem.fix == "SET_UP_DIFFUSION"
    with pytest.raises(RuntimeError, match=r"online access|Set up the backend first"):
        bpy.ops.impetus.set_up_diffusion()
    (environment / "diffusion.txt").write_text("impetus-0-py3-none-any.whl")
    assert texts(stage) == []


def test_diffusion_that_cannot_be_installed_leaves_no_mark(environment, tmp_path, monkeypatch):
    from blender_addon.jobs import backend_setup

    monkeypatch.setattr(backend_setup, "DIFFUSION_DISK_MEGABYTES", 0)
    wheels = tmp_path / "extension_files" / "wheels"
    wheels.mkdir(parents=True)
    (wheels / "impetus-0-py3-none-any.whl").write_text("no wheel")
    with pytest.raises(ImpetusError, match="Installing the backend ended with"):
        list(backend_setup.set_up_diffusion(environment, wheels.parent))
    assert not backend_setup.can_diffuse(environment)
    assert backend_setup.is_ready(environment, None)


def test_models_are_what_the_backend_tells(stage):
    from blender_addon.jobs import news, orders

    news.apply(orders.Linked("1", ("cpu",), ("tiny", "large")))
    try:
        assert bpy.data.window_managers[0].impetus.models.split("\n") == ["tiny", "large"]
    finally:
        news.apply(orders.Unlinked())
        bpy.data.window_managers[0].impetus.models = ""
