"""The handles of an edit: empties on the camera's drawn frame, which an artist moves."""

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from impetus.backend.contract.errors import ShotError

from ...shot_export.diffusion import is_there
from ...shot_export.diffusion.edits import CENTERED, PAIRS, Box, box_of
from ...shot_export.diffusion.pictures import read_mask
from ...shot_export.diffusion.plane import Plane, plane_of
from ...shot_export.meshes import read_vertices
from ...shot_export.timeline import kept
from ..masks import ImpetusMask
from .properties import KIND_LABELS, ImpetusEdit

Floats = NDArray[np.float64]
COLLECTION = "Impetus Edits"
SIZE = 0.012
"Of a handle, as a share of the picture's width."
FIRST_TURN = -np.pi / 6
"Of a new rotation, clockwise as seen."
SHAPES = {"center": "PLAIN_AXES", "start": "CIRCLE", "goal": "SPHERE"}


@contextmanager
def at_source(context: bpy.types.Context) -> Iterator[Plane]:
    """Stand at the source frame, where handles and masks are read, and come back."""
    scene = context.scene
    frame = scene.impetus.diffusion.source_frame(scene)
    if frame == scene.frame_current:
        context.view_layer.update()
        yield _plane(context)
        return
    with kept(scene):
        scene.frame_set(frame)
        yield _plane(context)


def add_edit(context: bpy.types.Context, kind: str, moved: bpy.types.Object | None) -> ImpetusEdit:
    """Add an edit of this kind and its handles, round `moved` if one is given."""
    diffusion = context.scene.impetus.diffusion
    edit = diffusion.edits.add()
    edit.kind = kind
    edit.name = _free_name(KIND_LABELS[kind], [each.name for each in diffusion.edits])
    if moved is not None:
        edit.mask.source, edit.mask.object = "OBJECT", moved
    diffusion.edit_index = len(diffusion.edits) - 1
    fit(context, edit)
    return edit


def fit(context: bpy.types.Context, edit: ImpetusEdit) -> None:
    """Put an edit's handles where they stand at first: round what its mask covers."""
    with at_source(context) as plane:
        places = first_places(edit.kind, _box(context, edit.mask, plane))
        for name in [name for name in edit.handles.keys() if name not in places]:  # noqa: SIM118
            edit.handles.remove(edit.handles.find(name))
        for name, pixel in places.items():
            handle = edit.handles.get(name) or edit.handles.add()
            handle.name = name
            if not is_there(context.scene, handle.object):
                handle.object = _new_empty(context.scene, edit, name, plane)
            _put(context.scene.camera, handle.object, plane.world(pixel[None])[0])
    context.view_layer.update()


def remove_edit(context: bpy.types.Context, index: int) -> None:
    """Take an edit and its handles away."""
    diffusion = context.scene.impetus.diffusion
    for handle in diffusion.edits[index].handles:
        if handle.object is not None:
            bpy.data.objects.remove(handle.object)
    diffusion.edits.remove(index)
    diffusion.edit_index = max(0, min(index, len(diffusion.edits) - 1))
    collection = bpy.data.collections.get(COLLECTION)
    if not diffusion.edits and collection is not None and not collection.all_objects:
        bpy.data.collections.remove(collection)


def places_of(
    edit: ImpetusEdit, scene: bpy.types.Scene, plane: Plane, depsgraph: bpy.types.Depsgraph
) -> dict[str, Floats]:
    """Return where the camera sees each handle, in pixels; empty where one is gone."""
    handles = {handle.name: handle.object for handle in edit.handles}
    if not all(is_there(scene, ob) for ob in handles.values()):
        return {}
    places = [ob.evaluated_get(depsgraph).matrix_world.translation for ob in handles.values()]
    pixels = plane.pixels(np.array(places, np.float64).reshape(-1, 3))
    return dict(zip(handles, pixels, strict=True)) if np.isfinite(pixels).all() else {}


def first_places(kind: str, box: Box) -> dict[str, Floats]:
    """Return pixels for the handles of a new edit: a small change of what is in the box."""
    middle, size = (box.low + box.high) / 2, box.high - box.low
    right, up = np.array([size[0] / 2, 0.0]), np.array([0.0, -size[1] / 2])
    match kind:
        case "TRANSLATE":
            return {"start_0": middle, "goal_0": middle + right}
        case "ROTATE":
            c, s = np.cos(FIRST_TURN), np.sin(FIRST_TURN)
            goal = middle + np.array([[c, -s], [s, c]]) @ right
            return {"center": middle, "start_0": middle + right, "goal_0": goal}
        case "SCALE":
            return {"center": middle, "start_0": middle + right, "goal_0": middle + 1.3 * right}
        case "STRETCH":
            return {"center": middle, "start_0": middle + up, "goal_0": middle + 1.3 * up}
        case "HOMOGRAPHY":
            inwards = 0.2 * right
            shifts = (inwards, -inwards, np.zeros(2), np.zeros(2))
            corners = {f"start_{i}": corner for i, corner in enumerate(box.corners)}
            goals = {f"goal_{i}": box.corners[i] + shift for i, shift in enumerate(shifts)}
            return corners | goals
    rows = {"center": middle}
    for i, (height, factor) in enumerate(((up, 1.0), (np.zeros(2), 1.3), (-up, 1.0))):
        rows[f"start_{i}"] = middle + height + right
        rows[f"goal_{i}"] = middle + height + factor * right
    return rows


def is_whole(edit: ImpetusEdit, scene: bpy.types.Scene) -> bool:
    """Return whether all handles that the edit's kind needs are in the scene."""
    there = {handle.name for handle in edit.handles if is_there(scene, handle.object)}
    needed = {f"{side}_{i}" for side in ("start", "goal") for i in range(PAIRS[edit.kind])}
    return needed | ({"center"} if edit.kind in CENTERED else set()) <= there


def _plane(context: bpy.types.Context) -> Plane:
    plane = plane_of(context.scene, context.view_layer.depsgraph)
    if plane is None:
        raise ShotError(
            "Camera", "expected a perspective or orthographic camera, got none.", "Add one."
        )
    return plane


def _box(context: bpy.types.Context, mask: ImpetusMask, plane: Plane) -> Box:
    """Return the box of what a mask covers; the middle of the picture where that is all of it."""
    film = plane.film
    size = np.array([film.width, film.height], np.float64)
    if mask.source == "IMAGE" and mask.image is not None and mask.image.has_data:
        area = read_mask(mask.image, film)
        if area.any():
            return box_of(area, film)
    corners = []
    for ob in mask.objects:
        evaluated = ob.evaluated_get(context.view_layer.depsgraph)
        matrix = np.array(evaluated.matrix_world)
        corners.append(read_vertices(evaluated) @ matrix[:3, :3].T + matrix[:3, 3])
    if sum(map(len, corners)):
        seen = plane.pixels(np.concatenate(corners))
        low, high = seen.min(0).clip(0, size), seen.max(0).clip(0, size)
        if (high > low).all():  # false for NaN too: some of it is behind the camera
            return Box(low, high)
    return Box(size * 0.3, size * 0.7)


def _put(camera: bpy.types.Object, ob: bpy.types.Object, place: Floats) -> None:
    ob.parent, ob.matrix_parent_inverse = camera, Matrix()
    ob.location = camera.matrix_world.inverted() @ Vector(place)


def _new_empty(
    scene: bpy.types.Scene, edit: ImpetusEdit, name: str, plane: Plane
) -> bpy.types.Object:
    side, _, number = name.partition("_")
    many = PAIRS[edit.kind] > 1 and number
    label = f"{edit.name} {side.title()}" + (f" {int(number) + 1}" if many else "")
    ob = bpy.data.objects.new(label, None)
    ob.empty_display_type = SHAPES[side]
    scale = float(np.linalg.norm(np.array(scene.camera.matrix_world)[:3, 0]))
    ob.empty_display_size = SIZE * plane.width / scale * (0.7 if side == "goal" else 1.0)
    ob.show_in_front = ob.hide_render = True
    ob.rotation_euler.x = np.pi / 2  # a circle faces the eye
    ob.lock_location[2] = True
    ob.lock_rotation = ob.lock_scale = (True, True, True)
    collection = bpy.data.collections.get(COLLECTION) or bpy.data.collections.new(COLLECTION)
    if scene.user_of_id(collection) == 0 and collection not in scene.collection.children_recursive:
        scene.collection.children.link(collection)
    collection.objects.link(ob)
    return ob


def _free_name(name: str, taken: list[str]) -> str:
    count = 1
    found = name
    while found in taken:
        found, count = f"{name}.{count:03d}", count + 1
    return found
