"""All objects and instances that a render would show, with their world matrices over time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .meshes import MESHABLE, Triangles, read_mesh
from .shapes import ShapeTrack

Floats = NDArray[np.float64]
_UNSEEN = frozenset({"VOLUME", "CURVES", "POINTCLOUD", "GPENCIL", "GREASEPENCIL"})


@dataclass
class Thing:
    """One object, or one instance of one."""

    name: str
    original: bpy.types.Object
    kind: str
    is_instance: bool
    shapes: ShapeTrack
    frames: list[int] = field(default_factory=list)
    matrices: list[Floats] = field(default_factory=list)
    mesh: Triangles | None = None

    @property
    def role(self) -> str:
        return self.original.impetus.role

    @property
    def world(self) -> Floats:
        """(T, 4, 4) in Blender units."""
        return np.stack(self.matrices)


class Things:
    """Collects what is there, frame by frame."""

    def __init__(self, scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> None:
        self._rooms = _rooms(scene)
        self._shown = shown_in_render(layer)
        self._found: dict[Any, Thing] = {}
        self._meshes: dict[Any, Triangles | None] = {}
        self._names: Counter[str] = Counter()
        self.warnings: list[str] = []

    def add(
        self, frame: int, depsgraph: bpy.types.Depsgraph, *, meshes: bool, shapes: bool
    ) -> None:
        """Note where everything is; with `meshes`, what it looks like; with `shapes`, its shape."""
        for instance in depsgraph.object_instances:
            evaluated = instance.object
            original = evaluated.original
            root = instance.parent.original if instance.is_instance else None
            if not self._is_shown(original, root):
                continue
            key = _key(instance, original)
            if (thing := self._found.get(key)) is None:
                thing = self._found[key] = self._new(original, is_instance=instance.is_instance)
            thing.frames.append(frame)
            thing.matrices.append(np.array(instance.matrix_world, np.float64))
            if thing.kind not in MESHABLE:
                continue
            if meshes:
                thing.mesh = self._mesh(evaluated, original)
            if shapes and _may_change_shape(thing):
                thing.shapes.add(frame, evaluated)

    def add_hidden(self, frame: int, layer: bpy.types.ViewLayer) -> None:
        """Note what only the view hides, where it last was; Blender does not evaluate it."""
        for ob in layer.objects:
            if ob.name_full not in self._found and self._is_shown(ob, None):
                thing = self._found[ob.name_full] = self._new(ob, is_instance=False)
                thing.frames.append(frame)
                thing.matrices.append(np.array(ob.matrix_world, np.float64))

    def present(self, count: int) -> list[Thing]:
        """Return what is there in all `count` frames; warn of what comes and goes."""
        for thing in self._found.values():
            if len(thing.frames) != count:
                self.warnings.append(
                    f"{thing.name}: it is not there in every frame; it is left out."
                )
        return [thing for thing in self._found.values() if len(thing.frames) == count]

    def _is_shown(self, original: bpy.types.Object, root: bpy.types.Object | None) -> bool:
        """Return whether a render shows an object, or an instance of it made by `root`."""
        kind = original.type
        if original in self._rooms or (kind not in MESHABLE and kind != "LIGHT"):
            if kind in _UNSEEN and not original.hide_render:
                self._warn(original.name, f"objects of type {kind.title()} are not drawn")
            return False
        owner = root or original
        hidden = original.hide_render or owner.hide_render or owner.name not in self._shown
        if root is None and _only_instances(original):
            return False
        if hidden and original.impetus.role != "NONE":
            self._warn(original.name, "it has Impetus physics, but is hidden from render")
        lights_or_acts = kind == "LIGHT" or original.impetus.role != "NONE"
        return not hidden and (original.visible_camera or lights_or_acts)

    def _new(self, original: bpy.types.Object, *, is_instance: bool) -> Thing:
        name = original.name if original.library is None else original.name_full
        name = name.replace("/", "_").replace("\\", "_")[:180]
        self._names[name] += 1
        if (count := self._names[name]) > 1:
            name = f"{name} #{count}"
        return Thing(name, original, original.type, is_instance, ShapeTrack(name))

    def _mesh(self, evaluated: bpy.types.Object, original: bpy.types.Object) -> Triangles | None:
        """Instances share their geometry: read it once."""
        data = evaluated.data
        physics = original.impetus
        groups = {act.vertex_group for act in physics.acts}
        groups |= {physics.stiffness_scale.group, physics.density_scale.group}
        key = (
            data.as_pointer(),
            tuple(slot.material for slot in evaluated.material_slots),
            frozenset(groups),
        )
        if key not in self._meshes:
            self._meshes[key] = read_mesh(evaluated, groups)
        return self._meshes[key]

    def _warn(self, where: str, text: str) -> None:
        if (line := f"{where}: {text}.") not in self.warnings:
            self.warnings.append(line)


def _rooms(scene: bpy.types.Scene) -> set[bpy.types.Object]:
    """Return the objects that are bounds, and not to be seen themselves."""
    found = {scene.impetus.domain, scene.impetus.gas.domain}
    found |= {ob.impetus.flock.bounds for ob in scene.objects if ob.impetus.role == "FLOCK"}
    return found - {None}


def _key(instance: bpy.types.DepsgraphObjectInstance, original: bpy.types.Object) -> Any:
    if not instance.is_instance:
        return original.name_full
    return (original.name_full, instance.parent.original.name_full, tuple(instance.persistent_id))


def _only_instances(original: bpy.types.Object) -> bool:
    return original.is_instancer and not original.show_instancer_for_render


def _may_change_shape(thing: Thing) -> bool:
    if thing.role == "DYNAMIC" or thing.is_instance:
        return False
    original, data = thing.original, thing.original.data
    bent = original.parent_type in {"ARMATURE", "LATTICE"}  # a modifier that is not listed
    keyed = getattr(data, "shape_keys", None) or data.animation_data
    return bool(original.modifiers or keyed or bent)


def shown_in_render(layer: bpy.types.ViewLayer) -> set[str]:
    """Return the names of objects in at least one collection that renders."""

    def collections(node: bpy.types.LayerCollection) -> Iterator[bpy.types.Collection]:
        if node.exclude or node.collection.hide_render:
            return
        yield node.collection
        for child in node.children:
            yield from collections(child)

    return {each.name for part in collections(layer.layer_collection) for each in part.objects}
