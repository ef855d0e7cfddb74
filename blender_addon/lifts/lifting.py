"""The lift that an artist asks for: begun, and its body put into the scene; on the main thread."""

import json
from pathlib import Path
from typing import Any

import bpy
import mathutils
import numpy as np

from ..captures.preview import add_capture
from ..jobs import machine, orders
from ..jobs.state import keep_step, note, say, state
from .order import TEXT, Wanted, run

SENSOR = 36.0


def begin(wanted: Wanted) -> None:
    """Begin to lift a picture. Raises LinkError where there is no backend."""
    python = machine.python()
    state.lift = f"lift {wanted.folder.name}"
    state.link.order(orders.Run(state.lift, run(state.lift, wanted, python)))
    note(state.lift, TEXT)
    say(lift=wanted.picture.name, lift_factor=0.0, lift_note="", sentence="", remedy="")


def stop() -> None:
    """End the lift that runs; nothing of it stays in the scene."""
    state.link.order(orders.Stop(state.lift))
    end()


def end() -> None:
    state.lift = ""
    say(lift="", lift_factor=0.0)


def finish(result: object) -> None:
    """Put the body that was made into the scene."""
    end()
    if isinstance(result, Wanted):
        _, notes = place(bpy.context, result)
        say(lift_note=" ".join(notes))
        keep_step("Body from Picture")


def place(context: bpy.types.Context, wanted: Wanted) -> tuple[bpy.types.Object, tuple[str, ...]]:
    """Make an object of a lifted folder, and its camera if wanted; return it, and what to know.

    Raises CaptureError where the folder is not whole.
    """
    record = json.loads((wanted.folder / "lift.json").read_text("utf-8"))
    ob, notes = add_capture(context, str(wanted.folder / "splats.ply"), "Z_UP")
    ob.name = ob.data.name = wanted.picture.stem
    ob.location = context.scene.cursor.location
    ob.impetus.role = wanted.role
    if wanted.camera:
        _add_camera(context, ob, wanted.folder, record)
        ob.select_set(True)
        context.view_layer.objects.active = ob
    return ob, (*notes, *record["notes"])


def _add_camera(
    context: bpy.types.Context, ob: bpy.types.Object, folder: Path, record: dict[str, Any]
) -> None:
    """Add the camera that saw the body, the picture without it behind; it moves with the body."""
    data = bpy.data.cameras.new(f"{ob.name} Camera")
    width, height = record["size"]
    focal, _, x, y = record["intrinsics"]
    longest = max(width, height)
    data.sensor_fit, data.sensor_width = "AUTO", SENSOR
    data.lens = focal / longest * SENSOR
    data.shift_x, data.shift_y = (width / 2 - x) / longest, (y - height / 2) / longest
    camera = bpy.data.objects.new(data.name, data)
    # its axes are x right, y down, z forward; Blender's x right, y up, z backward
    pose = np.array(record["camera_to_body"]) @ np.diag([1.0, -1.0, -1.0, 1.0])
    camera.parent = ob
    camera.matrix_local = mathutils.Matrix(pose.tolist())
    data.clip_start = 0.01 * float(np.linalg.norm(pose[:3, 3]))
    context.collection.objects.link(camera)
    if (folder / "background.png").exists():
        data.show_background_images = True
        behind = data.background_images.new()
        behind.image = bpy.data.images.load(str(folder / "background.png"), check_existing=True)
        behind.alpha = 1.0
    if context.scene.camera is None:
        context.scene.camera = camera
        context.scene.render.resolution_x, context.scene.render.resolution_y = width, height
