"""What an artist lets act on an object beside fields, sampled per frame: pushes, pins, releases."""

from dataclasses import dataclass, field

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract import forces as f
from impetus.backend.contract.arrays import ArrayRef, ArraySet

from ..acts.properties import BLOWS, ImpetusAct
from .groups import group_of
from .things import Thing
from .transforms import rigid

Floats = NDArray[np.float64]


@dataclass
class _Samples:
    vectors: list[Floats] = field(default_factory=list)
    targets: list[Floats] = field(default_factory=list)


class ActReader:
    """Collects what is keyed, frame by frame; then makes forces of it."""

    def __init__(self, layer: bpy.types.ViewLayer, metres: float, first: int) -> None:
        """`first` is the first frame that is sampled."""
        self._layer = layer
        self._first = first
        self._metres = metres
        self._found: dict[tuple[str, int], _Samples] = {}

    def add(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Sample this frame."""
        for ob in self._layer.objects:
            if ob.impetus.role != "DYNAMIC" or not ob.impetus.acts:
                continue
            # Their keys come to the original too; an evaluated copy may lack what was just added.
            for index, act in enumerate(ob.impetus.acts):
                samples = self._found.setdefault((ob.name_full, index), _Samples())
                samples.vectors.append(np.array(act.vector, np.float64))
                if act.target is not None:
                    target = act.target.evaluated_get(depsgraph)
                    samples.targets.append(np.array(target.matrix_world, np.float64))

    def forces(self, thing: Thing, arrays: ArraySet) -> tuple[f.Force, ...]:
        """Return what acts on a thing. Raises ShotError for a vertex group that is not there."""
        made = []
        for index, act in enumerate(thing.original.impetus.acts):
            samples = self._found.get((thing.original.name_full, index))
            if thing.role == "DYNAMIC" and act.use and samples is not None:
                made.append(self._force(thing, act, samples, arrays))
        return tuple(made)

    def _force(self, thing: Thing, act: ImpetusAct, samples: _Samples, arrays: ArraySet) -> f.Force:
        name = f"{thing.name}, {act.name or act.kind.title()}".replace("/", "_")
        name = name.replace("\\", "_")[:200]
        if act.kind == "RELEASE":
            direction = tuple(np.array(act.direction, np.float64).tolist())
            return f.Release(name, thing.name, act.frame_start, act.frame_end, direction)
        group = group_of(name, thing, act.vertex_group, arrays)
        if act.kind in BLOWS:
            # A blow happens at once: what it is at its frame is what its key there says.
            blow = self._at(samples, act.frame_start)
            none = (0.0, 0.0, 0.0)
            parts = (blow, none) if act.kind == "IMPULSE" else (none, blow)
            return f.Impulse(name, thing.name, group, act.frame_start, *parts)
        window = f.Window(act.frame_start, act.frame_end) if act.use_window else f.Window()
        if act.kind == "PIN":
            motion = self._motion(act, samples, arrays)
            return f.Pin(name, thing.name, group, motion, window)
        track = np.stack(samples.vectors)
        ref = arrays.add(track if (track != track[0]).any() else track[:1])
        force, torque = (ref, None) if act.kind == "FORCE" else (None, ref)
        return f.Push(name, thing.name, group, force, torque, window)

    def _at(self, samples: _Samples, frame: int) -> tuple[float, float, float]:
        index = min(max(frame - self._first, 0), len(samples.vectors) - 1)
        x, y, z = samples.vectors[index].tolist()
        return x, y, z

    def _motion(self, act: ImpetusAct, samples: _Samples, arrays: ArraySet) -> ArrayRef | None:
        if not samples.targets:
            return None
        poses = rigid(act.target.name, np.stack(samples.targets), self._metres)
        return arrays.add(poses)
