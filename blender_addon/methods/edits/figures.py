"""What an edit looks like over the picture: lines in pixels, from its handles' pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUND = 48
"Corners of a drawn circle."
HEAD = 0.35
"Half the opening of an arrow's head, in radians."


@dataclass
class Figure:
    """Polylines (n, 2): what was, what will be, and arrows from one to the other."""

    before: list[Floats] = field(default_factory=list)
    after: list[Floats] = field(default_factory=list)
    ways: list[Floats] = field(default_factory=list)


def figure(kind: str, at: Mapping[str, Floats]) -> Figure:
    """Return the lines of an edit; `at` has all handles of its kind."""
    if kind == "TRANSLATE":
        return Figure(ways=[_line(at["start_0"], at["goal_0"])])
    if kind == "HOMOGRAPHY":
        start = np.stack([at[f"start_{i}"] for i in (0, 1, 2, 3, 0)])
        goal = np.stack([at[f"goal_{i}"] for i in (0, 1, 2, 3, 0)])
        return Figure([start], [goal], [_line(start[i], goal[i]) for i in range(4)])
    if kind == "STRETCH_ROWS":
        return _rows(at)
    center, start, goal = at["center"], at["start_0"], at["goal_0"]
    match kind:
        case "ROTATE":
            return Figure(
                [_line(center, start)], [_line(center, goal)], [_arc(center, start, goal)]
            )
        case "SCALE":
            circles = [circle(center, np.hypot(*(each - center))) for each in (start, goal)]
            way = _line(start, center + (start - center) * _ratio(start - center, goal - center))
            return Figure(circles[:1], circles[1:], [way])
    along = start - center
    reach = along * (float((goal - center) @ along) / max(float(along @ along), 1e-9))
    return Figure([_line(center - along, start)], [], [_line(start, center + reach)])


def arrow_head(way: Floats, size: float) -> Floats:
    """Return the (3, 2) polyline of a head at the end of a way."""
    step = way[-1] - way[-2]
    length = float(np.hypot(*step))
    if length < 1e-9:
        return np.repeat(way[-1:], 3, 0)
    back = -step / length * min(size, 0.5 * float(np.hypot(*(way[-1] - way[0]))))
    c, s = np.cos(HEAD), np.sin(HEAD)
    sides = (np.array([[c, -s], [s, c]]) @ back, np.array([[c, s], [-s, c]]) @ back)
    return np.stack([way[-1] + sides[0], way[-1], way[-1] + sides[1]])


def circle(center: Floats, radius: float) -> Floats:
    """Return a closed polyline."""
    angles = np.linspace(0, 2 * np.pi, ROUND + 1)
    return center + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def _line(start: Floats, end: Floats) -> Floats:
    return np.stack([start, end])


def _arc(center: Floats, start: Floats, goal: Floats) -> Floats:
    before, after = start - center, goal - center
    turn = np.arctan2(before[0] * after[1] - before[1] * after[0], before @ after)
    first = np.arctan2(before[1], before[0])
    angles = first + np.linspace(0, turn, ROUND // 2)
    radius = 0.8 * min(np.hypot(*before), np.hypot(*after))
    return center + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def _ratio(before: Floats, after: Floats) -> float:
    return float(np.hypot(*after) / max(np.hypot(*before), 1e-9))


def _rows(at: Mapping[str, Floats]) -> Figure:
    """Draw the outline of every row's width, on both sides of the centre's column."""
    count = sum(key.startswith("start_") for key in at)
    start = np.stack([at[f"start_{i}"] for i in range(count)])
    goal = np.stack([at[f"goal_{i}"] for i in range(count)])
    order, middle = np.argsort(start[:, 1], kind="stable"), at["center"][0]
    heights = np.linspace(start[:, 1].min(), start[:, 1].max(), ROUND)
    drawn = []
    for side in (start, goal):
        reach = _blended(heights, start[order, 1], side[order, 0] - middle)
        both = [np.stack([middle + sign * reach, heights], 1) for sign in (1, -1)]
        drawn.append(both)
    ends = np.stack([goal[:, 0], start[:, 1]], 1)
    ways = [_line(start[i], ends[i]) for i in range(count)]
    return Figure(drawn[0], drawn[1], ways)


def _blended(at: Floats, places: Floats, values: Floats) -> Floats:
    """Blend values by half cosines between their places."""
    i = np.clip(np.searchsorted(places, at, side="right") - 1, 0, len(places) - 2)
    share = ((at - places[i]) / np.maximum(places[i + 1] - places[i], 1e-9)).clip(0, 1)
    return values[i] + (1 - np.cos(np.pi * share)) / 2 * (values[i + 1] - values[i])
