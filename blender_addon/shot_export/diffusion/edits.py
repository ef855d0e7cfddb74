"""Edits as the contract knows them, from where their handles are seen on the film.

Handles by name: `center`, and `start_0`, `goal_0`, `start_1` ... in pairs. What a pair means, an
edit's kind says: see `read_edit`. Handles speak of what stands before the edit is done.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArrayRef
from impetus.backend.contract.edits import (
    ElementaryFlow,
    Homography,
    Rotate,
    Scale,
    Stretch,
    StretchRows,
    Translate,
)
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import Film

Floats = NDArray[np.float64]
PAIRS = {"TRANSLATE": 1, "ROTATE": 1, "SCALE": 1, "STRETCH": 1, "HOMOGRAPHY": 4, "STRETCH_ROWS": 3}
"How many pairs of handles a kind is added with."
CENTERED = frozenset({"ROTATE", "SCALE", "STRETCH", "STRETCH_ROWS"})
"Kinds that have a centre."
CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
"Of a box, from the top left clockwise."
NEAR = 1e-6


@dataclass(frozen=True)
class Box:
    """What moves lies in it; its edges in pixels."""

    low: Floats
    high: Floats

    @property
    def corners(self) -> Floats:
        """(4, 2), from the top left clockwise."""
        return self.low + CORNERS * (self.high - self.low)


def box_of(mask: NDArray[np.uint8] | None, film: Film) -> Box:
    """Return the box of a mask (H, W), or of the whole film."""
    if mask is None:
        return Box(np.zeros(2), np.array([film.width, film.height], np.float64))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    low, high = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
    return Box(np.array(low, np.float64), np.array(high, np.float64))


def read_edit(
    name: str, kind: str, at: Mapping[str, Floats], film: Film, mask: ArrayRef | None, box: Box
) -> ElementaryFlow:
    """Return an edit from its handles' pixels. Raises ShotError where they are none of its kind.

    TRANSLATE: start to goal. ROTATE, SCALE: start to goal about the centre, by angle and distance.
    STRETCH: along the line from centre to start. HOMOGRAPHY: the plane that takes the starts to
    the goals. STRETCH_ROWS: at each start's height, its distance from the centre's column grows
    to its goal's.
    """
    if kind == "TRANSLATE":
        return Translate(mask, _pair(at["goal_0"] - at["start_0"]))
    if kind == "HOMOGRAPHY":
        return Homography(mask, _corners(name, *_sides(at), box))
    center = at["center"]
    place = _place(name, center, film)
    if kind == "STRETCH_ROWS":
        return StretchRows(mask, _rows(name, *_sides(at), center, box), place)
    before, after = at["start_0"] - center, at["goal_0"] - center
    reach = float(np.hypot(*before))
    if reach < NEAR:
        raise ShotError(name, "expected its start away from its center.", "Move the start handle.")
    if kind == "ROTATE":
        return Rotate(mask, _turn(before, after), place)
    if kind == "SCALE":
        return Scale(mask, _factor(name, float(np.hypot(*after)) / reach), place)
    along = before / reach
    factor = _factor(name, float(after @ along) / reach)
    return Stretch(mask, factor, math.atan2(along[1], along[0]), place)


def plane_map(start: Floats, goal: Floats) -> Floats:
    """Return the (3, 3) homography that takes four points (4, 2) to four others.

    Raises LinAlgError where three of them lie on a line.
    """
    rows = []
    for (x, y), (u, v) in zip(start, goal, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.append(np.linalg.solve(np.array(rows), goal.ravel()), 1.0).reshape(3, 3)


def mapped(matrix: Floats, points: Floats) -> Floats:
    """Return where a homography takes points (n, 2)."""
    seen = points @ matrix[:, :2].T + matrix[:, 2]
    return seen[:, :2] / seen[:, 2:]


def _corners(name: str, start: Floats, goal: Floats, box: Box) -> tuple[tuple[float, float], ...]:
    """Return offsets of the box's corners; handles may stand at any four other points."""
    try:
        matrix = plane_map(start, goal)
        depth = np.append(box.corners, np.ones((4, 1)), 1) @ matrix[2]
    except np.linalg.LinAlgError:
        depth = np.zeros(4)
    if not (depth > NEAR).all():
        raise ShotError(
            name,
            "expected four starts and four goals that a plane can show, got corners on a line or "
            "turned over.",
            "Spread its handles, in their order round the picture.",
        )
    offsets = mapped(matrix, box.corners) - box.corners
    return tuple(_pair(offset) for offset in offsets)


def _rows(
    name: str, start: Floats, goal: Floats, center: Floats, box: Box
) -> tuple[tuple[float, float], ...]:
    """Return (height in the box, factor of width) for each pair, from the top down."""
    order = np.argsort(start[:, 1], kind="stable")
    reach, after = (start - center)[order, 0], (goal - center)[order, 0]
    if (np.abs(reach) < NEAR).any():
        raise ShotError(
            name, "expected its starts beside its center, got one above it.", "Move it sideways."
        )
    heights = (start[order, 1] - box.low[1]) / (box.high[1] - box.low[1])
    rows: dict[float, float] = {}
    for height, factor in zip(heights.clip(0, 1), after / reach, strict=True):
        # Of several beyond one end of the box, the nearest to it counts.
        if height > 0 or not rows:
            rows.setdefault(float(height), _factor(name, float(factor)))
        else:
            rows[0.0] = _factor(name, float(factor))
    if len(rows) == 1:  # all beyond one end: the same width from top to bottom
        rows = dict.fromkeys((0.0, 1.0), *rows.values())
    return tuple(sorted(rows.items()))


def _sides(at: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    count = sum(key.startswith("start_") for key in at)
    sides = (np.stack([at[f"{side}_{i}"] for i in range(count)]) for side in ("start", "goal"))
    start, goal = sides
    return start, goal


def _turn(before: Floats, after: Floats) -> float:
    """Return the angle between two arms, clockwise as seen since y runs down."""
    cross = before[0] * after[1] - before[1] * after[0]
    return math.atan2(float(cross), float(before @ after))


def _factor(name: str, factor: float) -> float:
    if factor < NEAR:
        raise ShotError(
            name,
            "expected its goal on the start's side of the center, got the other.",
            "Move the goal handle back; nothing can be turned inside out.",
        )
    return factor


def _place(name: str, pixel: Floats, film: Film) -> tuple[float, float]:
    place = pixel / (film.width, film.height)
    if not ((place >= 0) & (place <= 1)).all():
        raise ShotError(
            name, "expected its center inside the picture.", "Move the center handle into it."
        )
    return _pair(place)


def _pair(vector: Floats) -> tuple[float, float]:
    return float(vector[0]), float(vector[1])
