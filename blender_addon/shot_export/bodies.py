"""Things with faces as bodies: role, material, contact, geometry in metres, looks."""

from collections.abc import Sequence

import msgspec
import numpy as np

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.materials import (
    Brittle,
    Cream,
    Elastic,
    Material,
    Metal,
    Plasticine,
    Rigid,
    Rubber,
    Sand,
    Snow,
    Water,
)
from impetus.backend.contract.regions import Scale
from impetus.backend.contract.shape_check import MOST_SHAPE_BYTES, too_large
from impetus.backend.contract.shot import Body, Contact, Looks, Mesh, VertexCache

from ..captures.reading import capture_of, is_capture
from ..physics import ImpetusPhysics
from ..regions.properties import ImpetusScale
from .groups import scale_of
from .looks import LooksReader
from .things import Thing
from .transforms import Placing, place

LAWS: dict[str, type[Material]] = {
    "ELASTIC": Elastic,
    "RUBBER": Rubber,
    "METAL": Metal,
    "PLASTICINE": Plasticine,
    "BRITTLE": Brittle,
    "SAND": Sand,
    "SNOW": Snow,
    "CREAM": Cream,
    "WATER": Water,
    "RIGID": Rigid,
}


FOLLOWED = frozenset({"NONE", "KINEMATIC"})
"Roles of things that are seen, and touched, as they change their shape."


class BodyReader:
    """Turns things into bodies; arrays that several share are kept once."""

    def __init__(self, arrays: ArraySet, metres: float, start: int, warnings: list[str]) -> None:
        self._arrays = arrays
        self._metres = metres
        self._start = start
        self._warnings = warnings
        self._looks = LooksReader(arrays, warnings)

    def read(self, thing: Thing) -> Body | None:
        """Return the body of a thing; None where there is nothing to see. Raises ShotError."""
        physics = thing.original.impetus
        if is_capture(thing.original):
            return self._body(thing, physics)
        if thing.mesh is None:
            if thing.role == "NONE":
                return None
            raise ShotError(
                thing.name,
                "expected a mesh with faces, got none.",
                "Add faces, or remove its physics.",
            )
        return self._body(thing, physics)

    def _body(self, thing: Thing, physics: ImpetusPhysics) -> Body:
        placing = self._placing(thing)
        inner = tuple(physics.inner_color) if physics.use_inner_color else None
        capture = None
        if thing.mesh is not None and not is_capture(thing.original):
            stretched = thing.mesh.stretched(placing.stretch)
            parts = (stretched.vertices, stretched.triangles, stretched.normals)
            mesh = Mesh(*map(self._arrays.add, parts))
            looks = self._looks.read(thing.name, stretched, inner)
        else:
            capture, mesh, notes = capture_of(thing.original, placing.stretch, self._arrays)
            looks = Looks(inner_color=inner)
            for note in notes:
                self._warnings.append(f"{thing.name}: {note}")
        cache = None if capture else self._vertex_cache(thing, mesh, placing)
        moves = len(placing.poses) > 1 or cache is not None
        dynamic = thing.role == "DYNAMIC"
        collides = thing.role in {"STATIC", "KINEMATIC"}
        return Body(
            name=thing.name,
            role="dynamic" if dynamic else "kinematic" if moves else "static",
            mesh=mesh,
            poses=self._arrays.add(placing.poses),
            looks=looks,
            material=material_of(physics) if dynamic else None,
            contact=Contact(physics.boundary.lower(), physics.friction) if collides else None,
            velocity=_scaled(physics.velocity, self._metres) if dynamic else (0.0, 0.0, 0.0),
            angular_velocity=_scaled(physics.angular_velocity, 1.0) if dynamic else (0.0, 0.0, 0.0),
            thickness=physics.thickness * self._metres,
            splat_density=physics.splat_density,
            capture=capture,
            stiffness_scale=self._scale(thing, "stiffness", physics.stiffness_scale),
            density_scale=self._scale(thing, "density", physics.density_scale),
            vertex_cache=cache,
        )

    def _vertex_cache(self, thing: Thing, mesh: Mesh, placing: Placing) -> VertexCache | None:
        """Return how a thing changes its shape, None where it does not, or nothing follows it.

        Raises ShotError for a collider that cannot be followed; what is only seen stays as it is.
        """
        assert thing.mesh is not None
        stretches, count = placing.stretches, len(thing.frames)
        changes = thing.shapes.changes
        if thing.role not in FOLLOWED or not (changes or len(stretches) > 1):
            return None
        fault, size = thing.shapes.fault, 12 * count * len(thing.mesh.vertices)
        if fault is None and size > MOST_SHAPE_BYTES:
            fault = too_large(thing.name, len(thing.mesh.vertices), count)
        if fault is not None:
            if thing.role != "NONE" or len(stretches) > 1:
                raise fault
            told = fault.sentence.removeprefix(f"{fault.where}: ").rstrip(".")
            self._warn(thing, f"{told}; it is shown as it is at frame {self._start}")
            return None
        rows = thing.shapes.rows if changes else [thing.mesh.vertices] * count
        turned = stretches if len(stretches) > 1 else [placing.stretch] * count
        moved = [(row @ by.T).astype(np.float32) for row, by in zip(rows, turned, strict=True)]
        kept = msgspec.structs.replace(mesh, normals=None)
        return VertexCache(self._arrays.add(np.stack(moved)), kept)

    def _scale(self, thing: Thing, what: str, scale: ImpetusScale) -> Scale | None:
        hard = what == "stiffness" and thing.original.impetus.material == "RIGID"
        if thing.role != "DYNAMIC" or is_capture(thing.original) or hard:
            return None
        return scale_of(thing, what, scale, self._arrays)

    def _placing(self, thing: Thing) -> Placing:
        """A dynamic or static body stands where it is at the simulation's start."""
        world, reference = thing.world, thing.frames.index(self._start)
        if thing.role in {"SMOKE", "FLOCK"} and thing.shapes.changes:
            self._warn(thing, "its mesh changes shape; only its movement is used")
        if thing.role == "STATIC" and thing.shapes.changes:
            self._warn(
                thing, f"it is static but changes shape; its shape at frame {self._start} holds"
            )
        if thing.role in {"DYNAMIC", "STATIC", "FLOCK"}:
            if thing.role == "STATIC" and not (world == world[:1]).all():
                self._warn(thing, f"it is static but moves; its place at frame {self._start} holds")
            world, reference = world[reference : reference + 1], 0
        follows = thing.role in FOLLOWED and not is_capture(thing.original)
        return place(thing.name, world, reference, self._metres, may_stretch=follows)

    def _warn(self, thing: Thing, text: str) -> None:
        self._warnings.append(f"{thing.name}: {text}.")


def material_of(physics: ImpetusPhysics) -> Material:
    """Return the chosen law; its fields are properties of the same name. Water slips on all."""
    law = LAWS[physics.material]
    names = set(law.__struct_fields__) - ({"friction"} if law is Water else set())
    return law(**{name: getattr(physics, name) for name in names})


def glued(read: Sequence[tuple[Thing, Body]]) -> list[tuple[Thing, Body]]:
    """Let bodies stick to those whose objects are in the collection that they name."""
    able = [(t, b) for t, b in read if b.material and not isinstance(b.material, Rigid)]
    done = []
    for thing, body in read:
        collection = thing.original.impetus.sticks_to
        if collection is not None and any(body is other for _, other in able):
            members = set(collection.all_objects)
            names = [b.name for t, b in able if t.original in members and b is not body]
            body = msgspec.structs.replace(body, sticks_to=tuple(names))
        done.append((thing, body))
    return done


def _scaled(vector: object, factor: float) -> tuple[float, float, float]:
    return tuple((np.array(vector, np.float64) * factor).tolist())
