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

from ..array_types import (
    Cells,
    Ints,
    Mat3,
    Spans,
    Table,
    Vec3,
    Vec3s,
    Vec4,
    Vec4s,
    Volume,
    f32,
    i32,
    ivec3,
    mat3,
    template,
    vec3,
    vec4,
)
from .grid import CHUNK, SEPARATE, SLIP, SOLID_SHELL, STICK, contact, is_in_contact
from .state import BLOCK, FROZEN, PAD

BOUNDARIES = {"stick": STICK, "slip": SLIP, "separate": SEPARATE}
RUN = 4096
"""Particles per task of the push."""
FAR_AWAY = 1e9


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


@ti.func
def rotation_of(t: template) -> Mat3:
    return mat3(t[0, 0], t[0, 1], t[0, 2], t[0, 3], t[0, 4], t[0, 5], t[0, 6], t[0, 7], t[0, 8])


@ti.func
def row(t: template, n: template) -> Vec3:
    return vec3(t[0, 3 * n], t[0, 3 * n + 1], t[0, 3 * n + 2])


@ti.func
def sample_distance(at: Vec3, distance: template) -> Vec4:
    """Gradient (per node) and value of the distance at a place in nodes; FAR_AWAY outside."""
    result = vec4(0.0, 0.0, 1.0, FAR_AWAY)
    n = ivec3(distance.shape[0], distance.shape[1], distance.shape[2])
    inside = True
    for d in ti.static(range(3)):
        inside = inside and at[d] >= 0.0 and at[d] <= float(n[d] - 1)
    if inside:
        c = ti.min(int(at), n - 2)
        f = at - c
        value, gradient = 0.0, vec3(0.0)
        for i, j, k in ti.static(ti.ndrange(2, 2, 2)):
            wx = f[0] if ti.static(i) else 1.0 - f[0]
            wy = f[1] if ti.static(j) else 1.0 - f[1]
            wz = f[2] if ti.static(k) else 1.0 - f[2]
            d = distance[c[0] + i, c[1] + j, c[2] + k]
            value += wx * wy * wz * d
            gradient += d * vec3(
                (2 * i - 1) * wy * wz, (2 * j - 1) * wx * wz, (2 * k - 1) * wx * wy
            )
        result = vec4(gradient[0], gradient[1], gradient[2], value)
    return result


@ti.func
def look_up(x: Vec3, t: template, distance: template):
    """Distance [m], outward normal and surface velocity at x; all in the world."""
    r = rotation_of(t)
    arm = x - row(t, 3)
    local = r.transpose() @ arm
    s = sample_distance((local - row(t, 6)) / t[0, 21], distance)
    normal = r @ vec3(s[0], s[1], s[2])
    normal /= ti.max(normal.norm(), 1e-20)
    return s[3], normal, row(t, 4) + row(t, 5).cross(arm)


@ti.kernel
def collide_blocks(
    sx: i32,
    sy: i32,
    h: f32,
    shell: f32,  # cells up to which nodes hold solids
    t: Table,
    distance: Volume,
    span: Spans,
    flow: Ints,
    grid: Vec4s,  # [nodes] m/s and kg
):
    for q in range(span.shape[0] * CHUNK):
        if q % CHUNK == 0:
            b = q // CHUNK
            middle = vec3(t[0, 24], t[0, 25], t[0, 26])
            low = h * vec3(span[b, 0] - PAD, span[b, 1] - PAD, span[b, 2] - PAD)
            high = h * vec3(span[b, 0] - PAD + BLOCK, span[b, 1] - PAD + BLOCK, span[b, 3] - PAD)
            away = ti.max(low - middle, middle - high, 0.0)
            if away.norm() < t[0, 27]:
                for i, j in ti.ndrange(BLOCK, BLOCK):
                    x, y = span[b, 0] + i, span[b, 1] + j
                    for z in range(span[b, 2], span[b, 3]):
                        at = span[b, 4] + x * sx + y * sy + z
                        g = grid[at]
                        if g[3] > 0.0:
                            node = h * vec3(x - PAD, y - PAD, z - PAD)
                            if (node - middle).norm() < t[0, 27]:
                                d, n, surface = look_up(node, t, distance)
                                if is_in_contact(d / h, shell, at, sx, sy, flow) > 0:
                                    v = vec3(g[0], g[1], g[2])
                                    v = contact(v, surface, n, int(t[0, 22]), t[0, 23])
                                    grid[at] = vec4(v[0], v[1], v[2], g[3])


@ti.kernel
def push_out(
    h: f32,
    t: Table,
    distance: Volume,
    law: Ints,
    cell: Cells,
    offset: Vec3s,
    velocity: Vec3s,
    report: Table,  # [runs, 1] the longest push, cells
):
    """Move particles out of a collider, at most by half a cell, and stop them there."""
    for q in range(report.shape[0] * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            longest = 0.0
            for p in range(run * RUN, ti.min((run + 1) * RUN, cell.shape[0])):
                x = h * (float(cell[p] + 1 - PAD) + offset[p])
                if law[p] != FROZEN and (x - vec3(t[0, 24], t[0, 25], t[0, 26])).norm() < t[0, 27]:
                    d, n, surface = look_up(x, t, distance)
                    if d < 0.0:
                        length = ti.min(-d / h, 0.5)
                        at = offset[p] + length * n
                        step = ti.floor(at + 0.5)
                        cell[p] += int(step)
                        offset[p] = at - step
                        velocity[p] = contact(velocity[p], surface, n, int(t[0, 22]), t[0, 23])
                        longest = ti.max(longest, length)
            report[run, 0] = longest


@ti.kernel
def keep_out(h: f32, t: Table, distance: Volume, cell: Cells, offset: Vec3s):
    """Move tracers out of a collider, at most by half a cell."""
    for p in cell:
        x = h * (float(cell[p] + 1 - PAD) + offset[p])
        if (x - vec3(t[0, 24], t[0, 25], t[0, 26])).norm() < t[0, 27]:
            d, n, _ = look_up(x, t, distance)
            if d < 0.0:
                at = offset[p] + ti.min(-d / h, 0.5) * n
                step = ti.floor(at + 0.5)
                cell[p] += int(step)
                offset[p] = at - step
