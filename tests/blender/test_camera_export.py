"""The camera and film of a shot against Blender's own projection, and against what it renders."""

import bpy
import numpy as np
import OpenEXR
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from impetus.backend.cameras.track import project
from impetus.backend.contract.errors import ShotError

pytestmark = pytest.mark.blender

POINT = (0.3, 0.4, 0.5)


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


@pytest.fixture
def camera(scene):
    """A turned camera with a shifted lens before a cube; ten frames of 64 x 48."""
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler = (3, -5, 2), (1.3, 0.05, 0.5)
    camera.data.shift_x, camera.data.shift_y = 0.1, -0.2
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = 64, 48
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.impetus.role = "STATIC"
    return camera


def key(owner, path, **values):
    for frame, value in values.items():
        setattr(owner, path, value)
        owner.keyframe_insert(path, frame=int(frame[1:]))


def seen(exported, row, point):
    """Return where the shot's camera sees a point [m] in a row of its track."""
    track, arrays = exported.shot.camera, exported.arrays
    parallel = track.orthographic is not None and bool(arrays.of(track.orthographic)[row])
    pose, k = arrays.of(track.camera_to_world)[row], arrays.of(track.intrinsics)[row]
    pixel, depth = project(np.array([point]), pose, k, orthographic=parallel)
    return pixel[0], depth[0]


@pytest.mark.parametrize("kind", ["PERSP", "ORTHO"])
def test_the_camera_sees_as_blender_does(scene, camera, kind):
    camera.data.type = kind
    scene.render.resolution_percentage = 50
    scene.render.pixel_aspect_y = 1.5
    scene.unit_settings.scale_length = 0.1
    key(camera, "rotation_euler", f1=(1.4, 0, 0.3), f10=(1.2, 0.1, 0.9))
    key(camera.data, "lens", f1=35.0, f10=70.0)
    key(camera.data, "ortho_scale", f1=3.0, f10=7.0)
    exported = export(scene)
    assert (exported.shot.film.width, exported.shot.film.height) == (32, 24)
    for row in (0, 4, 9):
        scene.frame_set(row + 1)
        x, y, distance = world_to_camera_view(scene, camera, Vector(POINT))
        pixel, depth = seen(exported, row, np.array(POINT) / 10)
        assert pixel == pytest.approx([x * 32, (1 - y) * 24], abs=1e-3)
        assert depth == pytest.approx(distance / 10, abs=1e-5)


def test_a_cut_from_a_pinhole_to_an_orthographic_camera(scene, camera):
    """Markers change the camera, its kind and its clipping with it."""
    other = camera.copy()
    other.data = camera.data.copy()
    other.data.type, other.data.clip_end = "ORTHO", 50
    scene.collection.objects.link(other)
    for frame, ob in ((1, camera), (6, other)):
        scene.timeline_markers.new(ob.name, frame=frame).camera = ob
    exported = export(scene)
    track = exported.shot.camera
    assert exported.arrays.of(track.orthographic).tolist() == [0] * 5 + [1] * 5
    assert track.cuts == (6,)
    clip = exported.arrays.of(track.clip)
    np.testing.assert_allclose(clip[[0, 9]], [[0.1, camera.data.clip_end], [0.1, 50]], rtol=1e-6)
    for row, ob in ((4, camera), (5, other)):
        x, y, _ = world_to_camera_view(scene, ob, Vector(POINT))
        assert seen(exported, row, POINT)[0] == pytest.approx([x * 64, (1 - y) * 48], abs=1e-3)


def test_a_panorama_is_refused(scene, camera):
    camera.data.type = "PANO"
    with pytest.raises(ShotError, match=r"perspective or orthographic camera, got Pano"):
        export(scene)


def rendered(scene, path):
    """Return the alpha (h, w) of what Blender renders of an opaque world."""
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.world = scene.world or bpy.data.worlds.new("World")
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode = "OPEN_EXR", "RGBA"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return np.array(file.channels()["A"].pixels, np.float32)


@pytest.mark.parametrize("crop", [False, True])
def test_the_render_region_is_blenders_to_the_pixel(scene, camera, tmp_path, crop):
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    render = scene.render
    render.use_border, render.use_crop_to_border = True, crop
    rng = np.random.default_rng(3)
    for n in range(4):
        left, top = rng.uniform(0, 0.6, 2)
        right, bottom = np.array([left, top]) + rng.uniform(0.15, 0.4, 2)
        render.border_min_x, render.border_max_x = left, right
        render.border_min_y, render.border_max_y = 1 - bottom, 1 - top
        exported = export(scene)
        film = exported.shot.film
        alpha = rendered(scene, tmp_path / f"{n}.exr")
        assert alpha.shape == (film.height, film.width)
        x0, y0, x1, y1 = film.region or (0, 0, film.width, film.height)
        expected = np.zeros_like(alpha)
        expected[y0:y1, x0:x1] = 1
        np.testing.assert_array_equal(alpha, expected)
        x, y, _ = world_to_camera_view(scene, camera, Vector(POINT))
        corner = film.whole[:2] if crop else (0, 0)
        place = np.array([x * 64, (1 - y) * 48]) - corner
        assert seen(exported, 0, POINT)[0] == pytest.approx(place, abs=1e-3)


def test_an_empty_region_is_the_whole_film(scene, camera):
    scene.render.use_border = True
    scene.render.border_min_x = scene.render.border_max_x = 0.5
    film = export(scene).shot.film
    assert (film.width, film.height, film.region, film.whole) == (64, 48, None, None)


def test_blur_is_what_the_camera_and_the_render_have_and_only_where_it_is_ticked(scene, camera):
    scene.unit_settings.scale_length = 0.1
    render, dof, settings = scene.render, camera.data.dof, scene.impetus
    render.use_motion_blur, render.motion_blur_shutter = True, 0.4
    dof.use_dof, dof.aperture_fstop, dof.aperture_blades = True, 0.5, 6
    dof.aperture_rotation, dof.aperture_ratio = 0.3, 1.5
    key(dof, "focus_distance", f1=2.0, f10=11.0)
    assert export(scene).shot.render.blur is None
    settings.use_motion_blur, settings.blur_samples = True, 8
    blur = export(scene).shot.render.blur
    assert (blur.samples, blur.lens) == (8, None)
    assert blur.shutter == pytest.approx((-0.2, 0.2))
    settings.use_depth_of_field = True
    exported = export(scene)
    blur = exported.shot.render.blur
    lens = exported.arrays.of(blur.lens)
    np.testing.assert_allclose(lens[:, 0], 0.05 / (2 * 0.5) / 10, rtol=1e-5)
    np.testing.assert_allclose(lens[[0, 9], 1], [0.2, 1.1], rtol=1e-5)
    assert (blur.blades, blur.rotation, blur.ratio) == (6, pytest.approx(0.3), 1.5)
    dof.focus_object = bpy.data.objects["Cube"]
    camera.data.type = "ORTHO"
    exported = export(scene)
    lens = exported.arrays.of(exported.shot.render.blur.lens)
    ahead = -camera.matrix_world.to_3x3().col[2]
    distance = ahead.dot(dof.focus_object.location - camera.location)
    np.testing.assert_allclose(lens, [[0.1, distance / 10]] * 10, rtol=1e-5)
    render.use_motion_blur = dof.use_dof = False
    assert export(scene).shot.render.blur is None


@pytest.mark.parametrize(
    ("position", "shutter"), [("START", (0, 0.5)), ("CENTER", (-0.25, 0.25)), ("END", (-0.5, 0))]
)
def test_the_shutter_opens_when_blenders_does(scene, camera, position, shutter):
    if not hasattr(scene.render, "motion_blur_position"):
        pytest.skip("this Blender has no such setting")
    scene.render.use_motion_blur = scene.impetus.use_motion_blur = True
    scene.render.motion_blur_position = position
    assert export(scene).shot.render.blur.shutter == shutter
