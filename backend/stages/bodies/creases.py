"""Edges where a surface ends or turns sharply outwards: discs must not stick out there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .shape import Shape

Floats = NDArray[np.float64]

SHARP = 0.87
"Cosine between two faces' normals below which their edge is sharp (30 degrees)."
IN_PLANE = 0.35
"A crease bounds a disc if it lies within this many reaches of the disc's plane."
RIM = 1.6
"Standard deviations of a disc that end at a crease."
THINNEST = 0.15
"A disc is not made thinner than this share of itself."
NEAREST = 8
STEP = 0.25
"Distance between crease points in reaches."


@dataclass(frozen=True)
class Creases:
    """Points along all creases, body space: `position` (k, 3) m, `direction` (k, 3) unit."""

    position: Floats
    direction: Floats

    def near(
        self, position: Floats, normal: Floats, reach: float
    ) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
        """Return which points have creases near them, and where.

        `position`, `normal` (n, 3), `reach` in metres. Of r points: their indices (r,), vectors
        (r, NEAREST, 3) in the point's plane to the nearest creases, and which of these count.
        """
        if not len(self.position):
            return np.zeros(0, np.int64), np.zeros((0, 1, 3)), np.zeros((0, 1), bool)
        tree = cKDTree(self.position)
        nearest = tree.query(position, distance_upper_bound=reach, workers=-1)[0]
        close = np.flatnonzero(np.isfinite(nearest))
        count = min(NEAREST, len(self.position))
        away, index = tree.query(
            position[close], k=list(range(1, count + 1)), distance_upper_bound=reach, workers=-1
        )
        found = np.isfinite(away)
        index = np.where(found, index, 0)
        vector = self.position[index] - position[close, None, :]
        direction = self.direction[index]
        vector -= np.einsum("nkd,nkd->nk", vector, direction)[..., None] * direction
        height = np.einsum("nkd,nd->nk", vector, normal[close])
        vector -= height[..., None] * normal[close, None, :]
        return close, vector, found & (np.abs(height) < IN_PLANE * reach)


def creases_of(shape: Shape, reach: float) -> Creases:
    """Find a surface's borders and sharp convex edges; `reach` in metres sets the steps on them."""
    corners = np.concatenate([shape.triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    face = np.tile(np.arange(len(shape.triangles)), 3)
    # vertices that lie on each other are one: a mesh cut along its seams has no border there
    _, merged = np.unique(shape.vertices, axis=0, return_inverse=True)
    pair = np.sort(merged.ravel()[corners], axis=1)
    order = np.lexsort((pair[:, 1], pair[:, 0]))
    pair, corners, face = pair[order], corners[order], face[order]
    starts = np.flatnonzero(np.r_[True, (pair[1:] != pair[:-1]).any(axis=1)])
    users = np.diff(np.r_[starts, len(pair)])
    first, second = face[starts], face[np.minimum(starts + 1, len(face) - 1)]
    normals = shape.face_normals.astype(np.float64)
    turn = np.einsum("nd,nd->n", normals[first], normals[second])
    centre = shape.vertices[shape.triangles].mean(axis=1, dtype=np.float64)
    convex = np.einsum("nd,nd->n", centre[second] - centre[first], normals[first]) < 0
    chosen = starts[(users == 1) | ((users == 2) & (turn < SHARP) & convex)]
    return _points_along(
        shape.vertices[corners[chosen, 0]].astype(np.float64),
        shape.vertices[corners[chosen, 1]].astype(np.float64),
        STEP * reach,
    )


def trimmed(axes: Floats, vector: Floats, counts: NDArray[np.bool_]) -> Floats:
    """Make discs narrower towards creases, so that no more than their rims stick out.

    `axes` (n, 3, 3) columns are half axes [m], `vector` (n, k, 3) and `counts` (n, k) as of
    `Creases.near`.
    """
    axes = axes.copy()
    for k in range(vector.shape[1]):
        chosen = np.flatnonzero(counts[:, k])
        distance = np.linalg.norm(vector[chosen, k], axis=1)
        outward = vector[chosen, k] / np.maximum(distance, 1e-12)[:, None]
        across = np.einsum("nd,ndj->nj", outward, axes[chosen])
        width = np.linalg.norm(across, axis=1)
        share = np.clip(distance / RIM / np.maximum(width, 1e-12), THINNEST, 1.0)
        axes[chosen] += (share - 1)[:, None, None] * outward[:, :, None] * across[:, None, :]
    return axes


def _points_along(first: Floats, last: Floats, step: float) -> Creases:
    length = np.linalg.norm(last - first, axis=1)
    count = np.maximum(np.ceil(length / step), 1).astype(int)
    edge = np.repeat(np.arange(len(first)), count)
    rank = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    along = ((rank + 0.5) / count[edge])[:, None]
    direction = (last - first) / np.maximum(length, 1e-12)[:, None]
    return Creases(first[edge] * (1 - along) + last[edge] * along, direction[edge])
