"""A Blender scene as a shot: `export_shot` is the one way in; the scene is as before afterwards."""

from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.forces import Force
from impetus.backend.contract.shot import (
    FrameRange,
    Light,
    RenderSettings,
    Shot,
)
from impetus.backend.contract.shot_check import check_shot

from . import surroundings
from .acts import ActReader
from .air import AirReader
from .bodies import BodyReader, glued
from .camera import CameraSamples, film
from .diffusion import MethodReader
from .forces import FieldReader
from .things import Thing, Things
from .timeline import frame_range, kept, shown, walk


@dataclass(frozen=True)
class Export:
    """A checked shot, its arrays, and what the artist should know about it."""

    shot: Shot
    arrays: ArraySet
    warnings: tuple[str, ...]


def export_shot(scene: bpy.types.Scene, layer: bpy.types.ViewLayer | None = None) -> Export:
    """Return the scene as a checked shot.

    `layer` is the view layer to export, the scene's first by default. Modifiers count as the
    viewport shows them. Raises ShotError naming the object, with what to do.
    """
    reader = _SceneReader(scene, layer or scene.view_layers[0])
    with shown(reader.layer), kept(scene):
        reader.sample()
        shot = reader.shot()
    check_shot(shot, reader.arrays)
    return Export(shot, reader.arrays, tuple(dict.fromkeys(reader.warnings)))


class _SceneReader:
    """One pass over the frames, then everything put together at the simulation's start."""

    def __init__(self, scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> None:
        self.scene = scene
        self.layer = layer
        self.frames: FrameRange = frame_range(scene)
        self.metres = scene.unit_settings.scale_length
        self.arrays = ArraySet()
        self.things = Things(scene, layer)
        self.warnings = self.things.warnings
        render = scene.render
        aspect = render.pixel_aspect_y / render.pixel_aspect_x
        self.camera = CameraSamples(film(render), aspect, self.metres)
        self.method = MethodReader(scene, layer, self.frames, self.arrays)
        self.gravity: list[NDArray[np.float64]] = []
        self.fields = FieldReader(layer, self.metres, self._warn)
        self.acts = ActReader(layer, self.metres, self.frames.tracked.start)
        self.air = AirReader(layer, self.metres, self.arrays)

    def sample(self) -> None:
        """Walk the tracked frames."""
        tracked = self.frames.tracked
        for frame, depsgraph in walk(self.scene, self.layer, tracked):
            at_start = frame == self.frames.simulation_start
            self.things.add(frame, depsgraph, meshes=at_start, shapes=True)
            if frame in self.frames.numbers:
                self.camera.add(frame, self.scene, depsgraph)
            self.method.add(frame, depsgraph)
            pull = self.scene.gravity if self.scene.use_gravity else (0.0, 0.0, 0.0)
            self.gravity.append(np.array(pull, np.float64) * self.metres)
            self.fields.add(depsgraph)
            self.acts.add(depsgraph)
            self.air.add(depsgraph)

    def shot(self) -> Shot:
        """Put the shot together; leaves the scene at the simulation's start."""
        self.scene.frame_set(self.frames.simulation_start)
        things = self.things.present(self.frames.tracked_count)
        reader = BodyReader(self.arrays, self.metres, self.frames.simulation_start, self.warnings)
        read = [(t, reader.read(t)) for t in things if t.kind != "LIGHT"]
        bodies = glued([(thing, body) for thing, body in read if body is not None])
        gravity = np.stack(self.gravity)
        settings = self.scene.impetus
        return Shot(
            name=(settings.take_name or self.scene.name).replace("/", "_").replace("\\", "_"),
            frames=self.frames,
            film=self.camera.film,
            camera=self.camera.track(self.arrays),
            gravity=self.arrays.add(gravity if (gravity != gravity[0]).any() else gravity[:1]),
            bodies=tuple(body for thing, body in bodies if _is_body(thing)),
            forces=self._forces(things),
            emitters=tuple(self.air.emitter(t, b) for t, b in bodies if t.role == "SMOKE"),
            gas=self.air.gas(settings.gas),
            flocks=tuple(self.air.flock(t, b) for t, b in bodies if t.role == "FLOCK"),
            lights=tuple(self._light(thing) for thing in things if thing.kind == "LIGHT"),
            world=surroundings.read_world(self.scene, self.arrays, self.metres, self.warnings),
            simulation=surroundings.read_simulation(settings, self.layer.depsgraph, self.metres),
            render=RenderSettings(
                settings.splats, settings.shadows, self.camera.blur(self.scene, self.arrays)
            ),
            method=self.method.method(),
            seed=settings.seed,
        )

    def _forces(self, things: list[Thing]) -> tuple[Force, ...]:
        fields = self.fields.forces(self.arrays, self.frames.tracked_count)
        acts = [force for thing in things for force in self.acts.forces(thing, self.arrays)]
        return (*fields, *acts)

    def _light(self, thing: Thing) -> Light:
        evaluated = thing.original.evaluated_get(self.layer.depsgraph)
        return surroundings.read_light(
            thing.name, evaluated.data, thing.world, self.arrays, self.metres
        )

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _is_body(thing: Thing) -> bool:
    """Whether a thing is seen where it stands: a flock flies, what smokes may be hidden."""
    if thing.role == "SMOKE":
        return bool(thing.original.impetus.smoke.show)
    return thing.role != "FLOCK"
