"""Motion and masks that a scene hands to a method: simulators, files, videos, outlines."""

import math
import struct
from pathlib import Path

import bpy
import numpy as np
import pytest

from impetus.backend.contract import image_motions as im
from impetus.backend.contract.errors import ShotError

pytestmark = pytest.mark.blender
WIDTH, HEIGHT = 96, 72


@pytest.fixture
def stage(scene):
    """A camera eight units before a unit cube; four frames of 96 x 72."""
    bpy.ops.object.camera_add(location=(0, -8, 0), rotation=(math.pi / 2, 0, 0))
    scene.camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(size=2)
    scene.frame_end = 4
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.impetus.diffusion.method = "MOTIONCRAFT"
    return scene


def export(scene):
    from blender_addon.shot_export import export_shot

    return export_shot(scene)


def motion(scene, kind):
    scene.impetus.diffusion.settings.motion = kind
    return export(scene).shot.method.motion


def array(scene, pick):
    exported = export(scene)
    return exported.arrays.of(pick(exported.shot.method))


def in_film(x, y, z):
    """Return the pixel of a world point, by hand: lens 50 mm on a sensor of 36, looking along Y."""
    focal = 50 / 36 * WIDTH
    return WIDTH / 2 + focal * x / (y + 8), HEIGHT / 2 - focal * z / (y + 8)


def covered(x0, y0, x1, y1):
    """Return the pixels whose middles lie in a rectangle."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return (x > x0) & (x < x1) & (y > y0) & (y < y1)


def cube_front():
    return covered(*in_film(-1, -1, 1), *in_film(1, -1, -1))


# --- simulators


def test_simulators_get_their_numbers(stage):
    diffusion = stage.impetus.diffusion
    diffusion.slide.step = (3, -2)
    assert motion(stage, "SHIFT") == im.ShiftMotion((3.0, -2.0))
    diffusion.slide.turn_angle, diffusion.slide.growth = 0.25, 1.5
    diffusion.slide.turn_center = (0.25, 0.75)
    assert motion(stage, "TURN") == im.TurnMotion(0.25, 1.5, (0.25, 0.75))
    diffusion.slide.sphere_angle, diffusion.slide.radius = 0.5, 0.25
    diffusion.slide.axis, diffusion.slide.sphere_center = (1, 0, 0), (0.5, 0.25)
    assert motion(stage, "SPHERE") == im.SphereMotion((0.5, 0.25), 0.25, 0.5, (1.0, 0.0, 0.0))
    smoke = diffusion.smoke
    smoke.buoyancy, smoke.vorticity, smoke.emission, smoke.wind = 2, 0.5, 3, (1, 0)
    smoke.resolution = 64
    assert motion(stage, "SMOKE") == im.SmokeMotion(None, None, 2.0, 0.5, (1.0, 0.0), 3.0, 64)
    liquid = diffusion.liquid
    liquid.gravity, liquid.inflow_velocity, liquid.resolution = (0, 2), (1, 1), 32
    found = motion(stage, "LIQUID")
    assert found == im.LiquidMotion(None, None, None, (1.0, 1.0), (0.0, 2.0), 32)
    flock = diffusion.flock
    flock.count, flock.speed, flock.separation, flock.alignment, flock.cohesion = 5, 2, 1, 2, 3
    assert motion(stage, "FLOCK") == im.FlockMotion(None, 5, 2.0, 1.0, 2.0, 3.0, None)
    flock.use_goal, flock.goal = True, (0.5, 0.25)
    assert motion(stage, "FLOCK").goal == (0.5, 0.25)


# --- masks


def test_an_outline_is_exact(stage):
    mask = stage.impetus.diffusion.motioncraft.novelty.mask
    mask.source, mask.object = "OBJECT", bpy.data.objects["Cube"]
    found = array(stage, lambda method: method.novelty.mask)
    assert found.dtype == np.uint8
    assert ((found > 0) == cube_front()).all()
    mask.invert = True
    found = array(stage, lambda method: method.novelty.mask)
    assert ((found > 0) == ~cube_front()).all()


def test_an_outline_of_a_ball_follows_its_tangents(stage):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=6, location=(0.7, 0, 0.4))
    mask = stage.impetus.diffusion.motioncraft.novelty.mask
    mask.source, mask.object = "OBJECT", bpy.context.object
    bpy.data.objects["Cube"].hide_render = True  # but shown in the window: it hides nothing
    stage.camera.data.shift_x = 0.1
    found = array(stage, lambda method: method.novelty.mask) > 0
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    focal = 50 / 36 * WIDTH
    rays = np.stack([(x - WIDTH / 2) / focal + 0.1 * WIDTH / focal, np.ones_like(x),
                     -(y - HEIGHT / 2) / focal], -1)  # fmt: skip
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    middle = np.array([0.7, 8, 0.4])
    miss = np.linalg.norm(middle - (rays @ middle)[..., None] * rays, axis=-1)
    sure = np.abs(miss - 1) > 0.005  # an icosphere is a little smaller than its ball
    assert (found == (miss < 1))[sure].all()
    assert sure.mean() > 0.98


def test_what_stands_in_front_is_not_outlined(stage):
    bpy.ops.mesh.primitive_plane_add(size=1, location=(0, -2, 0), rotation=(math.pi / 2, 0, 0))
    mask = stage.impetus.diffusion.motioncraft.novelty.mask
    mask.source, mask.object = "OBJECT", bpy.data.objects["Cube"]
    hole = covered(*in_film(-0.5, -2, 0.5), *in_film(0.5, -2, -0.5))
    assert hole.any()
    found = array(stage, lambda method: method.novelty.mask) > 0
    assert (found == cube_front() & ~hole).all()


def test_an_outline_is_that_of_the_source_frame(stage):
    cube = bpy.data.objects["Cube"]
    for frame, place in ((1, 0.0), (4, 3.0)):
        cube.location.x = place
        cube.keyframe_insert("location", frame=frame)
    stage.frame_set(1)
    diffusion = stage.impetus.diffusion
    mask = diffusion.motioncraft.novelty.mask
    mask.source, mask.object = "OBJECT", cube
    diffusion.frame, diffusion.use_frame = 4, True
    found = array(stage, lambda method: method.novelty.mask) > 0
    assert found.any()
    assert not found[:, : WIDTH // 2].any()
    assert stage.frame_current == 1


def paint(name, width, height, inside):
    """Return a black image with white where `inside` (top row first)."""
    image = bpy.data.images.new(name, width, height, alpha=False)
    pixels = np.zeros((height, width, 4), np.float32)
    pixels[..., 3], pixels[inside[::-1], :3] = 1, 1
    image.pixels.foreach_set(pixels.ravel())
    return image


def test_a_painted_mask_covers_the_film_and_is_cropped(stage):
    inside = np.zeros((144, 300), bool)  # twice the film's height, wider than it
    inside[10:20, 150:160] = True
    mask = stage.impetus.diffusion.motioncraft.novelty.mask
    mask.source, mask.image = "IMAGE", paint("Mask", 300, 144, inside)
    found = array(stage, lambda method: method.novelty.mask)
    assert found.shape == (HEIGHT, WIDTH)
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max()) == (5, 9)
    assert (columns.min(), columns.max()) == (48, 52)  # column 150 is the middle of both


def test_an_empty_mask_is_told(stage):
    mask = stage.impetus.diffusion.motioncraft.novelty.mask
    mask.source, mask.image = "IMAGE", paint("Mask", 8, 8, np.zeros((8, 8), bool))
    with pytest.raises(ShotError, match="Novelty: expected Mask to cover some of the picture"):
        export(stage)
    mask.source = "OBJECT"
    with pytest.raises(ShotError, match="expected a mask's object, got none"):
        export(stage)


def test_a_new_mask_is_black_and_of_the_films_size(stage):
    stage.render.resolution_percentage = 50
    mask = stage.impetus.diffusion.motioncraft.novelty.mask
    bpy.ops.impetus.new_mask(path=mask.path_from_id())
    assert (mask.source, mask.image.size[:]) == ("IMAGE", (WIDTH // 2, HEIGHT // 2))
    assert not np.array(mask.image.pixels).reshape(-1, 4)[:, :3].any()


def test_a_flock_is_of_objects_or_of_patches(stage):
    flock = stage.impetus.diffusion.flock
    stage.impetus.diffusion.motioncraft.motion = "FLOCK"
    birds = bpy.data.collections.new("Birds")
    stage.collection.children.link(birds)
    for place in (-2, 0, 2):
        bpy.ops.mesh.primitive_cube_add(size=0.5, location=(place, -3, 0))
        birds.objects.link(bpy.context.object)
    flock.agents.source, flock.agents.collection = "COLLECTION", birds
    found = array(stage, lambda method: method.motion.agents)
    assert found.dtype == np.int32
    assert set(np.unique(found)) == {0, 1, 2, 3}
    assert found[HEIGHT // 2, WIDTH // 2] == 2
    snake = np.zeros((HEIGHT, WIDTH), bool)
    snake[2:40, 2], snake[39, 2:30], snake[10:40, 30] = True, True, True
    snake[5:8, 50:60] = True
    flock.agents.source, flock.agents.image = "IMAGE", paint("Patches", WIDTH, HEIGHT, snake)
    found = array(stage, lambda method: method.motion.agents)
    assert (found > 0).tolist() == snake.tolist()
    assert len(np.unique(found[snake])) == 2
    assert found[2, 2] == found[10, 30] != found[6, 55]


# --- files


def test_a_numpy_file_is_read(stage, tmp_path):
    flow = np.random.default_rng(0).normal(size=(5, 6, 8, 2))
    np.save(tmp_path / "flow.npy", flow)
    diffusion = stage.impetus.diffusion
    diffusion.motioncraft.motion, diffusion.found.path = "FILE", str(tmp_path / "flow.npy")
    diffusion.found.direction = "BACKWARD"
    active = diffusion.found.active
    active.source, active.object = "OBJECT", bpy.data.objects["Cube"]
    exported = export(stage)
    found = exported.shot.method.motion
    marked = exported.arrays.of(found.active)
    assert marked.shape == (1, 6, 8)  # as the file's fields
    assert (marked[0] > 0)[2:4, 3:5].all()
    assert not marked[0][0].any()
    assert found.direction == "backward"
    assert (exported.arrays.of(found.flow) == flow[:3].astype(np.float32)).all()


def test_numbered_flo_files_are_read(stage, tmp_path):
    flow = np.random.default_rng(0).normal(size=(3, 6, 8, 2)).astype("<f4")
    for number, field in enumerate(flow):
        head = struct.pack("<fii", 202021.25, 8, 6)
        (tmp_path / f"motion_{number + 7:03d}.flo").write_bytes(head + field.tobytes())
    diffusion = stage.impetus.diffusion
    diffusion.motioncraft.motion = "FILE"
    diffusion.found.path = str(tmp_path / "motion_007.flo")
    assert (array(stage, lambda method: method.motion.flow) == flow).all()


def write_nothing(path: Path) -> Path:
    return path / "gone.npy"


def write_text(path: Path) -> Path:
    (path / "flow.npy").write_text("no numbers")
    return path / "flow.npy"


def write_objects(path: Path) -> Path:
    np.save(path / "flow.npy", np.array([{}], object), allow_pickle=True)
    return path / "flow.npy"


def write_other(path: Path) -> Path:
    (path / "flow.pth").write_bytes(b"PK")
    return path / "flow.pth"


def write_shape(path: Path) -> Path:
    np.save(path / "flow.npy", np.zeros((3, 2, 6, 8)))
    return path / "flow.npy"


def write_short(path: Path) -> Path:
    np.save(path / "flow.npy", np.zeros((2, 6, 8, 2)))
    return path / "flow.npy"


def write_nan(path: Path) -> Path:
    np.save(path / "flow.npy", np.full((3, 6, 8, 2), np.nan))
    return path / "flow.npy"


def write_cut_flo(path: Path) -> Path:
    (path / "flow_1.flo").write_bytes(struct.pack("<fii", 202021.25, 8, 6) + b"12")
    return path / "flow_1.flo"


def write_fake_flo(path: Path) -> Path:
    (path / "flow_1.flo").write_bytes(b"0123456789abcdef")
    return path / "flow_1.flo"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (write_nothing, "expected a file"),
        (write_text, "expected an array of numbers"),
        (write_objects, "expected an array of numbers"),
        (write_other, r"expected a .npy or .flo file, got flow.pth"),
        (write_shape, r"expected floats of shape \(steps, height, width, 2\)"),
        (write_short, "expected 3 steps for 4 frames, got 2"),
        (write_nan, "expected finite numbers"),
        (write_cut_flo, "expected 8 x 6 vectors"),
        (write_fake_flo, "which is none"),
    ],
)
def test_bad_motion_files_get_a_sentence(stage, tmp_path, write, words):
    diffusion = stage.impetus.diffusion
    diffusion.motioncraft.motion, diffusion.found.path = "FILE", str(write(tmp_path))
    with pytest.raises(ShotError, match=words) as caught:
        export(stage)
    assert caught.value.remedy


# --- videos


def write_pictures(folder: Path, count: int) -> Path:
    """Write numbered pictures, each a shade of red of its own, with a mark at the top left."""
    for number in range(count):
        image = bpy.data.images.new("Shade", WIDTH * 2, HEIGHT * 2, alpha=False)
        pixels = np.zeros((HEIGHT * 2, WIDTH * 2, 4), np.float32)
        pixels[..., 0], pixels[..., 3] = number / 10, 1
        pixels[-8:, :8, 1] = 1
        image.pixels.foreach_set(pixels.ravel())
        image.filepath_raw, image.file_format = str(folder / f"{number + 1:04d}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
    return folder / "0001.png"


def encode(scene, first: Path, count: int) -> Path:
    """Make a movie of numbered pictures, as Blender does."""
    other = bpy.data.scenes.new("Encode")
    editor = other.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image(name="s", filepath=str(first), channel=1, frame_start=1)
    for number in range(2, count + 1):
        strip.elements.append(f"{number:04d}.png")
    other.frame_end, other.view_settings.view_transform = count, "Standard"
    render = other.render
    render.resolution_x, render.resolution_y = WIDTH * 2, HEIGHT * 2
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.filepath = str(first.with_name("movie.mp4"))
    bpy.ops.render.render(animation=True, scene=other.name)
    bpy.data.scenes.remove(other)
    return first.with_name("movie.mp4")


@pytest.mark.parametrize("source", ["SEQUENCE", "MOVIE"])
def test_frames_of_a_video_are_read(stage, tmp_path, source):
    path = write_pictures(tmp_path, 8)
    if source == "MOVIE":
        path = encode(stage, path, 8)
    video = bpy.data.images.load(str(path))
    video.source = source
    diffusion = stage.impetus.diffusion
    diffusion.motioncraft.motion, diffusion.found.video = "VIDEO", video
    diffusion.found.video_start, diffusion.found.iterations = 3, 7
    before = (len(bpy.data.textures), stage.frame_current)
    exported = export(stage)
    found = exported.shot.method.motion
    frames = exported.arrays.of(found.frames)
    assert (found.network, found.iterations) == ("flow", 7)
    assert frames.shape == (4, HEIGHT, WIDTH, 3)
    assert frames[:, 20, 20, 0] == pytest.approx(np.array([2, 3, 4, 5]) * 25.5, abs=3)
    assert frames[:, 1, 1, 1] == pytest.approx(255, abs=8)
    assert frames[:, -2, 1, 1] == pytest.approx(0, abs=8)
    assert (len(bpy.data.textures), stage.frame_current) == before
    diffusion.found.video_start = 6
    with pytest.raises(ShotError, match="expected frames 6 to 9 of the video"):
        export(stage)


def test_a_video_is_scaled_by_areas(stage):
    from blender_addon.shot_export.diffusion import pictures
    from impetus.backend.contract.shot import Film

    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (144, 240, 3), np.uint8)
    found = pictures._covering(picture, Film(WIDTH, HEIGHT))
    assert found.shape == (HEIGHT, WIDTH, 3)
    ramp = np.zeros((144, 240, 3), np.uint8)
    ramp[..., 0] = np.arange(240)
    found = pictures._covering(ramp, Film(WIDTH, HEIGHT))[HEIGHT // 2, :, 0].astype(int)
    assert found[1:-1].tolist() == [round(120 + (i + 0.5 - 48) * 2 - 0.5) for i in range(1, 95)]
