"""The example scenes: each builds from nothing and can be sent to the backend as it stands."""

import importlib
import os
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = pytest.mark.blender
SHOTS = Path(__file__).resolve().parents[2] / "presets" / "shots"
NAMES = sorted(path.stem for path in (SHOTS / "examples").glob("[a-z]*.py"))
PREPARED = {"rubber_duck"}
"Whose body is not there before `prepare`."


def example(name, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SHOTS), *sys.path])
    return importlib.import_module(f"examples.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_can_be_made(scene, monkeypatch, name):
    from blender_addon.shot_export import export_shot

    built = example(name, monkeypatch).build()
    assert built == bpy.context.scene
    made = export_shot(built)
    roles = [thing.impetus.role for thing in built.objects]
    assert bool({"DYNAMIC", "SMOKE", "FLOCK"} & set(roles)) != (name in PREPARED)
    assert made.shot.bodies
    assert built.frame_end - built.frame_start + 1 >= 24


def test_a_turned_mesh_is_closed_and_the_same_every_time(monkeypatch):
    example("sunflower", monkeypatch)
    import parts

    profile, steps = [(0.0, 0.0), (0.5, 0.0), (0.3, 1.0), (0.0, 1.0)], 12
    one, other = (parts.turned("Cone", profile, steps=steps) for _ in range(2))
    assert [v.co[:] for v in one.vertices] == [v.co[:] for v in other.vertices]
    assert [f.vertices[:] for f in one.polygons] == [f.vertices[:] for f in other.polygons]
    one.calc_loop_triangles()
    corners = np.array([[one.vertices[v].co for v in t.vertices] for t in one.loop_triangles])
    volume = np.einsum("ij,ij", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    base = steps / 2 * np.sin(2 * np.pi / steps)  # of a polygon about the unit circle
    assert volume == pytest.approx(base * (0.5**2 + 0.5 * 0.3 + 0.3**2) / 3, rel=1e-5)


@pytest.mark.skipif(not PYTHON, reason="needs the backend's Python")
def test_the_duck_comes_out_of_its_portrait_over_the_floor(scene, backend, monkeypatch):
    from blender_addon.shot_export import export_shot
    from impetus.backend.contract.shot_check import check_shot

    duck = example("rubber_duck", monkeypatch)
    monkeypatch.setattr(duck, "PICTURE", 96)
    monkeypatch.setattr(duck, "SPLATS", 900)
    built, said = duck.build(), []
    duck.prepare(built, backend, said.append)
    assert "duck.png: Make a body" in said
    made = export_shot(built)
    check_shot(made.shot, made.arrays)
    body = next(body for body in made.shot.bodies if body.name == "duck")
    assert (body.role, body.capture is not None) == ("dynamic", True)
    places, pose = made.arrays.of(body.capture.mean), made.arrays.of(body.poses)[0]
    assert len(places) == 900
    assert np.ptp(places, axis=0).max() == pytest.approx(duck.LENGTH, rel=0.12)
    height = (places @ pose[:3, :3].T + pose[:3, 3])[:, 2]
    assert height.min() > duck.DROP
    assert height.max() < built.impetus.domain.location.z + built.impetus.domain.scale.z


def test_the_sunflower_is_to_be_fitted_and_held_by_its_foot(scene, backend, monkeypatch):
    from blender_addon.fits import order

    built = example("sunflower", monkeypatch).build()
    flower = built.objects["Sunflower"]
    assert flower.impetus.splat_source == "FITTED"
    if PYTHON:  # what `prepare` asks for can be done
        made = order.plan(built, flower)
        assert made.object == "Sunflower"
        assert made.copy.exists()
    group = flower.vertex_groups["Foot"].index
    held = [v.co.z for v in flower.data.vertices if any(g.group == group for g in v.groups)]
    assert max(held) < 0.05
    assert min(held) == min(v.co.z for v in flower.data.vertices)
