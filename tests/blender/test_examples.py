"""The example scenes: each builds from nothing and can be sent to the backend as it stands."""

import importlib
import sys
from pathlib import Path

import bpy
import pytest

pytestmark = pytest.mark.blender
SHOTS = Path(__file__).resolve().parents[2] / "presets" / "shots"
NAMES = sorted(path.stem for path in (SHOTS / "examples").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_can_be_made(scene, monkeypatch, name):
    from blender_addon.shot_export import export_shot

    monkeypatch.setattr(sys, "path", [str(SHOTS), *sys.path])
    built = importlib.import_module(f"examples.{name}").build()
    assert built == bpy.context.scene
    made = export_shot(built)
    roles = [thing.impetus.role for thing in built.objects]
    assert {"DYNAMIC", "SMOKE", "FLOCK"} & set(roles)
    assert made.shot.bodies
    assert built.frame_end - built.frame_start + 1 >= 24
