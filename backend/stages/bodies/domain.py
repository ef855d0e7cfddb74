"""The box that is simulated, and its grid; called by prepare."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....kernels.mpm.solver import Domain
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.forces import Pin
from ...contract.outlook.reach import automatic_reach
from ...contract.outlook.standing import Standing
from ...contract.shot import Box, Shot
from .shape import Shape, pose_at, thickness_of, track_row

Floats = NDArray[np.float64]

GRAIN = 1 / 32
"Cells to which positions are exact: single precision grows coarse far from the origin."
SLACK = 5e-5
"Cells that a body may stick out: rounding."
MOST_GROWTH = 4
"Times its longest side that each side of a domain may move out by, where it grows."


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


def growth_cells(shot: Shot, domain: Domain) -> int:
    """Return how many cells each side of the domain may move out by: none unless it grows."""
    grows = shot.simulation.leaving == "grow" and domain.walls == "open"
    return MOST_GROWTH * max(domain.shape) if grows else 0


def automatic_box(shot: Shot, arrays: ArraySet, shapes: Sequence[Shape]) -> Box:
    """Return the dynamic bodies' likely reach (`automatic_reach`) as things stand at the start.

    The frame range takes no part, but for pins: more frames do not change the physics.
    """
    bounds = {i: world_bounds(shot, arrays, shapes, i) for i in range(len(shot.bodies))}
    ground = shot.world.ground.height if shot.world.ground is not None else None
    start = track_row(shot.frames, arrays.of(shot.gravity), shot.frames.simulation_start)
    bodies = [_standing(shot, arrays, i, bounds) for i in range(len(shot.bodies))]
    low, high = automatic_reach(bodies, np.asarray(start, np.float64), ground)
    return Box(_triple(low), _triple(high))


def _standing(
    shot: Shot, arrays: ArraySet, index: int, bounds: dict[int, tuple[Floats, Floats]]
) -> Standing:
    body = shot.bodies[index]
    pins = [f for f in shot.forces if isinstance(f, Pin) and f.body == body.name]
    ways = [_carried(shot, arrays, pin, bounds[index]) for pin in pins]
    carried = None
    if ways:
        carried = np.min([way[0] for way in ways], axis=0), np.max([way[1] for way in ways], axis=0)
    return Standing(
        body.name,
        *bounds[index],
        material=body.material,
        collides=body.role == "dynamic" or body.contact is not None,
        moves=body.role == "kinematic",
        velocity=body.velocity,
        carried=carried,
    )


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
    shot: Shot, arrays: ArraySet, pin: Pin, bounds: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Return the bounds of where a pin's motion takes its body's box."""
    if pin.motion is None:
        return bounds
    corners = np.array(np.meshgrid(*zip(*bounds, strict=True))).reshape(3, -1).T
    poses = arrays.of(pin.motion).astype(np.float64)
    start = pose_at(shot, arrays, pin.motion, shot.frames.simulation_start)
    local = (corners - start[:3, 3]) @ start[:3, :3]
    world = local @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3]
    return world.min(axis=(0, 1)), world.max(axis=(0, 1))


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
