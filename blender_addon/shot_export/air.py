"""Objects that smoke, burn or fly in flocks, and the scene's air, sampled per frame."""

from collections.abc import Iterable

import bpy
import msgspec
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.air import Gas, GasLooks
from impetus.backend.contract.arrays import ArrayRef, ArraySet
from impetus.backend.contract.forces import Window
from impetus.backend.contract.shot import Body, Box, Contact, Emitter, Flock

from ..air.properties import ImpetusFlock, ImpetusGas
from .surroundings import read_domain
from .things import Thing

_KEYED = ("smoke", "temperature", "fuel")
_LENGTHS = ("sight", "space", "speed", "slowest", "fastest", "agility")
_WISHES = ("separation", "alignment", "cohesion", "attraction", "avoidance", "banking")


class AirReader:
    """Collects what is keyed, frame by frame; then makes emitters and flocks of bodies."""

    def __init__(self, layer: bpy.types.ViewLayer, metres: float, arrays: ArraySet) -> None:
        self._layer, self._metres, self._arrays = layer, metres, arrays
        self._numbers: dict[str, list[list[float]]] = {}
        self._goals: dict[str, list[NDArray[np.float64]]] = {}

    def add(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Sample this frame."""
        for ob in self._layer.objects:
            if ob.impetus.role == "SMOKE":
                # Keys come to the original too; an evaluated copy may lack what was just added.
                values = [getattr(ob.impetus.smoke, name) for name in _KEYED]
                self._numbers.setdefault(ob.name_full, []).append(values)
            elif ob.impetus.role == "FLOCK" and (goal := ob.impetus.flock.goal) is not None:
                place = goal.evaluated_get(depsgraph).matrix_world.translation
                at = np.array(place, np.float64) * self._metres
                self._goals.setdefault(ob.name_full, []).append(at)

    def emitter(self, thing: Thing, body: Body) -> Emitter:
        """Return what a thing emits; `body` is the thing as if it were only seen."""
        smoke = thing.original.impetus.smoke
        window = Window(smoke.frame_start, smoke.frame_end) if smoke.use_window else Window()
        return Emitter(
            name=thing.name,
            mesh=msgspec.structs.replace(body.mesh, normals=None),
            poses=body.poses,
            rate=smoke.rate,
            color=tuple(smoke.color),
            velocity=self._vector(smoke.velocity),
            inheritance=smoke.inheritance,
            window=window,
            thickness=body.thickness,
            **self._keyed(thing),
        )

    def flock(self, thing: Thing, body: Body) -> Flock:
        """Return the flock of which a thing is one; `body` as `emitter` takes it."""
        flock = thing.original.impetus.flock
        physics = thing.original.impetus
        contact = Contact(physics.boundary.lower(), physics.friction) if flock.collides else None
        goals = self._goals.get(thing.original.name_full)
        goal = None if goals is None else self._track(np.stack(goals))
        return Flock(
            name=thing.name,
            body=msgspec.structs.replace(body, role="kinematic", contact=contact),
            count=flock.count,
            extent=self._vector(flock.extent),
            flat=flock.flat,
            ahead=flock.ahead,
            goal=goal,
            bounds=self._box(flock),
            **{name: getattr(flock, name) * self._metres for name in _LENGTHS},
            **{name: getattr(flock, name) for name in _WISHES},
        )

    def gas(self, gas: ImpetusGas) -> Gas:
        looks = {name: getattr(gas, name) for name in GasLooks.__struct_fields__}
        named = set(Gas.__struct_fields__) - {"domain", "closed", "looks", "soot_color"}
        return Gas(
            domain=self._box(gas),
            closed=tuple(sorted(gas.closed)),
            soot_color=tuple(gas.soot_color),
            looks=GasLooks(**looks),
            **{name: getattr(gas, name) for name in sorted(named)},
        )

    def _box(self, owner: ImpetusGas | ImpetusFlock) -> Box | None:
        room = owner.domain if isinstance(owner, ImpetusGas) else owner.bounds
        if room is None:
            return None
        return read_domain(room.evaluated_get(self._layer.depsgraph), self._metres)

    def _keyed(self, thing: Thing) -> dict[str, float | ArrayRef]:
        rows = np.array(self._numbers[thing.original.name_full], np.float64)
        columns = zip(_KEYED, rows.T, strict=True)
        return {
            name: float(values[0]) if (values == values[0]).all() else self._arrays.add(values)
            for name, values in columns
        }

    def _track(self, rows: NDArray[np.float64]) -> ArrayRef:
        return self._arrays.add(rows if (rows != rows[:1]).any() else rows[:1])

    def _vector(self, values: Iterable[float]) -> tuple[float, float, float]:
        x, y, z = (float(v) * self._metres for v in values)
        return x, y, z
