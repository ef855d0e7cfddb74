"""Takes on disk and on the timeline: folders, a growing image strip, a camera background.

A strip only ever names frames that are on disk: the sequencer may crash on one that is not.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import bpy

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.take_files import frame_path

from .properties import ImpetusTake

MARK = "impetus_take"
"Custom property of a strip and of a background's image: the name of its take's folder."
MAX_CHANNELS = 128 if bpy.app.version >= (4, 0, 0) else 32


# --- on disk


def new_folder(name: str) -> Path:
    """Make and return a folder for a new take: beside the blend file, or where files may go."""
    if bpy.data.filepath:
        parent = Path(bpy.path.abspath("//")) / "impetus"
    else:
        # Blender's own temporary folder goes with Blender; frames on a timeline must not.
        parent = Path(tempfile.gettempdir()) / "impetus"
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._") or "take"
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 100_000):
        folder = parent / f"{stem}_{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent} holds too many takes named {stem}.")


def claim(folder: Path, shot: str) -> None:
    """Make `folder` that of the shot with this hash; a second run of the same shot goes on in it.

    Raises ShotError where it holds frames of another.
    """
    owner = folder / "shot.txt"
    has_frames = (folder / "beauty").is_dir() and any((folder / "beauty").iterdir())
    if has_frames and (not owner.is_file() or owner.read_text("utf-8") != shot):
        raise ShotError(
            str(folder),
            "expected an empty folder, or one of this very shot, got frames of another.",
            "Choose another folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    owner.write_text(shot, "utf-8")


def stored_path(folder: Path) -> str:
    """Return how a blend file remembers a folder: relative where it lies beside it."""
    if bpy.data.filepath:
        try:
            return bpy.path.relpath(str(folder))
        except ValueError:  # another drive
            return str(folder)
    return str(folder)


def folder_of(take: ImpetusTake) -> Path:
    """Return the take's folder as an absolute path."""
    return Path(os.path.realpath(bpy.path.abspath(take.folder)))


def frames_on_disk(take: ImpetusTake) -> range:
    """Return the frames that are there without a gap, from the take's first on."""
    folder, frame = folder_of(take), take.first
    while frame <= take.last and frame_path(folder, "beauty", frame).is_file():
        frame += 1
    return range(take.first, frame)


def delete_folder(take: ImpetusTake) -> None:
    """Delete the take's files, if the folder is one."""
    folder = folder_of(take)
    if (folder / "beauty").is_dir():
        shutil.rmtree(folder)


# --- on the timeline


def place(scene: bpy.types.Scene, take: ImpetusTake) -> Any:
    """Put the take's strip on the timeline, its camera's background, and the colours as they are.

    Returns the strip, or None while no frame is on disk. What was placed before is replaced.
    """
    frames = frames_on_disk(take)
    if not frames:
        return None
    clear(scene, take)
    folder = folder_of(take)
    strips = strips_of(scene, create=True)
    strip = strips.new_image(
        name=take.name,
        filepath=stored_path(frame_path(folder, "beauty", frames[0])),
        channel=_channel_above(scene, take),
        frame_start=take.first,
    )
    strip[MARK] = folder.name
    _open_sequencer(scene)
    _show_as_is(scene)
    _place_background(scene, take)
    grow(scene, take)
    return strip


def grow(scene: bpy.types.Scene, take: ImpetusTake) -> None:
    """Make strip and background as long as there are frames; only what is already placed."""
    frames = frames_on_disk(take)
    folder = folder_of(take)
    if (strip := strip_of(scene, take)) is not None:
        for frame in frames[len(strip.elements) :]:
            strip.elements.append(frame_path(folder, "beauty", frame).name)
        strip.directory = strip.directory  # drops what the sequencer had cached
    for background in _backgrounds(folder.name):
        background.image_user.frame_duration = max(len(frames), 1)


def clear(scene: bpy.types.Scene, take: ImpetusTake) -> None:
    """Take the strip and the background off again; the files stay."""
    if (strip := strip_of(scene, take)) is not None:
        strips_of(scene).remove(strip)
    mark = folder_of(take).name
    for camera in bpy.data.cameras:
        for background in _marked(camera, mark):
            image = background.image
            background.image = None  # removing the background alone would keep the image's user
            camera.background_images.remove(background)
            if not image.users:
                bpy.data.images.remove(image)


def show(scene: bpy.types.Scene, take: ImpetusTake) -> None:
    """Let this take alone be seen: other takes' strips and backgrounds are muted."""
    if strip_of(scene, take) is None:
        place(scene, take)
    mark = folder_of(take).name
    for strip in _strips_with_mark(scene):
        strip.mute = strip[MARK] != mark
    for camera in bpy.data.cameras:
        for background in camera.background_images:
            if background.image is not None and MARK in background.image:
                background.show_background_image = background.image[MARK] == mark


def silence_missing(scene: bpy.types.Scene) -> list[str]:
    """Take takes' strips off whose files are gone; return their names."""
    gone = []
    for take in scene.impetus.takes:
        strip = strip_of(scene, take)
        if strip is not None and len(strip.elements) > len(frames_on_disk(take)):
            clear(scene, take)
            gone.append(take.name)
    return gone


def strips_of(scene: bpy.types.Scene, *, create: bool = False) -> Any:
    """Return the sequencer's strips; Blender 4.4 gave them their name of now."""
    editor = scene.sequence_editor or (scene.sequence_editor_create() if create else None)
    if editor is None:
        return ()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def strip_of(scene: bpy.types.Scene, take: ImpetusTake) -> Any:
    """Return the take's strip, or None."""
    mark = folder_of(take).name
    return next((strip for strip in _strips_with_mark(scene) if strip[MARK] == mark), None)


def _strips_with_mark(scene: bpy.types.Scene) -> list[Any]:
    return [strip for strip in strips_of(scene) if MARK in strip]


def _open_sequencer(scene: bpy.types.Scene) -> None:
    """From Blender 5.0 on a workspace's sequencer shows the scene that it is told; often none."""
    for workspace in bpy.data.workspaces:
        if hasattr(workspace, "sequencer_scene") and workspace.sequencer_scene is None:
            workspace.sequencer_scene = scene


def _channel_above(scene: bpy.types.Scene, take: ImpetusTake) -> int:
    """Return a channel over all that plays at the same time, so that the newest take is seen."""
    taken = {
        strip.channel
        for strip in strips_of(scene)
        if _first(strip) <= take.last and _end(strip) > take.first
    }
    above = max(taken, default=0) + 1
    if above <= MAX_CHANNELS:
        return above
    return next(n for n in range(1, MAX_CHANNELS + 1) if n not in taken)


def _first(strip: Any) -> int:
    if hasattr(strip, "left_handle"):
        return strip.left_handle
    return strip.frame_final_start


def _end(strip: Any) -> int:
    return strip.right_handle if hasattr(strip, "right_handle") else strip.frame_final_end


def _place_background(scene: bpy.types.Scene, take: ImpetusTake) -> None:
    camera = scene.objects.get(take.camera) or scene.camera
    if camera is None or camera.type != "CAMERA" or camera.data.library is not None:
        return
    folder = folder_of(take)
    image = bpy.data.images.load(stored_path(frame_path(folder, "beauty", take.first)))
    image.name, image.source, image[MARK] = take.name, "SEQUENCE", folder.name
    background = camera.data.background_images.new()
    background.image = image
    background.alpha = 1.0
    user = background.image_user
    user.frame_start, user.frame_offset = take.first, take.first - 1
    user.use_auto_refresh = True
    camera.data.show_background_images = True


def _backgrounds(mark: str) -> list[Any]:
    return [background for camera in bpy.data.cameras for background in _marked(camera, mark)]


def _marked(camera: bpy.types.Camera, mark: str) -> list[Any]:
    return [
        background
        for background in camera.background_images
        if background.image is not None and background.image.get(MARK) == mark
    ]


# --- colours


def _show_as_is(scene: bpy.types.Scene) -> None:
    """Frames are finished sRGB pictures: AgX or Filmic would grade them a second time."""
    view, settings = scene.view_settings, scene.impetus
    if not settings.view_before and not _is_plain(scene):
        settings.view_before = f"{view.view_transform}|{view.look}|{view.exposure}|{view.gamma}"
    view.view_transform, view.look = "Standard", "None"
    view.exposure, view.gamma = 0.0, 1.0
    view.use_curve_mapping = False
    scene.sequencer_colorspace_settings.name = "sRGB"


def _is_plain(scene: bpy.types.Scene) -> bool:
    view = scene.view_settings
    names, numbers = (view.view_transform, view.look), (view.exposure, view.gamma)
    return names == ("Standard", "None") and numbers == (0.0, 1.0)


def restore_view(scene: bpy.types.Scene) -> None:
    """Put the view transform back that was there before the first take was placed."""
    if scene.impetus.view_before:
        transform, look, exposure, gamma = scene.impetus.view_before.split("|")
        view = scene.view_settings
        view.view_transform, view.look = transform, look
        view.exposure, view.gamma = float(exposure), float(gamma)
        scene.impetus.view_before = ""
