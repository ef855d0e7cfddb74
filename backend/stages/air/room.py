"""The grid that a shot's gas moves on, what stands in it, and what its emitters cover."""

from functools import cached_property

import numpy as np
import psutil
from numpy.typing import NDArray

from ....kernels.fluids.gas import Emission
from ....kernels.fluids.grid import FluidDomain, face_places
from ....kernels.mpm.colliders import motion_between
from ...contract.arrays import ArrayRef, ArraySet
from ...contract.errors import MemoryShortError, ShotError
from ...contract.shot import Box, Emitter, Shot
from ..bodies.shape import Shape, pose_at, track_row
from .distances import MeshDistance, mesh_distance, shape_of_mesh
from .obstacles import Standing, obstacles_of
from .simulated import Simulated

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]

ABOVE, BESIDE, BELOW = 6.0, 1.5, 0.5
"Room that an automatic domain has round the emitters, in their common size."
LEAST_CELLS = 4
CELL_BYTES = 360
"Memory that one cell takes, with all that is made on the way."
FREE_SHARE = 0.85
COVERED = 1.0
"Cells beyond a surface up to which an emitter fills the air: beside an obstacle that is needed."
THIN = 0.5
"Cells that a thin obstacle is deep at least, lest air leaks through it."
MOST_PLACES = 16
"Places along an emitter's way in a frame at which it emits."


def fluid_domain(shot: Shot, arrays: ArraySet) -> FluidDomain:
    """Return the grid of the shot's gas. Raises ShotError where it holds no emitter."""
    shapes = [_shape(emitter, arrays) for emitter in shot.emitters]
    bounds = [
        _swept(shape, arrays.of(emitter.poses))
        for shape, emitter in zip(shapes, shot.emitters, strict=True)
    ]
    box = shot.gas.domain or _automatic_box(shot, bounds)
    low, high = np.asarray(box.low, np.float64), np.asarray(box.high, np.float64)
    for emitter, (lowest, highest) in zip(shot.emitters, bounds, strict=True):
        if (lowest > high).any() or (highest < low).any():
            raise ShotError(
                emitter.name,
                "expected it in the smoke's domain at some time, got it always outside.",
                "Move it inside, or enlarge the domain.",
            )
    spacing = float((high - low).max() / shot.gas.resolution)
    cells = np.maximum(np.ceil((high - low) / spacing - 1e-6).astype(int), LEAST_CELLS)
    _require_memory(int(np.prod(cells)), shot.gas.resolution)
    opened = [[f"{sign}{axis}" not in shot.gas.closed for axis in "xyz"] for sign in "-+"]
    ground = shot.world.ground
    if ground is not None and ground.height >= low[2]:
        opened[0][2] = False
    return FluidDomain(
        (int(cells[0]), int(cells[1]), int(cells[2])), spacing,
        (float(low[0]), float(low[1]), float(low[2])), tuple(opened[0]), tuple(opened[1]),
    )  # fmt: skip


class Room:
    """What stands in the gas of a shot, and what comes into it, at any time.

    `bodies` are the simulated ones, where some stand in it.
    """

    def __init__(
        self, shot: Shot, arrays: ArraySet, domain: FluidDomain, bodies: Simulated | None = None
    ) -> None:
        self._shot, self._arrays, self.domain = shot, arrays, domain
        self._things = obstacles_of(shot, arrays, domain.spacing, bodies)
        self._sources = tuple(Source(shot, arrays, emitter, domain) for emitter in shot.emitters)

    @property
    def moves(self) -> bool:
        """Whether any obstacle does."""
        return any(thing.moves for thing in self._things)

    def solid_at_start(self) -> Bools:
        """The cells (shape) that are inside of something, or below the ground."""
        result = self._still.copy()
        for thing in self._things:
            if thing.moves:
                self._mark(thing.at_start(), result)
        return result

    def obstacles(self, frame: int, share: float) -> tuple[Bools, Floats]:
        """What stands where at a share of the way to the next frame, and how fast it moves.

        (shape) and (faces, 3) [m/s].
        """
        solid = self._still.copy()
        velocity = np.zeros((*self.domain.faces, 3), np.float32)
        for thing in self._things:
            standing = thing.at(frame, share) if thing.moves else None
            if standing is None:
                continue
            own = np.zeros(self.domain.shape, bool)
            self._mark(standing, own)
            solid |= own
            for d in range(3):
                line = np.moveaxis(
                    np.pad(own, [(1, 1) if k == d else (0, 0) for k in range(3)]), d, 0
                )
                faces = np.moveaxis(line[:-1] | line[1:], 0, d)
                places = face_places(self.domain, d)[faces]
                velocity[self.domain.along(d)][faces] = standing.velocity(places)[:, d]
        return solid, velocity

    def buried_at_start(self) -> list[str]:
        """Which emitters (by name) emit then, but all of it into obstacles."""
        frame, solid, found = self._shot.frames.simulation_start, self.solid_at_start(), []
        for source, emitter in zip(self._sources, self._shot.emitters, strict=True):
            emission = source.at(frame)
            if emission is not None and emission.cover.any() and not emission.cover[~solid].any():
                found.append(emitter.name)
        return found

    def emissions(self, frame: int) -> list[Emission]:
        """What comes in between a frame and the next one."""
        return [e for source in self._sources if (e := source.at(frame)) is not None]

    @cached_property
    def _still(self) -> Bools:
        result = np.zeros(self.domain.shape, bool)
        ground = self._shot.world.ground
        if ground is not None:
            heights = self.domain.origin[2] + self.domain.spacing * (
                np.arange(self.domain.shape[2]) + 0.5
            )
            result[..., heights < ground.height] = True
        for thing in self._things:
            if not thing.moves:
                self._mark(thing.at_start(), result)
        return result

    def _mark(self, standing: Standing, solid: Bools) -> None:
        """Set the cells that a body takes. A thin one takes those that it only comes near."""
        inside = THIN * self.domain.spacing + standing.distance.deepest
        found, distance = _near(self.domain, standing.distance, standing.pose)
        solid[found] |= distance < max(inside, 0.0)


class Source:
    """One emitter on the gas's grid."""

    def __init__(self, shot: Shot, arrays: ArraySet, emitter: Emitter, domain: FluidDomain) -> None:
        self._shot, self._arrays, self._emitter, self._domain = shot, arrays, emitter, domain
        shape = _shape(emitter, arrays)
        self._distance = mesh_distance(shape, domain.spacing, emitter.thickness)
        self._still = self._cover([self._pose(0)]) if emitter.poses.shape[0] == 1 else None

    def at(self, frame: int) -> Emission | None:
        """What it emits between a frame and the next one; None where it does not."""
        emitter, window = self._emitter, self._emitter.window
        first = max(frame, -np.inf if window.first is None else window.first)
        last = min(frame + 1, np.inf if window.last is None else window.last)
        if last <= first:
            return None
        start, end = self._pose(frame), self._pose(frame + 1)
        motion = motion_between(start, end, 1 / self._shot.frames.fps, 0.5)
        cover = self._still
        if cover is None:
            way = float(np.linalg.norm(end[:3, 3] - start[:3, 3]))
            count = int(np.clip(np.ceil(way / self._domain.spacing), 1, MOST_PLACES))
            shares = (np.arange(count) + 0.5) / count
            cover = self._cover([_between(start, end, share) for share in shares])
        speed = np.asarray(emitter.velocity) + emitter.inheritance * motion.velocity
        return Emission(
            cover=cover,
            rate=emitter.rate * (last - first),
            smoke=self._number(emitter.smoke, frame),
            heat=self._number(emitter.temperature, frame),
            fuel=self._number(emitter.fuel, frame),
            velocity=tuple(float(v) for v in speed),
            color=emitter.color,
        )

    def _pose(self, frame: int) -> Reals:
        return pose_at(self._shot, self._arrays, self._emitter.poses, frame)

    def _number(self, value: float | ArrayRef, frame: int) -> float:
        """Return the mean of a number between a frame and the next one."""
        if not isinstance(value, ArrayRef):
            return float(value)
        track = self._arrays.of(value)
        return float(np.mean([track_row(self._shot.frames, track, frame + k) for k in (0, 1)]))

    def _cover(self, poses: list[Reals]) -> Floats:
        """The share (shape) of each cell that the mesh takes, or comes near, on average."""
        cover = np.zeros(self._domain.shape, np.float32)
        for pose in poses:
            found, distance = _near(self._domain, self._distance, pose)
            share = np.clip(COVERED - distance / self._domain.spacing, 0, 1)
            cover[found] += share / np.float32(len(poses))
        return cover


def _near(
    domain: FluidDomain, distance: MeshDistance, pose: Reals
) -> tuple[tuple[slice, slice, slice], Floats]:
    """Return a box of cells that holds all that are close to a mesh, and their distances [m]."""
    low, high = ((bound - domain.origin) / domain.spacing for bound in distance.box(pose))
    first = np.clip(np.floor(low - 1), 0, domain.shape).astype(int)
    last = np.clip(np.ceil(high + 1), 0, domain.shape).astype(int)
    box = slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])
    axes = [np.arange(a, b) + 0.5 for a, b in zip(first, last, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    places = grid.reshape(-1, 3) * domain.spacing + domain.origin
    return box, distance.at(places, pose).reshape(grid.shape[:3])


def _between(start: Reals, end: Reals, share: float) -> Reals:
    motion = motion_between(start, end, 1.0, share)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = motion.rotation, motion.translation
    return pose


def _shape(emitter: Emitter, arrays: ArraySet) -> Shape:
    return shape_of_mesh(emitter.name, emitter.mesh, emitter.poses, arrays)


def _swept(shape: Shape, poses: Reals) -> tuple[Reals, Reals]:
    """Return the bounds of a mesh over its whole track."""
    corners = np.array(np.meshgrid(*zip(shape.low, shape.high, strict=True))).reshape(3, -1).T
    world = corners @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3]
    return world.min(axis=(0, 1)), world.max(axis=(0, 1))


def _automatic_box(shot: Shot, bounds: list[tuple[Reals, Reals]]) -> Box:
    """Return room for what rises: over, beside and below the emitters wherever they go."""
    low = np.min([b[0] for b in bounds], axis=0)
    high = np.max([b[1] for b in bounds], axis=0)
    size = float((high - low).max())
    ground = shot.world.ground
    low = low - np.array([BESIDE, BESIDE, BELOW]) * size
    high = high + np.array([BESIDE, BESIDE, ABOVE]) * size
    if ground is not None and low[2] < ground.height < high[2]:
        low[2] = ground.height
    return Box((float(low[0]), float(low[1]), float(low[2])),
               (float(high[0]), float(high[1]), float(high[2])))  # fmt: skip


def _require_memory(cells: int, resolution: int) -> None:
    free = psutil.virtual_memory().available * FREE_SHARE
    if cells * CELL_BYTES > free:
        fitting = max(8, int(resolution * (free / (cells * CELL_BYTES)) ** (1 / 3)))
        raise MemoryShortError(
            f"Smoke: expected to fit into {free / 2**30:.1f} GiB of free memory, but {cells:,} "
            f"cells take about {cells * CELL_BYTES / 2**30:.1f} GiB.",
            f"Lower the smoke's resolution (now {resolution}) to about {fitting}.",
        )
