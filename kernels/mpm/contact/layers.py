"""Which layer of the grid each body writes to; called by stepper at every sort.

Every layer is a whole grid of nodes. Bodies that may write to the same nodes before the next sort
get different layers, all others share: so there are as many layers as bodies meet in one place, not
as there are bodies, and what meets nobody costs what it costs alone. A particle is as fast as ever,
since each writes to one layer only.
"""

from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ...array_types import Cells, Ints, Spans, i32
from ..state import FROZEN, Layout
from .given import Meeting

Indices = NDArray[np.int32]

CHUNK = 512
RUN = 4096
"""Particles per task."""
ACROSS = 4
"""Cells between the base nodes of two particles up to which they may write to one node: a stencil
is two cells wide, and each may drift by one."""
FEW = 4
"""Where boxes ask for more layers, it pays to look closer at which bodies are near."""
MOST_FLAGS = 1 << 25
"""Up to so many numbers, present ones are found by flags, else by sorting."""


class Layers:
    """The layers of one solver's grid."""

    def __init__(self, meeting: Meeting, layout: Layout) -> None:
        self._layout = layout
        _, field = np.unique(meeting.field, return_inverse=True)
        self._field = np.ascontiguousarray(field.reshape(-1), np.int32)
        self._fields = int(self._field.max(initial=0)) + 1
        self.first = np.zeros(max(len(self._field), 1), np.int32)
        "(bodies,) the first node of each body's layer."
        self.count = 1

    def lay(self, layout: Layout) -> None:
        """Take another grid; bodies have no layers on it before they are assigned."""
        self._layout = layout

    def assign(self, particles: Any) -> None:
        """Give the bodies layers by where their particles are now."""
        if self._fields == 1:
            return
        box = np.empty((self._fields, 6), np.int32)
        box[:, :3], box[:, 3:] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
        bound_fields(self._field, particles.body, particles.law, particles.cell, box)
        layer = _colors(_boxes_near(box))
        if layer.max() >= FEW:
            layer = _colors(self._near(particles))
        self.count = int(layer.max()) + 1
        self.first = np.ascontiguousarray(layer[self._field] * self._layout.node_count, np.int32)

    def _near(self, particles: Any) -> NDArray[np.bool_]:
        """Return which fields (n, n) have particles that may write to the same nodes."""
        there = particles.law.to_numpy() != FROZEN
        field = self._field[particles.body.to_numpy()[there]].astype(np.int64)
        # Cubes as wide as ACROSS: two particles in reach are in the same one or in neighbours.
        cube = particles.cell.to_numpy()[there].astype(np.int64) // ACROSS + 1
        size = np.array(self._layout.nodes, np.int64) // ACROSS + 3
        key = _present(np.ravel_multi_index(tuple(cube.T), tuple(size)) * self._fields + field)
        place, field = key // self._fields, key % self._fields
        near = np.zeros((self._fields, self._fields), bool)
        for step in np.ndindex(3, 3, 3):
            shift = int((np.array(step) - 1) @ np.array([size[1] * size[2], size[2], 1]))
            first = np.searchsorted(place, place + shift, side="left")
            counts = np.searchsorted(place, place + shift, side="right") - first
            mine = np.repeat(np.arange(len(key)), counts)
            theirs = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts - first, counts)
            near[field[mine], field[theirs]] = True
        return near | near.T


def _present(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers that are there, in order, each once."""
    most = int(numbers.max(initial=0))
    if most > MOST_FLAGS:
        return np.unique(numbers)
    flags = np.zeros(most + 1, bool)
    flags[numbers] = True
    return np.flatnonzero(flags)


def _boxes_near(box: Indices) -> NDArray[np.bool_]:
    """Return which boxes (n, 6) of base nodes, low and high, are in reach of each other, (n, n)."""
    low, high = box[:, :3].astype(np.int64), box[:, 3:].astype(np.int64)
    return np.asarray(
        (low[:, None] <= high[None] + ACROSS).all(axis=2)
        & (low[None] <= high[:, None] + ACROSS).all(axis=2)
    )


def _colors(near: NDArray[np.bool_]) -> Indices:
    """Give each the lowest number that nobody near to it has (greedy colouring), in order."""
    color = np.full(len(near), -1, np.int32)
    for one in range(len(near)):
        others = near[one].copy()
        others[one] = False
        taken = set(color[others].tolist())
        color[one] = next(n for n in range(len(near)) if n not in taken)
    return color


@ti.kernel
def bound_fields(
    field: Ints,  # [bodies]
    body: Ints,
    law: Ints,
    cell: Cells,
    box: Spans,  # [fields, 6] lowest and highest base node, made wider
):
    for q in range((cell.shape[0] + RUN - 1) // RUN * CHUNK):
        if q % CHUNK == 0:
            run = q // CHUNK
            for p in range(run * RUN, ti.min((run + 1) * RUN, cell.shape[0])):
                if law[p] != FROZEN:
                    f = field[body[p]]
                    for d in ti.static(range(3)):
                        at = cell[p][d]
                        # Most lie inside: only what widens the box pays for an atomic.
                        if at < box[f, d]:
                            ti.atomic_min(box[f, d], at)
                        if at > box[f, 3 + d]:
                            ti.atomic_max(box[f, 3 + d], at)


@ti.kernel
def mark_owners(
    sx: i32,
    sy: i32,
    law: Ints,
    cell: Cells,
    body: Ints,
    layer: Ints,  # [bodies] first node
    owner: Ints,  # [nodes] set to the body whose base nodes lie there, plus one; 0 for none
):
    for i in owner:
        owner[i] = 0
    for p in cell:
        if law[p] != FROZEN:
            at = layer[body[p]] + cell[p][0] * sx + cell[p][1] * sy + cell[p][2]
            if owner[at] < body[p] + 1:
                ti.atomic_max(owner[at], body[p] + 1)
