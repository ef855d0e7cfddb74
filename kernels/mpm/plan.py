# mypy: disable-error-code="misc"
"""Order of the points, tasks of the scatter, blocks of the grid that are in use; for stepper.

The sort is a stable counting sort, so the same points come out in the same order on every run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ..array_types import Cell, Cells, Ints, i32
from .state import BLOCK, Layout

Indices = NDArray[np.int32]


class Sorter:
    """Sorts points by block, then by cell."""

    def __init__(self, layout: Layout, *, serial: bool = True) -> None:
        """`serial` counts on one core, fastest on a CPU; else NumPy sorts on the host."""
        self._layout = layout
        self._serial = serial
        self._counts = np.zeros(layout.node_count + 1, np.int32)
        self._block_nodes = BLOCK * BLOCK * layout.nodes[2]

    def order(
        self, cell: Any, law: Any | None, body: Any, layer: Indices, layers: int = 1
    ) -> tuple[Indices, Indices]:
        """Return the rows in sorted order (n,) and where each block starts (layers blocks + 1,).

        Layers come one after the other, `layer` (bodies,) holds the first node of each body's. Rows
        whose law is FROZEN go last and belong to no block.
        """
        count = cell.shape[0]
        if len(self._counts) != layers * self._layout.node_count + 1:
            self._counts = np.zeros(layers * self._layout.node_count + 1, np.int32)
        key, rows = np.empty(count, np.int32), np.empty(count, np.int32)
        _, ny, nz = self._layout.nodes
        if law is None:
            _block_keys(cell, ny, nz, key)
        else:
            last = len(self._counts) - 1
            _block_keys_unless_frozen(cell, law, body, layer, ny, nz, last, key)
        blocks = layers * self._layout.blocks[0] * self._layout.blocks[1]
        if not self._serial:
            rows = np.argsort(key, kind="stable").astype(np.int32)
            first = np.arange(blocks + 1) * self._block_nodes
            return rows, np.searchsorted(key[rows], first).astype(np.int32)
        self._counts[:] = 0
        _count(key, self._counts)
        starts = np.cumsum(self._counts, dtype=np.int32)
        ends = np.arange(1, blocks + 1) * self._block_nodes - 1
        block_start = np.concatenate([[0], starts[ends]]).astype(np.int32)
        starts -= self._counts
        _place(key, starts, rows)
        return rows, block_start


@dataclass(frozen=True)
class Plan:
    """What a substep works on until the next sort."""

    tasks: Indices
    "(blocks in use, 3) first and last + 1 particle, and first node of the layer; by colour."
    ends: tuple[int, int, int, int]
    "Where the tasks of each colour end."
    span: Indices
    "(blocks near particles, 5) first node along x, y; first and last + 1 along z; layer's first."
    shared: Indices
    "(blocks near particles of several layers, 4) as `span`, where at least two are."

    @classmethod
    def none(cls) -> "Plan":
        tasks, span = np.zeros((1, 3), np.int32), np.zeros((1, 5), np.int32)
        return cls(tasks, (0, 0, 0, 0), span, np.zeros((0, 4), np.int32))

    @classmethod
    def of(
        cls,
        layout: Layout,
        block_start: Indices,
        height: Indices,
        layers: int = 1,
        *,
        beside: bool = False,
    ) -> "Plan":
        """Plan for sorted particles whose base nodes are at `height` (n,) along z.

        With `beside`, nodes next to those that have mass are held in use too, to be looked at.
        """
        across, along = layout.blocks
        full = np.flatnonzero(np.diff(block_start))
        if len(full) == 0:
            return cls.none()
        layer, bx, by = np.unravel_index(full, (layers, across, along))
        color = bx % 2 * 2 + by % 2
        # The longest first, so that threads end together.
        order = np.lexsort((-np.diff(block_start)[full], color))
        first_node = layer * layout.node_count
        tasks = np.stack([block_start[full], block_start[full + 1], first_node], axis=1)[order]
        ends = np.bincount(color, minlength=4).cumsum()
        there = height[: block_start[-1]]
        low = np.full((layers, across + 2, along + 2), np.iinfo(np.int32).max)
        high = np.full((layers, across + 2, along + 2), -1)
        low[layer, bx + 1, by + 1] = np.minimum.reduceat(there, block_start[full])
        high[layer, bx + 1, by + 1] = np.maximum.reduceat(there, block_start[full])
        # A particle writes up to a cell of drift and two nodes beyond its block.
        near = [(slice(i, across + i), slice(j, along + j)) for i in range(3) for j in range(3)]
        low = np.min([low[:, *at] for at in near], axis=0)
        high = np.max([high[:, *at] for at in near], axis=0)
        low = np.maximum(low - 1 - beside, 0)
        high = np.minimum(high + 4 + beside, layout.nodes[2])
        layer, bx, by = np.nonzero(high > low)
        first, last = low[layer, bx, by], high[layer, bx, by]
        span = np.stack([bx * BLOCK, by * BLOCK, first, last, layer * layout.node_count], axis=1)
        return cls(
            np.ascontiguousarray(tasks, np.int32),
            (int(ends[0]), int(ends[1]), int(ends[2]), int(ends[3])),
            np.ascontiguousarray(span, np.int32),
            _shared(low, high),
        )


def _shared(low: NDArray[Any], high: NDArray[Any]) -> Indices:
    """Return the spans where at least two layers are, of spans (layers, across, along) along z."""
    if len(low) == 1:
        return np.zeros((0, 4), np.int32)
    # What two spans share begins after the second of all starts, and ends by the last but one.
    first, last = np.sort(low, axis=0)[1], np.sort(high, axis=0)[-2]
    bx, by = np.nonzero(last > first)
    shared = np.stack([bx * BLOCK, by * BLOCK, first[bx, by], last[bx, by]], axis=1)
    return np.ascontiguousarray(shared, np.int32)


@ti.func
def block_key(c: Cell, ny: i32, nz: i32) -> i32:
    """Index of a cell in block-major order."""
    block = (c[0] // BLOCK) * (ny // BLOCK) + c[1] // BLOCK
    return ((block * BLOCK + c[0] % BLOCK) * BLOCK + c[1] % BLOCK) * nz + c[2]


@ti.kernel
def _block_keys(cell: Cells, ny: i32, nz: i32, key: Ints):
    for p in cell:
        key[p] = block_key(cell[p], ny, nz)


@ti.kernel
def _block_keys_unless_frozen(
    cell: Cells, law: Ints, body: Ints, layer: Ints, ny: i32, nz: i32, last: i32, key: Ints
):  # fmt: skip
    for p in cell:
        key[p] = last
        if law[p] >= 0:
            key[p] = layer[body[p]] + block_key(cell[p], ny, nz)


@ti.kernel
def _count(key: Ints, counts: Ints):
    ti.loop_config(serialize=True)
    for p in range(key.shape[0]):
        counts[key[p]] = counts[key[p]] + 1


@ti.kernel
def _place(key: Ints, starts: Ints, rows: Ints):
    ti.loop_config(serialize=True)
    for p in range(key.shape[0]):
        at = starts[key[p]]
        rows[at] = p
        starts[key[p]] = at + 1
