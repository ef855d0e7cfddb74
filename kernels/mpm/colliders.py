"""Rigid colliders as signed distance grids that move; called by solver on grid and particles.

A collider's distance lives in its body's own space; its pose is interpolated inside an interval
(translation of the origin linearly, rotation along the geodesic), and its velocity at a point is
that of the rigid motion from the interval's start to its end.
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


class ColliderField:
    """A collider made ready for kernels."""

    def __init__(self, collider: Collider) -> None:
        self.distance = ti.ndarray(ti.f32, collider.distance.shape)
        self.distance.from_numpy(np.ascontiguousarray(collider.distance, np.float32))
        self._collider = collider
        inside = np.argwhere(collider.distance < collider.spacing).astype(np.float64)
        if len(inside) == 0:
            inside = np.zeros((1, 3))
        low, high = inside.min(axis=0), inside.max(axis=0)
        origin = np.asarray(collider.origin, float)
        self._middle = origin + collider.spacing * (low + high) / 2
        self._reach = float(np.linalg.norm(high - low) / 2 + 1) * collider.spacing

    def shell(self, spacing: float) -> float:
        """Cells of a grid of this spacing up to which nodes hold solids.

        Thin bodies get more than SOLID_SHELL, so that they hold at least one layer of nodes.
        """
        return max(SOLID_SHELL, 0.5 + float(self._collider.distance.min()) / spacing)

    def top_speed(
        self,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        seconds: float,
        box: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> float:
        """Return the speed [m/s] of its fastest point between two poses (4, 4).

        0 where it stays away from a box, low and high corner (3,) m, on the whole way.
        """
        ends = [motion_between(start, end, seconds, fraction) for fraction in (0.0, 1.0)]
        arms = [motion.rotation @ self._middle for motion in ends]
        middles = [m.translation + arm for m, arm in zip(ends, arms, strict=True)]
        low, high = np.min(middles, axis=0) - self._reach, np.max(middles, axis=0) + self._reach
        if (low > box[1]).any() or (high < box[0]).any():
            return 0.0
        velocity, spin = ends[0].velocity, ends[0].spin
        fastest = max(float(np.linalg.norm(velocity + np.cross(spin, arm))) for arm in arms)
        return fastest + float(np.linalg.norm(spin)) * self._reach

    def table(self, motion: Motion, corner: NDArray[np.float64]) -> NDArray[np.float32]:
        """Pack all that the kernels need to know into (8, 3); world is relative to `corner`."""
        collider = self._collider
        place = motion.translation - corner
        rows = np.zeros((8, 3))
        rows[:3] = motion.rotation
        rows[3] = place
        rows[4] = motion.velocity
        rows[5] = motion.spin
        rows[6] = collider.origin
        rows[7] = collider.spacing, BOUNDARIES[collider.boundary], collider.friction
        middle = motion.rotation @ self._middle + place
        return np.concatenate([rows.ravel(), middle, [self._reach]]).astype(np.float32)[None]
