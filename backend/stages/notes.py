"""What is noted of every simulated frame beside it: sums by body, time steps, seconds; for inspect.

Notes lie in the cache beside the frames and are read from there into the take's simulation.json.
They are small reductions of the state: they change nothing of it.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...kernels.mpm.input import Advance
from ...kernels.mpm.solver import MpmSolver, Totals
from ...kernels.rigid.shape import Solid
from ...kernels.rigid.world import RigidWorld
from ..contract.arrays import Array, ArraySet
from ..contract.materials import Rigid
from ..contract.part import Vector3
from ..contract.points import MOST_POINTS, Points, pack_points
from ..contract.shot import Shot
from ..contract.simulation_record import BodyState, FrameState, SimulationRecord
from .bodies.shape import track_row
from .cache import FrameCache
from .riders import corners_of

SUMS = 11
"Of a body: mass, volume, momentum, angular momentum, kinetic, elastic and gravity's energy."
BALL_POINTS = 300
NO_ADVANCE = Advance(0, 0.0, 0.0, 0)
DIGITS = 9


def gravity_at(shot: Shot, arrays: ArraySet, frame: int) -> NDArray[np.float64]:
    """Return the gravity (3,) m/s^2 of a frame."""
    return np.asarray(track_row(shot.frames, arrays.of(shot.gravity), frame), np.float64)


def note_of(
    shot: Shot,
    solver: MpmSolver | None,
    world: RigidWorld | None,
    gravity: NDArray[np.float64],
    *,
    advance: Advance = NO_ADVANCE,
    seconds: float = 0.0,
) -> dict[str, Array]:
    """Sum up the present state; the world's bodies are the shot's rigid ones, in its order."""
    rows: dict[int, NDArray[np.float64]] = {}
    particles, border = 0, dict[str, Array]()
    if solver is not None:
        border = {"left": solver.left(), "domain": corners_of(solver.domain)}
        found = solver.body_totals(gravity)
        rows |= {body: _row(totals) for body, totals in found.items()}
        particles = sum(totals.count for totals in found.values())
    if world is not None:
        rigid = [i for i, body in enumerate(shot.bodies) if isinstance(body.material, Rigid)]
        rows |= {i: _rigid_row(world, n, gravity) for n, i in enumerate(rigid)}
    points = pack_points(_points(solver, world))
    took = (advance.substeps, advance.smallest_step, advance.top_speed, advance.left)
    return {
        "bodies": np.array(sorted(rows), np.int32),
        "sums": np.array([rows[body] for body in sorted(rows)], np.float64).reshape(-1, SUMS),
        "took": np.array([*took, particles, seconds], np.float64),
        **points,
        **border,
    }


def record_of(
    shot: Shot, arrays: ArraySet, cache: FrameCache, spacing: float, digests: Mapping[int, bytes]
) -> SimulationRecord:
    """Read the notes of a simulation's frames; frames without one are left out.

    `spacing` [m] is the grid's; a note counts where the tracks up to it were those of `digests`.
    """
    frames = []
    for frame in range(shot.frames.simulation_start, shot.frames.last + 1):
        note = cache.find_note(frame)
        if note is not None and note["tracks"].tobytes() == digests[frame]:
            frames.append(_frame(frame, note))
    dynamic = [body.material if body.role == "dynamic" else None for body in shot.bodies]
    return SimulationRecord(
        name=shot.name,
        fps=shot.frames.fps,
        simulation_start=shot.frames.simulation_start,
        spacing=spacing,
        bodies=tuple(body.name for body in shot.bodies),
        materials=tuple("" if m is None else type(m).__name__.lower() for m in dynamic),
        has_steady_gravity=len(arrays.of(shot.gravity)) == 1,
        frames=tuple(frames),
    )


def _points(solver: MpmSolver | None, world: RigidWorld | None) -> Points:
    """Take at most MOST_POINTS of the particles, and the points that rigid bodies touch with."""
    none = np.zeros(0)
    place, speed, strain, lost = [np.zeros((0, 3))], [none], [none], [none]
    if solver is not None:
        sample = solver.sample(max(1, -(-solver.particle_count // MOST_POINTS)))
        there = sample.body >= 0
        place, speed = [sample.position[there]], [sample.speed[there]]
        strain, lost = [sample.strain[there]], [sample.damage[there]]
    if world is not None:
        for solid, motion in zip(world.solids, world.motions(), strict=True):
            arm = _surface(solid) @ motion.rotation.T
            moved = motion.velocity + np.cross(motion.spin, arm)
            place.append(motion.translation + arm)
            speed.append(np.linalg.norm(moved, axis=1))
            strain.append(np.zeros(len(arm)))
            lost.append(np.zeros(len(arm)))
    values = (np.concatenate(each).astype(np.float32) for each in (place, speed, strain, lost))
    return Points(*values)


def _surface(solid: Solid) -> NDArray[np.float64]:
    """Return points (n, 3) of a rigid body's surface, about its centre of mass."""
    if not solid.ball:
        return solid.points
    height = (np.arange(BALL_POINTS) + 0.5) / BALL_POINTS * 2 - 1
    angle = np.pi * (1 + 5**0.5) * np.arange(BALL_POINTS)  # a Fibonacci lattice
    ring = np.sqrt(1 - height**2)
    around = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    return np.asarray(solid.points[0] + solid.ball * around)


def _row(totals: Totals) -> NDArray[np.float64]:
    energies = totals.kinetic, totals.elastic, totals.gravity
    parts = totals.momentum, totals.angular_momentum, energies
    return np.concatenate([(totals.mass, totals.volume), *parts])


def _rigid_row(world: RigidWorld, n: int, gravity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum up the world's body number `n`."""
    motion, momentum, mass = world.motions()[n], world.momentum[n], float(world.mass[n, 0])
    place = motion.translation
    kinetic = 0.5 * (momentum[:3] @ motion.velocity + momentum[3:] @ motion.spin)
    turning = momentum[3:] + np.cross(place, momentum[:3])
    energies = kinetic, 0.0, -mass * float(place @ gravity)
    return np.concatenate([(mass, world.volume[n]), momentum[:3], turning, energies])


def _frame(frame: int, note: dict[str, Array]) -> FrameState:
    substeps, smallest, top, left, particles, seconds = note["took"].tolist()
    bodies = zip(note["bodies"].tolist(), note["sums"], strict=True)
    return FrameState(
        frame=frame,
        substeps=int(substeps),
        smallest_step=_short(smallest),
        top_speed=_short(top),
        particles=int(particles),
        left=int(left),
        seconds=_short(seconds),
        bodies=tuple(_body(number, row) for number, row in bodies),
        domain=_corners(note["domain"]) if "domain" in note else None,
    )


def _body(number: int, row: NDArray[np.float64]) -> BodyState:
    mass, volume, px, py, pz, lx, ly, lz, kinetic, elastic, gravity = map(_short, row.tolist())
    return BodyState(
        number, mass, volume, (px, py, pz), (lx, ly, lz), kinetic, elastic, gravity
    )  # fmt: skip


def _corners(domain: Array) -> tuple[Vector3, Vector3]:
    (a, b, c), (x, y, z) = ([_short(value) for value in corner] for corner in domain.tolist())
    return (a, b, c), (x, y, z)


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
