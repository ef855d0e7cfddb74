"""Captured splats as objects: imported, cropped, placed, and in the shot as they stand."""

import math

import bpy
import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract.captures.files import write_capture
from impetus.backend.contract.captures.gaussians import Gaussians, Points
from impetus.backend.contract.captures.harmonics import basis
from impetus.backend.contract.captures.ply_splats import write_point_ply
from impetus.backend.contract.errors import CaptureError, ShotError

pytestmark = pytest.mark.blender


def some(count=400, degree=1):
    rng = np.random.default_rng(0)
    return Gaussians(
        rng.uniform(-1, 1, (count, 3)).astype("f4") * np.float32([1, 2, 3]),
        rng.uniform(-4, -2, (count, 3)).astype("f4"),
        rng.normal(0, 1, (count, 4)).astype("f4"),
        rng.normal(1, 2, count).astype("f4"),
        rng.uniform(-0.3, 0.3, (count, (degree + 1) ** 2, 3)).astype("f4"),
    )


def imported(path, **options):
    assert bpy.ops.impetus.import_splats(filepath=str(path), **options) == {"FINISHED"}
    return bpy.context.object


def add_camera(scene):
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (0, -9, 0), (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera


def export(scene):
    from blender_addon.shot_export import export_shot

    if scene.camera is None:
        add_camera(scene)
    return export_shot(scene)


def rotation(quaternion):
    import mathutils

    return np.array(mathutils.Quaternion(quaternion.tolist()).normalized().to_matrix())


def covariances(splats):
    half = np.stack([rotation(q) for q in splats.quaternion]) * np.exp(splats.log_scale)[:, None]
    return half @ half.swapaxes(1, 2)


def world_splats(exported, body):
    """Return means, covariances and the pose's rotation of a still body."""
    pose = exported.arrays.of(body.poses)[0]
    turn = pose[:3, :3]
    mean = exported.arrays.of(body.capture.mean) @ turn.T + pose[:3, 3]
    axes = turn @ exported.arrays.of(body.capture.axes)
    return mean, axes @ axes.swapaxes(1, 2), turn


@pytest.mark.parametrize("suffix", ["ply", "spz", "splat"])
def test_a_file_becomes_an_object_of_points(scene, tmp_path, suffix):
    splats = some()
    write_capture(tmp_path / f"stone.{suffix}", splats)
    ob = imported(tmp_path / f"stone.{suffix}", upwards="Z_UP")
    kept = splats.opacity >= 0.02
    assert ob.impetus.capture.count == 400
    assert abs(ob.impetus.capture.kept - kept.sum()) <= 2  # bytes round at the threshold
    assert len(ob.data.vertices) == ob.impetus.capture.kept
    assert len(ob.data.polygons) == 0
    corners = np.array([corner[:] for corner in ob.bound_box])
    assert np.abs(corners.min(0) - splats.mean[kept].min(0)).max() < 0.01
    assert np.abs(corners.max(0) - splats.mean[kept].max(0)).max() < 0.01
    colors = np.empty(4 * len(ob.data.vertices), np.float32)
    ob.data.color_attributes["Color"].data.foreach_get("color", colors)
    assert 0.1 < colors.reshape(-1, 4)[:, :3].mean() < 0.4


def test_a_view_draws_the_points_in_the_files_colours(scene, tmp_path):
    from blender_addon.captures.drawing import points_of

    splats = some(200)
    write_capture(tmp_path / "stone.ply", splats)
    ob = imported(tmp_path / "stone.ply")
    kept = splats.opacity >= ob.impetus.capture.opacity_threshold
    place, color = points_of(ob)
    np.testing.assert_allclose(place, splats.mean[kept], atol=1e-6)
    np.testing.assert_allclose(color[:, :3], splats.colors[kept].clip(0, 1), atol=1e-3)
    assert (color[:, 3] == 1).all()
    assert ob.display_type == "BOUNDS"  # Blender's own dots, of one colour, would cover them


def test_a_preview_that_is_of_before_a_change_is_told(scene, tmp_path):
    from blender_addon.captures.preview import words_of

    write_capture(tmp_path / "stone.ply", some(200))
    ob = imported(tmp_path / "stone.ply")
    settings = ob.impetus.capture

    def refresh():
        bpy.context.view_layer.update()
        assert bpy.ops.object.impetus_capture_refresh() == {"FINISHED"}

    def is_of_now():
        bpy.context.view_layer.update()
        return settings.seen == words_of(ob)

    assert is_of_now()
    settings.opacity_threshold = 0.5
    assert not is_of_now()
    refresh()
    assert is_of_now()
    bpy.ops.object.impetus_crop_add()
    box = settings.boxes[0].box
    refresh()
    ob.location = (3, 2, 1)  # the box moves with it
    assert is_of_now()
    box.location.x += 0.1
    assert not is_of_now()
    settings.boxes[0].use = False
    assert not is_of_now()
    box.location.x -= 0.1
    settings.boxes[0].use = True
    assert is_of_now()


def test_a_preview_is_thinned_and_as_large_as_the_whole(scene, tmp_path):
    splats = some(5000)
    write_capture(tmp_path / "stone.ply", splats)
    ob = imported(tmp_path / "stone.ply")
    ob.impetus.capture.preview_points, ob.impetus.capture.opacity_threshold = 300, 0.0
    assert bpy.ops.object.impetus_capture_refresh() == {"FINISHED"}
    assert len(ob.data.vertices) <= 300
    corners = np.array([corner[:] for corner in ob.bound_box])
    assert np.abs(corners.max(0) - splats.mean.max(0)).max() < 1e-5
    assert len(export(scene).arrays.of(export(scene).shot.bodies[0].capture.mean)) == 5000


@pytest.mark.parametrize(
    ("upwards", "up"), [("Y_DOWN", (0, -1, 0)), ("Y_UP", (0, 1, 0)), ("Z_UP", (0, 0, 1))]
)
def test_the_files_up_is_blenders(scene, tmp_path, upwards, up):
    write_capture(tmp_path / "stone.ply", some(50))
    ob = imported(tmp_path / "stone.ply", upwards=upwards)
    bpy.context.view_layer.update()
    assert np.allclose(np.array(ob.matrix_world)[:3, :3] @ up, (0, 0, 1), atol=1e-6)


@pytest.mark.parametrize("scale", [(1, 1, 1), (2, 0.5, 1), (-1, 1, 1), (-1, -2, -1)])
def test_the_transform_is_obeyed_by_places_shapes_and_colours(scene, tmp_path, scale):
    splats = some(200, 3)
    write_capture(tmp_path / "stone.ply", splats)
    ob = imported(tmp_path / "stone.ply", upwards="Z_UP")
    ob.impetus.capture.opacity_threshold = 0.0
    ob.location, ob.rotation_euler, ob.scale = (1, 2, 3), (0.4, -0.3, 1.2), scale
    scene.unit_settings.scale_length = 0.5
    exported = export(scene)
    (body,) = exported.shot.bodies
    assert (body.role, body.contact, body.material) == ("static", None, None)
    matrix = np.array(ob.matrix_world)
    linear = matrix[:3, :3]
    mean, covariance, turn = world_splats(exported, body)
    expected = 0.5 * (splats.mean @ linear.T + matrix[:3, 3])
    assert np.abs(mean - expected).max() < 1e-5
    assert np.abs(covariance - 0.25 * linear @ covariances(splats) @ linear.T).max() < 1e-5
    # a rigid or mirrored object shows to the moved eye what it showed to the eye
    if abs(scale[0]) == abs(scale[1]) == 1:
        away = np.random.default_rng(1).normal(size=(200, 3))
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        before = np.einsum("nk,nkc->nc", basis(away), splats.harmonics)
        moved = away @ linear.T
        waves = exported.arrays.of(body.capture.harmonics)
        after = np.einsum("nk,nkc->nc", basis(moved @ turn), waves)
        assert np.abs(after - before).max() < 1e-4


def test_threshold_and_boxes_leave_what_they_should(scene, tmp_path):
    splats = some(2000)
    write_capture(tmp_path / "stone.ply", splats)
    ob = imported(tmp_path / "stone.ply")  # lies turned: boxes are found in the world
    ob.scale = (2, 2, 2)
    settings = ob.impetus.capture
    settings.opacity_threshold = 0.5
    bpy.ops.object.impetus_crop_add()
    keep = settings.boxes[0].box
    keep.scale, keep.location, keep.rotation_euler = (0.5, 1, 1), (0, 0.2, 0), (0, 0, 0.5)
    cube = bpy.data.meshes.new("Cut")
    cube.from_pydata([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], [], [])
    cut = bpy.data.objects.new("Cut", cube)
    scene.collection.objects.link(cut)
    crop = settings.boxes.add()
    crop.box, crop.side = cut, "CUT"
    exported = export(scene)
    local = (splats.mean - np.float32([0, 0.2, 0])) @ rotation(np.array([
        math.cos(0.25), 0, 0, math.sin(0.25)]))  # fmt: skip
    inside = (np.abs(local) <= [0.5, 1, 1]).all(axis=1)
    world = splats.mean @ np.array(ob.matrix_world)[:3, :3].T
    away = ~((world >= 0) & (world <= 1)).all(axis=1)
    kept = inside & away & (splats.opacity >= 0.5)
    assert 20 < kept.sum() < 300
    body = next(each for each in exported.shot.bodies if each.capture)
    assert exported.arrays.of(body.capture.mean).shape == (kept.sum(), 3)
    settings.boxes[1].use = False
    body = next(each for each in export(scene).shot.bodies if each.capture)
    assert body.capture.mean.shape[0] == (inside & (splats.opacity >= 0.5)).sum()
    keep.location = (99, 0, 0)
    with pytest.raises(ShotError, match=r"stone: expected splats inside its crop boxes"):
        export(scene)


def test_a_capture_is_a_body_with_a_material(scene, tmp_path):
    write_capture(tmp_path / "stone.ply", some())
    ob = imported(tmp_path / "stone.ply")
    assert bpy.ops.object.impetus_add() == {"FINISHED"}
    physics = ob.impetus
    physics.material, physics.velocity = "SAND", (0, 0, 2)
    physics.use_inner_color, physics.inner_color = True, (1, 0.5, 0.25)
    (body,) = export(scene).shot.bodies
    assert body.role == "dynamic"
    assert isinstance(body.material, materials.Sand)
    assert body.velocity == (0, 0, 2)
    assert body.looks.inner_color == (1, 0.5, 0.25)
    vertices = export(scene).arrays.of(body.mesh.vertices)
    mean = export(scene).arrays.of(body.capture.mean)
    assert np.abs(vertices.max(0) - mean.max(0)).max() < 1e-3


def test_points_are_a_capture_too(scene, tmp_path):
    rng = np.random.default_rng(2)
    points = Points(rng.random((300, 3), "f4"), rng.random((300, 3), "f4"))
    with (tmp_path / "wall.ply").open("wb") as stream:
        write_point_ply(stream, points)
    imported(tmp_path / "wall.ply")
    exported = export(scene)
    capture = exported.shot.bodies[0].capture
    assert capture.axes is None
    shown = 0.5 + 0.28209479 * exported.arrays.of(capture.harmonics)[:, 0]
    assert np.abs(shown - points.color).max() < 0.003


def test_an_animated_capture_moves(scene, tmp_path):
    write_capture(tmp_path / "stone.ply", some(50))
    ob = imported(tmp_path / "stone.ply")
    for frame, height in ((1, 0.0), (10, 9.0)):
        ob.location.z = height
        ob.keyframe_insert("location", frame=frame)
    exported = export(scene)
    (body,) = exported.shot.bodies
    assert body.role == "kinematic"
    assert exported.arrays.of(body.poses)[-1, 2, 3] == pytest.approx(9)


def test_a_bad_file_leaves_nothing_behind(scene, tmp_path):
    write_capture(tmp_path / "stone.ply", some(50))
    whole = (tmp_path / "stone.ply").read_bytes()
    (tmp_path / "cut.ply").write_bytes(whole[:-7])
    for name in ("cut.ply", "none.ply"):
        before = len(bpy.data.objects), len(bpy.data.meshes)
        with pytest.raises(RuntimeError, match="expected"):
            bpy.ops.impetus.import_splats(filepath=str(tmp_path / name))
        assert (len(bpy.data.objects), len(bpy.data.meshes)) == before


def test_a_file_that_went_away_is_told_before_and_at_export(scene, tmp_path):
    from blender_addon import preflight

    write_capture(tmp_path / "stone.ply", some(50))
    ob = imported(tmp_path / "stone.ply")
    ob.impetus.role = "STATIC"
    add_camera(scene)
    assert not [
        p for p in preflight.problems(scene) if "no faces" in p.text or "not there" in p.text
    ]
    (tmp_path / "stone.ply").unlink()
    assert any("splats are not there" in problem.text for problem in preflight.problems(scene))
    with pytest.raises(CaptureError, match="No such file"):
        export(scene)


def test_what_was_left_out_is_warned_of(scene, tmp_path):
    splats = some(50)
    splats.mean[3] = np.nan
    write_capture(tmp_path / "stone.ply", splats)
    imported(tmp_path / "stone.ply")
    assert any("stone: 1 of 50 hold NaN" in text for text in export(scene).warnings)
