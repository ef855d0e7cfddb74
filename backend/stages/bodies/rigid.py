"""Rigid bodies made ready: shapes, masses, colliders, and the world that they live in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....kernels.mpm.colliders import Collider, Plane
from ....kernels.mpm.input import Domain
from ....kernels.rigid.mass import Mass, mass_of, mass_of_points
from ....kernels.rigid.shape import Solid, solid_of, surface_points
from ....kernels.rigid.world import Bounds, Obstacle, RigidBody, RigidWorld
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.materials import Rigid
from ...contract.shot import Body, Shot
from .laws import factors
from .sampling import lattice_inside
from .seeds import body_rng
from .shape import Shape, pose_at, solidify, thickness_of

DEEPEST = 0.1
"Share of the smaller one's reach that bodies may start inside each other; they move apart then."

MASS_POINTS = 30_000
"Of a body whose density differs, or whose mesh crosses itself."

Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]


@dataclass(frozen=True)
class RigidMatter:
    """Rigid bodies, which are `indices` of shot.bodies, and all that they strike."""

    bodies: tuple[RigidBody, ...]
    indices: tuple[int, ...]
    obstacles: tuple[Obstacle, ...]
    bounds: Bounds

    def world(self) -> RigidWorld:
        return RigidWorld(self.bodies, self.obstacles, self.bounds)


def rigid_matter(
    shot: Shot,
    arrays: ArraySet,
    shapes: Sequence[Shape],
    indices: Sequence[int],
    surroundings: Sequence[tuple[int, Collider]],
    ground: Plane | None,
    domain: Domain,
) -> RigidMatter:
    """Make the rigid bodies `indices` and their surroundings, bodies with their distances, ready.

    Raises ShotError for an open mesh that has no front, and for bodies that start inside each other
    or inside a collider, deeper than DEEPEST.
    """
    known: dict[tuple[object, ...], Solid] = {}
    bodies = []
    for i in indices:
        body, shape = shot.bodies[i], shapes[i]
        mesh = closed_mesh(body, shape, domain.spacing)
        key = (body.mesh.vertices, body.mesh.triangles, body.thickness, body.capture)
        if key not in known:
            known[key] = solid_of(*mesh)
        assert isinstance(body.material, Rigid)
        bodies.append(
            RigidBody(
                known[key],
                _mass(shot, arrays, body, shape, mesh),
                pose_at(shot, arrays, body.poses, shot.frames.simulation_start),
                body.velocity,
                body.angular_velocity,
                body.material.friction,
                body.material.restitution,
                i,
            )
        )
    obstacles = tuple(_obstacle(shapes[i], collider) for i, collider in surroundings)
    low = np.asarray(domain.origin)
    box = None
    if domain.walls != "open":
        box = low, low + domain.spacing * np.asarray(domain.shape)
    bounds = Bounds.of(ground, box, sticking=domain.walls == "stick")
    made = RigidMatter(tuple(bodies), tuple(indices), obstacles, bounds)
    _require_apart(shot, arrays, made, [i for i, _ in surroundings])
    return made


def closed_mesh(body: Body, shape: Shape, spacing: float) -> Mesh:
    """Return a body's mesh, given its thickness where it is open."""
    if shape.closed:
        return shape.vertices, shape.triangles
    mesh = solidify(shape, thickness_of(body, shape, spacing))
    if mesh is None:
        raise ShotError(
            f"{body.name}, mesh",
            "expected a closed mesh for a rigid body, or a sheet with one front, got faces that do "
            "not agree on a front.",
            "Recalculate its normals (Shift N), or give it thickness (a Solidify modifier).",
        )
    return mesh


def _mass(shot: Shot, arrays: ArraySet, body: Body, shape: Shape, mesh: Mesh) -> Mass:
    """Return a body's mass, exactly; where its density differs, from points inside of it."""
    assert body.material is not None
    density = body.material.density
    if body.density_scale is None and not shape.crossed:
        return mass_of(*mesh, density)
    solid = replace(shape, vertices=mesh[0], triangles=mesh[1], closed=True)
    volume = shape.volume or mass_of(*mesh, density).volume
    rng = body_rng(shot.seed, body.name, "mass")
    points, _ = lattice_inside(solid, (volume / MASS_POINTS) ** (1 / 3), 0.0, rng)
    pose = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)
    world = (points @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
    factor = factors(shot, arrays, body, body.density_scale, world)
    return mass_of_points(points, density * factor, volume)


def _obstacle(shape: Shape, collider: Collider) -> Obstacle:
    solid = Solid(
        collider.distance,
        np.asarray(collider.origin, np.float64),
        collider.spacing,
        surface_points(shape.vertices, shape.triangles),
    )
    return Obstacle(solid, collider.boundary, collider.friction)


def _require_apart(
    shot: Shot, arrays: ArraySet, made: RigidMatter, surroundings: Sequence[int]
) -> None:
    world = made.world()
    start = shot.frames.simulation_start
    poses = [pose_at(shot, arrays, shot.bodies[i].poses, start) for i in surroundings]
    world.place_obstacles_at(poses)
    depth, first, second = world.deepest_overlap()
    things = [*made.indices, *surroundings]
    names = [shot.bodies[i].name for i in things] + ["the ground or a wall of the domain"]
    least = min(world.reach_of(first), world.reach_of(second))
    if depth > DEEPEST * least:
        raise ShotError(
            names[first],
            f"expected it to start outside of {names[second]}, got it {depth:.3g} m inside.",
            "Move them apart.",
        )
