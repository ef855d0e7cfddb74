"""From a shot to what other stages work on: splats with their looks, and matter that they ride."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import psutil
from numpy.typing import NDArray

from ....kernels.mpm.solver import Domain, Tracers
from ...contract.arrays import ArraySet
from ...contract.errors import MemoryShortError
from ...contract.materials import Flowing, Rigid
from ...contract.outlook.load import (
    MOVING_SHARE,
    PARTICLE_STATE,
    SPLAT_BYTES,
    TRACER_STATE,
    grid_bytes,
    memory_bytes,
)
from ...contract.outlook.standing import particle_count
from ...contract.points import MOST_POINTS
from ...contract.shot import Body, Shot
from ..captures.hull import Mesh as Hull
from ..captures.hull import hull_of
from ..captures.looks import Captured, captured_count, captured_splats, gathered
from ..captures.own import OwnSplats, own_splats
from .deforming import BoundSplats
from .domain import domain_of
from .facing import shown_area
from .fitted import fitted_count, fitted_splats
from .herds import Herds
from .looks import BodySplats, body_splats, concatenate
from .matter import Matter, matter_of, volume_of
from .overlaps import overlaps
from .seeds import body_rng
from .shape import Shape, pose_at, shape_of, solidify, thickness_of
from .steps import fast_colliders, slow_bodies

FLOWING_WEIGHT = 3.0
"What flows is shown through and through: each m^2 of their surface counts as so many."
LEAST_SPLATS = 16

FREE_SHARE = 0.85
"Share of the free memory that a shot may plan with."
SOLID_DISK_BYTES, ROUND_DISK_BYTES = 30, 22
"Cache of one tracer and frame: see simulate."
PLACE_BYTES = 6
"Cache of one particle and frame, where smoke goes round it."
POINT_BYTES = 24
"Of a thinned look at the particles, in the cache and in a take."
COARSE_CELLS = 4.0


@dataclass(frozen=True)
class SplatLooks:
    """Looks of all splats, bodies in the shot's order; n splats, linear Rec.709, float32.

    `albedo` (n, 3), `opacity` (n,), `emission` (n, 3), `roughness`, `specular`, `metallic` (n,),
    `lit` (n,) bool: the albedo already holds the light; `body` (n,) i32 index into shot.bodies.
    """

    albedo: NDArray[np.float32]
    opacity: NDArray[np.float32]
    emission: NDArray[np.float32]
    roughness: NDArray[np.float32]
    specular: NDArray[np.float32]
    metallic: NDArray[np.float32]
    lit: NDArray[np.bool_]
    body: NDArray[np.int32]


@dataclass(frozen=True)
class Estimate:
    """What a shot will take: counts, and bytes of memory and of cache on disk."""

    particles: int
    splats: int
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Prepared:
    """Bodies made ready. Splats are made at once, matter when it is first asked for.

    `rest_mean` (n, 3), `rest_axes` (n, 3, 3) and `rest_normal` (n, 3): in the world at the
    simulation's start for splats of dynamic bodies, in body space for others; columns of the axes
    are 1-sigma half axes [m]. `rest_backing` (n,) as in SplatPose, in these axes; `round` (n,)
    bool: what flows. `tracers` are the splats
    `tracer_splat` (m,). `domain` is None where nothing is dynamic, `captured` where nothing is.
    `bound` are the splats of bodies that change their shape, by index into `shot.bodies`.
    """

    domain: Domain | None
    tracers: Tracers
    looks: SplatLooks
    rest_mean: NDArray[np.float32]
    rest_axes: NDArray[np.float32]
    rest_normal: NDArray[np.float32]
    rest_backing: NDArray[np.float32]
    round: NDArray[np.bool_]
    tracer_splat: NDArray[np.int32]
    captured: Captured | None
    bound: Mapping[int, BoundSplats]
    estimate: Estimate
    warnings: tuple[str, ...]
    make_matter: Callable[[], Matter] = field(repr=False)

    @cached_property
    def matter(self) -> Matter:
        """Particles, laws and colliders; a shot that is simulated already never needs them."""
        return self.make_matter()


def prepare(shot: Shot, arrays: ArraySet) -> Prepared:
    """Make a shot's bodies ready.

    Raises ShotError naming body and field, and MemoryShortError before anything large is made.
    """
    owns = _owns(shot, arrays)
    shapes = _shapes(shot, arrays, owns)
    domain = domain_of(shot, arrays, shapes)
    slow = slow_bodies(shot, arrays, domain) + fast_colliders(shot, arrays, shapes, domain)
    inside = overlaps(shot, arrays, shapes, domain)
    counts = splat_counts(shot, arrays, shapes, owns)
    needed = _estimate(shot, arrays, shapes, domain, counts)
    _require_memory(shot, needed)
    spacing = domain.spacing if domain else 0.0
    parts: list[BodySplats] = []
    captured: list[tuple[int, NDArray[np.float32], bool]] = []
    bound: dict[int, BoundSplats] = {}
    herds, known = Herds(shot), dict[object, tuple[BodySplats, NDArray[np.float32] | None]]()
    for i, (body, count) in enumerate(zip(shot.bodies, counts, strict=True)):
        own, shape = owns[i], shapes[i]
        if (made := known.get(herds.key(body))) is None:
            rng = body_rng(shot.seed, body.name, "splats")
            if own is not None:
                made = captured_splats(body, own, shape, rng)
            elif body.fit is not None:
                made = fitted_splats(body, arrays, shape, rng=rng), None
            else:
                seen = herds.seen(shot, arrays, body, shape)
                thick = thickness_of(body, shape, spacing)
                on_mesh = body_splats(
                    body, arrays, shape, seen=seen, count=count, thickness=thick, rng=rng
                )
                made = on_mesh, None
            known[herds.key(body)] = made
        if own is not None and made[1] is not None:
            captured.append((sum(len(part.mean) for part in parts), made[1], own.linear))
        if body.vertex_cache is not None:
            bound[i] = BoundSplats.of(made[0].mean, body, arrays)
        parts.append(_placed(shot, arrays, body, made[0]))
    said = _warnings(shot, shapes, domain, owns) + slow + inside
    ridden = gathered(captured), bound
    return _assembled(shot, arrays, shapes, domain, parts, ridden, needed, said)


def estimate(shot: Shot, arrays: ArraySet) -> Estimate:
    """Foretell a shot's counts, memory and disk; no particle or splat is made."""
    owns = _owns(shot, arrays)
    shapes = _shapes(shot, arrays, owns)
    counts = splat_counts(shot, arrays, shapes, owns)
    return _estimate(shot, arrays, shapes, domain_of(shot, arrays, shapes), counts)


def _owns(shot: Shot, arrays: ArraySet) -> list[OwnSplats | None]:
    """Return the splats that bodies bring themselves; bodies of one capture share them."""
    captures = {body.capture for body in shot.bodies if body.capture is not None}
    made = {capture: own_splats(capture, arrays) for capture in captures}
    return [None if body.capture is None else made[body.capture] for body in shot.bodies]


def _shapes(shot: Shot, arrays: ArraySet, owns: Sequence[OwnSplats | None]) -> list[Shape]:
    """Measure all bodies; a capture that takes part in the physics is what its splats enclose."""
    found: list[Shape] = []
    hulls: dict[object, Hull] = {}
    known: dict[object, Shape] = {}
    for body, own in zip(shot.bodies, owns, strict=True):
        hull: Hull | None = None
        if own is not None and (body.role == "dynamic" or body.contact is not None):
            hull = hulls.get(body.capture) or hull_of(body.name, own)
            hulls[body.capture] = hull
        key = (body.mesh, body.capture, body.role == "dynamic", hull is None)
        if key not in known:
            known[key] = shape_of(body, arrays, hull)
        found.append(known[key])
    return found


def splat_counts(
    shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], owns: Sequence[OwnSplats | None]
) -> tuple[int, ...]:
    """Share the budget by the area that is shown, and `splat_density`; some bring their own.

    Dynamic bodies share among themselves, whatever else the scene shows: neither another piece of
    scenery nor another camera changes what is simulated.
    """
    weights, herds = np.zeros(len(shot.bodies)), Herds(shot)
    counts = np.zeros(len(shot.bodies), int)
    for i, (body, shape, own) in enumerate(zip(shot.bodies, shapes, owns, strict=True)):
        if own is not None:
            counts[i] = captured_count(body, own)
            continue
        area = shown_area(shape, herds.seen(shot, arrays, body, shape))
        weights[i] = area * body.splat_density * _weight(body)
    moving = np.array([body.role == "dynamic" for body in shot.bodies], bool)
    made = np.array([own is None for own in owns], bool)
    for group, share in ((moving & made, MOVING_SHARE), (~moving & made, 1 - MOVING_SHARE)):
        if group.any():
            budget = shot.render.splats * (1.0 if group.sum() == made.sum() else share)
            wanted = budget * weights[group] / weights[group].sum()
            counts[group] = np.maximum(np.round(wanted), LEAST_SPLATS)
    for i, (body, shape) in enumerate(zip(shot.bodies, shapes, strict=True)):
        if body.fit is not None:
            counts[i] = fitted_count(body, shape)
    return tuple(int(count) for count in counts)


def _weight(body: Body) -> float:
    return FLOWING_WEIGHT if isinstance(body.material, Flowing) else 1.0


def _placed(shot: Shot, arrays: ArraySet, body: Body, splats: BodySplats) -> BodySplats:
    """Move the splats of a dynamic body to the world."""
    if body.role != "dynamic":
        return splats
    pose = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)
    turn = pose[:3, :3].astype(np.float32)
    moved = {
        "mean": (splats.mean @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32),
        "axes": turn @ splats.axes,
        "normal": splats.normal @ turn.T,
    }
    return BodySplats(**{**vars(splats), **moved})


def _assembled(
    shot: Shot,
    arrays: ArraySet,
    shapes: list[Shape],
    domain: Domain | None,
    parts: list[BodySplats],
    ridden: tuple[Captured | None, Mapping[int, BoundSplats]],
    needed: Estimate,
    said: tuple[str, ...],
) -> Prepared:
    body = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.mean) for part in parts])
    splats = concatenate(parts)
    moving = np.array([b.role == "dynamic" for b in shot.bodies], bool)
    tracer_splat = np.flatnonzero(moving[body]).astype(np.int32)
    names = ("albedo", "opacity", "emission", "roughness", "specular", "metallic", "lit")

    def make_matter() -> Matter:
        assert domain is not None
        return matter_of(shot, arrays, shapes, domain)

    return Prepared(
        domain=domain,
        tracers=Tracers(splats.mean[tracer_splat], body[tracer_splat], splats.round[tracer_splat]),
        looks=SplatLooks(**{name: getattr(splats, name) for name in names}, body=body),
        rest_mean=splats.mean,
        rest_axes=splats.axes,
        rest_normal=splats.normal,
        rest_backing=splats.backing,
        round=splats.round,
        tracer_splat=tracer_splat,
        captured=ridden[0],
        bound=ridden[1],
        estimate=needed,
        warnings=said,
        make_matter=make_matter,
    )


def _warnings(
    shot: Shot,
    shapes: Sequence[Shape],
    domain: Domain | None,
    owns: Sequence[OwnSplats | None],
) -> tuple[str, ...]:
    """Say what is taken otherwise than the artist may think."""
    said = []
    for body, shape, own in zip(shot.bodies, shapes, owns, strict=True):
        if own is not None and (count := int(own.shortened.sum())):
            said.append(
                f"{body.name}: {count:,} of its {len(own.mean):,} captured splats are larger than "
                "can be right; they are made smaller."
            )
        if domain is None or (body.role != "dynamic" and body.contact is None):
            continue
        # a sheet that has a front only thickens behind it: nothing to wonder at
        if not shape.closed and (body.role == "dynamic" or solidify(shape, 1.0) is None):
            thickness = thickness_of(body, shape, domain.spacing)
            said.append(
                f"{body.name}: its mesh is open; it counts as a sheet {thickness:.3g} m thick. "
                "Close it, or set a thickness."
            )
        if shape.turned:
            said.append(f"{body.name}: its faces point inwards; they are turned around.")
        if shape.crossed:
            said.append(
                f"{body.name}: its faces cross each other, or some parts are inside out; all that "
                f"is inside counts, once: {shape.volume:.3g} m³. Join its parts (a Boolean or a "
                "Remesh modifier), or recalculate its normals (Shift N)."
            )
        # 6 V / A is the edge of a cube and the diameter of a ball
        cells = 6 * volume_of(body, shape, domain.spacing) / shape.area / domain.spacing
        grainy = body.role == "dynamic" and not isinstance(body.material, Rigid)
        if grainy and shape.closed and cells < COARSE_CELLS:
            said.append(
                f"{body.name}: only about {cells:.1f} grid cells across. Raise the resolution "
                f"(now {shot.simulation.resolution}) or shrink the domain."
            )
    return tuple(said)


def _estimate(
    shot: Shot,
    arrays: ArraySet,
    shapes: Sequence[Shape],
    domain: Domain | None,
    counts: Sequence[int],
) -> Estimate:
    particles, tracers, disk = 0, 0, 0
    for body, shape, count in zip(shot.bodies, shapes, counts, strict=True):
        if body.role == "dynamic" and domain is not None:
            if isinstance(body.material, Rigid):
                continue
            volume = volume_of(body, shape, domain.spacing)
            per_cell = shot.simulation.particles_per_cell
            extent = shape.high - shape.low + thickness_of(body, shape, domain.spacing)
            particles += particle_count(volume, extent, domain.spacing, per_cell)
            tracers += count
            disk += count * (
                ROUND_DISK_BYTES if isinstance(body.material, Flowing) else SOLID_DISK_BYTES
            )
    cells = domain.shape if domain and particles else (0, 0, 0)
    materials = [body.material for body in shot.bodies if body.material is not None]
    memory = memory_bytes(particles, tracers, sum(counts), grid_bytes(cells, materials))
    memory += sum(array.nbytes for array in arrays.values())
    memory += sum(3 * b.capture.harmonics.nbytes for b in shot.bodies if b.capture is not None)
    frames = shot.frames.last - shot.frames.simulation_start + 1
    checkpoint = particles * PARTICLE_STATE + tracers * TRACER_STATE
    points = min(particles, MOST_POINTS) * POINT_BYTES
    points += particles * PLACE_BYTES if shot.emitters else 0
    # two are kept while the third is written
    return Estimate(
        particles, sum(counts), memory, (disk + points) * max(frames, 1) + 3 * checkpoint
    )


def _require_memory(shot: Shot, needed: Estimate) -> None:
    free = psutil.virtual_memory().available
    if needed.memory_bytes <= free * FREE_SHARE:
        return
    settings = shot.simulation
    if needed.splats * SPLAT_BYTES > needed.memory_bytes / 2:
        fitting = int(shot.render.splats * free * FREE_SHARE / needed.memory_bytes)
        remedy = f"Lower the number of splats (now {shot.render.splats:,}) to about {fitting:,}."
    else:
        scale = (free * FREE_SHARE / needed.memory_bytes) ** (1 / 3)
        remedy = (
            f"Lower the resolution (now {settings.resolution}) to about "
            f"{max(8, int(settings.resolution * scale))}, or particles per cell "
            f"(now {settings.particles_per_cell})."
        )
    raise MemoryShortError(
        f"{shot.name}: expected to fit into {free / 2**30:.1f} GiB of free memory, but "
        f"{needed.particles:,} particles and {needed.splats:,} splats take about "
        f"{needed.memory_bytes / 2**30:.1f} GiB.",
        remedy,
    )
