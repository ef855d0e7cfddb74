"""A capture's stand-in: an object of loose, coloured points, as large as the capture is."""

import math

import bpy
import numpy as np

from .reading import Array, kept_of, path_of, shown_colors

COLOR = "Color"
UPWARDS = {"Y_DOWN": -math.pi / 2, "Y_UP": math.pi / 2, "Z_UP": 0.0}
"Turns about X that make the file's upwards Blender's."


def add_capture(
    context: bpy.types.Context, path: str, upwards: str
) -> tuple[bpy.types.Object, tuple[str, ...]]:
    """Make an object of a file's splats, chosen and active; return it, and what to know.

    Raises CaptureError, with nothing made.
    """
    mesh = bpy.data.meshes.new(bpy.path.display_name_from_filepath(path))
    ob = bpy.data.objects.new(mesh.name, mesh)
    ob.impetus.capture.path = path
    ob.rotation_euler.x = UPWARDS[upwards]
    try:
        notes = refresh(ob)
    except Exception:
        bpy.data.objects.remove(ob)
        bpy.data.meshes.remove(mesh)
        raise
    ob.display_type = "BOUNDS"  # its points are drawn in their colours, by drawing.py
    context.collection.objects.link(ob)
    for other in context.view_layer.objects:
        other.select_set(other == ob)
    context.view_layer.objects.active = ob
    return ob, notes


def refresh(ob: bpy.types.Object) -> tuple[str, ...]:
    """Show the splats that are there now; return what to know of the file. Raises ImpetusError."""
    settings = ob.impetus.capture
    read, place, count = kept_of(ob)
    rows = _thinned(place, settings.preview_points)
    colors = shown_colors(read, is_linear=settings.is_linear)[rows]
    mesh = ob.data
    mesh.clear_geometry()
    mesh.vertices.add(len(rows))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(place[rows], np.float32).ravel())
    attribute = mesh.color_attributes.get(COLOR)
    if attribute is None:
        attribute = mesh.color_attributes.new(COLOR, "FLOAT_COLOR", "POINT")
    attribute.data.foreach_set("color", colors.ravel())
    mesh.update()
    settings.count, settings.kept, settings.seen = count, len(place), words_of(ob)
    return tuple(f"{path_of(ob).name}: {note}" for note in read.notes)


def words_of(ob: bpy.types.Object) -> str:
    """Return what a preview depends on, quickly told: `settings.seen` where it is of now."""
    settings = ob.impetus.capture
    words = [settings.path, round(settings.opacity_threshold, 4), settings.is_linear]
    to_capture = ob.matrix_world.inverted_safe()
    for crop in settings.boxes:
        if crop.use and crop.box is not None:
            place = np.round(np.array(to_capture @ crop.box.matrix_world), 4) + 0.0
            words += [crop.side, place.tolist(), crop.box.empty_display_size]
    return repr((*words, settings.preview_points))


def add_crop_box(context: bpy.types.Context, ob: bpy.types.Object) -> bpy.types.Object:
    """Add a box around the capture, as a cube that moves with it."""
    corners = np.array([corner[:] for corner in ob.bound_box])
    low, high = corners.min(axis=0), corners.max(axis=0)
    box = bpy.data.objects.new(f"{ob.name} Box", None)
    box.empty_display_type, box.empty_display_size = "CUBE", 1.0
    box.parent = ob
    box.location = (low + high) / 2
    box.scale = np.maximum((high - low) / 2, 1e-6)
    context.collection.objects.link(box)
    crop = ob.impetus.capture.boxes.add()
    crop.name, crop.box = box.name, box
    ob.impetus.capture.box_index = len(ob.impetus.capture.boxes) - 1
    return box


def _thinned(place: Array, most: int) -> Array:
    """Return rows of at most `most` points, spread over all; the outermost ones are among them."""
    count = len(place)
    if count <= most:
        return np.arange(count)
    chosen = np.random.default_rng(0).choice(count, most, replace=False)
    ends = np.concatenate([np.argmin(place, axis=0), np.argmax(place, axis=0)])
    return np.union1d(chosen[len(ends) :], ends)
