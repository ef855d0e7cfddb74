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

    def order(self, cell: Any, law: Any | None) -> tuple[Indices, Indices]:
        """Return the rows in sorted order (n,) and where each block starts (blocks + 1,).

        Rows whose law is FROZEN go last and belong to no block.
        """
        count = cell.shape[0]
        key, rows = np.empty(count, np.int32), np.empty(count, np.int32)
        _, ny, nz = self._layout.nodes
        if law is None:
            _block_keys(cell, ny, nz, key)
        else:
            _block_keys_unless_frozen(cell, law, ny, nz, len(self._counts) - 1, key)
        if not self._serial:
            rows = np.argsort(key, kind="stable").astype(np.int32)
            blocks = self._layout.blocks[0] * self._layout.blocks[1]
            first = np.arange(blocks + 1) * self._block_nodes
            return rows, np.searchsorted(key[rows], first).astype(np.int32)
        self._counts[:] = 0
        _count(key, self._counts)
        starts = np.cumsum(self._counts, dtype=np.int32)
        blocks = self._layout.blocks[0] * self._layout.blocks[1]
        ends = np.arange(1, blocks + 1) * self._block_nodes - 1
        block_start = np.concatenate([[0], starts[ends]]).astype(np.int32)
        starts -= self._counts
        _place(key, starts, rows)
        return rows, block_start


@dataclass(frozen=True)
class Plan:
    """What a substep works on until the next sort."""

    tasks: Indices
    "(blocks in use, 2) first and last + 1 particle, sorted by colour."
    ends: tuple[int, int, int, int]
    "Where the tasks of each colour end."
    span: Indices
    "(blocks near particles, 4) first node along x and y; first and last + 1 along z."

    @classmethod
    def none(cls) -> "Plan":
        return cls(np.zeros((1, 2), np.int32), (0, 0, 0, 0), np.zeros((1, 4), np.int32))

    @classmethod
    def of(cls, layout: Layout, block_start: Indices, height: Indices) -> "Plan":
        """Plan for sorted particles whose base nodes are at `height` (n,) along z."""
        across, along = layout.blocks
        full = np.flatnonzero(np.diff(block_start))
        if len(full) == 0:
            return cls.none()
        bx, by = full // along, full % along
        color = bx % 2 * 2 + by % 2
        # The longest first, so that threads end together.
        order = np.lexsort((-np.diff(block_start)[full], color))
        tasks = np.stack([block_start[full], block_start[full + 1]], axis=1)[order]
        ends = np.bincount(color, minlength=4).cumsum()
        there = height[: block_start[-1]]
        low = np.full((across + 2, along + 2), np.iinfo(np.int32).max)
        high = np.full((across + 2, along + 2), -1)
        low[bx + 1, by + 1] = np.minimum.reduceat(there, block_start[full])
        high[bx + 1, by + 1] = np.maximum.reduceat(there, block_start[full])
        # A particle writes up to a cell of drift and two nodes beyond its block.
        near = [(slice(i, across + i), slice(j, along + j)) for i in range(3) for j in range(3)]
        low = np.min([low[at] for at in near], axis=0)
        high = np.max([high[at] for at in near], axis=0)
        bx, by = np.nonzero(high >= 0)
        first = np.maximum(low[bx, by] - 1, 0)
        last = np.minimum(high[bx, by] + 4, layout.nodes[2])
        span = np.stack([bx * BLOCK, by * BLOCK, first, last], axis=1)
        return cls(
            np.ascontiguousarray(tasks, np.int32),
            (int(ends[0]), int(ends[1]), int(ends[2]), int(ends[3])),
            np.ascontiguousarray(span, np.int32),
        )


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
def _block_keys_unless_frozen(cell: Cells, law: Ints, ny: i32, nz: i32, last: i32, key: Ints):
    for p in cell:
        key[p] = last
        if law[p] >= 0:
            key[p] = block_key(cell[p], ny, nz)


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
