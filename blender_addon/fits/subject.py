"""What of a scene a fit reads, at the simulation's start, and the names that follow from it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
import msgspec
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import Body

from ..jobs.bake import node_words
from ..shot_export.bodies import BodyReader
from ..shot_export.things import Thing, Things
from ..shot_export.timeline import kept, shown
from ..shot_export.transforms import rigid

VERSION = 1
FITTED = frozenset({"views", "size", "samples", "cameras", "engine", "light"})


@dataclass(frozen=True)
class Subjects:
    """All bodies as they stand at the simulation's start, by name, and what else gives light."""

    bodies: dict[str, Body]
    poses: dict[str, NDArray[np.float64]]
    "Rigid (4, 4), metres."
    originals: dict[str, bpy.types.Object]
    arrays: ArraySet
    lights: tuple[bytes, ...]
    "Each lamp in a few words and numbers."
    materials: dict[str, frozenset[bpy.types.Material]]
    "Of each body; a file may hold others, which nobody sees."
    lamps: frozenset[bpy.types.Light]

    def of(self, ob: bpy.types.Object) -> str:
        """Return the name of an object's body. Raises ShotError where a render does not show it."""
        for name, original in self.originals.items():
            if original == ob:
                return name
        raise ShotError(
            ob.name, "expected an object with faces that renders show, got none.",
            "Show it in renders, and give it a surface.",
        )  # fmt: skip


def subjects(scene: bpy.types.Scene, layer: bpy.types.ViewLayer | None = None) -> Subjects:
    """Read the scene at the simulation's start, and leave it as it was. Raises ShotError."""
    layer, start = layer or scene.view_layers[0], scene.impetus.simulation_start
    metres = scene.unit_settings.scale_length
    things, arrays = Things(scene, layer), ArraySet()
    bodies, poses, originals, materials, lights, lamps = {}, {}, {}, {}, [], set()
    with shown(layer), kept(scene):
        scene.frame_set(start)
        things.add(start, layer.depsgraph, meshes=True, shapes=False)
        reader = BodyReader(arrays, metres, start, [])
        for thing in things.present(1):
            if thing.kind == "LIGHT":
                lights.append(_lamp(thing))
                lamps.add(thing.original.data)
            elif thing.mesh is not None and (body := reader.read(thing)) is not None:
                bodies[thing.name] = body
                poses[thing.name] = rigid(thing.name, thing.world, metres)[0]
                materials[thing.name] = frozenset(each for each in thing.mesh.materials if each)
                if not thing.is_instance:
                    originals[thing.name] = thing.original
    return Subjects(bodies, poses, originals, arrays, tuple(lights), materials, frozenset(lamps))


def views_key(scene: bpy.types.Scene, found: Subjects, ob: bpy.types.Object) -> str:
    """Return the name of all that the pictures of an object depend on."""
    fit, name = ob.impetus.fit, found.of(ob)
    body = found.bodies[name]
    digest = hashlib.sha256(f"{VERSION} {bpy.app.version}".encode())
    digest.update(repr([(each, getattr(fit, each)) for each in sorted(FITTED)]).encode())
    digest.update(msgspec.json.encode((body.mesh, body.looks)))
    blocks = {slot.material for slot in ob.material_slots if slot.material}
    if fit.light == "SCENE":
        for each, other in sorted(found.bodies.items()):
            digest.update(msgspec.json.encode((each, other.mesh, other.looks)))
            digest.update(found.poses[each].tobytes())
        digest.update(b"".join(sorted(found.lights)))
        digest.update(str(scene.cycles.max_bounces if hasattr(scene, "cycles") else 0).encode())
        blocks |= {*found.lamps, scene.world}.union(*found.materials.values()) - {None}
    else:  # the cameras stand as the world does: a turned object shows them other sides
        digest.update(found.poses[name][:3, :3].tobytes())
    for block in sorted(blocks, key=lambda each: (type(each).__name__, each.name_full)):
        for word in node_words(block):
            digest.update(word.encode())
    return digest.hexdigest()


def fit_key(scene: bpy.types.Scene, found: Subjects, ob: bpy.types.Object, views: str = "") -> str:
    """Return the name of all that the fitted splats of an object depend on.

    `views` is the name of its pictures, where that is known.
    """
    fit = ob.impetus.fit
    views = views or views_key(scene, found, ob)
    words = f"{views} {fit.splats} {fit.steps} {scene.impetus.seed}"
    return hashlib.sha256(words.encode()).hexdigest()


def mark(ob: bpy.types.Object) -> str:
    """Return a word for how an object is, told quickly enough for a panel; of its own data alone.

    `fit_key` knows better, but has to evaluate the scene at another frame.
    """
    digest = hashlib.sha256()
    if ob.type == "MESH":
        places = np.empty(len(ob.data.vertices) * 3, np.float32)
        ob.data.vertices.foreach_get("co", places)
        digest.update(places.tobytes())
        digest.update(str(len(ob.data.polygons)).encode())
    for word in _own_words(ob):
        digest.update(word.encode())
    return digest.hexdigest()[:32]


def _own_words(ob: bpy.types.Object) -> Iterator[str]:
    fit = ob.impetus.fit
    yield repr([(each, getattr(fit, each)) for each in (*sorted(FITTED), "splats", "steps")])
    yield repr(tuple(round(each, 6) for each in ob.scale))
    for modifier in ob.modifiers:
        for prop in modifier.bl_rna.properties:
            if prop.type in {"BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"} and not prop.is_readonly:
                value = getattr(modifier, prop.identifier)
                plain = not getattr(prop, "is_array", False)
                yield f"{prop.identifier}={value if plain else tuple(value)}"
    for slot in ob.material_slots:
        if slot.material:
            yield from node_words(slot.material)


def _lamp(thing: Thing) -> bytes:
    light = thing.original.data
    names = ("type", "energy", "color", "shadow_soft_size", "angle", "size", "size_y", "spot_size",
             "spot_blend", "exposure")  # fmt: skip
    words = [f"{name}={_value(getattr(light, name, None))}" for name in names]
    return f"{thing.name} {words} ".encode() + thing.world[0].tobytes()


def _value(value: Any) -> object:
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value
