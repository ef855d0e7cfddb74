"""Flocks become bodies: each agent simulated, then a keyframed body of its own; called by chain.

What comes after sees nothing but kinematic bodies: their splats ride exact poses, so light, shadow,
motion and contact are those of any other body. Frames and states are kept in the cache.
Agents with a contact push simulated bodies, which give way to them; all others keep clear of these,
which are simulated first.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ....kernels.flock import DistanceField, Flock, FlockSettings
from ...contract.air_check import agent_names
from ...contract.arrays import Array, ArrayRef, ArraySet
from ...contract.errors import ShotError
from ...contract.shot import Body, Box, Shot
from ...contract.shot import Flock as ShotFlock
from ..bodies.seeds import body_rng
from ..bodies.shape import pose_at, shape_of, track_row
from ..cache import FrameCache, stage_key
from .gas import solids_key
from .obstacles import Obstacle, Standing, obstacles_of, touched_bodies
from .simulated import Simulated

if TYPE_CHECKING:
    from ..progress import Listener

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

STEP = 1 / 48
"Longest step [s]."
MOST_STEPS = 64
FACING_RATE, LEANING_RATE = 14.0, 6.0
"How fast [1/s] an agent turns to where it flies, and leans into its turn."
GRAVITY = 9.81
STRAY = 0.5
"Radians by which the first headings differ."
TRIES = 20
"Places that are tried for one agent."
WIDE = 200.0
"Metres of the grid that stands for the ground."
BOUND_CELLS = 20
"Along the longest side of bounds; as many lie on either side of them."


@dataclass(frozen=True)
class Agents:
    """A flock at a frame, (n, 3) f32 each: places [m], velocities [m/s], unit vectors."""

    position: Floats
    velocity: Floats
    ahead: Floats
    up: Floats

    def poses(self, axis: str) -> Reals:
        """Body to world (n, 4, 4), of bodies whose `axis` flies foremost."""
        ahead = _unit(self.ahead.astype(np.float64))
        up = self.up - (self.up * ahead).sum(axis=1, keepdims=True) * ahead
        level = np.eye(3)[np.abs(ahead).argmin(axis=1)]  # who flies straight up
        level = level - (level * ahead).sum(axis=1, keepdims=True) * ahead
        up = _unit(np.where(np.linalg.norm(up, axis=1, keepdims=True) > 1e-3, up, level))
        foremost = np.zeros(3)
        foremost["xyz".index(axis[1])] = 1.0 if axis[0] == "+" else -1.0
        upper = np.array([0.0, 0, 1]) if axis[1] != "z" else np.array([0.0, 1, 0])
        own = np.stack([foremost, upper, np.cross(foremost, upper)])
        world = np.stack([ahead, up, np.cross(ahead, up)], axis=2)
        poses = np.tile(np.eye(4), (len(ahead), 1, 1))
        poses[:, :3, :3] = world @ own
        poses[:, :3, 3] = self.position
        return poses


def with_flocks(
    shot: Shot,
    arrays: ArraySet,
    cache: Path,
    listener: "Listener",
    bodies_of: Callable[[Shot, ArraySet], Simulated],
) -> tuple[Shot, ArraySet]:
    """Return the shot with a body for each agent after its own, and the arrays of both.

    `bodies_of` tells how the dynamic bodies of a shot move, where some keep clear of them: frames
    that it does not know show the agents as they were last. Raises ShotError where there is no room
    for a flock.
    """
    if not shot.flocks:
        return shot, arrays
    arrays, count = ArraySet(arrays), len(shot.flocks)
    moves = any(body.role == "dynamic" for body in shot.bodies)
    clear = [n for n in range(count) if moves and shot.flocks[n].body.contact is None]
    agents: dict[int, list[Body]] = {}
    bodies: Simulated | None = None
    for n in sorted(range(count), key=lambda n: n in clear):
        if n in clear and bodies is None:
            # Of agents that nothing feels only their number counts for how bodies are made ready.
            resting = {m: [_agent(shot.flocks[m], name) for name in agent_names(shot.flocks[m])]
                       for m in clear}  # fmt: skip
            bodies = bodies_of(_joined(shot, agents | resting), arrays)
        flock = shot.flocks[n]
        run = FlockRun(shot, arrays, flock, cache, listener, bodies)
        poses = np.stack([run.at(k).poses(flock.ahead) for k in shot.frames.tracked], axis=1)
        agents[n] = [
            _agent(flock, name, arrays.add(track))
            for name, track in zip(agent_names(flock), poses, strict=True)
        ]
    return _joined(shot, agents), arrays


def _agent(flock: ShotFlock, name: str, poses: ArrayRef | None = None) -> Body:
    """One of a flock, where the flock's body is unless it has a track."""
    return msgspec.structs.replace(flock.body, name=name, poses=poses or flock.body.poses)


def _joined(shot: Shot, agents: dict[int, list[Body]]) -> Shot:
    """The shot with the agents of its flocks, by their number, as bodies."""
    more = [body for n in sorted(agents) for body in agents[n]]
    return msgspec.structs.replace(shot, bodies=(*shot.bodies, *more), flocks=())


class FlockRun:
    """One flock over the frames of a shot; what is kept in `cache` is not computed again.

    `bodies` are the simulated ones that it keeps clear of.
    """

    def __init__(
        self,
        shot: Shot,
        arrays: ArraySet,
        flock: ShotFlock,
        cache: Path,
        listener: "Listener",
        bodies: Simulated | None = None,
    ) -> None:
        self._shot, self._arrays, self._flock, self._listener = shot, arrays, flock, listener
        self._bodies = bodies
        shape = shape_of(flock.body, arrays)
        self.radius = float(
            np.linalg.norm(shape.vertices[np.unique(shape.triangles)], axis=1).max()
        )
        "Of the ball about the body's origin that holds it [m]: no obstacle comes into it."
        self._cache = FrameCache(cache / "simulate" / self._key())
        self._digests = self._said()
        self._things: tuple[Obstacle, ...] | None = None
        self._walls: DistanceField | None = None
        self._latest: tuple[int, Agents] | None = None

    def at(self, frame: int) -> Agents:
        """Return a frame; those before the simulation's start show its first state.

        Where the bodies that it keeps clear of are not known, the last state before shows.
        """
        wanted = max(frame, self._shot.frames.simulation_start)
        number, agents = wanted, self._cached(wanted)
        if agents is None:
            number, agents = self._before(wanted)
            while number < wanted and self._tells(number):
                self._listener.check()
                agents = self._next(number, agents)
                number += 1
                self._keep(number, agents)
        self._latest = number, agents
        return agents

    def _tells(self, frame: int) -> bool:
        """Whether it is known how bodies move from a frame to the next one."""
        bodies = self._bodies
        return bodies is None or (bodies.knows(frame) and bodies.knows(frame + 1))

    def _before(self, frame: int) -> tuple[int, Agents]:
        """The newest state up to a frame: what is kept of it is all that the next one reads."""
        start = self._shot.frames.simulation_start
        for number in range(frame, start - 1, -1):
            if self._latest is not None and self._latest[0] == number:
                return self._latest
            if (agents := self._cached(number)) is not None:
                return number, agents
        agents = self._first()
        self._keep(start, agents)
        return start, agents

    def _cached(self, frame: int) -> Agents | None:
        record = self._cache.find(frame)
        if record is None or record.pop("tracks").tobytes() != self._digests[frame]:
            return None
        return Agents(**record)

    def _keep(self, frame: int, agents: Agents) -> None:
        record: dict[str, Array] = dict(vars(agents))
        record["tracks"] = np.frombuffer(self._digests[frame], np.uint8)
        self._cache.write(frame, record)

    def _key(self) -> str:
        shot, flock = self._shot, self._flock
        solid = solids_key(shot, self._bodies)
        constants = [getattr(flock, name) for name in flock.__struct_fields__
                     if name not in ("body", "goal", "ahead")]  # fmt: skip
        return stage_key(
            "simulate", "flock", constants,
            (flock.body.mesh.vertices, flock.body.mesh.triangles, flock.body.poses), solid,
            shot.world.ground and shot.world.ground.height, flock.goal is not None,
            (shot.seed, shot.frames.fps, shot.frames.simulation_start, flock.ahead),
        )  # fmt: skip

    def _said(self) -> dict[int, bytes]:
        """For every simulated frame a digest of all that tracks said up to it."""
        shot, digest, digests = self._shot, b"", {}
        tracks = [body.poses for body in touched_bodies(shot)]
        tracks += [self._flock.goal] if self._flock.goal is not None else []
        for frame in range(shot.frames.simulation_start, shot.frames.last + 1):
            rows = [np.asarray(track_row(shot.frames, self._arrays.of(r), frame)) for r in tracks]
            if self._bodies is not None:
                rows.append(np.frombuffer(self._bodies.digests[frame], np.uint8))
            digest = hashlib.sha256(digest + b"".join(row.tobytes() for row in rows)).digest()
            digests[frame] = digest
        return digests

    # ---- simulation

    def _first(self) -> Agents:
        """Spread the agents over their box, clear of obstacles and of each other."""
        flock, start = self._flock, self._shot.frames.simulation_start
        rng = body_rng(self._shot.seed, flock.name, "flock")
        pose = pose_at(self._shot, self._arrays, flock.body.poses, start)
        extent = np.asarray(flock.extent) * (1, 1, 0 if flock.flat else 1)
        offered = rng.uniform(-0.5, 0.5, (flock.count * TRIES, 3)) * extent
        offered = offered @ pose[:3, :3].T + pose[:3, 3]
        obstacles = self._fields([thing.at_start() for thing in self._touched])
        crowd = Flock(self._settings(), offered, np.zeros_like(offered), obstacles)
        free = offered[crowd.clear() >= self.radius]
        apart = min(flock.space, 0.7 * self._spacing(extent))
        places = free[_apart(free, apart, flock.count)]
        if len(places) < flock.count:
            raise ShotError(
                flock.name,
                f"expected room for {flock.count} agents of {self.radius:.3g} m about it, clear of "
                f"obstacles, found it for {len(places)}.",
                "Enlarge its extent, move it away from obstacles, or lower the count.",
            )
        axis = np.zeros(3)
        axis["xyz".index(flock.ahead[1])] = 1.0 if flock.ahead[0] == "+" else -1.0
        heading = pose[:3, :3] @ axis + STRAY * rng.standard_normal((flock.count, 3))
        if flock.flat:
            heading[:, 2] = 0
        ahead = _unit(heading).astype(np.float32)
        up = np.tile(np.array([0, 0, 1], np.float32), (flock.count, 1))
        velocity = ahead * np.float32(flock.speed)
        return Agents(places.astype(np.float32), velocity, ahead, up)

    def _spacing(self, extent: Reals) -> float:
        """The mean way between agents that fill their box evenly [m]."""
        sides = extent[extent > 0]
        return float((np.prod(sides) / self._flock.count) ** (1 / max(len(sides), 1)))

    def _next(self, frame: int, agents: Agents) -> Agents:
        """Steer from a frame to the next one."""
        flock, seconds = self._flock, 1 / self._shot.frames.fps
        goal = None
        crowd = Flock(self._settings(), agents.position, agents.velocity)
        fastest = flock.fastest + self._fastest_thing(frame)
        count = math.ceil(max(seconds / STEP, fastest * seconds / max(self.radius, 1e-3)))
        count = min(count, MOST_STEPS)
        ahead, up, dt = agents.ahead, agents.up, seconds / count
        for step in range(count):
            share = (step + 1) / count
            standing = [thing.at(frame, share) for thing in self._touched]
            crowd.obstacles = tuple(self._fields([one for one in standing if one is not None]))
            if flock.goal is not None:
                ends = [track_row(self._shot.frames, self._arrays.of(flock.goal), frame + k)
                        for k in (0, 1)]  # fmt: skip
                goal = tuple(float(x) for x in (1 - share) * ends[0] + share * ends[1])
            before = crowd.velocity
            crowd.advance(dt, goal)
            ahead = _turned(ahead, crowd.velocity, FACING_RATE * dt)
            pull = (crowd.velocity - before) / np.float32(dt)
            pull -= (pull * ahead).sum(axis=1, keepdims=True) * ahead
            lean = np.array([0, 0, GRAVITY], np.float32) + np.float32(flock.banking) * pull
            up = _turned(up, lean, LEANING_RATE * dt)
        return Agents(crowd.position, crowd.velocity.astype(np.float32), ahead, up)

    def _settings(self) -> FlockSettings:
        f = self._flock
        return FlockSettings(
            sight=f.sight, near=f.space, speed=f.speed, top_speed=f.fastest, least_speed=f.slowest,
            force=f.agility, separation=f.separation, alignment=f.alignment, cohesion=f.cohesion,
            attraction=f.attraction, avoidance=f.avoidance, clearance=self.radius, flat=f.flat,
        )  # fmt: skip

    def _fastest_thing(self, frame: int) -> float:
        """The speed of the fastest obstacle in this frame [m/s], its turning not counted."""
        return max((t.speed(frame) for t in self._touched if t.moves), default=0.0)

    @property
    def _touched(self) -> tuple[Obstacle, ...]:
        if self._things is None:
            spacing = max(self.radius, 1e-3)
            self._things = obstacles_of(self._shot, self._arrays, spacing, self._bodies)
        return self._things

    def _fields(self, standing: Sequence[Standing]) -> list[DistanceField]:
        """What stands, and the ground and the bounds."""
        found = []
        for one in standing:
            grid, motion = one.distance, one.motion
            origin = grid.origin - grid.spacing / 2  # its cells have their middles at the nodes
            found.append(
                DistanceField(
                    grid.distance, _triple(origin), grid.spacing,
                    motion.rotation, _triple(motion.translation), _triple(motion.velocity),
                )
            )  # fmt: skip
        ground = self._shot.world.ground
        if ground is not None:
            found.append(_ground(ground.height))
        if self._flock.bounds is not None:
            if self._walls is None:
                self._walls = _inside(self._flock.bounds, flat=self._flock.flat)
            found.append(self._walls)
        return found


def _apart(places: Reals, least: float, count: int) -> list[int]:
    """Choose up to `count` places in their order, none nearer than `least` to one before."""
    neighbours = cKDTree(places).query_ball_point(places, least) if len(places) else []
    chosen: list[int] = []
    free = np.ones(len(places), bool)
    for n in range(len(places)):
        if free[n] and len(chosen) < count:
            chosen.append(n)
            free[neighbours[n]] = False
    return chosen


def _turned(direction: Floats, toward: Floats, share: float) -> Floats:
    """Turn unit vectors (n, 3) towards others of any length, by about a share of the way."""
    length = np.linalg.norm(toward, axis=1, keepdims=True)
    wanted = np.where(length > 1e-6, toward / np.maximum(length, 1e-6), direction)
    mixed = direction - (direction - wanted) * np.float32(-math.expm1(-share))
    return _unit(mixed).astype(np.float32)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9))


def _triple(values: Sequence[float] | Reals) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _ground(height: float) -> DistanceField:
    """Two cells along each axis, whose middles are so far apart that everything is between."""
    distance = np.empty((2, 2, 2), np.float32)
    distance[..., 0], distance[..., 1] = -WIDE / 2, WIDE / 2
    return DistanceField(distance, (-WIDE, -WIDE, height - WIDE), WIDE)


def _inside(box: Box, *, flat: bool) -> DistanceField:
    """The distance to the sides of a box, positive in it."""
    low, high = np.asarray(box.low, np.float64), np.asarray(box.high, np.float64)
    spacing = float((high - low).max()) / BOUND_CELLS
    start = low - BOUND_CELLS * spacing
    count = np.ceil((high - low) / spacing).astype(int) + 2 * BOUND_CELLS
    places = (np.moveaxis(np.indices(tuple(count)), 0, -1) + 0.5) * spacing + start
    sides = np.minimum(places - low, high - places)
    distance = sides[..., : 2 if flat else 3].min(axis=-1)
    return DistanceField(distance.astype(np.float32), _triple(start), spacing)
