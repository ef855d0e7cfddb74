"""Rigid bodies that move, touch and rest; arrays in, arrays out. Called by a stage and by coupling.

A substep: kick by forces, find contacts, solve them, move. Velocities live half a substep before
places (leapfrog), so a fall is exact at any step. State and solver are in float64 and run in one
order, so the same input gives the same bits.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import ArrayLike, NDArray

from ..mpm.colliders import Motion, Plane, motion_between
from ..mpm.input import Advance, Diverged, Push
from . import contacts, distances, impulses, motion
from .mass import Mass
from .outside import Outside
from .shape import Solid

Floats = NDArray[np.float64]

LONGEST_STEP = 1 / 480
"""Seconds of a substep: stacks stand the stiffer the shorter it is."""
STRIDE = 0.25
"""Share of the smallest reach that a body may move in a substep."""
MOST_STEPS = 4000
"""Substeps of an interval at most, however fast something is."""
ROUNDS = 24
"""Sweeps over the contacts in a substep."""
MOST_CONTACTS = 64
"""Contacts per thing that there is room for."""
STICKING = 1e4
"""Friction of what sticks."""
REST_STEPS = 4
RESTING = 0.01
"""m/s, on top of what gravity gives in REST_STEPS substeps, below which nothing bounces."""
SLOP = 5e-4
"""Share of the smallest reach that bodies may overlap without being pushed apart."""
MENDING_SPEED = 1.0
"""Reaches per second at which bodies that overlap are pushed apart at most."""


@dataclass(frozen=True)
class RigidBody:
    """A body that moves freely, as it is at the start."""

    solid: Solid
    mass: Mass
    pose: Floats
    "(4, 4) mesh space to world."
    velocity: ArrayLike
    "(3,) m/s of the centre of mass."
    spin: ArrayLike
    "(3,) rad/s about it, world."
    friction: float
    restitution: float
    name: int = 0
    "What Diverged calls it."


@dataclass(frozen=True)
class Obstacle:
    """A collider: moves as it is told, whatever strikes it."""

    solid: Solid
    boundary: str
    friction: float


@dataclass(frozen=True)
class Bounds:
    """Planes that all bodies are above: normals (k, 3), offsets (k,) m, friction (k,)."""

    normal: Floats
    offset: Floats
    friction: Floats

    @classmethod
    def of(
        cls,
        ground: Plane | None,
        box: tuple[ArrayLike, ArrayLike] | None = None,
        *,
        sticking: bool = False,
    ) -> "Bounds":
        """Take the ground, and the inside of a box whose walls stick or let slide."""
        rows = []
        if ground is not None:
            rows.append((0.0, 0.0, 1.0, ground.height, _grip(ground.boundary, ground.friction)))
        if box is not None:
            grip = STICKING if sticking else 0.0
            for axis in range(3):
                n = np.eye(3)[axis]
                rows.append((*n, float(np.asarray(box[0])[axis]), grip))
                rows.append((*-n, -float(np.asarray(box[1])[axis]), grip))
        table = np.array(rows, np.float64).reshape(-1, 5)
        return cls(table[:, :3], table[:, 3], table[:, 4])


class RigidWorld:
    """All rigid bodies of a shot, with what they collide with."""

    def __init__(
        self, bodies: Sequence[RigidBody], obstacles: Sequence[Obstacle], bounds: Bounds
    ) -> None:
        self.count = len(bodies)
        self._bodies, self._obstacles = tuple(bodies), tuple(obstacles)
        solids = [body.solid.about(body.mass.center) for body in bodies]
        self.solids = solids
        solids = solids + [obstacle.solid for obstacle in obstacles]
        self._ints, self._reals, self._points, nodes = _packed(solids)
        self._field = ti.ndarray(ti.f32, len(nodes))
        self._field.from_numpy(nodes)
        grips = [(b.friction, b.restitution) for b in bodies]
        grips += [(_grip(o.boundary, o.friction), 0.0) for o in obstacles]
        self._reals[:, distances.FRICTION :] = np.array(grips).reshape(-1, 2)
        there = np.ones(len(bounds.offset))
        planes = np.column_stack([bounds.normal, bounds.offset, bounds.friction, there])
        # Taichi has no empty arrays: a world without planes has one that is not there.
        self._planes = planes if len(planes) else np.zeros((1, 6))
        self.mass = np.array([[body.mass.mass] for body in bodies])
        self.volume = [body.mass.volume for body in bodies]
        self.inertia = np.array([body.mass.inertia for body in bodies])
        self._inverse = np.linalg.inv(self.inertia)
        things = len(solids)
        self._position, self._turn = np.zeros((things, 3)), np.zeros((things, 4))
        self._turn[:, 0] = 1
        self._velocity, self._shift = np.zeros((things, 6)), np.zeros((self.count, 6))
        self.momentum = np.zeros((self.count, 6))
        self._last_step = 0.0
        most = MOST_CONTACTS * things
        self._found = np.zeros((_most_points(self._ints), contacts.FOUND_REALS))
        self._found_int = np.zeros(len(self._found), np.int32)
        self._lists = [_Contacts(most), _Contacts(most)]
        self._rows = np.zeros((most, impulses.ROW))
        self._total = np.zeros(1)
        self._responses: Floats | None = None
        self._resting, self._fall = RESTING, np.zeros(3)
        self._outside = Outside()
        self._place()

    def _place(self) -> None:
        for n, body in enumerate(self._bodies):
            rotation = np.asarray(body.pose, float)[:3, :3]
            self._position[n] = rotation @ body.mass.center + np.asarray(body.pose)[:3, 3]
            self._turn[n] = quaternion_of(rotation)
            spin = rotation.T @ np.asarray(body.spin, float)
            self.momentum[n, :3] = self.mass[n] * np.asarray(body.velocity, float)
            self.momentum[n, 3:] = rotation @ self.inertia[n] @ spin

    # ---- stepping

    def advance(
        self, seconds: float, push: Push, on_substep: Callable[[float], None] | None = None,
        *, caution: float = 1.0,
    ) -> Advance:  # fmt: skip
        """Simulate an interval, no grid; `caution` scales its longest step. Raises Diverged."""
        force, top = push.force(), 0.0
        done, count, smallest = 0.0, 0, math.inf
        while done < seconds * (1 - 1e-9):
            rest = seconds - done
            limit = caution * max(self.step_limit(), seconds / MOST_STEPS)
            dt = rest / max(1, math.ceil(rest / limit - 1e-6))
            self.kick(push, force, (seconds, done, dt, self._last_step))
            self.solve(dt)
            self.move(dt)
            done, count = done + dt, count + 1
            smallest, top = min(smallest, dt), max(top, self.top_speed())
            if on_substep:
                on_substep(min(1.0, done / seconds))
        return Advance(count, smallest if count else 0.0, top, 0)

    def step_limit(self) -> float:
        """Longest substep [s] in which no body moves far for its size."""
        reach = self._reals[: self.count, distances.REACH]
        speed = np.linalg.norm(self.velocities()[:, :3], axis=1) + 1e-9
        return min(LONGEST_STEP, float((STRIDE * reach / speed).min(initial=math.inf)))

    def top_speed(self) -> float:
        """Speed [m/s] of the fastest point of any body, or more."""
        v = self.velocities()
        reach = self._reals[: self.count, distances.REACH]
        fast = np.linalg.norm(v[:, :3], axis=1) + reach * np.linalg.norm(v[:, 3:], axis=1)
        return float(fast.max(initial=0.0))

    def place_obstacles(self, push: Push, seconds: float, fraction: float) -> None:
        """Put the colliders where they are at a fraction of an interval."""
        poses = zip(push.collider_from, push.collider_to, strict=True)
        for n, (start, end) in enumerate(poses, self.count):
            at = motion_between(start, end, seconds, fraction)
            self._position[n], self._turn[n] = at.translation, quaternion_of(at.rotation)
            self._velocity[n, :3], self._velocity[n, 3:] = at.velocity, at.spin

    def place_obstacles_at(self, poses: Sequence[Floats]) -> None:
        """Put the colliders at poses (4, 4), at rest."""
        for n, pose in enumerate(poses, self.count):
            self._position[n], self._turn[n] = pose[:3, 3], quaternion_of(pose[:3, :3])

    def kick(self, push: Push, force: Floats, place: tuple[float, float, float, float]) -> None:
        """Let forces act from the last substep's middle to this one's, and place the colliders.

        `place` is the interval's length, the seconds of it that are done, this substep's length
        and the last one's. `force` (4,), as `Push.force` gives it: acceleration [m/s^2] of all, and
        drag [1/s].
        """
        seconds, done, dt, last = place
        span, self._last_step = (last + dt) / 2, dt
        self.place_obstacles(push, seconds, done / seconds)
        state = np.concatenate([self._position[: self.count], self.velocities()[:, :3]], axis=1)
        self.momentum += self._outside.gained(push, place, self.mass, state)
        gained = self.momentum[:, :3] + span * self.mass * force[:3]
        self.momentum[:, :3] = gained / (1 + span * force[3])
        self._fall = np.ascontiguousarray(force[:3], np.float64)
        self._resting = RESTING + REST_STEPS * span * float(np.linalg.norm(force[:3]))

    def solve(
        self, dt: float, response: Floats | None = None, velocity: Floats | None = None
    ) -> None:
        """Find contacts and let their impulses act on the momentum.

        `response` (n, 6, 6) and `velocity` (n, 6) replace those of the free bodies where more than
        they themselves is moved.
        """
        self._velocity[: self.count] = self.velocities() if velocity is None else velocity
        if not np.isfinite(self.momentum).all():
            lost = int((~np.isfinite(self.momentum)).any(axis=1).argmax())
            raise Diverged(-1, self._bodies[lost].name, "its motion is not finite")
        now, last = self._lists
        contacts.find_contacts(
            self.count, dt, self._position, self._turn, self._velocity, self._ints, self._reals,
            self._points, self._field, self._planes, self._found, self._found_int,
            last.count, last.ints, now.ints, now.reals, self._total,
        )  # fmt: skip
        now.count = int(self._total[0])
        response = self.responses() if response is None else response
        reach = self._reals[: self.count, distances.REACH]
        mending = SLOP * float(reach.min()), MENDING_SPEED * float(reach.max())
        impulses.solve_contacts(
            self.count, dt, self._resting, self._fall, ROUNDS, *mending, now.count, last.count,
            self._position, response, self._velocity, self.momentum, self._shift, last.ints,
            last.reals, now.ints, now.reals, self._rows,
        )  # fmt: skip
        self._lists.reverse()

    def move(self, dt: float) -> None:
        """Move the bodies with their momentum."""
        motion.move(
            dt, self.mass, self._inverse, self.momentum, self._shift, self._position, self._turn
        )
        self._responses = None

    # ---- reading

    def poses(self) -> Floats:
        """Poses (n, 4, 4) of the bodies' meshes in the world."""
        result = np.tile(np.eye(4), (self.count, 1, 1))
        result[:, :3, :3] = matrix_of(self._turn[: self.count])
        center = np.array([body.mass.center for body in self._bodies])
        turned = np.einsum("nij,nj->ni", result[:, :3, :3], center)
        result[:, :3, 3] = self._position[: self.count] - turned
        return result

    def motions(self) -> list[Motion]:
        """Place and velocity of each body about its centre of mass."""
        v = self.velocities()
        rotation = matrix_of(self._turn[: self.count])
        return [
            Motion(rotation[n], self._position[n].copy(), v[n, :3], v[n, 3:])
            for n in range(self.count)
        ]

    def velocities(self) -> Floats:
        """Velocity [m/s] and spin [rad/s] of the bodies, (n, 6), half a substep ago."""
        return np.asarray(np.einsum("nij,nj->ni", self.responses(), self.momentum))

    def present(self) -> Floats:
        """Velocities (n, 6) that the contacts of this substep have left."""
        return self._velocity[: self.count]

    def responses(self) -> Floats:
        """Velocity that an impulse gives to each body, (n, 6, 6)."""
        if self._responses is None:
            rotation = matrix_of(self._turn[: self.count])
            result = np.zeros((self.count, 6, 6))
            result[:, :3, :3] = np.eye(3) / self.mass[:, :, None]
            result[:, 3:, 3:] = rotation @ self._inverse @ rotation.transpose(0, 2, 1)
            self._responses = result
        return self._responses

    def reach_of(self, thing: int) -> float:
        """Radius [m] of a body or collider; endless for the planes behind them."""
        inside = thing < len(self._reals)
        return float(self._reals[thing, distances.REACH]) if inside else math.inf

    def deepest_overlap(self) -> tuple[float, int, int]:
        """Return how deep [m] things are in each other, and which: colliders after the bodies.

        Planes come last, all as one.
        """
        now, last = self._lists
        contacts.find_contacts(
            self.count, 0.0, self._position, self._turn, self._velocity, self._ints, self._reals,
            self._points, self._field, self._planes, self._found, self._found_int,
            last.count, last.ints, now.ints, now.reals, self._total,
        )  # fmt: skip
        count = int(self._total[0])
        if count == 0:
            return 0.0, 0, 0
        at = int(now.reals[:count, contacts.GAP].argmin())
        first, second = (int(i) for i in now.ints[at, :2])
        return -float(now.reals[at, contacts.GAP]), first, min(second, len(self._ints))

    # ---- checkpoints

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Take all that is needed to go on with the same bits."""
        last = self._lists[1]
        return {
            "rigid_position": self._position[: self.count].copy(),
            "rigid_turn": self._turn[: self.count].copy(),
            "rigid_momentum": self.momentum.copy(),
            "rigid_contact": last.reals[: last.count].copy(),
            "rigid_contact_int": last.ints[: last.count].copy(),
            "rigid_step": np.array([self._last_step, *self._outside.clock]),
        }

    def restore(self, saved: dict[str, NDArray[Any]]) -> None:
        """Go back to a checkpoint of this world or of one made from the same input."""
        self._position[: self.count] = saved["rigid_position"]
        self._turn[: self.count] = saved["rigid_turn"]
        self.momentum[:] = saved["rigid_momentum"]
        last = self._lists[1]
        last.count = len(saved["rigid_contact"])
        last.reals[: last.count] = saved["rigid_contact"]
        last.ints[: last.count] = saved["rigid_contact_int"]
        self._last_step = float(saved["rigid_step"][0])
        self._outside.clock[:] = saved["rigid_step"][1:]
        self._responses = None


class _Contacts:
    """Room for the contacts of one substep."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self.ints = np.zeros((most, contacts.CONTACT_INTS), np.int32)
        self.reals = np.zeros((most, contacts.CONTACT_REALS))


def matrix_of(turn: Floats) -> Floats:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4) w, x, y, z."""
    cross = np.zeros((*turn.shape[:-1], 3, 3))
    cross[..., [2, 0, 1], [1, 2, 0]] = turn[..., 1:]
    cross[..., [1, 2, 0], [2, 0, 1]] = -turn[..., 1:]
    return np.asarray(np.eye(3) + 2 * turn[..., :1, None] * cross + 2 * cross @ cross)


def quaternion_of(rotation: Floats) -> Floats:
    """Unit quaternion (w, x, y, z) of a rotation matrix, by the largest of its four parts."""
    r = rotation
    four = np.array(
        [
            [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [0, r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[0, 2] + r[2, 0]],
            [0, 0, r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2]],
            [0, 0, 0, r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    full = (four + np.triu(four, 1).T + np.eye(4)) / 4
    column = full[:, int(np.diag(full).argmax())]
    return np.asarray(column / np.linalg.norm(column))


def _grip(boundary: str, friction: float) -> float:
    return {"slip": 0.0, "stick": STICKING}.get(boundary, friction)


def _packed(
    solids: Sequence[Solid],
) -> tuple[NDArray[np.int32], Floats, Floats, NDArray[np.float32]]:
    """Put shapes one behind the other for the kernels."""
    ints = np.zeros((len(solids), distances.SHAPE_INTS), np.int32)
    reals = np.zeros((len(solids), distances.SHAPE_REALS))
    node, point = 0, 0
    for i, solid in enumerate(solids):
        ints[i] = node, *solid.distance.shape, point, point + len(solid.points)
        reals[i, :3] = solid.origin
        reals[i, 3:6] = solid.spacing, solid.ball, solid.reach
        node, point = node + solid.distance.size, point + len(solid.points)
    nodes = np.concatenate([solid.distance.ravel() for solid in solids])
    points = np.concatenate([solid.points for solid in solids])
    return ints, reals, points, nodes.astype(np.float32)


def _most_points(ints: NDArray[np.int32]) -> int:
    return int((ints[:, distances.POINT1] - ints[:, distances.POINT0]).max())
