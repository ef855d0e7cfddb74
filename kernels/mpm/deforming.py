"""Colliders that deform, as distances that are sampled anew while their vertices move; for stepper.

In an interval every vertex goes straight and evenly from one place to the other. The interval is
parted so that none moves by more than STRIDE cells in a part, and each part is sampled in its
middle; before and after that a distance follows the velocity of the surface itself (collide).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ..mesh_distance import MovingMesh
from .colliders import Collider, ColliderField, Motion, Sphere, pack_table, solid_shell
from .state import Layout

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

STRIDE = 0.5
"""Cells that the surface may move from one sample to the next."""
MARGIN = 4
"""Cells of distance that are kept around it."""
OUTSIDE = 2
"""Cells outside of the domain in which distances are kept."""
MOST_NODES = 1_000_000
"""A collider with more nodes than this is sampled more coarsely."""


@dataclass(frozen=True)
class DeformingCollider:
    """A body that nothing passes; `Push.shapes` tells for each interval where its vertices are."""

    vertices: Floats
    "(V, 3) m in the body's own space, at any moment."
    triangles: NDArray[np.int32]
    "(F, 3)."
    thickness: float
    "m, of a shell around the triangles; 0 for a closed mesh."
    spacing: float
    "m between places at which the distance is sampled, or a little more."
    boundary: Literal["stick", "slip", "separate"]
    friction: float


Solid = Collider | DeformingCollider


def field_of(collider: Solid, layout: Layout) -> "ColliderField | DeformingField":
    """Make a collider ready for kernels."""
    if isinstance(collider, Collider):
        return ColliderField(collider)
    return DeformingField(collider, layout)


class DeformingField:
    """A collider that deforms, made ready for kernels."""

    def __init__(self, collider: DeformingCollider, layout: Layout) -> None:
        self._collider, self._layout = collider, layout
        self._mesh = MovingMesh(collider.vertices, collider.triangles, collider.thickness)
        self._used = np.unique(collider.triangles)
        self._ends = (collider.vertices, collider.vertices)
        self._poses: tuple[Reals, Reals] | None = None
        self._seconds, self._way, self._parts = 1.0, 0.0, 1
        self._place: tuple[Reals, float, tuple[int, int, int]] = (np.zeros(3), 0.0, (0, 0, 0))
        self._sampled: int | None = None
        self._deepest = 0.0
        self.sphere = Sphere(np.zeros(3), 0.0)
        self.distance = ti.ndarray(ti.f32, (1, 1, 1))
        self.drift = ti.Vector.ndarray(3, ti.f32, (1, 1, 1))

    def begin(
        self, shapes: tuple[Floats, Floats], poses: tuple[Reals, Reals], seconds: float
    ) -> None:
        """Take vertices (V, 3) [m] and poses (4, 4) at both ends of an interval."""
        start, end = (np.asarray(shape, np.float32) for shape in shapes)
        for shape in (start, end):
            if shape.shape != self._collider.vertices.shape or not np.isfinite(shape).all():
                raise ValueError(
                    f"Expected finite vertices {self._collider.vertices.shape} of a collider, got "
                    f"{shape.shape}."
                )
        h, before = self._layout.spacing, (self._ends[1], self._way, self._place)
        way = float(np.linalg.norm((end - start)[self._used], axis=1).max())
        self._ends, self._way, self._seconds = (start, end), way, seconds
        self._poses = poses
        self._parts = max(1, math.ceil(way / (STRIDE * h)))
        self._place = self._placed(poses)
        still = way == 0.0 and before[1] == 0.0 and np.array_equal(before[0], start)
        if not (still and _same(before[2], self._place)):
            self._sampled = None

    def lay(self, layout: Layout) -> None:
        """Take another grid, in the midst of an interval too."""
        self._layout = layout
        if self._poses is not None:
            self._place, self._sampled = self._placed(self._poses), None

    def _placed(self, poses: tuple[Reals, Reals]) -> tuple[Reals, float, tuple[int, int, int]]:
        """Return origin, spacing and shape of nodes that hold the surface all the way."""
        collider, h = self._collider, self._layout.spacing
        places = np.concatenate([shape[self._used] for shape in self._ends]).astype(np.float64)
        low, high = places.min(axis=0), places.max(axis=0)
        margin = MARGIN * h + collider.thickness / 2
        reach = float(np.linalg.norm(high - low)) / 2 + 2 * h + collider.thickness / 2
        self.sphere = Sphere((low + high) / 2, reach)
        low, high = low - margin, high + margin
        if np.array_equal(poses[0], poses[1]):
            low, high = self._clipped(low, high, np.asarray(poses[0], np.float64))
        spacing = max(collider.spacing, float(np.prod(high - low) / MOST_NODES) ** (1 / 3))
        count = np.maximum(np.ceil((high - low) / spacing).astype(int) + 1, 2)
        return low, spacing, (int(count[0]), int(count[1]), int(count[2]))

    def _clipped(self, low: Reals, high: Reals, pose: Reals) -> tuple[Reals, Reals]:
        """Cut a box in body space to what the grid covers of it (at least a cell)."""
        layout = self._layout
        corners = np.array(np.meshgrid(*[(0.0, 1.0)] * 3)).reshape(3, -1).T
        cells = (np.asarray(layout.cells) + 2 * OUTSIDE) * corners - OUTSIDE
        world = np.asarray(layout.origin) + layout.spacing * cells
        local = (world - pose[:3, 3]) @ pose[:3, :3]
        low, high = np.maximum(low, local.min(axis=0)), np.minimum(high, local.max(axis=0))
        return low, np.maximum(high, low + layout.spacing)

    def shell(self, spacing: float) -> float:
        """See solid_shell."""
        return solid_shell(self._deepest, spacing)

    def top_speed(
        self, start: Reals, end: Reals, seconds: float, box: tuple[Reals, Reals]
    ) -> float:
        """See Sphere.top_speed; of the interval that was begun."""
        return self.sphere.top_speed(start, end, seconds, box, own=self._way / self._seconds)

    def table(self, motion: Motion, corner: Reals, fraction: float) -> Floats:
        """See pack_table; samples the surface anew where it has moved on since it was."""
        part = min(int(fraction * self._parts), self._parts - 1)
        middle = (part + 0.5) / self._parts
        if part != self._sampled:
            self._sample(middle)
            self._sampled = part
        origin, spacing, _ = self._place
        surface = (self._collider.boundary, self._collider.friction)
        lag = (fraction - middle) * self._seconds
        return pack_table(motion, corner, (origin, spacing, self.sphere), surface, lag)

    def _sample(self, share: float) -> None:
        start, way = self._ends[0], self._ends[1] - self._ends[0]
        origin, spacing, shape = self._place
        distance, drift = self._mesh.sample(
            start + np.float32(share) * way,
            way / np.float32(self._seconds),
            origin=origin,
            spacing=spacing,
            shape=shape,
        )
        if tuple(self.distance.shape) != shape:
            self.distance = ti.ndarray(ti.f32, shape)
            self.drift = ti.Vector.ndarray(3, ti.f32, shape)
        self.distance.from_numpy(distance)
        self.drift.from_numpy(drift)
        self._deepest = float(distance.min())


def _same(
    one: tuple[Reals, float, tuple[int, int, int]], other: tuple[Reals, float, tuple[int, int, int]]
) -> bool:
    return one[1:] == other[1:] and np.array_equal(one[0], other[0])
