"""The surface between inside and outside of a grid, as a closed mesh; called when captures fill.

Gibson, Constrained Elastic Surface Nets, 1998: one vertex in every cell that the surface crosses,
at the mean of where it crosses the cell's edges; one quad around every edge of the grid that it
crosses. Where two nodes of a square are inside across its diagonal, the mesh would touch itself
along an edge; there the other two are taken inside too, so that every edge has two faces.
"""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Mesh = tuple[Floats, NDArray[np.int32]]

BARELY = 1e-3
"Value of nodes that are taken inside."
CORNERS = np.array(list(product((0, 1), repeat=3)))
EDGES = [(a, b) for a, b in product(range(8), repeat=2)
         if a < b and np.abs(CORNERS[a] - CORNERS[b]).sum() == 1]  # fmt: skip


def surface_nets(field: Floats, *, origin: ArrayLike, spacing: float) -> Mesh:
    """Return vertices (V, 3) [m] and triangles (F, 3) outward, around what is above zero.

    Node i of `field` (nx, ny, nz) lies at origin + i * spacing. Without anything inside there are
    no triangles. Raises ValueError where the grid's border is inside: the mesh would be open.
    """
    field = _parted(np.array(field, np.float32))
    inside = field > 0
    border = np.ones_like(inside)
    border[1:-1, 1:-1, 1:-1] = False
    if (inside & border).any():
        raise ValueError("expected the border of the grid outside, got some of it inside")
    count = sum(inside[_shifted(corner, inside.shape)].astype(np.int8) for corner in CORNERS)
    cells = np.argwhere((np.asarray(count) > 0) & (np.asarray(count) < 8))
    number = np.full(np.array(inside.shape) - 1, -1, np.int32)
    number[tuple(cells.T)] = np.arange(len(cells), dtype=np.int32)
    places = np.asarray(origin, np.float64) + spacing * (cells + _crossings(field, cells))
    return places.astype(np.float32), _quads(inside, number)


def _parted(field: Floats) -> Floats:
    """Take nodes inside until no square has two of them across its diagonal alone."""
    while True:
        inside, found = field > 0, False
        for axis in range(3):
            one, other = (k for k in range(3) if k != axis)
            near = [_corner(field.shape, one, other, a, b) for a, b in product((0, 1), repeat=2)]
            a, b, c, d = (inside[part] for part in near)
            for crossed, filled in (((a & d) & ~(b | c), (1, 2)), ((b & c) & ~(a | d), (0, 3))):
                if crossed.any():
                    found = True
                    for k in filled:
                        field[near[k]][crossed] = BARELY
        if not found:
            return field


def _corner(shape: tuple[int, ...], one: int, other: int, a: int, b: int) -> tuple[slice, ...]:
    part = [slice(None)] * 3
    part[one], part[other] = slice(a, shape[one] - 1 + a), slice(b, shape[other] - 1 + b)
    return tuple(part)


def _shifted(corner: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(c, n - 1 + c) for c, n in zip(corner.tolist(), shape, strict=True))


def _crossings(field: Floats, cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return where in its cell, 0..1, each vertex lies (k, 3)."""
    value = np.stack([field[tuple((cells + corner).T)] for corner in CORNERS]).astype(np.float64)
    total, weight = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for a, b in EDGES:
        crossed = (value[a] > 0) != (value[b] > 0)
        share = value[a] / np.where(crossed, value[a] - value[b], 1.0)
        along = CORNERS[a] + share[:, None] * (CORNERS[b] - CORNERS[a])
        total += np.where(crossed[:, None], along, 0)
        weight += crossed
    return np.asarray(total / weight[:, None])


def _quads(inside: NDArray[np.bool_], number: NDArray[np.int32]) -> NDArray[np.int32]:
    made = [np.zeros((0, 4), np.int32)]
    for axis in range(3):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        start, end = inside[tuple(low)], inside[tuple(high)]
        for crossed, leaves in ((start & ~end, True), (end & ~start, False)):
            node = np.argwhere(crossed)
            around = []
            for a, b in ((1, 1), (0, 1), (0, 0), (1, 0)) if leaves else (
                (1, 1), (1, 0), (0, 0), (0, 1)
            ):  # fmt: skip
                cell = node.copy()
                cell[:, one] -= a
                cell[:, other] -= b
                around.append(number[tuple(cell.T)])
            made.append(np.stack(around, axis=1))
    quads = np.concatenate(made)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
