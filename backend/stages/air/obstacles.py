"""What keeps air and agents out, at any moment: colliders, and the simulated bodies of the shot.

Colliders and rigid bodies are their meshes, at their poses. What deforms or flows is where its
particles are: solid where it is over half full, and as fast as its mass there. Nothing pushes back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ....kernels.mpm.colliders import Motion, motion_between
from ....kernels.occupancy import occupied
from ...contract.arrays import ArraySet
from ...contract.materials import Rigid
from ...contract.shot import Body, Shot
from ..bodies.shape import Shape, pose_at, shape_of
from ..captures.hull import hull_of
from ..captures.own import own_splats
from .distances import MOST_NODES, MeshDistance, mesh_distance
from .simulated import Simulated

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

STILL = np.zeros(3)
FASTEST = 0.99
"Share of its particles that are no faster than what deforms counts as: the rest is spray."


@dataclass(frozen=True)
class Standing:
    """An obstacle at a moment: its distances, where their grid is, and how it moves."""

    distance: MeshDistance
    motion: Motion
    flow: Floats | None = None
    "Velocity (nx, ny, nz, 3) [m/s] at the nodes, of what does not move as one."

    @property
    def pose(self) -> Reals:
        """Of the grid (4, 4)."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.motion.rotation, self.motion.translation
        return pose

    def velocity(self, places: Reals) -> Reals:
        """How fast it is [m/s] at places (n, 3) on it, world."""
        if self.flow is None:
            motion = self.motion
            turning = np.cross(motion.spin, places - motion.translation)
            return np.asarray(motion.velocity + turning, np.float64)
        nodes = ((places - self.distance.origin) / self.distance.spacing).T
        parts = [map_coordinates(self.flow[..., d], nodes, order=1, mode="nearest",
                                 prefilter=False) for d in range(3)]  # fmt: skip
        return np.stack(parts, axis=-1).astype(np.float64)


class Obstacle(Protocol):
    """Something that stands or moves."""

    @property
    def moves(self) -> bool: ...

    def at_start(self) -> Standing:
        """Where the simulation begins, at rest."""

    def at(self, frame: int, share: float) -> Standing | None:
        """At a share of the way from a frame to the next one; None where nothing is left of it."""

    def speed(self, frame: int) -> float:
        """How fast [m/s] it is until the next frame, its turning not counted."""


@dataclass(frozen=True)
class Touchable:
    """What keeps its shape: its distances, and where it is."""

    distance: MeshDistance
    start: Reals
    "Its pose (4, 4) where the simulation begins."
    pose: Callable[[int], Reals]
    "At a frame."
    seconds: float
    "Between two frames."
    moves: bool

    def at_start(self) -> Standing:
        return Standing(self.distance, Motion(self.start[:3, :3], self.start[:3, 3], STILL, STILL))

    def at(self, frame: int, share: float) -> Standing:
        ends = self.pose(frame), self.pose(frame + 1)
        return Standing(self.distance, motion_between(*ends, self.seconds, share))

    def speed(self, frame: int) -> float:
        way = self.pose(frame + 1)[:3, 3] - self.pose(frame)[:3, 3]
        return float(np.linalg.norm(way)) / self.seconds


@dataclass(frozen=True)
class Matter:
    """What deforms or flows: a body by its index in the shot, and its mesh at the start."""

    index: int
    bodies: Simulated
    begins: Touchable

    @property
    def moves(self) -> bool:
        return True

    def at_start(self) -> Standing:
        return self.begins.at_start()

    def at(self, frame: int, share: float) -> Standing | None:
        before, after, volume = self._ways(frame)
        seconds = self.begins.seconds
        filled = occupied(
            before, after, share=share, seconds=seconds, volume=volume, most=MOST_NODES
        )
        if filled is None:
            return None
        mean = (after - before).mean(axis=0, dtype=np.float64) / seconds
        grid = MeshDistance(filled.distance, filled.origin, filled.spacing)
        return Standing(grid, Motion(np.eye(3), STILL, mean, STILL), filled.velocity)

    def speed(self, frame: int) -> float:
        before, after, _ = self._ways(frame)
        if not len(before):
            return 0.0
        ways = np.linalg.norm(after - before, axis=1)
        return float(np.quantile(ways, FASTEST)) / self.begins.seconds

    def _ways(self, frame: int) -> tuple[Floats, Floats, float]:
        """Where its particles are at a frame and at the next one, and the volume of each."""
        ends = self.bodies.at(frame), self.bodies.at(frame + 1)
        none = np.zeros((0, 3), np.float32)
        before, after = (end.places.get(self.index, none) for end in ends)
        there = ~ends[1].left.get(self.index, np.zeros(0, bool))
        return before[there], after[there], ends[0].volumes[self.index]


def obstacles_of(
    shot: Shot, arrays: ArraySet, spacing: float, bodies: Simulated | None = None
) -> tuple[Obstacle, ...]:
    """Return all that keeps air and agents out, meshes sampled every `spacing` [m].

    Those are the static and animated bodies that have a contact, and, where `bodies` tells how they
    move, the dynamic ones.
    """
    found: list[Obstacle] = []
    rigid = 0
    for index, body in enumerate(shot.bodies):
        if body.role != "dynamic" and body.contact is not None:
            found.append(_touchable(shot, arrays, body, spacing))
        elif body.role == "dynamic" and bodies is not None:
            begins = _touchable(shot, arrays, body, spacing)
            if isinstance(body.material, Rigid):
                begins = replace(begins, pose=_rigid_pose(bodies, rigid), moves=True)
                rigid += 1
                found.append(begins)
            else:
                found.append(Matter(index, bodies, begins))
    return tuple(found)


def touched_bodies(shot: Shot) -> list[Body]:
    """Return the bodies that keep air and agents out and are not simulated."""
    return [body for body in shot.bodies if body.role != "dynamic" and body.contact is not None]


def _touchable(shot: Shot, arrays: ArraySet, body: Body, spacing: float) -> Touchable:
    distance = mesh_distance(_shape(body, arrays), spacing, body.thickness)
    start = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)

    def pose(frame: int) -> Reals:
        return pose_at(shot, arrays, body.poses, frame)

    return Touchable(distance, start, pose, 1 / shot.frames.fps, body.poses.shape[0] > 1)


def _rigid_pose(bodies: Simulated, number: int) -> Callable[[int], Reals]:
    """Return how to find the pose of the shot's rigid body of this number."""
    return lambda frame: bodies.at(frame).poses[number]


def _shape(body: Body, arrays: ArraySet) -> Shape:
    """Measure a body; a capture is what its splats enclose."""
    if body.capture is None:
        return shape_of(body, arrays)
    return shape_of(body, arrays, hull_of(body.name, own_splats(body.capture, arrays)))
