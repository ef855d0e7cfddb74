"""The speed of the material point method on a fixed case, law by law; the bench command's `mpm-…`.

100,000 particles at random in a 0.4 m cube, 64^3 cells over 1 m, substeps of
1e-4 s, E 1e5 Pa, nu 0.3, 1000 kg/m^3, gravity 9.81 m/s^2 along -y, float32. The cube starts with
v = (-20 y - 10 x, 20 x, 10 z) m/s about its centre, so it turns, stretches and crosses cells.
The case is that of a plain Taichi program with atomics and a singular value decomposition, which
reaches 1.6 million particle-steps a second on two cores of a server's processor.

A million particles are ten times as many in cells half as large, 7.5 to a cell for 6. Both take
turns, and so do simulations with and without tracers, of what lies between two frames.

What contact costs is measured on ten cubes of the same matter, 10,000 particles each, that lie side
by side in two rows of five and are pressed together, each with a motion of its own and all with
one.
"""

import math
import time
from statistics import median

import numpy as np

from ....kernels.mpm.contact.given import Meeting, one_field
from ....kernels.mpm.materials.laws import ElasticLaw, Law, RubberLaw, SandLaw
from ....kernels.mpm.solver import Domain, MpmSolver, Particles, Push, Tracers

PARTICLES = 100_000
CELLS = 64
SUBSTEP = 1e-4
SUBSTEPS = 25
REPEATS = 3
TURNS, CONTACT_TURNS = 5, 9
MANY = 1_000_000, 128
"""Particles, and cells along the domain."""
RIDDEN, RIDING = 20_000, 300_000
"""Particles, and the tracers beside them."""
FRAME = 1 / 24
CALM = 0.2
"""Of the cube's motion, for them: about 1 m/s."""
BODIES = 10
SIDE = 0.16
"""Edge [m] of one of the bodies that meet."""
SQUEEZE = 2.0
"""1/s: rate at which they are pressed together at the start."""
LAWS: dict[str, Law] = {
    "elastic": ElasticLaw(density=1000.0, young_modulus=1e5, poisson_ratio=0.3),
    "rubber": RubberLaw(density=1000.0, young_modulus=1e5, poisson_ratio=0.3),
    "sand": SandLaw(1000.0, 1e5, 0.3, friction_angle=math.radians(35), cohesion=0.0),
}


def mpm_speed(name: str) -> float:
    """Measure one of LAWS; return million particle-steps a second, sorting included.

    The best of three runs of 25 substeps. Taichi must have been started. The first substep, which
    compiles, is not counted.
    """
    solver = _solver(LAWS[name])
    _seconds(solver, SUBSTEP)
    return max(_rate(solver, SUBSTEPS) for _ in range(REPEATS))


def million_share() -> float:
    """Measure the rate of a million elastic particles as a share of the rate of 100,000.

    The median of five pairs that take turns. Taichi must have been started.
    """
    few, many = _solver(LAWS["elastic"]), _solver(LAWS["elastic"], *MANY)
    pairs = [(_rate(few, SUBSTEPS), _rate(many, SUBSTEPS)) for _ in range(TURNS + 1)]
    return median(other / one for one, other in pairs[1:])


def tracer_milliseconds() -> float:
    """Measure what 300,000 tracers add to a frame of 1/24 s of 20,000 elastic particles [ms].

    Substeps are as long as may be, some 80 a frame. The median of five pairs that take turns.
    Taichi must have been started.
    """
    solvers = [
        _solver(LAWS["elastic"], RIDDEN, motion=CALM, tracers=count, largest_step=math.inf)
        for count in (0, RIDING)
    ]
    spent = [[_seconds(solver, FRAME)[0] for solver in solvers] for _ in range(TURNS + 1)]
    return 1e3 * median(ridden - alone for alone, ridden in spent[1:])


def _rate(solver: MpmSolver, substeps: int) -> float:
    seconds, made = _seconds(solver, substeps * SUBSTEP)
    return solver.particle_count * made / seconds / 1e6


def _seconds(
    solver: MpmSolver, interval: float, gravity: tuple[float, float, float] = (0.0, -9.81, 0.0)
) -> tuple[float, int]:
    """Simulate an interval [s]; return seconds of the clock and substeps."""
    no_poses = np.zeros((0, 4, 4))
    start = time.perf_counter()
    made = solver.advance(interval, Push((), gravity, no_poses, no_poses)).substeps
    return time.perf_counter() - start, made


def contact_cost() -> float:
    """Measure by what share ten bodies that meet take longer than as one.

    The median of nine pairs that take turns, so that a busy machine slows both. Taichi must have
    been started.
    """
    number = np.arange(BODIES, dtype=np.int32)
    apart = Meeting(number, np.full(BODIES, 0.5, np.float32))
    together, meeting = (_heap(how) for how in (one_field(BODIES), apart))
    interval, still = SUBSTEPS * SUBSTEP, (0.0, 0.0, 0.0)
    pairs = [
        (_seconds(together, interval, still)[0], _seconds(meeting, interval, still)[0])
        for _ in range(CONTACT_TURNS + 1)
    ]
    return median(other / one for one, other in pairs[1:]) - 1


def _heap(meeting: Meeting) -> MpmSolver:
    rng = np.random.default_rng(0)
    each = PARTICLES // BODIES
    body = np.repeat(np.arange(BODIES, dtype=np.int32), each)
    corner = SIDE * np.stack([body % 5, body // 5, 0 * body], axis=1)
    middle = SIDE * np.array([2.5, 1.0, 0.5])
    arm = corner + SIDE * rng.random((PARTICLES, 3)) - middle
    none = np.zeros(0, np.int32)
    return MpmSolver(
        Domain((0.0, 0.0, 0.0), 1.0 / CELLS, (CELLS,) * 3, "slip"),
        [LAWS["elastic"]],
        Particles(
            (0.5 + arm).astype(np.float32),
            (-SQUEEZE * arm).astype(np.float32),
            np.full(PARTICLES, SIDE**3 / each, np.float32),
            np.zeros(PARTICLES, np.int32),
            body,
        ),
        Tracers(np.zeros((0, 3), np.float32), none, none.astype(bool)),
        [],
        None,
        meeting=meeting,
        largest_step=SUBSTEP,
    )


def _solver(
    law: Law,
    count: int = PARTICLES,
    cells: int = CELLS,
    *,
    motion: float = 1.0,
    tracers: int = 0,
    largest_step: float = SUBSTEP,
) -> MpmSolver:
    rng = np.random.default_rng(0)
    position = (0.3 + 0.4 * rng.random((count, 3))).astype(np.float32)
    x, y, z = (position - np.float32(0.5)).T
    same = np.zeros(count, np.int32)
    riding = (0.3 + 0.4 * rng.random((tracers, 3))).astype(np.float32)
    return MpmSolver(
        Domain((0.0, 0.0, 0.0), 1.0 / cells, (cells,) * 3, "slip"),
        [law],
        Particles(
            position,
            (motion * np.stack([-20 * y - 10 * x, 20 * x, 10 * z], axis=1)).astype(np.float32),
            np.full(count, 0.4**3 / count, np.float32),
            same,
            same,
        ),
        Tracers(riding, np.zeros(tracers, np.int32), np.zeros(tracers, bool)),
        [],
        None,
        largest_step=largest_step,
    )
