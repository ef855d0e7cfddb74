"""What the solver is given: grid, laws, particles, colliders, ground; made when it is needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import signed_distance_grid
from ....kernels.mpm.colliders import Collider, Plane
from ....kernels.mpm.contact.given import Meeting
from ....kernels.mpm.materials.laws import (
    BrittleLaw,
    CreamLaw,
    ElasticLaw,
    Law,
    MetalLaw,
    PlasticineLaw,
    RubberLaw,
    SandLaw,
    SnowLaw,
    WaterLaw,
)
from ....kernels.mpm.solver import Domain, Particles
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.materials import (
    Brittle,
    Cream,
    Elastic,
    Flowing,
    Material,
    Metal,
    Plasticine,
    Rigid,
    Rubber,
    Sand,
    Snow,
    Water,
)
from ...contract.outlook.standing import particle_edge
from ...contract.shot import Body, Shot
from .rigid import RigidMatter, rigid_matter
from .sampling import lattice_inside
from .seeds import body_rng
from .shape import Shape, pose_at, solidify, thickness_of

COLLIDER_MARGIN = 4
"Cells of distance kept around a collider."
COLLIDER_NODES = 4_000_000
"A collider with more nodes than this is sampled more coarsely."
NOWHERE = np.zeros((0, 3))
WALL_NODES = 3.0
"Nodes through a collider's mean thickness: its inside is lost between fewer."


@dataclass(frozen=True)
class Matter:
    """All that moves or is moved against; `collider_bodies` are indices into `shot.bodies`."""

    domain: Domain
    laws: tuple[Law, ...]
    particles: Particles
    colliders: tuple[Collider, ...]
    collider_bodies: tuple[int, ...]
    ground: Plane | None
    meeting: Meeting
    rigid: RigidMatter | None = None


def matter_of(shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], domain: Domain) -> Matter:
    """Fill the dynamic bodies with particles and put the others into distance grids."""
    dynamic: list[int] = []
    solid: list[int] = []
    for i, body in enumerate(shot.bodies):
        if body.role == "dynamic":
            (solid if isinstance(body.material, Rigid) else dynamic).append(i)
    touched = [
        i
        for i, body in enumerate(shot.bodies)
        if body.role != "dynamic" and body.contact is not None
    ]
    ground = shot.world.ground
    plane = None
    if ground is not None:
        plane = Plane(ground.height, ground.contact.boundary, ground.contact.friction)
    colliders = tuple(_collider(shot, arrays, shot.bodies[i], shapes[i], domain) for i in touched)
    around = list(zip(touched, colliders, strict=True))
    rigid = None
    if solid:
        rigid = rigid_matter(shot, arrays, shapes, solid, around, plane, domain)
    particles = _particles(shot, arrays, shapes, dynamic, domain.spacing)
    return Matter(
        domain,
        tuple(law_of(shot.bodies[i].material) for i in dynamic),
        particles if rigid is None else _displaced(shot, particles, rigid),
        colliders,
        tuple(touched),
        plane,
        meeting_of(shot),
        rigid,
    )


LAWS: dict[type[Material], type[Law]] = {
    Elastic: ElasticLaw,
    Rubber: RubberLaw,
    Metal: MetalLaw,
    Plasticine: PlasticineLaw,
    Brittle: BrittleLaw,
    Sand: SandLaw,
    Snow: SnowLaw,
    Cream: CreamLaw,
    Water: WaterLaw,
}


def _displaced(shot: Shot, particles: Particles, rigid: RigidMatter) -> Particles:
    """Leave out the sand and water that rigid bodies stand in: it would stay inside of them."""
    flows = np.array([isinstance(body.material, Flowing) for body in shot.bodies], bool)
    kept = np.ones(len(particles.position), bool)
    for body in rigid.bodies:
        local = (particles.position - body.pose[:3, 3]) @ body.pose[:3, :3]
        kept &= body.solid.distances(local) > 0
    kept |= ~flows[particles.body]
    if missing := set(particles.body) - set(particles.body[kept]):
        raise ShotError(
            shot.bodies[min(missing)].name,
            "expected some of it outside of the rigid bodies, got all of it inside.",
            "Move them apart.",
        )
    return Particles(**{name: value[kept] for name, value in vars(particles).items()})


def law_of(material: Material | None) -> Law:
    """Return the law of a dynamic body's material; both name their parameters alike."""
    assert not isinstance(material, Rigid | None)
    values = msgspec.structs.asdict(material)
    del values["friction"]
    return LAWS[type(material)](**values)


def meeting_of(shot: Shot) -> Meeting:
    """Say how the bodies meet: what flows is one, others touch, rub, part, or hold as told."""
    number = {body.name: i for i, body in enumerate(shot.bodies)}
    field = np.arange(len(shot.bodies), dtype=np.int32)
    flowing = [i for i, body in enumerate(shot.bodies) if isinstance(body.material, Flowing)]
    field[flowing] = flowing[0] if flowing else 0
    friction = [0.0 if body.material is None else body.material.friction for body in shot.bodies]
    stuck = [(i, number[name]) for i, body in enumerate(shot.bodies) for name in body.sticks_to]
    return Meeting(field, np.array(friction, np.float32), tuple(stuck))


def particle_cell(shot: Shot, body: Body, shape: Shape, spacing: float) -> float:
    """Return the edge in metres of the cube that one particle of a body stands for."""
    volume = volume_of(body, shape, spacing)
    return particle_edge(volume, spacing, shot.simulation.particles_per_cell)


def volume_of(body: Body, shape: Shape, spacing: float) -> float:
    """Return the volume in m^3 that a body's particles fill (of an open mesh: about)."""
    return shape.volume or shape.area * thickness_of(body, shape, spacing)


def _particles(
    shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], dynamic: list[int], spacing: float
) -> Particles:
    position, velocity, volume, count = [NOWHERE], [NOWHERE], [np.zeros(0)], []
    for i in dynamic:
        body, shape = shot.bodies[i], shapes[i]
        cell = particle_cell(shot, body, shape, spacing)
        rng = body_rng(shot.seed, body.name, "particles")
        local, filled = lattice_inside(shape, cell, thickness_of(body, shape, spacing), rng)
        if not len(local):
            raise ShotError(
                f"{body.name}, mesh",
                f"expected room for particles {cell:.3g} m apart, found none.",
                "Give it thickness, or raise the resolution.",
            )
        pose = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)
        world = local @ pose[:3, :3].T + pose[:3, 3]
        each = shape.volume / len(world) if shape.closed else filled
        position.append(world)
        velocity.append(body.velocity + np.cross(body.angular_velocity, world - world.mean(axis=0)))
        volume.append(np.full(len(world), each))
        count.append(len(world))
    return Particles(
        np.concatenate(position).astype(np.float32),
        np.concatenate(velocity).astype(np.float32),
        np.concatenate(volume).astype(np.float32),
        np.repeat(np.arange(len(dynamic), dtype=np.int32), np.array(count, int)),
        np.repeat(np.array(dynamic, np.int32), np.array(count, int)),
    )


def _collider(shot: Shot, arrays: ArraySet, body: Body, shape: Shape, domain: Domain) -> Collider:
    """Sample a body's signed distance in its own space, no farther than the domain can reach it."""
    assert body.contact is not None
    thickness = thickness_of(body, shape, domain.spacing)
    mesh = (shape.vertices, shape.triangles) if shape.closed else solidify(shape, thickness)
    vertices, triangles = mesh or (shape.vertices, shape.triangles)
    margin = COLLIDER_MARGIN * domain.spacing
    low = vertices.min(axis=0).astype(np.float64) - margin
    high = vertices.max(axis=0).astype(np.float64) + margin
    if body.role == "static":
        pose = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)
        low, high = _clipped(low, high, domain, pose)
    wall = 2 * shape.volume / shape.area if shape.closed else thickness
    fine = float(np.clip(wall / WALL_NODES, domain.spacing / 4, domain.spacing))
    spacing = max(fine, float(np.prod(high - low) / COLLIDER_NODES) ** (1 / 3))
    count = np.maximum(np.ceil((high - low) / spacing).astype(int) + 1, 2)
    distance = signed_distance_grid(
        vertices,
        triangles,
        origin=low,
        spacing=spacing,
        shape=(int(count[0]), int(count[1]), int(count[2])),
        thickness=0.0 if mesh else thickness,
    )
    origin = (float(low[0]), float(low[1]), float(low[2]))
    return Collider(distance, origin, spacing, body.contact.boundary, body.contact.friction)


def _clipped(
    low: NDArray[np.float64], high: NDArray[np.float64], domain: Domain, pose: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut a box in body space to what the domain covers of it (at least one cell)."""
    corners = np.array(np.meshgrid(*[(0.0, 1.0)] * 3)).reshape(3, -1).T
    world = np.asarray(domain.origin) + corners * np.asarray(domain.shape) * domain.spacing
    local = (world - pose[:3, 3]) @ pose[:3, :3]
    low, high = np.maximum(low, local.min(axis=0)), np.minimum(high, local.max(axis=0))
    return low, np.maximum(high, low + domain.spacing)
