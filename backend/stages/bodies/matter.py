"""What the solver is given: grid, laws, particles, colliders, ground; made when it is needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import signed_distance_grid
from ....kernels.mpm.colliders import Collider, Plane
from ....kernels.mpm.contact.given import Meeting
from ....kernels.mpm.deforming import DeformingCollider
from ....kernels.mpm.growth import grown
from ....kernels.mpm.materials.laws import Law
from ....kernels.mpm.solver import Domain, Particles
from ....kernels.rigid.shape import Solid
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.materials import Flowing, Rigid
from ...contract.outlook.standing import particle_edge
from ...contract.shot import Body, Shot
from .deforming import MovingSurface
from .domain import growth_cells
from .laws import factors, laws_of
from .rigid import RigidMatter, rigid_matter
from .sampling import is_inside, lattice_inside
from .seeds import body_rng
from .shape import Shape, pose_at, solidify, thickness_of

COLLIDER_MARGIN = 4
"Cells of distance kept around a collider."
COLLIDER_NODES = 4_000_000
"A collider with more nodes than this is sampled more coarsely."
NOWHERE, NO_NUMBERS = np.zeros((0, 3), np.float32), np.zeros(0, np.int32)
GIVE = 0.01
"Cells that what flows may start inside of something: rounding, and distances that are sampled."
WALL_NODES = 3.0
"Nodes through a collider's mean thickness: its inside is lost between fewer."


@dataclass(frozen=True)
class Matter:
    """All that moves or is moved against; `collider_bodies` are indices into `shot.bodies`.

    `moving` are the surfaces of colliders that change their shape, by the collider's number.
    """

    domain: Domain
    laws: tuple[Law, ...]
    particles: Particles
    colliders: tuple[Collider | DeformingCollider, ...]
    collider_bodies: tuple[int, ...]
    ground: Plane | None
    meeting: Meeting
    rigid: RigidMatter | None = None
    moving: Mapping[int, MovingSurface] = field(default_factory=dict)


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
    room = grown(domain, np.full((2, 3), growth_cells(shot, domain)))
    at_start = [_collider(shot, arrays, shot.bodies[i], shapes[i], room) for i in touched]
    around = list(zip(touched, at_start, strict=True))
    rigid = None
    if solid:
        rigid = rigid_matter(shot, arrays, shapes, solid, around, plane, domain)
    laws, particles = _particles(shot, arrays, shapes, dynamic, domain.spacing)
    meeting, numbers = meeting_of(shot), tuple(touched)
    made = Matter(domain, laws, particles, tuple(at_start), numbers, plane, meeting, rigid)
    made = replace(made, particles=_displaced(shot, arrays, shapes, domain, made))
    return _with_moving(shot, arrays, made)


def _with_moving(shot: Shot, arrays: ArraySet, made: Matter) -> Matter:
    """Let the colliders that change their shape do so."""
    colliders, moving, spacing = list(made.colliders), {}, made.domain.spacing
    for number, index in enumerate(made.collider_bodies):
        body = shot.bodies[index]
        if body.vertex_cache is None or body.contact is None:
            continue
        surface = moving[number] = MovingSurface(shot, arrays, body, spacing)
        thickness = thickness_of(body, surface.shape, spacing)
        colliders[number] = DeformingCollider(
            surface.at(shot.frames.simulation_start),
            surface.triangles,
            surface.shell,
            _fineness(surface.shape, thickness, spacing),
            body.contact.boundary,
            body.contact.friction,
        )
    return replace(made, colliders=tuple(colliders), moving=moving)


def _displaced(
    shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], domain: Domain, made: Matter
) -> Particles:
    """Leave out the sand and water that start in something else: they would stay inside of it.

    What flows gives way to what does not, to the ground, and to what flows and comes before it.
    """
    flows = np.array([isinstance(body.material, Flowing) for body in shot.bodies], bool)
    particles = made.particles
    loose = np.flatnonzero(flows[particles.body])
    if not len(loose):
        return particles
    at, mine = particles.position[loose], particles.body[loose]
    out = np.zeros(len(loose), bool)
    if made.ground is not None:
        out |= at[:, 2] < made.ground.height - GIVE * domain.spacing
    for pose, solid in _firm(shot, arrays, made):
        out |= solid.distances((at - pose[:3, 3]) @ pose[:3, :3]) < -GIVE * domain.spacing
    for i, (body, shape) in enumerate(zip(shot.bodies, shapes, strict=True)):
        if body.role == "dynamic" and not isinstance(body.material, Rigid):
            pose = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)
            behind = (mine > i) if flows[i] else np.ones(len(mine), bool)
            out |= behind & (mine != i) & _inside(body, shape, pose, at, domain.spacing)
    kept = np.ones(len(particles.position), bool)
    kept[loose[out]] = False
    if missing := set(particles.body) - set(particles.body[kept]):
        raise ShotError(
            shot.bodies[min(missing)].name,
            "expected some of it outside of all other bodies, got all of it inside.",
            "Move them apart.",
        )
    return particles.only(kept)


def _firm(
    shot: Shot, arrays: ArraySet, made: Matter
) -> Iterator[tuple[NDArray[np.float64], Solid]]:
    """Yield the rigid bodies and the colliders with their poses (4, 4)."""
    for body in made.rigid.bodies if made.rigid is not None else ():
        yield body.pose, body.solid
    for i, collider in zip(made.collider_bodies, made.colliders, strict=True):
        assert isinstance(collider, Collider)
        origin = np.asarray(collider.origin)
        pose = pose_at(shot, arrays, shot.bodies[i].poses, shot.frames.simulation_start)
        yield pose, Solid(collider.distance, origin, collider.spacing, np.zeros((0, 3)))


def _inside(
    body: Body, shape: Shape, pose: NDArray[np.float64], at: NDArray[np.float32], spacing: float
) -> NDArray[np.bool_]:
    """Return which places (n, 3) m, world, are in the matter of a body."""
    local = ((at - pose[:3, 3]) @ pose[:3, :3]).astype(np.float32)
    thickness = thickness_of(body, shape, spacing)
    near = ((local >= shape.low - thickness) & (local <= shape.high + thickness)).all(axis=1)
    found = np.zeros(len(at), bool)
    found[near] = is_inside(shape, np.ascontiguousarray(local[near]), thickness)
    return found


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
) -> tuple[tuple[Law, ...], Particles]:
    laws: list[Law] = []
    made = [Particles(NOWHERE, NOWHERE, NOWHERE[:, 0], NO_NUMBERS, NO_NUMBERS, NOWHERE[:, 0])]
    for i in dynamic:
        body, shape = shot.bodies[i], shapes[i]
        assert body.material is not None
        local, each = _filling(shot, body, shape, spacing)
        pose = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)
        world = local @ pose[:3, :3].T + pose[:3, 3]
        scales = body.stiffness_scale, body.density_scale
        at = world.astype(np.float32)
        stiffness, density = (factors(shot, arrays, body, scale, at) for scale in scales)
        own, law = laws_of(body.material, stiffness, density)
        velocity = body.velocity + np.cross(body.angular_velocity, world - world.mean(axis=0))
        made.append(
            Particles(
                at,
                velocity.astype(np.float32),
                np.full(len(at), each, np.float32),
                law + np.int32(len(laws)),
                np.full(len(at), i, np.int32),
                (body.material.density * density).astype(np.float32),
            )
        )
        laws += own
    names = vars(made[0])
    return tuple(laws), Particles(
        **{name: np.concatenate([getattr(part, name) for part in made]) for name in names}
    )


def _filling(
    shot: Shot, body: Body, shape: Shape, spacing: float
) -> tuple[NDArray[np.float32], float]:
    """Return places (n, 3) inside of a body, in its own space, and the volume of each in m^3."""
    cell = particle_cell(shot, body, shape, spacing)
    rng = body_rng(shot.seed, body.name, "particles")
    local, filled = lattice_inside(shape, cell, thickness_of(body, shape, spacing), rng)
    if not len(local):
        raise ShotError(
            f"{body.name}, mesh",
            f"expected room for particles {cell:.3g} m apart, found none.",
            "Give it thickness, or raise the resolution.",
        )
    return local, shape.volume / len(local) if shape.closed else filled


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
    fine = _fineness(shape, thickness, domain.spacing)
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


def _fineness(shape: Shape, thickness: float, spacing: float) -> float:
    """Return how far apart [m] the nodes of a collider's distances are to be."""
    wall = 2 * shape.volume / shape.area if shape.closed else thickness
    return float(np.clip(wall / WALL_NODES, spacing / 4, spacing))


def _clipped(
    low: NDArray[np.float64], high: NDArray[np.float64], domain: Domain, pose: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut a box in body space to what the domain covers of it (at least one cell)."""
    corners = np.array(np.meshgrid(*[(0.0, 1.0)] * 3)).reshape(3, -1).T
    world = np.asarray(domain.origin) + corners * np.asarray(domain.shape) * domain.spacing
    local = (world - pose[:3, 3]) @ pose[:3, :3]
    low, high = np.maximum(low, local.min(axis=0)), np.minimum(high, local.max(axis=0))
    return low, np.maximum(high, low + domain.spacing)
