"""Shapes of guides as polylines (n, 3) in the world: boxes, arrows, turns, crosses."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HEAD, HEAD_WIDTH = 0.22, 0.4
"Of an arrow, as shares of its length and of its head's."
LARGEST_HEAD = 0.35
"As a share of the size of what the arrow acts on."
TURN = 1.5 * np.pi
"Radians that the arrow of a turn goes round."
CORNERS = 40
EDGES = np.array([(i, i | bit) for bit in (1, 2, 4) for i in range(8) if not i & bit])


def box(low: Floats, high: Floats) -> list[Floats]:
    """Return the twelve edges of an axis-aligned box."""
    corners = np.array([[(low, high)[n >> axis & 1][axis] for axis in range(3)] for n in range(8)])
    return [corners[edge] for edge in EDGES]


def arrow(start: Floats, way: Floats, size: float, *, heads: int = 1) -> list[Floats]:
    """Return a shaft from `start` along `way` and its heads, each of four barbs.

    `size` is that of what it acts on, which no head outgrows.
    """
    length = float(np.linalg.norm(way))
    if length < 1e-12:
        return []
    along = way / length
    long = min(HEAD * length, LARGEST_HEAD * size)
    lines = [np.stack([start, start + way])]
    sides = across(along)
    for head in range(heads):
        tip = start + way - along * long * 0.7 * head
        for side in (*sides, *(-each for each in sides)):
            lines.append(np.stack([tip, tip - along * long + side * long * HEAD_WIDTH]))
    return lines


def turn(center: Floats, axis: Floats, radius: float, *, heads: int = 1) -> list[Floats]:
    """Return the axis of a turn, and a ring round it with a head where it goes on."""
    length = float(np.linalg.norm(axis))
    if length < 1e-12:
        return []
    along = axis / length
    u, v = across(along)
    v = np.cross(along, u)
    angles = np.linspace(0, TURN, CORNERS)[:, None]
    ring = center + radius * (np.cos(angles) * u + np.sin(angles) * v)
    ahead = -np.sin(TURN) * u + np.cos(TURN) * v
    out = np.cos(TURN) * u + np.sin(TURN) * v
    lines = [ring, np.stack([center - along * radius * 0.6, center + along * radius * 0.6])]
    long = HEAD * radius * 1.5
    for head in range(heads):
        tip = ring[-1 - 2 * head] + ahead * long * 0.5
        for side in (out, -out):
            lines.append(np.stack([tip, tip - ahead * long + side * long * HEAD_WIDTH * 1.5]))
    return lines


def crosses(points: Floats, size: float) -> list[Floats]:
    """Return three short strokes through each of the points (n, 3)."""
    strokes = np.eye(3) * size
    return [np.stack([point - stroke, point + stroke]) for point in points for stroke in strokes]


def across(along: Floats) -> tuple[Floats, Floats]:
    """Return two unit vectors at right angles to a unit vector and to each other."""
    other = np.eye(3)[int(np.abs(along).argmin())]
    u = np.cross(along, other)
    u /= np.linalg.norm(u)
    return u, np.cross(along, u)


def segments(lines: list[Floats]) -> Floats:
    """Return polylines as pairs of ends (2 n, 3), to be drawn at once."""
    if not lines:
        return np.zeros((0, 3))
    return np.concatenate(
        [np.stack([line[:-1], line[1:]], axis=1).reshape(-1, 3) for line in lines]
    )
