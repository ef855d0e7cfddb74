"""Blender as a module, with the extension registered and an empty scene for each test."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

STATUS = pytest.StashKey[int]()

sys.path.insert(0, str(Path(__file__).parents[2]))
if importlib.util.find_spec("bpy") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import bpy


@pytest.fixture
def scene() -> Iterator["bpy.types.Scene"]:
    """An empty scene of ten frames, 64 x 48, with the extension registered."""
    import blender_addon

    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_addon.register()
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 10
    scene.render.resolution_x, scene.render.resolution_y = 64, 48
    yield scene
    blender_addon.unregister()


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A backend of its own, in a folder: by IMPETUS_BACKEND_PYTHON, or one that is not there."""
    from blender_addon.jobs import machine

    python = os.environ.get("IMPETUS_BACKEND_PYTHON")
    machine.choose(python=Path(python) if python else tmp_path, home=tmp_path / "home")
    monkeypatch.setattr(machine, "cache_folder", lambda: tmp_path / "cache")
    yield tmp_path
    machine.choose()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[STATUS] = exitstatus


def pytest_unconfigure(config: pytest.Config) -> None:
    """End Blender 4.2 at once: its module crashes when Python frees classes with functions."""
    if importlib.util.find_spec("bpy") is not None and bpy.app.version < (4, 5):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(STATUS, 1))
