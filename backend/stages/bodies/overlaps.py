"""Bodies that start inside of others, found before anything is simulated; called by prepare."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import closest_point
from ....kernels.mpm.solver import Domain
from ....kernels.rigid.shape import surface_points
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.forces import Pin
from ...contract.materials import Flowing, Rigid
from ...contract.shot import Body, Shot
from .rigid import DEEPEST
from .sampling import is_inside, lattice_inside
from .shape import Shape, pose_at, solid_shape, thickness_of

Floats = NDArray[np.float64]

INNER = 400
"Places inside of a body at which it is looked whether they are inside of another as well."


@dataclass(frozen=True)
class _Standing:
    """A body that others may not start in, where it stands at the simulation's start."""

    body: Body
    shape: Shape
    pose: Floats
    thickness: float

    @cached_property
    def solid(self) -> Shape:
        """Its matter: what is open has its thickness, as colliders and rigid bodies behind it."""
        soft = self.body.role == "dynamic" and not _is_rigid(self.body)
        return self.shape if soft else solid_shape(self.shape, self.thickness)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Low and high corner (3,) m, world."""
        corners = self.solid.vertices[np.unique(self.solid.triangles)]
        world = self._world(corners)
        half = 0.0 if self.solid.closed else self.thickness / 2
        return world.min(axis=0) - half, world.max(axis=0) + half

    @cached_property
    def reach(self) -> float:
        """Half of its longest way through, m."""
        return float(np.linalg.norm(self.solid.high - self.solid.low)) / 2

    @cached_property
    def surface(self) -> Floats:
        """Places (n, 3) m on it, world."""
        return self._world(surface_points(self.solid.vertices, self.solid.triangles))

    @cached_property
    def inside(self) -> Floats:
        """Places (n, 3) m in it, world."""
        volume = self.shape.volume or self.shape.area * self.thickness
        edge = max((volume / INNER) ** (1 / 3), self.reach / INNER)
        rng = np.random.default_rng(0)
        return self._world(lattice_inside(self.solid, edge, self.thickness, rng)[0])

    def depth(self, places: Floats) -> Floats:
        """Return how deep places (n, 3) m, world, are inside of it [m]; below 0 where outside."""
        low, high = self.bounds
        found = np.full(len(places), -np.inf)
        near = np.flatnonzero(((places >= low) & (places <= high)).all(axis=1))
        if len(near):
            local = (places[near] - self.pose[:3, 3]) @ self.pose[:3, :3]
            at = np.ascontiguousarray(local, np.float32)
            away = closest_point(at, self.solid.vertices, self.solid.triangles)[2]
            if self.solid.closed:
                found[near] = np.where(is_inside(self.solid, at, 0.0), away, -away)
            else:
                found[near] = self.thickness / 2 - away
        return found

    def _world(self, places: NDArray[np.float32] | Floats) -> Floats:
        return np.asarray(places @ self.pose[:3, :3].T + self.pose[:3, 3], np.float64)


def overlaps(
    shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], domain: Domain | None
) -> tuple[str, ...]:
    """Say which bodies start inside of others; raise ShotError where they could not part.

    What flows leaves room for what it starts in (matter), solids are refused that are more than a
    cell and a tenth of the smaller one's reach inside of each other. Bodies that stick to each
    other and pinned ones in colliders may be: this is only told. Rigid ones are left to `rigid`.
    """
    if domain is None:
        return ()
    standing = [
        _Standing(
            body,
            shape,
            pose_at(shot, arrays, body.poses, shot.frames.simulation_start),
            thickness_of(body, shape, domain.spacing),
        )
        for body, shape in zip(shot.bodies, shapes, strict=True)
        if body.role == "dynamic" or body.contact is not None
    ]
    said = []
    for first, second in _close(standing, domain.spacing):
        if (deep := _overlap(first, second)) > domain.spacing:
            said.append(_judged(shot, first, second, deep))
    return (*said, *_in_ground(shot, standing, domain.spacing))


def _close(standing: Sequence[_Standing], spacing: float) -> Iterator[tuple[_Standing, _Standing]]:
    """Yield pairs whose bounds overlap, one of them dynamic and not both rigid or colliders."""
    if not standing:
        return
    bounds = np.array([one.bounds for one in standing])
    low, high = bounds[:, 0], bounds[:, 1]
    firm = [one.body.role != "dynamic" or _is_rigid(one.body) for one in standing]
    for i in range(len(standing) - 1):
        shared = np.minimum(high[i], high[i + 1 :]) - np.maximum(low[i], low[i + 1 :])
        size = np.minimum(high[i] - low[i], high[i + 1 :] - low[i + 1 :])
        meet = (shared > np.minimum(spacing, size / 2)).all(axis=1)
        for j in (np.flatnonzero(meet) + i + 1).tolist():
            if not (firm[i] and firm[j]):
                yield standing[i], standing[j]


def _overlap(first: _Standing, second: _Standing) -> float:
    """Return how deep [m] either reaches into the other; surfaces alone miss two that coincide."""
    inside = min(first, second, key=lambda one: one.reach).inside
    common = np.minimum(first.depth(inside), second.depth(inside))
    surfaces = second.depth(first.surface), first.depth(second.surface)
    return max(float(each.max(initial=0.0)) for each in (common, *surfaces))


def _judged(shot: Shot, first: _Standing, second: _Standing, deep: float) -> str:
    """Return what to say of two bodies of which one is inside of the other; raise ShotError."""
    one, other = first.body, second.body
    if _flows(one) or _flows(other):
        flowing, firm = (other, one) if not _flows(one) or _flows(other) else (one, other)
        return (
            f"{flowing.name}: it starts {deep:.3g} m inside of {firm.name}; what of it is there is "
            "left out. Move them apart to keep all of it."
        )
    moving, still = (one, other) if one.role == "dynamic" else (other, one)
    sticks = still.name in moving.sticks_to or moving.name in still.sticks_to
    pinned = {force.body for force in shot.forces if isinstance(force, Pin)}
    if sticks or (still.role != "dynamic" and moving.name in pinned):
        return (
            f"{moving.name}: it starts {deep:.3g} m inside of {still.name}, and stays there where "
            "it is held; matter that is in both weighs twice."
        )
    if deep > DEEPEST * min(first.reach, second.reach):
        raise ShotError(
            moving.name,
            f"expected it to start outside of {still.name}, got it {deep:.3g} m inside.",
            "Move them apart.",
        )
    return (
        f"{moving.name}: it starts {deep:.3g} m inside of {still.name}; they may not part by "
        "themselves. Move them apart."
    )


def _in_ground(shot: Shot, standing: Sequence[_Standing], spacing: float) -> Iterator[str]:
    """Yield what is said of bodies that start below the ground; raise ShotError."""
    if shot.world.ground is None:
        return
    for one in standing:
        deep = shot.world.ground.height - float(one.bounds[0][2])
        if one.body.role != "dynamic" or _is_rigid(one.body) or deep <= spacing:
            continue
        if _flows(one.body):
            yield (
                f"{one.body.name}: it starts {deep:.3g} m below the ground; what of it is there is "
                "left out. Move it up to keep all of it."
            )
        elif deep > DEEPEST * one.reach:
            raise ShotError(
                one.body.name,
                f"expected it to start above the ground at {shot.world.ground.height:.3g} m, got "
                f"it {deep:.3g} m below.",
                "Move it up, or lower the ground.",
            )
        else:
            yield f"{one.body.name}: it starts {deep:.3g} m below the ground. Move it up."


def _flows(body: Body) -> bool:
    return isinstance(body.material, Flowing)


def _is_rigid(body: Body) -> bool:
    return isinstance(body.material, Rigid)
