"""How far an open domain grows when matter comes near one of its sides; called by solver.

Particles are looked at whenever they are sorted, and move by less than two cells until the next
time: with NEAR cells of room none gets out in between. The lattice stays where it is. Cells come
in whole pairs of blocks, so that the scatter keeps its colours and with them its order of sums: a
flight through the first domain's side has the bits of one in a domain that was larger all along.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .input import Domain
from .state import BLOCK, Layout

Sides = NDArray[np.int64]
"""Cells, (2, 3): of the low and of the high side along x, y, z."""

UNIT = 2 * BLOCK
"""Cells that a side moves out by at least."""
SHARE = 0.25
"""Share of the domain's width that a side moves out by at once, where there is room for it."""
NEAR = 4.0
"""Cells between matter and a side from which on that side moves."""


@dataclass(frozen=True)
class Growth:
    """How far the open sides of a domain may move out."""

    most: int
    "Cells that each side may move out by in all."
    most_nodes: int
    "Nodes that one layer of the grid may have."
    ask: Callable[[Domain], None] = lambda domain: None
    "Hears of every larger domain before it is made, and may raise."


def no_growth() -> Sides:
    return np.zeros((2, 3), np.int64)


def grown(domain: Domain, sides: Sides) -> Domain:
    """Return a domain with its sides moved out by so many cells."""
    h = domain.spacing
    x, y, z = (at - h * n for at, n in zip(domain.origin, sides[0].tolist(), strict=True))
    shape: list[int] = (sides.sum(axis=0) + domain.shape).tolist()
    return Domain((x, y, z), h, (shape[0], shape[1], shape[2]), domain.walls)


def moved_out(first: Layout, sides: Sides, room: NDArray[np.float64], growth: Growth) -> Sides:
    """Return how far each side is to be out, which is `sides` where there is room enough.

    `first` is the layout before any growth, `sides` how far they are out, `room` (2, 3) the cells
    between matter and each side; endless where a side is closed.
    """
    result = sides.copy()
    most = growth.most // UNIT * UNIT
    for side, axis in np.argwhere(room < NEAR):
        width = first.cells[axis] + int(result[:, axis].sum())
        for step in (UNIT * max(1, round(SHARE * width / UNIT)), UNIT):
            wider = result.copy()
            wider[side, axis] = min(result[side, axis] + step, most)
            if first.larger(wider).node_count <= growth.most_nodes:
                result = wider
                break
    return result
