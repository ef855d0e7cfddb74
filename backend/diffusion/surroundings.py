"""What came into a frame or was hidden begins from its own surface beside it, not from what hid it.

Not of MotionCraft's paper, whose warp brings to an uncovered place what had covered it; noise up to
tau 400 leaves much of that standing. Which surface a place belongs to, its motion tells.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .motion import Bools, FrameMotion

Places = NDArray[np.intp]
"(n, 2) row and column."

WEIGHT = 20.0
"Distance that a difference of motion by one counts as."
ALIKE = 0.5, 0.1
"Difference of motion within one surface: pixels, and a share of the motion."


def copied(motion: FrameMotion, shift: NDArray[Any], factor: int) -> FrameMotion:
    """Return the motion with cells of `factor` pixels led to where others beside them come from.

    `shift` (h, w, 2) says how far beside in cells (column, row), 0 where a cell keeps its own way;
    what is copied is not new.
    """
    height, width = motion.novelty.shape
    away = factor * shift.repeat(factor, 0).repeat(factor, 1)[:height, :width]
    filled = np.asarray(away.any(axis=-1))
    rows, columns = np.mgrid[0:height, 0:width]
    row = np.clip(rows + away[..., 1], 0, height - 1)
    column = np.clip(columns + away[..., 0], 0, width - 1)
    way = away + motion.backward[row, column]
    backward = np.where(filled[..., None], way, motion.backward).astype(np.float32)
    novelty = np.where(filled, motion.novelty[row, column], motion.novelty)
    return FrameMotion(backward, novelty, motion.unseen)


def beside(field: NDArray[Any], wanted: Bools, seen: Bools, pixels: float = 1.0) -> Places:
    """Return for each `wanted` place (h, w) the `seen` one that mirrors it in its own surface.

    Each takes the seen place that is nearest in place and motion together, then the one as far
    behind that, or half, a quarter as far, where the surface goes on. `field` (h, w, 2) is the
    motion in places, of `pixels` each. Something must be seen.
    """
    places, waiting_for = np.argwhere(seen), np.argwhere(wanted)
    tree = cKDTree(_features(places, field[seen]))
    border: Places = places[tree.query(_features(waiting_for, field[wanted]))[1]]
    source: Places = border.copy()
    waiting = np.ones(len(source), bool)
    reach = 1.0
    while waiting.any() and reach > 1 / 64:
        there = np.rint(border + reach * (border - waiting_for)).astype(np.intp)
        good = waiting & _goes_on(there, border, field, seen, pixels)
        source[good] = there[good]
        waiting &= ~good
        reach /= 2
    return source


def alike(one: NDArray[Any], other: NDArray[Any], pixels: float = 1.0) -> NDArray[np.bool_]:
    """Whether motions (…, 2) are of one surface."""
    apart = np.linalg.norm(one - other, axis=-1)
    return np.asarray(apart <= ALIKE[0] / pixels + ALIKE[1] * np.linalg.norm(other, axis=-1))


def _features(places: Places, motion: NDArray[Any]) -> NDArray[np.float64]:
    return np.concatenate([places, WEIGHT * motion.astype(np.float64)], axis=1)


def _goes_on(
    there: Places, border: Places, field: NDArray[Any], seen: Bools, pixels: float
) -> NDArray[np.bool_]:
    """Whether each place lies in the frame, is seen, and moves as the surface at the border."""
    high = np.array(seen.shape) - 1
    inside = ((there >= 0) & (there <= high)).all(axis=1)
    row, column = np.clip(there, 0, high).T
    own = field[border[:, 0], border[:, 1]]
    return np.asarray(inside & seen[row, column] & alike(field[row, column], own, pixels))
