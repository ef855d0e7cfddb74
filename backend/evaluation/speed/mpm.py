"""The speed of the material point method on a fixed case, law by law; the bench command's `mpm-…`.

100,000 particles at random in a 0.4 m cube, 64^3 cells over 1 m, substeps of
1e-4 s, E 1e5 Pa, nu 0.3, 1000 kg/m^3, gravity 9.81 m/s^2 along -y, float32. The cube starts with
v = (-20 y - 10 x, 20 x, 10 z) m/s about its centre, so it turns, stretches and crosses cells.
The case is that of a plain Taichi program with atomics and a singular value decomposition, which
reaches 1.6 million particle-steps a second on two cores of a server's processor.

What contact costs is measured on ten cubes of the same matter, 10,000 particles each, that lie side
by side in two rows of five and are pressed together, each with a motion of its own and all with
one.
"""

import math
import time

import numpy as np

from ....kernels.mpm.contact.given import Meeting, one_field
from ....kernels.mpm.materials.laws import ElasticLaw, Law, RubberLaw, SandLaw
from ....kernels.mpm.solver import Domain, MpmSolver, Particles, Push, Tracers

PARTICLES = 100_000
CELLS = 64
SUBSTEP = 1e-4
SUBSTEPS = 25
REPEATS = 3
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
    no_poses = np.zeros((0, 4, 4))
    push = Push((), (0.0, -9.81, 0.0), no_poses, no_poses)
    solver.advance(SUBSTEP, push)
    best = 0.0
    for _ in range(REPEATS):
        start = time.perf_counter()
        substeps = solver.advance(SUBSTEPS * SUBSTEP, push).substeps
        best = max(best, PARTICLES * substeps / (time.perf_counter() - start) / 1e6)
    return best


def contact_cost() -> float:
    """Measure by what share ten bodies that meet take longer than as one; best of three runs each.

    Taichi must have been started. Both run in turns, so that a busy machine slows both.
    """
    no_poses = np.zeros((0, 4, 4))
    push = Push((), (0.0, 0.0, 0.0), no_poses, no_poses)
    number = np.arange(BODIES, dtype=np.int32)
    apart = Meeting(number, np.full(BODIES, 0.5, np.float32))
    solvers = [_heap(meeting) for meeting in (one_field(BODIES), apart)]
    best = [math.inf, math.inf]
    for solver in solvers:
        solver.advance(SUBSTEP, push)
    for _ in range(REPEATS):
        for which, solver in enumerate(solvers):
            start = time.perf_counter()
            substeps = solver.advance(SUBSTEPS * SUBSTEP, push).substeps
            best[which] = min(best[which], (time.perf_counter() - start) / substeps)
    return best[1] / best[0] - 1


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


def _solver(law: Law) -> MpmSolver:
    rng = np.random.default_rng(0)
    position = (0.3 + 0.4 * rng.random((PARTICLES, 3))).astype(np.float32)
    x, y, z = (position - np.float32(0.5)).T
    none = np.zeros(0, np.int32)
    same = np.zeros(PARTICLES, np.int32)
    return MpmSolver(
        Domain((0.0, 0.0, 0.0), 1.0 / CELLS, (CELLS,) * 3, "slip"),
        [law],
        Particles(
            position,
            np.stack([-20 * y - 10 * x, 20 * x, 10 * z], axis=1),
            np.full(PARTICLES, 0.4**3 / PARTICLES, np.float32),
            same,
            same,
        ),
        Tracers(np.zeros((0, 3), np.float32), none, none.astype(bool)),
        [],
        None,
        largest_step=SUBSTEP,
    )
