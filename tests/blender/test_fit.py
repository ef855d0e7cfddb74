"""Views of an object by a background Blender, what they depend on, and a fit of them in a take."""

import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest

PYTHON = os.environ.get("IMPETUS_BACKEND_PYTHON")
pytestmark = pytest.mark.blender
GLOW = {"Red": (0.8, 0.1, 0.2), "Blue": (0.1, 0.3, 0.9)}


def material(name, color, kind="ShaderNodeEmission"):
    made = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        made.use_nodes = True
    nodes = made.node_tree.nodes
    nodes.remove(nodes["Principled BSDF"])
    shader = nodes.new(kind)
    shader.inputs["Color"].default_value = (*color, 1)
    output = next(node for node in nodes if node.type == "OUTPUT_MATERIAL")
    made.node_tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return made


@pytest.fixture
def wedge(scene, tmp_path):
    """A glowing wedge, scaled, turned and away from the origin: no two sides of it are alike."""
    from blender_addon.jobs import machine

    machine.choose(python=Path(PYTHON) if PYTHON else tmp_path, home=tmp_path / "home")
    bpy.ops.mesh.primitive_cone_add(
        vertices=3, radius1=1.0, depth=1.2, location=(2, 1, 0.5), rotation=(0.3, 0.2, 0.7)
    )
    ob = bpy.context.object
    ob.name, ob.scale = "Wedge", (1.0, 0.7, 1.3)
    for name, color in GLOW.items():
        ob.data.materials.append(material(name, color))
    ob.data.polygons[0].material_index = 1
    fit = ob.impetus.fit
    ob.impetus.role, fit.views, fit.size, fit.samples, fit.steps, fit.splats = (
        "STATIC", 4, 24, 4, 20, 200,
    )  # fmt: skip
    bpy.ops.object.camera_add(location=(0, -8, 2), rotation=(1.4, 0, 0))
    scene.camera = bpy.context.object
    scene.frame_end, scene.impetus.take_name = 2, "Wedge"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "wedge.blend"))
    bpy.context.view_layer.objects.active = ob
    yield scene, ob
    machine.choose()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    from blender_addon.jobs import machine

    monkeypatch.setattr(machine, "cache_folder", lambda: tmp_path / "cache")


def rendered(scene, ob):
    """Render an object's views as its fit would, and read them."""
    from blender_addon.fits import order
    from impetus.backend.contract.fits.files import read_views

    made = order.plan(scene, ob)
    steps = list(order._views("fit", made))
    return *read_views(made.views), made, steps


def covered(views, arrays, index, samples=4):
    """Return how much of each pixel the mesh covers, and its mean depth order by material.

    Each triangle is filled where the rays of a pixel hit it: alpha, and which is nearest.
    """
    size = views.film.width
    pose, lens = arrays.of(views.camera_to_body)[index], arrays.of(views.intrinsics)[index]
    vertices, triangles = arrays.of(views.body.mesh.vertices), arrays.of(views.body.mesh.triangles)
    local = (vertices - pose[:3, 3]) @ pose[:3, :3]
    at = (np.arange(size * samples) + 0.5) / samples
    x, y = np.meshgrid((at - lens[2]) / lens[0], (at - lens[3]) / lens[1])
    ray = np.stack([x, y, np.ones_like(x)], axis=-1)
    nearest, which = np.full(x.shape, np.inf), np.full(x.shape, -1)
    for number, (a, b, c) in enumerate(local[triangles]):
        u, v = b - a, c - a
        p = np.cross(ray, v)
        det = p @ u
        det = np.where(np.abs(det) < 1e-12, 1e-12, det)
        s = (p @ -a) / det
        q = np.cross(-a, u)
        t = (ray @ q) / det
        depth = (v @ q) / det
        hit = (s >= 0) & (t >= 0) & (s + t <= 1) & (depth > 0) & (depth < nearest)
        nearest[hit], which[hit] = depth[hit], number
    blocks = which.reshape(size, samples, size, samples)
    return (blocks >= 0).mean(axis=(1, 3)), which


def test_views_show_the_object_where_its_mesh_is_in_its_own_space(wedge) -> None:
    scene, ob = wedge
    before = Path(bpy.data.filepath).read_bytes()
    views, arrays, made, steps = rendered(scene, ob)
    pictures = arrays.of(views.pictures).astype(np.float32)
    assert pictures.shape == (4, 24, 24, 4)
    assert views.light == "scene"
    assert any("view 3 of 4" in step.text for step in steps)
    slot = arrays.of(views.body.looks.surface_index)
    colors = np.array([s.emission for s in views.body.looks.surfaces])
    for index in range(4):
        alpha, which = covered(views, arrays, index)
        assert 0.1 < alpha.mean() < 0.7  # all of it is seen, and it fills the picture
        assert alpha[[0, -1]].max() == alpha[:, [0, -1]].max() == 0
        assert np.abs(pictures[index, ..., 3] - alpha).mean() < 0.02
        middle = which[2::4, 2::4]
        shown = np.where(alpha == 1, slot[middle], -1)
        ways = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        near = [np.roll(shown, way, (0, 1)) == shown for way in ways]
        sure = np.all(near, axis=0) & (shown >= 0)  # the film's filter mixes no other colour in
        expected = colors[slot[middle]][sure]
        np.testing.assert_allclose(pictures[index, ..., :3][sure], expected, atol=0.02)
    assert Path(bpy.data.filepath).read_bytes() == before
    assert not made.copy.exists()
    assert not list(made.folder.glob("*.exr"))


def test_neutral_light_shows_what_a_surface_reflects(wedge) -> None:
    scene, ob = wedge
    ob.data.materials.clear()
    ob.data.materials.append(material("Matt", (0.5, 0.25, 0.1), "ShaderNodeBsdfDiffuse"))
    ob.impetus.fit.light = "NEUTRAL"
    bpy.ops.object.light_add(type="SUN")
    bpy.ops.mesh.primitive_plane_add(size=9)  # neither of them may take part
    views, arrays, _, _ = rendered(scene, ob)
    pictures = arrays.of(views.pictures).astype(np.float32)
    assert views.light == "neutral"
    inside = pictures[pictures[..., 3] == 1]
    np.testing.assert_allclose(inside[:, :3].mean(axis=0), (0.5, 0.25, 0.1), rtol=0.02)


def test_scene_light_falls_on_it_and_others_only_shade_it(wedge) -> None:
    scene, ob = wedge
    ob.data.materials.clear()
    ob.data.materials.append(material("Matt", (0.5, 0.5, 0.5), "ShaderNodeBsdfDiffuse"))
    ob.impetus.fit.samples = 16
    scene.world = None
    bpy.ops.object.light_add(type="SUN")
    bpy.context.object.data.energy = math.pi / 0.5  # a surface that faces it shows 1
    lit = rendered(scene, ob)
    bpy.ops.mesh.primitive_plane_add(size=50, location=(0, 0, 20))
    dark = rendered(scene, ob)
    one, other = (a.of(v.pictures).astype(np.float32) for v, a, _, _ in (lit, dark))
    turned = ob.matrix_world.to_3x3().inverted().transposed()
    facing = max((turned @ face.normal).normalized().z for face in ob.data.polygons)
    np.testing.assert_allclose(one[..., :3].max(), facing, rtol=0.01)
    assert other[..., :3].max() < 0.01
    np.testing.assert_allclose(one[..., 3], other[..., 3], atol=0.05)  # the plane is not seen


def test_an_edit_makes_a_fit_stale_and_its_undoing_makes_it_good_again(wedge) -> None:
    from blender_addon.fits.fitting import is_stale
    from blender_addon.fits.subject import fit_key, mark, subjects

    scene, ob = wedge

    def key():
        return fit_key(scene, subjects(scene), ob)

    first = key()
    assert key() == first
    ob.impetus.fit.key, ob.impetus.fit.mark = first, mark(ob)
    assert not is_stale(ob)
    co = ob.data.vertices[0].co.copy()
    ob.data.vertices[0].co.x += 0.1
    ob.data.update()
    assert key() != first
    assert is_stale(ob)
    ob.data.vertices[0].co = co
    ob.data.update()
    assert key() == first
    assert not is_stale(ob)
    glow = next(n for n in bpy.data.materials["Red"].node_tree.nodes if n.type == "EMISSION")
    glow.inputs["Strength"].default_value = 2.0
    assert key() != first
    assert is_stale(ob)
    glow.inputs["Strength"].default_value = 1.0
    bpy.data.materials.new("Of nothing")  # a saved file forgets it
    bpy.data.lights.new("Of nothing", "POINT")
    assert key() == first
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    scene, ob = bpy.context.scene, bpy.data.objects["Wedge"]
    assert key() == first
    assert not is_stale(ob)
    bpy.ops.object.light_add(type="POINT", location=(0, 0, 4))
    assert key() != first  # in the scene's light, a lamp counts
    ob.impetus.fit.light = "NEUTRAL"
    neutral = key()
    bpy.context.object.location.x = 3.0
    bpy.context.view_layer.update()
    assert key() == neutral
    ob.impetus.fit.steps += 1
    assert key() != neutral


def test_a_take_without_a_fit_says_so_and_keeps_the_surface(wedge) -> None:
    from blender_addon import preflight
    from blender_addon.fits.takes import with_fits
    from blender_addon.shot_export import export_shot

    scene, ob = wedge
    ob.impetus.splat_source = "FITTED"
    exported = with_fits(scene, export_shot(scene))
    assert exported.shot.bodies[0].fit is None
    assert any("Wedge: it is not fitted yet" in text for text in exported.warnings)
    assert any("not fitted yet" in problem.text for problem in preflight.problems(scene))
    ob.impetus.fit.key = "older"
    exported = with_fits(scene, export_shot(scene))
    assert any("Wedge: its fit is of before an edit" in text for text in exported.warnings)
    ob.impetus.role, ob.impetus.material = "DYNAMIC", "WATER"
    exported = with_fits(scene, export_shot(scene))
    assert any("it flows" in text for text in exported.warnings)


def test_what_only_pictures_show_of_a_material_is_no_fault_of_a_fitted_object(wedge) -> None:
    from blender_addon.fits.subject import subjects
    from blender_addon.fits.takes import _is_void
    from blender_addon.shot_export import export_shot

    scene, ob = wedge
    marble = material("Marble", (1, 1, 1), "ShaderNodeBsdfDiffuse")
    nodes = marble.node_tree.nodes
    color = next(node for node in nodes if node.type == "BSDF_DIFFUSE").inputs["Color"]
    marble.node_tree.links.new(nodes.new("ShaderNodeTexNoise").outputs["Color"], color)
    ob.data.materials[0] = marble
    (said,) = (line for line in export_shot(scene).warnings if "only a bake" in line)
    assert said.startswith("Marble: ")
    assert _is_void(said, {"Wedge"}, subjects(scene))
    assert not _is_void(said, set(), subjects(scene))
    assert not _is_void("Wedge: it is open.", {"Wedge"}, subjects(scene))
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.data.materials.append(marble)
    assert not _is_void(said, {"Wedge"}, subjects(scene))  # the cube's surface is of it


@pytest.mark.skipif(not PYTHON, reason="IMPETUS_BACKEND_PYTHON names no Python (build.py test)")
def test_a_fit_is_made_kept_and_shown_in_takes(wedge, tmp_path) -> None:
    from blender_addon import headless
    from blender_addon.fits import order
    from blender_addon.viewport.session import as_it_stands
    from impetus.backend.contract.shot_check import check_shot

    scene, ob = wedge
    said: list[str] = []
    ob.vertex_groups.new(name="Tip").add([0], 1.0, "REPLACE")
    ob.impetus.role, ob.impetus.stiffness_scale.group = "DYNAMIC", "Tip"
    made = headless.fit_object(ob, scene, say=said.append)
    assert ob.impetus.splat_source == "FITTED"
    assert ob.impetus.fit.key == made.key
    for stage in ("view 4 of 4", "load torch", "place splats", "compile the first step", "dB"):
        assert any(stage in line for line in said)
    exported = as_it_stands(scene)
    check_shot(exported.shot, exported.arrays)
    fit = exported.shot.bodies[0].fit
    assert exported.shot.bodies[0].stiffness_scale is not None
    assert fit.mean.shape == (made.splats, 3)
    assert fit.match == pytest.approx(made.match)
    assert not any("fit" in text for text in exported.warnings)
    # In the body's space: on the mesh that the shot has.
    mean = exported.arrays.of(fit.mean)
    vertices = exported.arrays.of(exported.shot.bodies[0].mesh.vertices)
    assert (mean > vertices.min(axis=0) - 0.1).all()
    assert (mean < vertices.max(axis=0) + 0.1).all()
    said.clear()
    again = headless.fit_object(ob, scene, say=said.append)
    assert again == made
    assert not said  # nothing was done twice
    path = order.fit_path(made.key)
    assert headless.fit_file(bpy.data.filepath, "Nothing", say=said.append) == headless.FAILED
    assert "Expected an object Nothing" in said[-1]
    assert path.exists()


def test_the_bar_moves_with_pictures_and_steps(wedge) -> None:
    from blender_addon.fits import order
    from blender_addon.jobs.watched import ChildError

    scene, ob = wedge
    made = order.plan(scene, ob)
    said = ("fit 0 %, load torch", "Wedge: 4 views", "fit 0 %, 9.1 dB, 1,200 splats",
            "fit 50 %, 21.9 dB, 1,413 splats, 0:21 left", "fit 100 %, write splats")  # fmt: skip
    speaks = (sys.executable, "-c", f"print(*{said!r}, sep='\\n')")
    steps = list(order._fit("fit", replace(made, fit=speaks), 0.2))
    told = list(dict.fromkeys((step.text, round(step.factor, 3)) for step in steps))
    assert [each for each in told if each[0] != "Fit: start"] == [
        ("Fit: load torch", 0.2), ("Fit: 9.1 dB", 0.2), ("Fit: 21.9 dB, 0:21 left", 0.6),
        ("Fit: write splats", 1.0),
    ]  # fmt: skip
    speaks = (sys.executable, "-c", "print('IMPETUS 0 4 Wedge\\nIMPETUS 3 4 Wedge')")
    steps = list(order._views("fit", replace(made, render=speaks)))
    assert steps[-1].factor == 0.75 * made.views_share
    assert max(step.factor for step in steps) < made.views_share
    assert made.views_share == order.views_share(ob.impetus.fit) < 0.2
    ob.impetus.fit.samples = 65536
    assert order.views_share(ob.impetus.fit) > 0.7
    fails = (
        sys.executable,
        "-c",
        "print('impetus: Expected room. Free some.'); raise SystemExit(1)",
    )
    with pytest.raises(ChildError) as raised:
        list(order._fit("fit", replace(made, fit=fails), 0.2))
    assert str(raised.value) == "Expected room. Free some."
    silent = (sys.executable, "-c", "raise SystemExit(3)")
    with pytest.raises(ChildError, match=r"The fit ended with 3: it said nothing\. See .*\.log\."):
        list(order._fit("fit", replace(made, fit=silent), 0.2))


def test_the_copy_leaves_preferences_and_file_alone(wedge) -> None:
    from blender_addon.fits import order

    scene, ob = wedge
    chosen = bpy.context.preferences
    chosen.filepaths.file_preview_type, chosen.is_dirty = "CAMERA", False
    before = bpy.data.filepath
    made = order.plan(scene, ob)
    assert made.copy.stat().st_size > 1000
    assert chosen.filepaths.file_preview_type == "CAMERA"
    assert not chosen.is_dirty
    assert bpy.data.filepath == before


def test_the_panel_shows_a_fit_where_one_is_wanted(wedge) -> None:
    from blender_addon.fits import panels

    _, ob = wedge
    shows = bpy.types.PHYSICS_PT_impetus_fit.poll
    assert not shows(bpy.context)
    ob.impetus.splat_source = "FITTED"
    assert shows(bpy.context)
    ob.impetus.role = "SMOKE"
    assert not shows(bpy.context)
    ob.impetus.role = "DYNAMIC"
    for material, flows in (("SAND", True), ("RIGID", False), ("METAL", False), ("CREAM", True)):
        ob.impetus.material = material
        assert panels.flows(ob) == flows
    ob.impetus.role = "STATIC"
    assert not panels.flows(ob)


def test_the_panel_begins_and_ends_a_fit(wedge) -> None:
    from blender_addon.jobs import news, orders
    from blender_addon.jobs.state import state, status, told

    _, ob = wedge
    ob.impetus.splat_source = "FITTED"
    assert bpy.ops.object.impetus_fit.poll()
    assert bpy.ops.object.impetus_fit() == {"FINISHED"}
    assert status().fit == "Wedge"
    assert not bpy.ops.object.impetus_fit.poll()
    assert told(state.fit) == "Start the renderer"
    news.apply(orders.Stepped(state.fit, "Render view 2 of 4", 0.1))
    assert told(state.fit) == "Render view 2 of 4"
    assert status().fit_factor == pytest.approx(0.1)
    state.told[state.fit] = ("Render view 2 of 4", time.monotonic() - 65)
    news.apply(orders.Stepped(state.fit, "Render view 2 of 4", 0.1))
    assert told(state.fit) == "Render view 2 of 4  ·  1:05"  # for so long already
    assert bpy.ops.impetus.stop_fit() == {"FINISHED"}
    assert not status().fit
    assert not state.fit
    bpy.ops.object.impetus_fit()
    news.apply(orders.Trouble(state.fit, "CHILD", "It ended badly.", "See the log."))
    assert not status().fit
    assert status().sentence == "It ended badly."
    assert status().fit_trouble == "It ended badly. See the log."
    bpy.ops.object.impetus_fit()
    assert not status().fit_trouble
    assert bpy.ops.impetus.stop_fit() == {"FINISHED"}
