"""Elementary flows: the authored edits of a shot as one exact motion field over the source picture.

Source: Motion Guidance, Geng and Owens, ICLR 2024, arXiv 2401.18085, section 3 (the flows and their
composition, f12(p) = f1(p) + f2(p + f1(p))).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from ..contract.edits import (
    ElementaryFlow,
    Homography,
    Rotate,
    Scale,
    Stretch,
    StretchRows,
    Translate,
)
from ..contract.errors import ShotError
from ..contract.image_motions import Place

Points = NDArray[np.float64]  # (n, 2) px, x right, y down, pixel centres at +0.5
Displace = Callable[[Points], Points]
WHERE = "edit"


@dataclass(frozen=True)
class Field:
    """Where the pixels of a source picture go.

    `flow` (H, W, 2) f4 forward px, zero off `moving`; `moving` (H, W), what some edit covers.
    """

    flow: NDArray[np.float32]
    moving: NDArray[np.bool_]


@dataclass(frozen=True)
class Box:
    """The bounding box of what moves, px: `low` its top left corner, `high` its bottom right."""

    low: tuple[float, float]
    high: tuple[float, float]

    @property
    def middle(self) -> Points:
        return np.add(self.low, self.high, dtype=np.float64) / 2


def compose(
    edits: Sequence[ElementaryFlow],
    size: tuple[int, int],
    *,
    masks: Mapping[str, NDArray[Any]],
    amount: float = 1.0,
) -> Field:
    """Return the field of `edits`, one after the other, over a picture of `size` (W, H) px.

    `masks` (H, W) by sha256. Each edit moves what its mask covers in the source, from where the
    edits before have put it. `amount` 0 is rest and 1 the whole edit; lengths and angles grow with
    it evenly, factors by the same ratio. Raises ShotError for a mask that is empty or of another
    size, numbers that are not finite, and corners that turn the picture over.
    """
    width, height = size
    if not np.isfinite(amount):
        raise ShotError(WHERE, f"expected a finite amount, got {amount}.", "Set one from 0 to 1.")
    y, x = np.mgrid[0:height, 0:width]
    start = np.stack([x, y], -1).astype(np.float64) + 0.5
    now, moving = start.copy(), np.zeros((height, width), np.bool_)
    for edit in edits:
        chosen = _read_mask(edit, masks, (height, width))
        at = now[chosen]
        now[chosen] = at + displacement(edit, _box_of(at), size, amount)(at)
        moving |= chosen
    flow = now - start
    if not np.isfinite(flow).all():
        raise ShotError(WHERE, "expected finite numbers.", "Correct the edits' values.")
    return Field(flow.astype(np.float32), moving)


def displacement(
    edit: ElementaryFlow, box: Box, size: tuple[int, int], amount: float = 1.0
) -> Displace:
    """Return the function from points to their displacements, both (n, 2) px.

    `box` surrounds what moves; its middle is the centre where the edit names none.
    """
    match edit:
        case Translate():
            return lambda p: np.broadcast_to(amount * np.asarray(edit.offset), p.shape)
        case Rotate():
            return _linear(_turn(amount * edit.angle), _center(edit.center, box, size))
        case Scale():
            factor = edit.factor**amount
            return _linear(factor * np.eye(2), _center(edit.center, box, size))
        case Stretch():
            u = np.array([np.cos(edit.angle), np.sin(edit.angle)])
            along = np.eye(2) + (edit.factor**amount - 1) * np.outer(u, u)
            return _linear(along, _center(edit.center, box, size))
        case Homography():
            return _project(homography_matrix(box, amount * np.asarray(edit.corners)))
        case StretchRows():
            return _stretch_rows(edit, box, _center(edit.center, box, size)[0], amount)
        case _:
            assert_never(edit)


def homography_matrix(box: Box, offsets: NDArray[Any]) -> NDArray[np.float64]:
    """Return the (3, 3) map, with 1 last, that moves the box's corners by `offsets` (4, 2) px.

    Corners run from the top left clockwise. Raises ShotError where they do not stay the corners of
    a convex figure, the same way round: the plane would be seen from behind.
    """
    (x0, y0), (x1, y1) = box.low, box.high
    before = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    after = before + offsets
    side = np.roll(after, -1, axis=0) - after
    ahead = np.roll(side, -1, axis=0)
    if not (side[:, 0] * ahead[:, 1] - side[:, 1] * ahead[:, 0] > 1e-6).all():
        raise ShotError(
            WHERE,
            f"expected corners of a convex figure, got {after.round(1).tolist()}.",
            "Move the corners apart; none may cross the line between its neighbours.",
        )
    # Shifted and scaled to about one, or the equations are ill-conditioned in float64.
    middle, scale = box.middle, max(x1 - x0, y1 - y0)
    (u, v), (s, t) = ((before - middle) / scale).T, ((after - middle) / scale).T
    one, zero = np.ones(4), np.zeros(4)
    rows_x = np.stack([u, v, one, zero, zero, zero, -u * s, -v * s], 1)
    rows_y = np.stack([zero, zero, zero, u, v, one, -u * t, -v * t], 1)
    solved = np.linalg.solve(np.vstack([rows_x, rows_y]), np.concatenate([s, t]))
    to_unit = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, scale]]) / scale
    matrix = np.linalg.inv(to_unit) @ np.append(solved, 1.0).reshape(3, 3) @ to_unit
    return np.asarray(matrix / matrix[2, 2])


def _turn(angle: float) -> NDArray[np.float64]:
    """Return the turn by `angle`, clockwise as seen, since y runs down."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def _linear(matrix: NDArray[np.float64], center: Points) -> Displace:
    rate = matrix - np.eye(2)
    return lambda p: (p - center) @ rate.T


def _project(matrix: NDArray[np.float64]) -> Displace:
    def displace(p: Points) -> Points:
        seen = p @ matrix[:, :2].T + matrix[:, 2]
        return np.asarray(seen[:, :2] / seen[:, 2:] - p)

    return displace


def _stretch_rows(edit: StretchRows, box: Box, center_x: float, amount: float) -> Displace:
    heights, factors = (np.array(column) for column in zip(*edit.factors, strict=True))
    if (np.diff(heights) <= 0).any():
        raise ShotError(
            WHERE, f"expected growing heights, got {heights.tolist()}.", "Order the points."
        )
    factors = factors**amount

    def displace(p: Points) -> Points:
        h = (p[:, 1] - box.low[1]) / max(box.high[1] - box.low[1], 1e-9)
        factor = _blend(h, heights, factors)
        return np.stack([(factor - 1) * (p[:, 0] - center_x), np.zeros(len(p))], -1)

    return displace


def _blend(h: Points, heights: Points, factors: Points) -> Points:
    """Interpolate by half cosines, (1 - cos pi s) / 2; the ends' values hold beyond them."""
    if len(heights) == 1:
        return np.full(h.shape, factors[0])
    k = np.clip(np.searchsorted(heights, h, side="right") - 1, 0, len(heights) - 2)
    s = np.clip((h - heights[k]) / (heights[k + 1] - heights[k]), 0, 1)
    return np.asarray(factors[k] + (1 - np.cos(np.pi * s)) / 2 * (factors[k + 1] - factors[k]))


def _center(place: Place | None, box: Box, size: tuple[int, int]) -> Points:
    return box.middle if place is None else np.asarray(place, np.float64) * np.asarray(size)


def _box_of(points: Points) -> Box:
    """Return the box round pixels whose centres are `points`."""
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    return Box((low[0], low[1]), (high[0], high[1]))


def _read_mask(
    edit: ElementaryFlow, masks: Mapping[str, NDArray[Any]], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    if edit.mask is None:
        return np.ones(shape, np.bool_)
    mask = np.asarray(masks[edit.mask.sha256])
    if mask.shape != shape:
        raise ShotError(
            f"{WHERE}: mask",
            f"expected (height, width) {shape}, got {mask.shape}.",
            "Make it in the size of the film.",
        )
    if not mask.any():
        raise ShotError(f"{WHERE}: mask", "it covers nothing.", "Mark what is to move.")
    return mask.astype(np.bool_)
