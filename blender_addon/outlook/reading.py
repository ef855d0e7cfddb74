"""How the scene's objects stand now, as far as an outlook needs it; changes nothing.

One look at the present frame: no walk over the timeline, and meshes are measured once.
"""

from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.errors import ImpetusError, ShotError
from impetus.backend.contract.materials import Material
from impetus.backend.contract.outlook.foresee import Plan
from impetus.backend.contract.outlook.standing import Standing, mesh_size
from impetus.backend.contract.regions import scaled

from ..captures.reading import is_capture
from ..physics import ImpetusPhysics
from ..shot_export.bodies import material_of
from ..shot_export.camera import film
from ..shot_export.meshes import MESHABLE, read_surface, read_vertices
from ..shot_export.surroundings import read_simulation
from ..shot_export.things import Thing, Things
from ..shot_export.timeline import fcurves, frame_range
from ..shot_export.transforms import polar

Floats = NDArray[np.float64]

FEW_VERTICES = 100_000
"Up to so many, bounds are those of all vertices; beyond, of the outermost ones along AXES."
FEWEST_SPLATS, CLOUD_CELLS = 100, 24
"Splats that enclose something, and cells along the longest side in which it is looked for."
AXES = np.array([axis for axis in np.ndindex(5, 5, 5) if axis > (2, 2, 2)]) - 2


@dataclass(frozen=True)
class Measured:
    """One mesh in its own space, Blender units."""

    volume: float
    area: float
    closed: bool
    outermost: Floats
    "(k, 3) vertices, among them about those that bound the mesh however it is turned."


class Measures:
    """Meshes that were measured, by object; forgotten where their geometry changes."""

    def __init__(self) -> None:
        self._known: dict[str, Measured | None] = {}

    def of(self, thing: Thing, depsgraph: bpy.types.Depsgraph) -> Measured | None:
        """Return a thing's measure; None where it has no faces."""
        name = thing.original.name_full
        if name not in self._known:
            self._known[name] = _measure(thing.original.evaluated_get(depsgraph))
        return self._known[name]

    def forget(self, name: str) -> None:
        self._known.pop(name, None)

    def clear(self) -> None:
        self._known.clear()


def standings(
    scene: bpy.types.Scene, layer: bpy.types.ViewLayer, measures: Measures
) -> tuple[Standing, ...]:
    """Return all that a shot of the scene would hold, where it stands at the present frame."""
    depsgraph = layer.depsgraph
    things = Things(scene, layer)
    things.add(scene.frame_current, depsgraph, meshes=False, shapes=False)
    things.add_hidden(scene.frame_current, layer)
    metres = scene.unit_settings.scale_length
    found = (
        _standing(thing, measures.of(thing, depsgraph), scene, metres)
        for thing in things.present(1)
        if thing.kind in MESHABLE
    )
    return tuple(each for each in found if each is not None)


def plan_of(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> Plan | None:
    """Return what is asked for beside the bodies; None where the settings are not whole."""
    settings, metres = scene.impetus, scene.unit_settings.scale_length
    pull = np.array(scene.gravity if scene.use_gravity else (0.0, 0.0, 0.0), np.float64)
    size = film(scene.render)
    try:
        return Plan(
            frames=frame_range(scene),
            simulation=read_simulation(settings, layer.depsgraph, metres),
            gravity=pull * metres,
            ground=settings.ground_height * metres if settings.use_ground else None,
            splats=settings.splats,
            pixels=size.width * size.height,
        )
    except ImpetusError:  # the panel of problems says what is wrong
        return None


def _standing(
    thing: Thing, measured: Measured | None, scene: bpy.types.Scene, metres: float
) -> Standing | None:
    if measured is None:
        return None
    physics, matrix = thing.original.impetus, thing.matrices[0]
    world = (measured.outermost @ matrix[:3, :3].T + matrix[:3, 3]) * metres
    low, high = world.min(axis=0), world.max(axis=0)
    dynamic = thing.role == "DYNAMIC"
    scale = abs(float(np.linalg.det(matrix[:3, :3]))) * metres**3
    closed = measured.closed
    own = measured.outermost @ _stretch(thing, matrix).T * metres
    return Standing(
        thing.name,
        low,
        high,
        material=_hardest(physics) if dynamic else None,
        collides=thing.role != "NONE",
        moves=thing.role == "KINEMATIC",
        volume=measured.volume * scale if closed else 0.0,
        area=0.0 if closed else measured.area * scale ** (2 / 3),
        extent=tuple((own.max(axis=0) - own.min(axis=0)).tolist()),
        thickness=physics.thickness * metres,
        velocity=tuple(metres * value for value in physics.velocity),
        spin=tuple(physics.angular_velocity),
        carried=_carried(thing.original, low, high, scene, metres) if dynamic else None,
    )


def _hardest(physics: ImpetusPhysics) -> Material:
    """Return the material as stiff and as light as its regions may make it: that sets the pace."""
    material = material_of(physics)
    stiff, light = physics.stiffness_scale, physics.density_scale
    return scaled(
        material,
        max(stiff.low, stiff.high) if stiff.group else 1.0,
        min(light.low, light.high) if light.group else 1.0,
    )


def _stretch(thing: Thing, matrix: Floats) -> Floats:
    """Return the scale (3, 3) that an export puts into the vertices; none where it has none."""
    try:
        return polar(thing.name, matrix[None, :3, :3])[1][0]
    except ShotError:  # a scale of zero: an export says so
        return np.eye(3)


def _carried(
    ob: bpy.types.Object, low: Floats, high: Floats, scene: bpy.types.Scene, metres: float
) -> tuple[Floats, Floats] | None:
    """Return the bounds of where pins take an object, as far as keys of what it follows tell."""
    targets = [act.target for act in ob.impetus.acts if act.use and act.kind == "PIN"]
    ways = [_way(target, scene) * metres for target in targets if target is not None]
    if not ways:
        return None
    way = np.concatenate(ways)
    return low + way.min(axis=0), high + way.max(axis=0)


def _way(target: bpy.types.Object, scene: bpy.types.Scene) -> Floats:
    """Return how far (n, 3) an object's own keys move it over the shot, in Blender units."""
    first = scene.impetus.simulation_start
    frames = range(min(scene.frame_start, first), scene.frame_end + 1)
    way = np.zeros((len(frames), 3))
    for curve in fcurves(target.animation_data):
        if curve.data_path == "location":
            values = np.array([curve.evaluate(frame) for frame in frames])
            way[:, curve.array_index] = values - curve.evaluate(first)
    return way


def _measure(evaluated: bpy.types.Object) -> Measured | None:
    if is_capture(evaluated.original):
        return _measure_cloud(read_vertices(evaluated))
    surface = read_surface(evaluated)
    if surface is None:
        return None
    vertices, triangles = surface
    return Measured(*mesh_size(vertices, triangles), _outermost(vertices[np.unique(triangles)]))


def _measure_cloud(vertices: NDArray[np.float32]) -> Measured | None:
    """Measure about what a captured object's splats enclose; the backend looks more closely."""
    if len(vertices) < FEWEST_SPLATS:
        return None
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    cell = float((high - low).max()) / CLOUD_CELLS
    if cell <= 0:
        return None
    place = np.minimum((vertices - low) / cell, CLOUD_CELLS - 1).astype(np.int32)
    there = np.zeros((CLOUD_CELLS,) * 3, bool)
    there[tuple(place.T)] = True
    votes = np.zeros(there.shape, np.int8)
    for axis in range(3):
        before = np.maximum.accumulate(there, axis=axis)
        after = np.flip(np.maximum.accumulate(np.flip(there, axis), axis=axis), axis)
        votes += before & after
    # the surface runs through the middle of the cells that hold splats
    shell, inside = np.count_nonzero(there), np.count_nonzero((votes >= 2) & ~there)
    return Measured((inside + shell / 2) * cell**3, 0.0, True, _outermost(vertices))


def _outermost(vertices: NDArray[np.float32]) -> Floats:
    if len(vertices) <= FEW_VERTICES:
        return vertices.astype(np.float64)
    chosen = {int(pick(vertices @ axis)) for axis in AXES for pick in (np.argmin, np.argmax)}
    return vertices[sorted(chosen)].astype(np.float64)
