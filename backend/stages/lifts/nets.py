"""A closed surface around where a function on a lattice is positive: surface nets.

Gibson, Constrained Elastic Surface Nets, 1998, without the relaxing: one vertex in each cell that
the surface passes, where its edges are crossed on average, and one quad across each edge that is.
Every edge of the surface has two faces: where the signs on a face of a cell lie like those of a
chessboard, which would join four, a corner is filled first.
"""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

FILLED = 1e-6
"Value that a filled corner gets, in units of the function's mean size."
ROUNDS = 64


def surface_net(values: Doubles) -> tuple[Doubles, NDArray[np.int32]]:
    """Return vertices (V, 3) in indices of the lattice and triangles (F, 3) of `values` (a, b, c).

    Triangles turn counter-clockwise seen from where values are negative. ValueError where the
    surface would be open: a positive value at the lattice's border.
    """
    solid = values > 0
    if any(np.take(solid, end, axis).any() for axis in range(3) for end in (0, -1)):
        raise ValueError("expected negative values all around, got a positive one at the border")
    values, solid = _without_chessboards(values, solid)
    vertices, index = _vertices(values, solid)
    return vertices, _faces(solid, index)


def _without_chessboards(values: Doubles, solid: Bools) -> tuple[Doubles, Bools]:
    """Fill one empty corner of every face of a cell whose diagonals differ; return both anew."""
    values, solid = values.copy(), solid.copy()
    small = FILLED * float(np.abs(values).mean())
    for _ in range(ROUNDS):
        filled = np.zeros(solid.shape, bool)
        for first, second in ((0, 1), (0, 2), (1, 2)):
            a, b, c, d = (_corner(solid, first, second, *step)
                          for step in ((0, 0), (0, 1), (1, 1), (1, 0)))  # fmt: skip
            crossed = (a == c) & (b == d) & (a != b)
            _corner(filled, first, second, 0, 0)[crossed & ~a] = True
            _corner(filled, first, second, 0, 1)[crossed & ~b] = True
        if not filled.any():
            break
        values[filled] = small
        solid |= filled
    return values, solid


def _corner(array: Bools, first: int, second: int, near: int, far: int) -> Bools:
    """Return the view of one corner of all faces that lie in two axes."""
    cut = [slice(None)] * 3
    cut[first] = slice(near, array.shape[first] - 1 + near)
    cut[second] = slice(far, array.shape[second] - 1 + far)
    return array[tuple(cut)]


def _vertices(values: Doubles, solid: Bools) -> tuple[Doubles, NDArray[np.int64]]:
    """Return one vertex (V, 3) per cell with corners on both sides, and the cells' indices."""
    cells = tuple(side - 1 for side in values.shape)
    total, count = np.zeros((*cells, 3)), np.zeros(cells, np.int32)
    for axis in range(3):
        along = [(0, 0, 0)] * 4
        others = [k for k in range(3) if k != axis]
        for n, (p, q) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            step = [0, 0, 0]
            step[others[0]], step[others[1]] = p, q
            along[n] = (step[0], step[1], step[2])
        for start in along:
            end = tuple(s + (k == axis) for k, s in enumerate(start))
            low, high = _shifted(values, start, cells), _shifted(values, end, cells)
            crossed = _shifted(solid, start, cells) != _shifted(solid, end, cells)
            share = low[crossed] / (low[crossed] - high[crossed])
            place = np.tile(np.array(start, np.float64), (len(share), 1))
            place[:, axis] += share
            total[crossed] += place
            count[crossed] += 1
    used = count > 0
    index = np.full(cells, -1, np.int64)
    index[used] = np.arange(int(used.sum()))
    return np.argwhere(used) + total[used] / count[used][:, None], index


def _shifted(array: NDArray[np.generic], step: tuple[int, ...], size: tuple[int, ...]):  # type: ignore[no-untyped-def]
    return array[tuple(slice(s, s + n) for s, n in zip(step, size, strict=True))]


def _faces(solid: Bools, index: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return two triangles for each edge of the lattice whose ends differ."""
    found = []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        low = np.take(solid, range(solid.shape[axis] - 1), axis)
        high = np.take(solid, range(1, solid.shape[axis]), axis)
        edge = np.argwhere(low != high)
        outward = low[low != high]  # the surface faces along the axis
        around = []
        for p, q in ((0, 0), (1, 0), (1, 1), (0, 1)):
            cell = edge.copy()
            cell[:, first] += p - 1
            cell[:, second] += q - 1
            around.append(index[tuple(cell.T)])
        quad = np.stack(around, axis=1)
        quad = np.where(outward[:, None], quad, quad[:, ::-1])
        found += [quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]
    return np.concatenate(found).astype(np.int32)
