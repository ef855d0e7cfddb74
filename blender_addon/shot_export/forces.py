"""Blender's force fields, and what an artist lets act on an object, sampled per frame."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract import forces as f
from impetus.backend.contract.arrays import ArrayRef, ArraySet
from impetus.backend.contract.errors import ShotError

from .transforms import require_finite_matrices

Floats = NDArray[np.float64]
Numbers = dict[str, float]

_KINDS: dict[str, Any] = {
    "FORCE": f.PointForce,
    "WIND": f.Wind,
    "VORTEX": f.Vortex,
    "TURBULENCE": f.Turbulence,
    "DRAG": f.Drag,
    "HARMONIC": f.Harmonic,
}
_ACCELERATIONS = {"FORCE", "WIND", "TURBULENCE"}
_ENDLESS = 1e15
_MOST_DRAG = 2.0
"Blender takes no more of either of its drags."
_SHAPES = {"POINT": "point", "LINE": "line", "PLANE": "plane"}


@dataclass
class _Samples:
    """One field in each frame."""

    original: bpy.types.Object
    matrices: list[Floats] = field(default_factory=list)
    numbers: list[Numbers] = field(default_factory=list)


class FieldReader:
    """Collects what fields say, frame by frame."""

    def __init__(self, layer: bpy.types.ViewLayer, metres: float, warn: Callable[[str], None]):
        self._layer = layer
        self._metres = metres
        self._warn = warn
        self._found: dict[str, _Samples] = {}

    def add(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Sample this frame. A field that is disabled in viewports does nothing in Blender."""
        for ob in self._layer.objects:
            if not is_active_field(ob):
                continue
            kind = ob.field.type
            if kind not in _KINDS:
                self._warn(f"{ob.name}: {not_simulated(ob)}.")
                continue
            evaluated = ob.evaluated_get(depsgraph)
            samples = self._found.setdefault(ob.name_full, _Samples(ob))
            samples.matrices.append(np.array(evaluated.matrix_world, np.float64))
            samples.numbers.append(_numbers(evaluated.field))

    def forces(self, arrays: ArraySet, count: int) -> tuple[f.Force, ...]:
        """Return the fields that are there in all `count` frames, as of the present one."""
        found = []
        for samples in self._found.values():
            if len(samples.matrices) != count:
                self._warn(f"{samples.original.name}: its field comes and goes; it is left out.")
                continue
            found.append(self._read(samples, arrays))
        return tuple(found)

    def _read(self, samples: _Samples, arrays: ArraySet) -> f.Force:
        ob, metres = samples.original, self._metres
        name, kind, settings = ob.name.replace("/", "_").replace("\\", "_"), ob.field.type, ob.field
        columns = {
            key: np.array([row[key] for row in samples.numbers]) for key in samples.numbers[0]
        }
        self._tell(ob, columns)
        scales = _scales(kind, settings.falloff_type, metres)

        def track(key: str) -> Floats:
            values = np.maximum(columns[key], 0.0) if key != "strength" else columns[key]
            return values * scales.get(key, 1.0)

        def number(key: str) -> float | ArrayRef:
            values = track(key)
            return float(values[0]) if (values == values[0]).all() else arrays.add(values)

        def reach(key: str) -> float | ArrayRef | None:
            return None if (columns[key] >= _ENDLESS).all() else number(key)

        falloff = f.Falloff(
            settings.falloff_type.lower(), settings.z_direction.lower(),
            number("power"), number("nearest"), reach("farthest"),
            number("radial_power"), number("radial_nearest"), reach("radial_farthest"),
        )  # fmt: skip
        more: dict[str, Any] = {}
        if kind == "DRAG":
            # Blender calls the one that goes by the square linear, and the other way round.
            columns["strength"] = np.clip(columns["square_drag"], 0.0, _MOST_DRAG)
            columns["linear"] = np.minimum(columns["plain_drag"], _MOST_DRAG)
            more["linear"] = number("linear")
        elif kind == "HARMONIC":
            more |= {"rest_length": number("rest_length"), "damping": number("damping")}
        else:
            more["flow"] = number("flow")
        if kind == "TURBULENCE":
            more |= {"size": number("size"), "is_global": settings.use_global_coords}
        strength = track("strength")
        made: f.Force = _KINDS[kind](
            name=name,
            poses=arrays.add(axis_poses(ob.name, np.stack(samples.matrices), metres)),
            strength=arrays.add(strength if (strength != strength[0]).any() else strength[:1]),
            noise=number("noise"),
            seed=settings.seed,
            shape=_SHAPES.get(settings.shape, "point"),
            falloff=falloff,
            unit=metres,
            **more,
        )
        return made

    def _tell(self, ob: bpy.types.Object, columns: dict[str, Floats]) -> None:
        """Warn of what is taken otherwise than Blender would."""
        settings = ob.field
        if settings.shape not in _SHAPES:
            shape = settings.shape.title()
            self._warn(f"{ob.name}: its shape {shape} is not simulated; it acts as a point.")
        if settings.use_absorption:
            self._warn(f"{ob.name}: objects do not absorb its force here.")
        if settings.type == "FORCE" and settings.use_gravity_falloff:
            self._warn(f"{ob.name}: gravitational falloff is not simulated; the power counts.")
        used = {"DRAG": ("square_drag", "plain_drag"), "HARMONIC": ("damping",)}
        for key in used.get(settings.type, ("flow",)):
            if (columns[key] < 0).any():
                self._warn(f"{ob.name}: drag below zero would never end; it counts as zero.")


def is_active_field(ob: bpy.types.Object) -> bool:
    """Whether Blender's own physics would feel the object's field."""
    there = ob.field is not None and ob.field.type != "NONE"
    return there and not ob.hide_viewport and ob.field.apply_to_location


def not_simulated(ob: bpy.types.Object) -> str:
    """Say that a field does nothing here; empty for one that does."""
    if ob.field.type in _KINDS:
        return ""
    kind = ob.field.type.replace("_", " ").title()
    return f"force fields of type {kind} are not simulated"


def axis_poses(where: str, matrices: Floats, metres: float) -> Floats:
    """Return rigid poses (1 or T, 4, 4) that keep origin and +Z, all that a field has of them."""
    require_finite_matrices(where, matrices)
    used = matrices if (matrices != matrices[:1]).any() else matrices[:1]
    z = used[:, :3, 2]
    length = np.linalg.norm(z, axis=1, keepdims=True)
    if not length.all():
        raise ShotError(
            where, "expected a scale above zero along its Z axis, got zero.", "Set its scale."
        )
    z = z / length
    least = np.eye(3)[np.abs(z).argmin(axis=1)]
    x = np.cross(least, z)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    poses = np.tile(np.eye(4), (len(used), 1, 1))
    poses[:, :3, :3] = np.stack([x, np.cross(z, x), z], axis=-1)
    poses[:, :3, 3] = used[:, :3, 3] * metres
    return poses


def _numbers(settings: bpy.types.FieldSettings) -> Numbers:
    """Return all of a field's numbers in Blender's units; what is switched off does nothing."""
    s = settings
    return {
        "strength": s.strength,
        "flow": s.flow,
        "noise": s.noise,
        "size": s.size,
        "rest_length": s.rest_length,
        "damping": s.harmonic_damping,
        "square_drag": s.linear_drag,
        "plain_drag": s.quadratic_drag,
        "power": s.falloff_power,
        "nearest": s.distance_min if s.use_min_distance else 0.0,
        "farthest": s.distance_max if s.use_max_distance else _ENDLESS,
        "radial_power": s.radial_falloff,
        "radial_nearest": s.radial_min if s.use_radial_min else 0.0,
        "radial_farthest": s.radial_max if s.use_radial_max else _ENDLESS,
    }


def _scales(kind: str, falloff: str, metres: float) -> dict[str, float]:
    """Return what turns a field's numbers into SI; a cone's radial distances are degrees."""
    strength = metres if kind in _ACCELERATIONS else 1 / metres if kind == "DRAG" else 1.0
    lengths = ["nearest", "farthest", "size", "rest_length"]
    if falloff == "TUBE":
        lengths += ["radial_nearest", "radial_farthest"]
    return {"strength": strength, "noise": strength} | dict.fromkeys(lengths, metres)
