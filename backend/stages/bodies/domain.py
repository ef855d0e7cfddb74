"""The box that is simulated, and its grid; called by prepare."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....kernels.mpm.solver import Domain
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.forces import Pin
from ...contract.materials import Flowing
from ...contract.shot import Box, Shot
from .shape import Shape, pose_at, thickness_of, track_row

Floats = NDArray[np.float64]

GRAIN = 1 / 32
"Cells to which positions are exact: single precision grows coarse far from the origin."
SLACK = 5e-5
"Cells that a body may stick out: rounding."
HORIZON = 1.0
"Seconds of free flight that an automatic domain makes room for."
REACH = 2.0
"That flight is followed no farther than this many sizes of all bodies together."
SIDE_SOLID, SIDE_FLOWING = 0.5, 1.0
"Room around the bodies, in their common size; what flows spreads."


def domain_of(shot: Shot, arrays: ArraySet, shapes: Sequence[Shape]) -> Domain | None:
    """Return the grid of the shot's dynamic bodies; None where there is none.

    Spacing is the box's longest side over `resolution`. Raises ShotError when the box has no size
    or a dynamic body is not inside it, or too far from the world's origin for its cells.
    """
    dynamic = [i for i, body in enumerate(shot.bodies) if body.role == "dynamic"]
    if not dynamic:
        return None
    box = shot.simulation.domain or automatic_box(shot, arrays, shapes)
    low, high = np.asarray(box.low, np.float64), np.asarray(box.high, np.float64)
    if not (high > low).all():
        raise ShotError(
            "Domain",
            f"expected a size above zero, got {_metres(high - low)}.",
            "Scale the domain object up.",
        )
    spacing = float((high - low).max() / shot.simulation.resolution)
    for i in dynamic:
        _require_inside(shot, arrays, shapes, i, box, spacing)
        _require_near(shot.bodies[i].name, world_bounds(shot, arrays, shapes, i), spacing)
    cells = np.ceil((high - low) / spacing - 1e-6).astype(int)
    return Domain(
        origin=_triple(low),
        spacing=spacing,
        shape=(int(cells[0]), int(cells[1]), int(cells[2])),
        walls="open" if shot.simulation.domain is None else shot.simulation.walls,
    )


def automatic_box(shot: Shot, arrays: ArraySet, shapes: Sequence[Shape]) -> Box:
    """Return the dynamic bodies' likely reach, from how things stand at the simulation's start.

    1. The bodies' bounds and, in their common size (its longest side), half of it around them; one
       size around what flows.
    2. What one second of free flight adds, at most two sizes; and the way that pins take them.
    3. If gravity points down: the bottom lies at the highest thing below that catches all bodies
       (the ground, or a static collider as wide as they are), however far it is; else at the lowest
       collider that catches some of them; with nothing below, the flight of 2. decides.
    The frame range takes no part, but for pins: more frames do not change the physics.
    """
    dynamic = [i for i, body in enumerate(shot.bodies) if body.role == "dynamic"]
    bounds = {i: world_bounds(shot, arrays, shapes, i) for i in range(len(shot.bodies))}
    low = np.min([bounds[i][0] for i in dynamic], axis=0)
    high = np.max([bounds[i][1] for i in dynamic], axis=0)
    size = float((high - low).max())
    flows = any(isinstance(shot.bodies[i].material, Flowing) for i in dynamic)
    carried = [_carried(shot, arrays, pin, bounds) for pin in shot.forces if isinstance(pin, Pin)]
    side = size * (SIDE_FLOWING if flows else SIDE_SOLID)
    gravity = np.asarray(
        track_row(shot.frames, arrays.of(shot.gravity), shot.frames.simulation_start), np.float64
    )
    flights = [_flight(np.asarray(shot.bodies[i].velocity), gravity, REACH * size) for i in dynamic]
    box_low = low - side + np.min([f[0] for f in flights], axis=0)
    box_high = high + side + np.max([f[1] for f in flights], axis=0)
    box_low = np.min([box_low, *(c[0] - side for c in carried)], axis=0)
    box_high = np.max([box_high, *(c[1] + side for c in carried)], axis=0)
    if gravity[2] < 0 and abs(gravity[2]) >= np.abs(gravity).max():
        bottom = _bottom(shot, bounds, (low, high), (box_low, box_high), size)
        box_low[2] = box_low[2] if bottom is None else bottom
    return Box(_triple(box_low), _triple(box_high))


def world_bounds(
    shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], index: int
) -> tuple[Floats, Floats]:
    """Return a body's bounds in the world at the simulation's start."""
    pose = pose_at(shot, arrays, shot.bodies[index].poses, shot.frames.simulation_start)
    shape = shapes[index]
    used = np.unique(shape.triangles)
    world = shape.vertices[used] @ pose[:3, :3].T + pose[:3, 3]
    return world.min(axis=0), world.max(axis=0)


def _carried(
    shot: Shot, arrays: ArraySet, pin: Pin, bounds: dict[int, tuple[Floats, Floats]]
) -> tuple[Floats, Floats]:
    """Return the bounds of where a pin's motion takes its body's box."""
    low, high = bounds[next(i for i, body in enumerate(shot.bodies) if body.name == pin.body)]
    if pin.motion is None:
        return low, high
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    poses = arrays.of(pin.motion).astype(np.float64)
    start = pose_at(shot, arrays, pin.motion, shot.frames.simulation_start)
    local = (corners - start[:3, 3]) @ start[:3, :3]
    world = local @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3]
    return world.min(axis=(0, 1)), world.max(axis=(0, 1))


def _flight(velocity: Floats, gravity: Floats, limit: float) -> tuple[Floats, Floats]:
    """Return the lowest and highest displacement per axis within the horizon (limit in metres)."""
    time = np.linspace(0.0, HORIZON, 33)[:, None]
    path = np.clip(velocity * time + gravity * time**2 / 2, -limit, limit)
    return path.min(axis=0), path.max(axis=0)


def _bottom(
    shot: Shot,
    bounds: dict[int, tuple[Floats, Floats]],
    bodies: tuple[Floats, Floats],
    reach: tuple[Floats, Floats],
    size: float,
) -> float | None:
    """Return the height where everything has been caught, None if nothing lies below."""
    whole: list[float] = []
    partial: list[float] = []
    if shot.world.ground is not None and shot.world.ground.height <= bodies[0][2] + size / 2:
        whole.append(shot.world.ground.height)
    for i, body in enumerate(shot.bodies):
        low, high = bounds[i]
        apart = (low[:2] > reach[1][:2]).any() or (high[:2] < reach[0][:2]).any()
        if body.role == "dynamic" or body.contact is None or apart or low[2] > bodies[1][2]:
            continue
        # a thick collider catches at its top, a bowl somewhere on its way down
        foot = max(float(low[2]), min(float(bodies[0][2]), float(high[2])) - size)
        covers = (low[:2] <= bodies[0][:2]).all() and (high[:2] >= bodies[1][:2]).all()
        (whole if covers and body.role == "static" else partial).append(foot)
    if not whole and not partial:
        return None
    return min(max(whole) if whole else min(partial), float(bodies[0][2]))


def _require_inside(
    shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], index: int, box: Box, spacing: float
) -> None:
    body, shape = shot.bodies[index], shapes[index]
    low, high = world_bounds(shot, arrays, shapes, index)
    half = thickness_of(body, shape, spacing) / 2 - SLACK * spacing
    if (low - half < box.low).any() or (high + half > box.high).any():
        raise ShotError(
            body.name,
            f"expected inside the domain {_metres(box.low)} to {_metres(box.high)}, "
            f"got {_metres(low)} to {_metres(high)}.",
            "Move it inside, or enlarge the domain.",
        )


def _require_near(where: str, bounds: tuple[Floats, Floats], spacing: float) -> None:
    limit = GRAIN * spacing / float(np.finfo(np.float32).eps)
    reach = float(np.abs(bounds).max())
    if reach > limit:
        raise ShotError(
            where,
            f"expected within {limit:.3g} m of the world's origin, where cells of {spacing:.3g} m "
            f"are still told apart, got {reach:.3g} m.",
            "Move the scene to the origin, or lower the resolution.",
        )


def _triple(values: Floats) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _metres(values: Sequence[float] | Floats) -> str:
    return "(" + ", ".join(f"{v:.3g}" for v in values) + ") m"
