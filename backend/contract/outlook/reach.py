"""The box that a simulation makes room for where the artist gives none, from how bodies stand."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .standing import Standing

Floats = NDArray[np.float64]

HORIZON = 1.0
"Seconds of free flight that an automatic domain makes room for."
REACH = 2.0
"That flight is followed no farther than this many sizes of all bodies together."
SIDE_SOLID, SIDE_FLOWING = 0.5, 1.0
"Room around the bodies, in their common size; what flows spreads."


def automatic_reach(
    bodies: Sequence[Standing], gravity: Floats, ground: float | None
) -> tuple[Floats, Floats]:
    """Return low and high corner (3,) of the dynamic bodies' likely reach [m].

    1. The bodies' bounds and, in their common size (its longest side), half of it around them; one
       size around what flows.
    2. What one second of free flight adds, at most two sizes; and the way that pins take them.
    3. If gravity points down: the bottom lies at the highest thing below that catches all bodies
       (the ground, or a static collider as wide as they are), however far it is; else at the lowest
       collider that catches some of them; with nothing below, the flight of 2. decides.
    `gravity` (3,) m/s^2 is that of the simulation's start, `ground` the height of the ground.
    """
    dynamic = [body for body in bodies if body.is_dynamic]
    low = np.min([body.low for body in dynamic], axis=0)
    high = np.max([body.high for body in dynamic], axis=0)
    size = float((high - low).max())
    side = size * (SIDE_FLOWING if any(body.flows for body in dynamic) else SIDE_SOLID)
    flights = [_flight(np.asarray(body.velocity), gravity, REACH * size) for body in dynamic]
    carried = [body.carried for body in dynamic if body.carried is not None]
    box_low = low - side + np.min([flight[0] for flight in flights], axis=0)
    box_high = high + side + np.max([flight[1] for flight in flights], axis=0)
    box_low = np.min([box_low, *(way[0] - side for way in carried)], axis=0)
    box_high = np.max([box_high, *(way[1] + side for way in carried)], axis=0)
    if gravity[2] < 0 and abs(gravity[2]) >= np.abs(gravity).max():
        bottom = _bottom(bodies, ground, (low, high), (box_low, box_high), size)
        box_low[2] = box_low[2] if bottom is None else bottom
    return box_low, box_high


def _flight(velocity: Floats, gravity: Floats, limit: float) -> tuple[Floats, Floats]:
    """Return the lowest and highest displacement per axis within the horizon (limit in metres)."""
    time = np.linspace(0.0, HORIZON, 33)[:, None]
    path = np.clip(velocity * time + gravity * time**2 / 2, -limit, limit)
    return path.min(axis=0), path.max(axis=0)


def _bottom(
    bodies: Sequence[Standing],
    ground: float | None,
    bounds: tuple[Floats, Floats],
    reach: tuple[Floats, Floats],
    size: float,
) -> float | None:
    """Return the height where everything has been caught, None if nothing lies below."""
    whole: list[float] = []
    partial: list[float] = []
    if ground is not None and ground <= bounds[0][2] + size / 2:
        whole.append(ground)
    for body in bodies:
        low, high = body.low, body.high
        apart = (low[:2] > reach[1][:2]).any() or (high[:2] < reach[0][:2]).any()
        if body.is_dynamic or not body.collides or apart or low[2] > bounds[1][2]:
            continue
        # a thick collider catches at its top, a bowl somewhere on its way down
        foot = max(float(low[2]), min(float(bounds[0][2]), float(high[2])) - size)
        covers = (low[:2] <= bounds[0][:2]).all() and (high[:2] >= bounds[1][:2]).all()
        (whole if covers and not body.moves else partial).append(foot)
    if not whole and not partial:
        return None
    return min(max(whole) if whole else min(partial), float(bounds[0][2]))
