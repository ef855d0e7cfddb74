"""Takes on the timeline: strips name only frames that are there, and show them as they are."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.blender
WIDTH, HEIGHT = 64, 48


def picture(frame: int) -> np.ndarray:
    """A picture of all tones: ramps, and noise that differs from frame to frame."""
    rng = np.random.default_rng(frame)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[: HEIGHT // 2] = np.linspace(0, 255, WIDTH).astype(np.uint8)[None, :, None]
    pixels[:4] = frame * 10
    return pixels


def write_frame(take, frame: int) -> None:
    folder = Path(bpy.path.abspath(take.folder)) / "beauty"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(frame)).save(folder / f"{frame:04d}.png")


@pytest.fixture
def take(scene, tmp_path):
    """A saved file with a camera and a take of frames 5 to 12, none of which is there yet."""
    from blender_addon import takes

    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.frame_start, scene.frame_end = 5, 12
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    take = scene.impetus.takes.add()
    take.name, take.first, take.last, take.camera = "Shot", 5, 12, "Camera"
    take.folder = takes.stored_path(takes.new_folder("Shot"))
    return take


def rendered(scene, frame: int, tmp_path) -> np.ndarray:
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode = "PNG", "RGB"
    scene.render.filepath = str(tmp_path / f"out_{frame}.png")
    scene.render.resolution_percentage = 100
    scene.frame_set(frame)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    return np.asarray(Image.open(scene.render.filepath).convert("RGB"))


def test_folders_are_new_beside_the_file(take, tmp_path):
    from blender_addon import takes

    assert take.folder.startswith("//impetus")
    assert takes.folder_of(take) == tmp_path / "impetus" / "Shot_001"
    assert takes.new_folder("Shot").name == "Shot_002"
    assert takes.new_folder("a/b: c").name == "a_b_c_001"


def test_no_frame_no_strip(scene, take):
    from blender_addon import takes

    assert takes.place(scene, take) is None
    assert not len(takes.strips_of(scene))


def test_the_strip_grows_to_the_first_gap(scene, take):
    from blender_addon import takes

    write_frame(take, 5)
    strip = takes.place(scene, take)
    assert [element.filename for element in strip.elements] == ["0005.png"]
    for frame in (6, 7, 9):
        write_frame(take, frame)
    takes.grow(scene, take)
    assert [element.filename for element in strip.elements] == [f"000{n}.png" for n in (5, 6, 7)]
    write_frame(take, 8)
    takes.grow(scene, take)
    assert len(strip.elements) == 5
    assert (takes._first(strip), takes._end(strip)) == (5, 10)


def test_the_timeline_shows_the_pictures_as_they_are(scene, take, tmp_path):
    from blender_addon import takes

    scene.view_settings.view_transform = "AgX"
    scene.view_settings.exposure = 1.0
    scene.render.dither_intensity = 0.0
    write_frame(take, 5)
    takes.place(scene, take)
    for frame in range(6, 13):
        write_frame(take, frame)
        takes.grow(scene, take)
    for frame in (5, 8, 12):
        seen = rendered(scene, frame, tmp_path).astype(int)
        assert np.abs(seen - picture(frame)).max() <= 1
    takes.restore_view(scene)
    assert scene.view_settings.view_transform == "AgX"
    assert scene.view_settings.exposure == 1.0


def test_the_camera_background_follows_the_frames(scene, take):
    from blender_addon import takes

    for frame in range(5, 13):
        write_frame(take, frame)
    takes.place(scene, take)
    (background,) = scene.camera.data.background_images
    assert scene.camera.data.show_background_images
    assert background.image_user.frame_duration == 8
    for frame in (5, 9, 12):
        scene.frame_set(frame)
        path = background.image.filepath_from_user(image_user=background.image_user)
        assert Path(path).name == f"{frame:04d}.png"


def test_takes_stand_on_channels_of_their_own(scene, take):
    from blender_addon import takes

    other = scene.impetus.takes.add()
    take = scene.impetus.takes[0]
    other.name, other.first, other.last = "Other", 8, 10
    other.folder = takes.stored_path(takes.new_folder("Shot"))
    for each, frames in ((take, range(5, 13)), (other, range(8, 11))):
        for frame in frames:
            write_frame(each, frame)
        takes.place(scene, each)
    assert [takes.strip_of(scene, each).channel for each in (take, other)] == [1, 2]
    takes.show(scene, take)
    assert [takes.strip_of(scene, each).mute for each in (take, other)] == [False, True]
    shown = [b.show_background_image for b in scene.camera.data.background_images]
    assert shown == [True, False]
    takes.clear(scene, other)
    assert takes.strip_of(scene, other) is None
    assert len(takes.strips_of(scene)) == 1
    assert len(scene.camera.data.background_images) == 1


def test_placing_again_replaces(scene, take):
    from blender_addon import takes

    write_frame(take, 5)
    takes.place(scene, take)
    takes.place(scene, take)
    assert len(takes.strips_of(scene)) == 1
    assert len([image for image in bpy.data.images if takes.MARK in image]) == 1


def test_a_reopened_file_has_the_strip_and_drops_what_is_gone(scene, take, tmp_path):
    from blender_addon import takes

    for frame in range(5, 13):
        write_frame(take, frame)
    takes.place(scene, take)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    scene = bpy.context.scene
    take = scene.impetus.takes[0]
    assert len(takes.strip_of(scene, take).elements) == 8
    assert not takes.silence_missing(scene)
    (takes.folder_of(take) / "beauty" / "0009.png").unlink()
    assert takes.silence_missing(scene) == ["Shot"]
    assert takes.strip_of(scene, take) is None
