"""Physics frame by frame: drives the solver, keeps every frame and the newest states in the cache.

What is yielded has always been through the form that a frame is kept in (riders), so a frame from
the cache equals one just made, bit for bit.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.mpm.skin import Skin
from ...kernels.mpm.solver import Advance, Diverged, Domain, MpmSolver, Push
from ...kernels.rigid.coupling import Coupling
from ...kernels.rigid.world import RigidWorld
from ..contract.arrays import ArraySet
from ..contract.errors import SimulationError
from ..contract.materials import Rigid, Water
from ..contract.shot import Body, Shot, VertexCache
from .acting import Acting, constants, said_at
from .air.simulated import has_places, packed_places
from .bodies.prepare import Prepared
from .bodies.shape import pose_at, track_row
from .cache import FrameCache, stage_key
from .leaving import Leaving, left_in_all
from .notes import NO_ADVANCE, gravity_at, note_of
from .riders import Record, Riders

if TYPE_CHECKING:
    from .progress import Listener

Floats = NDArray[np.float32]

PROGRESS_SECONDS = 0.1
LEAST_CAUTION = 1 / 8
"Share of the usual time step below which a frame that blows up is not tried again."


@dataclass(frozen=True)
class SimulatedFrame:
    """Where the m splats that move are at a frame.

    `mean` (m, 3) m world, `deformation` (m, 3, 3) since the start (of round ones only its volume),
    `surface_normal` (m, 3) unit or zero: towards the free surface of what flows. `gone` (m,) bool
    are those that have left the domain, if any have, and `domain` (2, 3) its corners [m] where it
    has grown.
    """

    frame: int
    mean: Floats
    deformation: Floats
    surface_normal: Floats
    gone: NDArray[np.bool_] | None = None
    domain: NDArray[np.float64] | None = None


def simulate_key(shot: Shot, arrays: ArraySet, prepared: Prepared) -> str:
    """Return the key of all that the simulation reads, except tracks after its first frame.

    Tracers are simulated, so where splats lie is in it; looks, camera, lights and the frame range
    are not. Tracks are checked frame by frame (`track_digests`): a longer range, or a change late
    in an animation, keeps the frames before it.
    """
    tracers = prepared.tracers.position, prepared.tracers.body
    return stage_key("simulate", motion_key(shot, arrays, prepared.domain), tracers)


def motion_key(shot: Shot, arrays: ArraySet, domain: Domain | None) -> str:
    """Return the key of all that bodies' motion depends on: the simulation's, but for splats."""
    dynamic = [body for body in shot.bodies if body.role == "dynamic"]
    start = shot.frames.simulation_start
    captures = [(b.name, b.capture) for b in (*dynamic, *_hit(shot)) if b.capture is not None]
    return stage_key(
        "simulate",
        (domain.origin, domain.spacing, domain.shape, domain.walls) if domain else None,
        shot.simulation.leaving if domain is not None and domain.walls == "open" else None,
        [(b.name, b.mesh.vertices, b.mesh.triangles, b.material, b.thickness) for b in dynamic],
        [(b.velocity, b.angular_velocity, b.sticks_to) for b in dynamic],
        [constants((b.stiffness_scale, b.density_scale)) for b in dynamic],
        np.array([pose_at(shot, arrays, b.poses, start) for b in dynamic]),
        [(b.role, b.mesh.vertices, b.mesh.triangles, b.contact, b.thickness) for b in _hit(shot)],
        [(c.mesh.vertices, c.mesh.triangles) if c else None for c in _caches(shot)],
        [constants(force) for force in shot.forces],
        shot.world.ground,
        (shot.simulation.particles_per_cell, shot.seed, shot.frames.fps, start),
        *((name, c.mean, c.axes, c.opacity) for name, c in captures),
    )


def track_digests(shot: Shot, arrays: ArraySet) -> dict[int, bytes]:
    """Return for every simulated frame a digest of all that the tracks said up to it."""
    digest, digests = b"", {}
    for frame in range(shot.frames.simulation_start, shot.frames.last + 1):
        refs = [shot.gravity, *(body.poses for body in _hit(shot))]
        refs += [cache.vertices for cache in _caches(shot) if cache is not None]
        rows = [np.asarray(track_row(shot.frames, arrays.of(ref), frame)) for ref in refs]
        for force in shot.forces:
            rows += said_at(shot, arrays, force, frame)
        digest = hashlib.sha256(digest + b"".join(row.tobytes() for row in rows)).digest()
        digests[frame] = digest
    return digests


def simulate(
    shot: Shot, arrays: ArraySet, prepared: Prepared, cache: FrameCache, listener: "Listener"
) -> Iterator[SimulatedFrame]:
    """Yield every frame of the shot in order; what `cache` holds is not computed again.

    `cache` is the one of `simulate_key`. Frames before the simulation's start show its first state.
    Raises SimulationError when the physics diverges, or matter leaves that must not,
    MemoryShortError when the domain outgrows the memory, and what `listener.check` raises.
    """
    yield from Simulation(shot, arrays, prepared, cache, listener).frames()


class Simulation:
    """One pass over a shot's frames; the solver is made when the first frame is missing.

    With `keeps_places`, frames tell where all particles are as well (air.simulated); those kept
    without are made again.
    """

    def __init__(
        self,
        shot: Shot,
        arrays: ArraySet,
        prepared: Prepared,
        cache: FrameCache,
        listener: "Listener",
        *,
        keeps_places: bool = False,
    ) -> None:
        self._shot, self._arrays, self._prepared = shot, arrays, prepared
        self._cache, self._listener, self._keeps_places = cache, listener, keeps_places
        self._digests = track_digests(shot, arrays)
        self.riders = Riders(shot, arrays, prepared)
        self._solver: MpmSolver | RigidWorld | None = None
        self._world: RigidWorld | None = None
        self._skin: Skin | None = None
        self._acting: Acting | None = None
        self._frame = shot.frames.simulation_start
        self._seconds_each = 0.0
        self._told = 0.0
        self._leaving: Leaving | None = None
        if prepared.domain is not None:
            self._leaving = Leaving(shot, prepared.domain, listener)
        self._state: dict[str, NDArray[Any]] = {}
        self._latest: Record = {}

    def frames(self) -> Iterator[SimulatedFrame]:
        """Yield the shot's frames as `simulate` does."""
        for frame in self._shot.frames.numbers:
            self._listener.check()
            if self._prepared.domain is None:
                none = np.zeros((0, 3), np.float32)
                yield SimulatedFrame(frame, none, np.zeros((0, 3, 3), np.float32), none)
                continue
            record = self.record_of(max(frame, self._shot.frames.simulation_start))
            if frame == self._shot.frames.last:
                self.tell_left()
            yield SimulatedFrame(frame, *self.riders.unpacked(record))

    def record_of(self, frame: int) -> Record:
        """Return what is kept of a frame from the simulation's start on, or compute up to it.

        Raises what `simulate` does.
        """
        record = self._cached(frame)
        if record is None:
            if self._solver is None or self._frame > frame:
                self._solver = self._start(frame)
            while self._frame < frame:
                self._step(self._solver)
            record = self._latest
        self._tell(frame, always=True)
        return record

    def _cached(self, frame: int) -> Record | None:
        record = self._cache.find(frame)
        if record is None or record.pop("tracks").tobytes() != self._digests[frame]:
            return None
        return None if self._keeps_places and not has_places(record) else record

    def _start(self, frame: int) -> MpmSolver | RigidWorld:
        """Make the solver, at the newest checkpoint up to `frame` whose past was the same.

        Where all that moves is rigid there is no grid.
        """
        matter = self._prepared.matter
        particles, rigid = matter.particles, matter.rigid
        self._frame = self._shot.frames.simulation_start
        self._skin = self.riders.skin(particles)
        self._acting = Acting(self._shot, self._arrays, particles)
        self._world = rigid.world() if rigid else None
        solver: MpmSolver | RigidWorld
        if self._world is not None and len(particles.position) == 0:
            solver = self._world
        else:
            grips = [body.friction for body in rigid.bodies] if rigid else []
            solver = MpmSolver(
                matter.domain, matter.laws, particles, self.riders.flowing, matter.colliders,
                matter.ground, regions=self._acting.regions,
                rigid=Coupling(self._world, grips) if self._world else None,
                meeting=matter.meeting,
                growth=self._leaving.growth() if self._leaving else None,
            )  # fmt: skip
        kept = self._cache.newest_checkpoint(frame)
        while kept is not None:
            number, state = kept
            if state.pop("tracks").tobytes() == self._digests.get(number):
                solver.restore(state)
                self._frame = number
                break
            kept = self._cache.newest_checkpoint(number - 1)
        if isinstance(solver, MpmSolver) and self._leaving:
            self._leaving.resume(solver)
        self._keep(solver)
        if self._frame == self._shot.frames.simulation_start:
            self._note(solver, NO_ADVANCE)
        return solver

    def _step(self, solver: MpmSolver | RigidWorld) -> None:
        """Advance by one frame, and keep frame and state."""
        began = time.monotonic()
        if self._leaving:
            self._leaving.frame = self._frame + 1
        advance = self._advance(solver)
        if isinstance(solver, MpmSolver) and self._leaving:
            self._leaving.judge(solver)
        self._frame += 1
        self._keep(solver)
        self._seconds_each = time.monotonic() - began
        self._note(solver, advance)

    def _advance(self, solver: MpmSolver | RigidWorld) -> Advance:
        """Simulate up to the next frame; where it blows up, again, in steps half as long."""
        seconds, push = 1.0 / self._shot.frames.fps, self._push()
        caution = 1.0
        while True:
            try:
                return solver.advance(seconds, push, self._on_substep, caution=caution)
            except Diverged as err:
                body, acts = self._shot.bodies[err.body], bool(self._shot.forces)
                if caution <= LEAST_CAUTION:
                    raise _diverged(body, self._frame + 1, err, acts=acts) from err
                caution /= 2
                solver.restore(self._state)
                self._listener.log(
                    "warning",
                    f"Frame {self._frame + 1}: {body.name} came apart ({err.reason}). The frame is "
                    "made again, in time steps half as long.",
                )

    def _push(self) -> Push:
        """Return what acts, and the colliders' poses and shapes, up to the next frame."""
        shot, arrays = self._shot, self._arrays
        ends = (self._frame, self._frame + 1)
        poses_at = [
            np.array([pose_at(shot, arrays, b.poses, f) for b in _hit(shot)]).reshape(-1, 4, 4)
            for f in ends
        ]
        moving = self._prepared.matter.moving
        shapes = {n: (surface.at(ends[0]), surface.at(ends[1])) for n, surface in moving.items()}
        assert self._acting is not None
        return replace(self._acting.push(self._frame, *poses_at), shapes=shapes)

    def _keep(self, solver: MpmSolver | RigidWorld) -> None:
        """Write the present frame, then the state that it came from."""
        assert self._skin is not None
        grid = solver if isinstance(solver, MpmSolver) else None
        self._latest = self.riders.packed(grid, self._world, self._skin)
        if self._keeps_places:
            particles = self._prepared.matter.particles
            at = particles.position if grid is None else grid.position()
            left = np.zeros(len(at), bool) if grid is None else grid.gone()
            self._latest |= packed_places(at, particles, len(self._shot.bodies), left)
        tracks = {"tracks": np.frombuffer(self._digests[self._frame], np.uint8)}
        if self._cached(self._frame) is None:
            self._cache.write(self._frame, self._latest | tracks)
        self._state = solver.checkpoint()
        self._cache.write_checkpoint(self._frame, self._state | tracks)

    def _note(self, solver: MpmSolver | RigidWorld, advance: Advance) -> None:
        """Note how the present frame is, and what it took."""
        grid = solver if isinstance(solver, MpmSolver) else None
        gravity = gravity_at(self._shot, self._arrays, self._frame)
        took = 0.0 if advance is NO_ADVANCE else self._seconds_each
        note = note_of(self._shot, grid, self._world, gravity, advance=advance, seconds=took)
        tracks = np.frombuffer(self._digests[self._frame], np.uint8)
        self._cache.write_note(self._frame, note | {"tracks": tracks})

    def tell_left(self) -> None:
        """Say how much has left the domain, wherever the frames came from."""
        said = left_in_all(self._shot, self._cache, self._digests)
        if said is not None:
            self._listener.log("warning", said)

    def _on_substep(self, fraction: float) -> None:
        self._listener.check()
        self._tell(self._frame + fraction)

    def _tell(self, frame: float, *, always: bool = False) -> None:
        """Report progress in frames, a few times a second."""
        now = time.monotonic()
        if not always and now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        frames = self._shot.frames
        total = max(frames.last - frames.simulation_start, 1)
        done = frame - frames.simulation_start
        eta = (total - done) * self._seconds_each if self._seconds_each > 0 else None
        self._listener.progress("simulate", done, total, eta)


def _hit(shot: Shot) -> list[Body]:
    """Return the bodies that others collide with, in the order of the solver's colliders."""
    return [body for body in shot.bodies if body.role != "dynamic" and body.contact is not None]


def _caches(shot: Shot) -> list[VertexCache | None]:
    """Return how those bodies change their shape."""
    return [body.vertex_cache for body in _hit(shot)]


def _diverged(body: Body, frame: int, cause: Diverged, *, acts: bool) -> SimulationError:
    stiffness = "bulk modulus" if isinstance(body.material, Water) else "Young's modulus"
    if isinstance(body.material, Rigid):
        return SimulationError(
            f"{body.name}, frame {frame}: expected to follow its motion, but {cause.reason}.",
            "Let it start more slowly, or weaken what acts on it.",
        )
    return SimulationError(
        f"{body.name}, frame {frame}: expected matter that holds together, but it collapsed "
        f"({cause.reason}), also in time steps an eighth as long.",
        f"Raise its {stiffness}, or let what strikes it move more slowly"
        f"{', or weaken the forces and pushes on it' if acts else ''}.",
    )
