"""A configuration of PhysGaussian set up in the scene: the object in its cube, matter, conditions.

File > Import > PhysGaussian Configuration. What differs is written into a text of the file.
"""

import math
from pathlib import Path

import bpy
import numpy as np
from bpy.props import EnumProperty, StringProperty
from bpy_extras.io_utils import ImportHelper
from mathutils import Matrix

from impetus.backend.contract import forces as f
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.physgaussian.acts import Acts
from impetus.backend.contract.physgaussian.config import read_config
from impetus.backend.contract.physgaussian.convert import Imported, convert
from impetus.backend.contract.physgaussian.scenes import scenes
from impetus.backend.contract.shot import Box, FrameRange

TEXT = "PhysGaussian Differences"
MOST_DRAG = 2.0
START = 1
"Frame at which the simulation begins."


def set_up(
    scene: bpy.types.Scene, ob: bpy.types.Object, imported: Imported, source: str
) -> tuple[str, ...]:
    """Let an object be what a configuration says; return what differs, in sentences.

    Raises ShotError for a region of it that holds nothing of the object.
    """
    _set_frames(scene, imported)
    _place(ob, imported)
    _set_matter(ob, imported)
    _set_room(scene, imported)
    arrays = ArraySet()
    frames = FrameRange(scene.frame_start, scene.frame_end, imported.fps, START)
    acts = Acts(imported, ob.name, _vertices(ob), frames, arrays)
    for force in acts.forces:
        _add(scene, ob, force, arrays, frames)
    if acts.ground is not None:
        settings = scene.impetus
        settings.use_ground, settings.ground_height = True, acts.ground.height
        settings.ground_boundary = acts.ground.contact.boundary.upper()
        settings.ground_friction = acts.ground.contact.friction
    differences = (*imported.differences, *acts.differences)
    _write(source, differences)
    return differences


def set_up_scene(scene: bpy.types.Scene, ob: bpy.types.Object, key: str) -> tuple[str, ...]:
    """Let an object be as in a published scene, as far as its numbers are known; as `set_up`."""
    published, gravity = scenes()[key], tuple(scene.gravity)
    differences = set_up(scene, ob, published.imported, published.name)
    told = [f"What moves it is yours to set: {published.forcing}."]
    if "g" in published.untold:
        scene.gravity = gravity
        differences = tuple(line for line in differences if not line.startswith("g: "))
        told.append("Its gravity is not known; the scene's stays.")
    differences = (*told, *differences)
    _write(published.name, differences)
    return differences


def _set_frames(scene: bpy.types.Scene, imported: Imported) -> None:
    whole = max(1, round(imported.fps))
    scene.render.fps, scene.render.fps_base = whole, whole / imported.fps
    scene.frame_start, scene.frame_end = START, START + imported.frame_count
    scene.impetus.simulation_start = START
    scene.frame_set(START)


def _vertices(ob: bpy.types.Object) -> np.ndarray:
    """Return the object's vertices (n, 3) in the world."""
    local = np.empty((len(ob.data.vertices), 3), np.float32)
    ob.data.vertices.foreach_get("co", local.reshape(-1))
    matrix = np.array(ob.matrix_world, np.float64)
    return np.asarray(local @ matrix[:3, :3].T + matrix[:3, 3])


def _place(ob: bpy.types.Object, imported: Imported) -> None:
    """Bring the object into the cube."""
    ob.matrix_world = Matrix(imported.placement.matrix(_vertices(ob)).tolist()) @ ob.matrix_world
    bpy.context.view_layer.update()


def _set_matter(ob: bpy.types.Object, imported: Imported) -> None:
    material, physics = imported.material, ob.impetus
    physics.role, physics.material = "DYNAMIC", type(material).__name__.upper()
    for name in material.__struct_fields__:
        setattr(physics, name, getattr(material, name))
    physics.acts.clear()


def _set_room(scene: bpy.types.Scene, imported: Imported) -> None:
    """Set gravity, the grid, and the cube as its domain."""
    settings, box = scene.impetus, imported.simulation.domain
    assert isinstance(box, Box)
    scene.unit_settings.scale_length = 1.0
    scene.use_gravity, scene.gravity = True, imported.gravity
    settings.resolution = imported.simulation.resolution
    settings.walls = imported.simulation.walls.upper()
    settings.leaving = imported.simulation.leaving.upper()
    low, high = np.array(box.low), np.array(box.high)
    domain = bpy.data.objects.new("PhysGaussian Domain", None)
    domain.empty_display_type, domain.empty_display_size = "CUBE", float((high - low)[0] / 2)
    domain.location = (low + high) / 2
    scene.collection.objects.link(domain)
    settings.domain = domain


def _add(
    scene: bpy.types.Scene,
    ob: bpy.types.Object,
    force: f.Force,
    arrays: ArraySet,
    frames: FrameRange,
) -> None:
    """Let one force act on the object."""
    if isinstance(force, f.Drag):
        _add_drag(scene, force)
        return
    act = ob.impetus.acts.add()
    act.name = force.name.split(", ")[-1]
    match force:
        case f.Pin(window=window, group=group, motion=motion):
            act.kind, act.vertex_group = "PIN", _group(ob, group, arrays)
            if motion is not None:
                act.target = _follow(scene, act.name, arrays.of(motion), frames)
            if window.last is not None or (window.first or START) > START:
                act.use_window = True
                act.frame_start = round(START if window.first is None else window.first)
                act.frame_end = round(frames.last + 1 if window.last is None else window.last)
        case f.Release(first=first, last=last, direction=direction):
            act.kind, act.direction = "RELEASE", direction
            act.frame_start, act.frame_end = round(first), round(last)


def _group(ob: bpy.types.Object, group: f.Group | None, arrays: ArraySet) -> str:
    assert group is not None
    made = ob.vertex_groups.new(name=group.name)
    inside = np.flatnonzero(arrays.of(group.weights) >= 0.5)
    made.add(inside.tolist(), 1.0, "REPLACE")
    return made.name


def _follow(
    scene: bpy.types.Scene, name: str, poses: np.ndarray, frames: FrameRange
) -> bpy.types.Object:
    """Return an empty that makes a motion, keyed in every frame."""
    target = bpy.data.objects.new(name, None)
    target.empty_display_size, target.rotation_mode = 0.1, "QUATERNION"
    scene.collection.objects.link(target)
    for frame, pose in zip(frames.tracked, poses, strict=True):
        place, turn, _ = Matrix(pose.tolist()).decompose()
        target.location, target.rotation_quaternion = place, turn
        target.keyframe_insert("location", frame=frame)
        target.keyframe_insert("rotation_quaternion", frame=frame)
    return target


def _add_drag(scene: bpy.types.Scene, force: f.Drag) -> None:
    """Add a drag, or several: Blender takes no more than MOST_DRAG of one."""
    assert isinstance(force.linear, float)
    rate = force.linear
    count = max(1, math.ceil(rate / MOST_DRAG))
    for _ in range(count):
        _add_one_drag(scene, rate / count)


def _add_one_drag(scene: bpy.types.Scene, rate: float) -> None:
    drag = bpy.data.objects.new("PhysGaussian Damping", None)
    scene.collection.objects.link(drag)
    bpy.context.view_layer.objects.active = drag
    bpy.ops.object.forcefield_toggle()
    drag.field.type = "DRAG"
    # Blender's names for the two are swapped: what acts with the speed alone is its quadratic one.
    drag.field.linear_drag, drag.field.quadratic_drag = 0.0, rate
    drag.field.falloff_power = 0.0


def _write(source: str, differences: tuple[str, ...]) -> None:
    text = bpy.data.texts.get(TEXT) or bpy.data.texts.new(TEXT)
    text.clear()
    text.write(f"{source}\n\n" + "\n".join(f"- {line}" for line in differences) + "\n")


class IMPETUS_OT_import_physgaussian(bpy.types.Operator, ImportHelper):
    """Set the active object up as a configuration of PhysGaussian says"""

    bl_idname = "impetus.import_physgaussian"
    bl_label = "Import PhysGaussian Configuration"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or context.object.type != "MESH":
            cls.poll_message_set("Needs a mesh that stands for the captured object")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        ob, path = context.object, Path(self.filepath)
        try:
            imported = convert(*read_config(path))
            differences = set_up(context.scene, ob, imported, path.name)
        except ShotError as error:
            self.report({"ERROR"}, f"{error.sentence} {error.remedy}".strip())
            return {"CANCELLED"}
        context.view_layer.objects.active = ob
        self.report({"INFO"}, f"{len(differences)} differences: see the text {TEXT!r}")
        return {"FINISHED"}


class IMPETUS_OT_physgaussian_scene(bpy.types.Operator):
    """Set the active object up as in one of PhysGaussian's published scenes"""

    bl_idname = "impetus.physgaussian_scene"
    bl_label = "PhysGaussian Scene"
    bl_options = {"REGISTER", "UNDO"}

    key: EnumProperty(
        name="Scene", items=[(key, each.name, each.forcing) for key, each in scenes().items()]
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return IMPETUS_OT_import_physgaussian.poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        ob = context.object
        set_up_scene(context.scene, ob, self.key)
        context.view_layer.objects.active = ob
        self.report({"INFO"}, f"What is left to do: see the text {TEXT!r}")
        return {"FINISHED"}


def draw_import(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Stand in File > Import."""
    self.layout.operator("impetus.import_physgaussian", text="PhysGaussian Configuration (.json)")
    self.layout.operator_menu_enum("impetus.physgaussian_scene", "key", text="PhysGaussian Scene")


classes = (IMPETUS_OT_import_physgaussian, IMPETUS_OT_physgaussian_scene)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(classes)


def register() -> None:
    _register_classes()
    bpy.types.TOPBAR_MT_file_import.append(draw_import)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(draw_import)
    _unregister_classes()
