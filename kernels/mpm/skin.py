"""Skin: points of a solid bound to the particles that surround them at rest; called by a stage.

A solid keeps its neighbourhoods, so its splats need not be carried through every substep, where
errors add up at surfaces and in contact: where a point is follows from where its neighbours are.
The motion near a point is the affine map that fits theirs best (moving least squares with
weights w_i of the rest distance, as Mueller et al., Point Based Animation, 2004, section 4):

    F = (sum w_i dx_i dX_i^T + e Fm) (sum w_i dX_i dX_i^T + e I)^-1,    x = c + F (X - C)

about the weighted means c and C. `e` draws F to Fm, the mean of the particles' own deformation,
where neighbours lie flat. Where a body tears, a point goes with the particle that is nearest at
rest: neighbours that part from that one fade, and are gone before the crack is two cells
wide, so that no point hangs between its sides. Nothing is remembered: where a point is follows from
one frame's particles alone, and how it moves from those of two. What has
left the domain counts no more, and a point has left it with its nearest particle.
"""

import numpy as np
import taichi as ti
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..array_types import Floats as FloatsIn
from ..array_types import Ints, Mat3s, Spans, Table, Vec3s, f32, mat3, vec3

Floats = NDArray[np.float32]

NEIGHBOURS = 12
FRAYED, TORN = 1.5, 2.0
"""Times its rest distance from the nearest one, each with SLACK more, from which on a neighbour
fades, and at which it has left."""
SLACK = 0.5
"""Spacings added to rest distances: neighbours that are close to each other may jostle."""
DRAW = 0.01
"""e in squares of the spacing: small against the neighbours' moments, large against round-off."""


class Skin:
    """Points bound to particles of their own body.

    `rest` (n, 3) [m] and `body` (n,) are the particles at rest, `point` (m, 3) and `point_body`
    (m,) what is bound. Raises ValueError for a point whose body has no particles.
    """

    def __init__(
        self, rest: Floats, body: NDArray[np.int32], point: Floats, point_body: NDArray[np.int32]
    ) -> None:
        self._rest = np.ascontiguousarray(rest, np.float32)
        self._point = np.ascontiguousarray(point, np.float32)
        self._near = np.zeros((len(point), NEIGHBOURS), np.int32)
        self._weight = np.zeros((len(point), NEIGHBOURS), np.float32)
        self._spacing = np.ones(len(point), np.float32)
        for which in np.unique(point_body):
            self._bind(np.flatnonzero(body == which), np.flatnonzero(point_body == which))

    def _bind(self, particles: NDArray[np.intp], points: NDArray[np.intp]) -> None:
        if not len(particles):
            raise ValueError("expected particles in every body that has points, got none")
        count = min(NEIGHBOURS, len(particles))
        tree = cKDTree(self._rest[particles])
        distance, near = tree.query(self._point[points], k=list(range(1, count + 1)))
        reach = distance[:, -1:] * 1.01 + 1e-12
        # A neighbour joins and leaves the set with weight 0, so nearby points move alike.
        self._weight[points, :count] = (1 - (distance / reach) ** 2) ** 2 + 1e-6
        self._near[points, :count] = particles[near]
        self._spacing[points] = reach[:, 0] / count ** (1 / 3)

    def pose(
        self, position: Floats, deformation: Floats, gone: NDArray[np.bool_] | None = None
    ) -> tuple[Floats, Floats]:
        """Return the points' positions (m, 3) [m] and total deformation gradients (m, 3, 3).

        `position` (n, 3) and `deformation` (n, 3, 3) are the particles now, `gone` (n,) those of
        them that have left the domain.
        """
        mean = np.empty_like(self._point)
        gradient = np.empty((len(mean), 3, 3), np.float32)
        left = np.zeros(len(position), np.int32) if gone is None else gone.astype(np.int32)
        if len(mean):
            place(
                self._near, self._weight, self._spacing, self._point, self._rest,
                np.ascontiguousarray(position, np.float32),
                np.ascontiguousarray(deformation, np.float32), left, FRAYED, TORN, mean, gradient,
            )  # fmt: skip
        return mean, gradient

    def gone(self, gone: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which points (m,) have left the domain with the particles (n,) that are `gone`."""
        return np.asarray(gone[self._near[:, 0]], bool)


@ti.kernel
def place(
    near: Spans,  # [m, k] particles, the nearest first
    weight: Table,  # [m, k]
    spacing: FloatsIn,  # [m] m, between particles
    point: Vec3s,  # [m] X, m
    rest: Vec3s,  # [n] X_i, m
    position: Vec3s,  # [n] x_i, m
    deformation: Mat3s,  # [n]
    gone: Ints,  # [n]
    frayed: f32,
    torn: f32,
    mean: Vec3s,  # [m] x, m
    gradient: Mat3s,  # [m] F
):
    for s in point:
        first = near[s, 0]
        rest_at, at = rest[first], position[first]
        total = 0.0
        rest_mean, now_mean = vec3(0.0), vec3(0.0)
        moment, cross, own = mat3(0.0), mat3(0.0), mat3(0.0)
        for j in range(near.shape[1]):
            i = near[s, j]
            before, now = rest[i] - rest_at, position[i] - at
            parted = now.norm() / (before.norm() + SLACK * spacing[s])
            if parted < torn and (gone[i] == 0 or gone[first] == 1):
                left = ti.min((torn - parted) / (torn - frayed), 1.0)
                w = weight[s, j] * left * left * (3.0 - 2.0 * left)
                total += w
                rest_mean += w * before
                now_mean += w * now
                moment += w * before.outer_product(before)
                cross += w * now.outer_product(before)
                own += w * deformation[i]
        rest_mean /= total
        now_mean /= total
        draw = DRAW * spacing[s] * spacing[s]
        spread = moment / total - rest_mean.outer_product(rest_mean)
        moved = cross / total - now_mean.outer_product(rest_mean) + draw * own / total
        for a in ti.static(range(3)):
            spread[a, a] += draw
        f = moved @ spread.inverse()
        gradient[s] = f
        mean[s] = at + now_mean + f @ (point[s] - rest_at - rest_mean)
