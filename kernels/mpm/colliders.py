"""Colliders as signed distance grids that move; called by solver on grid and particles.

A collider's distance lives in its body's own space; its pose is interpolated inside an interval
(translation of the origin linearly, rotation along the geodesic), and its velocity at a point is
that of the rigid motion from the interval's start to its end. One that deforms (deforming) has a
velocity of its own on top, and distances that are sampled anew as it does.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .grid import SEPARATE, SLIP, SOLID_SHELL, STICK

BOUNDARIES = {"stick": STICK, "slip": SLIP, "separate": SEPARATE}


@dataclass(frozen=True)
class Collider:
    """A rigid body that nothing passes; distances in the body's own space."""

    distance: NDArray[np.float32]
    "(nx, ny, nz) m, negative inside."
    origin: tuple[float, float, float]
    "Position [m] of distance[0, 0, 0]."
    spacing: float
    boundary: Literal["stick", "slip", "separate"]
    friction: float


@dataclass(frozen=True)
class Plane:
    """Horizontal ground at a height [m]; what lies below is solid."""

    height: float
    boundary: Literal["stick", "slip", "separate"]
    friction: float


@dataclass(frozen=True)
class Motion:
    """A collider's place and velocity at one moment."""

    rotation: NDArray[np.float64]
    "(3, 3), body to world."
    translation: NDArray[np.float64]
    "(3,) m."
    velocity: NDArray[np.float64]
    "(3,) m/s of the body's origin."
    spin: NDArray[np.float64]
    "(3,) rad/s, world."


def rotation_vector(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return axis times angle [rad] of a rotation matrix, angle in [0, pi]."""
    cosine = min(1.0, max(-1.0, (np.trace(rotation) - 1) / 2))
    skew = rotation - rotation.T
    axis = np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
    sine = np.linalg.norm(axis) / 2
    angle = math.atan2(sine, cosine)
    if sine > 1e-8:
        return np.asarray(axis / (2 * sine) * angle)
    if cosine > 0:
        return np.asarray(axis / 2)
    # Half a turn: the axis is the eigenvector of eigenvalue 1.
    column = int(np.argmax(np.diag(rotation)))
    along = rotation[:, column] + np.eye(3)[column]
    return np.asarray(along / np.linalg.norm(along) * math.pi)


def rotation_matrix(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation about `vector` by its length [rad] (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector if angle < 1e-12 else vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle < 1e-12:
        return np.asarray(np.eye(3) + cross)
    turn = math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return np.asarray(np.eye(3) + turn)


def motion_between(
    start: NDArray[np.float64], end: NDArray[np.float64], seconds: float, fraction: float
) -> Motion:
    """Interpolate a rigid pose (4, 4) at a fraction of an interval, with its velocity."""
    turn = rotation_vector(end[:3, :3] @ start[:3, :3].T)
    travel = end[:3, 3] - start[:3, 3]
    return Motion(
        rotation_matrix(fraction * turn) @ start[:3, :3],
        start[:3, 3] + fraction * travel,
        travel / seconds,
        turn / seconds,
    )


@dataclass(frozen=True)
class Sphere:
    """What holds all of a collider that is near its surface or inside; in its body's space."""

    middle: NDArray[np.float64]
    reach: float
    "Radius [m]."

    @classmethod
    def around(
        cls, distance: NDArray[np.float32], origin: NDArray[np.float64], spacing: float
    ) -> "Sphere":
        """Bound the nodes that are less than a spacing from the inside."""
        inside = np.argwhere(distance < spacing).astype(np.float64)
        if len(inside) == 0:
            inside = np.zeros((1, 3))
        low, high = inside.min(axis=0), inside.max(axis=0)
        middle = origin + spacing * (low + high) / 2
        return cls(middle, float(np.linalg.norm(high - low) / 2 + 1) * spacing)

    def top_speed(
        self,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        seconds: float,
        box: tuple[NDArray[np.float64], NDArray[np.float64]],
        own: float = 0.0,
    ) -> float:
        """Return the speed [m/s] of its fastest point between two poses (4, 4).

        0 where it stays away from a box, low and high corner (3,) m, on the whole way. `own` [m/s]
        is how fast it moves in its body.
        """
        ends = [motion_between(start, end, seconds, fraction) for fraction in (0.0, 1.0)]
        arms = [motion.rotation @ self.middle for motion in ends]
        middles = [m.translation + arm for m, arm in zip(ends, arms, strict=True)]
        low, high = np.min(middles, axis=0) - self.reach, np.max(middles, axis=0) + self.reach
        if (low > box[1]).any() or (high < box[0]).any():
            return 0.0
        velocity, spin = ends[0].velocity, ends[0].spin
        fastest = max(float(np.linalg.norm(velocity + np.cross(spin, arm))) for arm in arms)
        return own + fastest + float(np.linalg.norm(spin)) * self.reach


def solid_shell(deepest: float, spacing: float) -> float:
    """Cells of a grid of this spacing up to which nodes hold solids; `deepest` distance [m].

    Thin bodies get more than SOLID_SHELL, so that they hold at least one layer of nodes.
    """
    return max(SOLID_SHELL, 0.5 + min(deepest, 0.0) / spacing)


def pack_table(
    motion: Motion,
    corner: NDArray[np.float64],
    sampled: tuple[NDArray[np.float64], float, Sphere],
    surface: tuple[str, float],
    lag: float | None = None,
) -> NDArray[np.float32]:
    """Pack all that the kernels need to know into (1, 30); world is relative to `corner`.

    `sampled` is the first node's place, the spacing and what holds the collider; `surface` its
    boundary and friction; `lag` [s] what has passed since one that deforms was sampled.
    """
    origin, spacing, sphere = sampled
    place = motion.translation - corner
    rows = np.zeros((10, 3))
    rows[:3] = motion.rotation
    rows[3] = place
    rows[4] = motion.velocity
    rows[5] = motion.spin
    rows[6] = origin
    rows[7] = spacing, BOUNDARIES[surface[0]], surface[1]
    rows[8] = motion.rotation @ sphere.middle + place
    rows[9] = sphere.reach, lag or 0.0, lag is not None
    return rows.reshape(1, -1).astype(np.float32)


class ColliderField:
    """A collider that keeps its shape, made ready for kernels."""

    def __init__(self, collider: Collider) -> None:
        self.distance = ti.ndarray(ti.f32, collider.distance.shape)
        self.distance.from_numpy(np.ascontiguousarray(collider.distance, np.float32))
        self.drift = ti.Vector.ndarray(3, ti.f32, (1, 1, 1))
        self._collider = collider
        self._origin = np.asarray(collider.origin, float)
        self.sphere = Sphere.around(collider.distance, self._origin, collider.spacing)
        self._deepest = float(collider.distance.min())

    def shell(self, spacing: float) -> float:
        """See solid_shell."""
        return solid_shell(self._deepest, spacing)

    def top_speed(
        self,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        seconds: float,
        box: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> float:
        """See Sphere.top_speed."""
        return self.sphere.top_speed(start, end, seconds, box)

    def table(
        self, motion: Motion, corner: NDArray[np.float64], fraction: float = 0.0
    ) -> NDArray[np.float32]:
        """See pack_table; it is the same at every `fraction` of an interval."""
        collider = self._collider
        sampled = self._origin, collider.spacing, self.sphere
        return pack_table(motion, corner, sampled, (collider.boundary, collider.friction))
