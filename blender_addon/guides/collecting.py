"""Which guides a scene has now: what is selected, or all; read from the present frame, cheaply."""

from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..acts.properties import BLOWS, ImpetusAct
from ..outlook import watch
from ..shot_export.meshes import MESHABLE, read_weights
from . import figures
from .figures import Floats

DOMAIN, PUSH, PIN, RELEASE, VELOCITY = "DOMAIN", "PUSH", "PIN", "RELEASE", "VELOCITY"
FAINT = 0.3
"Strength of what does not act at this frame, or is only foretold."
VELOCITY_SECONDS = 0.25
"An arrow of a velocity is as long as the way of so many seconds."
SHORTEST, LONGEST = 0.5, 4.0
"Of arrows, in sizes of the object; a push that carries its weight is one size long."
EARTH = 9.81
MOST_PINS = 150
"Vertices of a group that are marked."
UNITS = {"FORCE": "N", "TORQUE": "N m", "IMPULSE": "N s", "SPIN": "N m s"}


@dataclass(frozen=True)
class Guide:
    """One thing to draw: polylines in the world, in Blender units, and words at a place."""

    kind: str
    lines: list[Floats]
    label: str = ""
    at: Floats | None = None
    strength: float = 1.0


class Groups:
    """Where the vertices of groups lie, by object and group; forgotten where geometry changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], NDArray[np.float32]] = {}

    def of(self, ob: bpy.types.Object, name: str) -> NDArray[np.float32]:
        """Return the vertices (n, 3), object space, that a pin of this group would hold."""
        key = (ob.name_full, name)
        if key not in self._known:
            self._known[key] = _held(ob, name)
        return self._known[key]

    def forget(self, name: str) -> None:
        for key in [key for key in self._known if key[0] == name]:
            del self._known[key]

    def clear(self) -> None:
        self._known.clear()


groups = Groups()


def guides(context: bpy.types.Context) -> Iterator[Guide]:
    """Yield what is to be drawn over the present scene."""
    scene, shown = context.scene, context.scene.impetus.view.guides
    if shown == "OFF":
        return
    everything = shown == "ALL"
    chosen = [
        ob
        for ob in context.view_layer.objects
        if ob.visible_get() and (everything or ob.select_get())
    ]
    dynamic = [ob for ob in chosen if ob.impetus.role == "DYNAMIC" and ob.type in MESHABLE]
    if dynamic or scene.impetus.domain in chosen:
        yield from _domain(scene)
    for ob in dynamic:
        yield from _motion(ob)
        for act in ob.impetus.acts:
            if act.use:
                yield from _act(ob, act, scene.frame_current)


def _domain(scene: bpy.types.Scene) -> Iterator[Guide]:
    """Yield the box that is simulated: the domain object's, or the one that will be chosen."""
    outlook = watch.shown(scene)
    if outlook is None:
        return
    metres = scene.unit_settings.scale_length
    low, high = outlook.low / metres, outlook.high / metres
    size = " x ".join(f"{value:.3g}" for value in outlook.high - outlook.low)
    label = f"{size} m, cells of {outlook.spacing:.3g} m"
    strength = FAINT * 2 if scene.impetus.domain is None else 1.0
    yield Guide(DOMAIN, figures.box(low, high), label, high, strength)


def _motion(ob: bpy.types.Object) -> Iterator[Guide]:
    center, size = middle(ob)
    velocity = np.array(ob.impetus.velocity, np.float64)
    spin = np.array(ob.impetus.angular_velocity, np.float64)
    if velocity.any():
        way = velocity * VELOCITY_SECONDS
        label = f"{number_text(float(np.linalg.norm(velocity)))} m/s"
        yield Guide(VELOCITY, figures.arrow(center, way, size), label, center + way)
    if spin.any():
        label = f"{number_text(float(np.linalg.norm(spin)))} rad/s"
        ring = figures.turn(center, spin, 0.7 * size)
        yield Guide(VELOCITY, ring, label, ring[1][-1])


def _act(ob: bpy.types.Object, act: ImpetusAct, frame: int) -> Iterator[Guide]:
    center, size = middle(ob)
    strength = 1.0 if _acts_at(act, frame) else FAINT
    held = world(ob, groups.of(ob, act.vertex_group)) if act.vertex_group else None
    if act.kind == "PIN":
        yield from _pin(ob, act, held, size, strength)
        return
    if held is not None and len(held):
        center = held.mean(axis=0)
    if act.kind == "RELEASE":
        way = _unit(act.direction) * size
        label = f"{act.frame_start} to {act.frame_end}"
        lines = figures.arrow(center - way / 2, way, size)
        yield Guide(RELEASE, lines, label, center + way / 2, strength)
        return
    amount = np.array(act.vector, np.float64)
    if not amount.any():
        return
    heads = 2 if act.kind in BLOWS else 1
    label = f"{number_text(float(np.linalg.norm(amount)))} {UNITS[act.kind]}"
    if act.kind in BLOWS:
        label += f" at {act.frame_start}"
    if act.kind in {"TORQUE", "SPIN"}:
        ring = figures.turn(center, amount, 0.85 * size, heads=heads)
        yield Guide(PUSH, ring, label, ring[1][-1], strength)
        return
    way = _unit(amount) * _length(ob, act, float(np.linalg.norm(amount)), size)
    yield Guide(PUSH, figures.arrow(center, way, size, heads=heads), label, center + way, strength)


def _pin(
    ob: bpy.types.Object, act: ImpetusAct, held: Floats | None, size: float, strength: float
) -> Iterator[Guide]:
    if held is None:
        held = np.array([(ob.matrix_world @ _vector(corner))[:] for corner in ob.bound_box])
    if not len(held):
        return
    lines = figures.crosses(held[:: -(-len(held) // MOST_PINS)], 0.03 * size)
    if act.target is not None:
        lines.append(np.stack([held.mean(axis=0), np.array(act.target.matrix_world.translation)]))
    yield Guide(PIN, lines, strength=strength)


def number_text(value: float) -> str:
    """Return a number as people write it: three digits, and no powers of ten below a million."""
    return f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:.3g}"


def middle(ob: bpy.types.Object) -> tuple[Floats, float]:
    """Return the centre of an object's bounds in the world, and half their diagonal."""
    corners = np.array([(ob.matrix_world @ _vector(corner))[:] for corner in ob.bound_box])
    return corners.mean(axis=0), max(float(np.linalg.norm(np.ptp(corners, axis=0))) / 2, 1e-6)


def world(ob: bpy.types.Object, points: NDArray[np.float32]) -> Floats:
    """Take points (n, 3) from an object's space to the world."""
    matrix = np.array(ob.matrix_world, np.float64)
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def _vector(corner: object) -> object:
    from mathutils import Vector

    return Vector(corner)


def _length(ob: bpy.types.Object, act: ImpetusAct, amount: float, size: float) -> float:
    """Return a push's arrow's length: one size where it carries the object, or gives it 1 m/s."""
    volume = float(np.prod([max(side, 1e-6) for side in ob.dimensions]))
    mass = volume * ob.impetus.density * bpy.context.scene.unit_settings.scale_length**3
    share = amount / max(mass * (1.0 if act.kind in BLOWS else EARTH), 1e-12)
    return size * float(np.clip(share, SHORTEST, LONGEST))


def _acts_at(act: ImpetusAct, frame: int) -> bool:
    if act.kind in BLOWS:
        return frame == act.frame_start
    return not act.is_timed or act.frame_start <= frame < act.frame_end


def _unit(values: object) -> Floats:
    vector = np.array(values, np.float64)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _held(ob: bpy.types.Object, name: str) -> NDArray[np.float32]:
    weights = read_weights(ob, ob.data, {name}).get(name) if ob.type == "MESH" else None
    if weights is None:
        return np.zeros((0, 3), np.float32)
    places = np.empty((len(weights), 3), np.float32)
    ob.data.vertices.foreach_get("co", places.reshape(-1))
    return places[weights >= 0.5]
