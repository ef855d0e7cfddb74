"""Forces in the suite `physics`: newtons whatever the particle count, fields as particles feel.

That the fields' formulas are Blender's own is seen in Blender (tests/blender/test_force_fields.py).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ....kernels.fields import Field, accelerations
from ....kernels.mpm.forces.given import BodyPush, Region
from ....kernels.mpm.materials.laws import ElasticLaw
from ....kernels.mpm.solver import MpmSolver, Push
from .cases import FPS, JELLY, Lump, Result, make

Floats = NDArray[np.float64]

KILOGRAM = ElasticLaw(density=8.0, young_modulus=40.0, poisson_ratio=0.3)
"Half a metre of side of it weighs a kilogram."
COUNTS = (10, 32, 100)
"Particles along an edge."
STEPS = 40
"Of the particles in a frame."
UP = (0.0, 0.0, 1.0)
FIELDS = (
    Field("force", (0.3, 0.4, 0.5), UP, 3.0, flow=0.5, power=1.0),
    Field("wind", (0.5, 0.4, 0.1), UP, 3.0, flow=1.0, power=1.0, falloff="tube"),
    Field("vortex", (0.4, 0.4, 0.5), UP, 8.0, flow=0.5),
    Field("turbulence", (0.0, 0.0, 0.0), UP, 6.0, size=1.0),
    Field("drag", (0.4, 0.4, 0.5), UP, 1.0, damping=0.5, power=1.0),
    Field("harmonic", (0.4, 0.4, 0.5), UP, 9.0, size=0.05, damping=0.2),
)


def newton(per_axis: Sequence[int] = COUNTS) -> Result:
    """1 N moves 1 kg by t^2 / 2 within 1 %, however many particles it has."""
    return _pushed(per_axis, BodyPush(0, (1.0, 0.0, 0.0)), 1.0, "way under 1 N [m]")


def newton_metre(per_axis: Sequence[int] = COUNTS) -> Result:
    """1 N m turns a cube by t^2 / (2 I) within 1 %, I = m a^2 / 6, however fine it is."""
    push = BodyPush(0, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    return _pushed(per_axis, push, 6 / 0.5**2, "angle under 1 N m [rad]")


def _pushed(per_axis: Sequence[int], push: BodyPush, gain: float, axis: str) -> Result:
    figures: dict[str, float | bool] = {}
    curves = []
    time = np.linspace(0, 0.04, 5)
    for count in per_axis:
        solver = _kilogram(count)
        before, way = solver.position().astype(float), [0.0]
        for _ in time[1:]:
            solver.advance(time[1], _acting(pushes=[push]))
            moved = _moved(before, solver.position().astype(float))
            way.append(moved[int(any(np.asarray(push.torque)))])
        figures[f"error_{count**3}"] = float(abs(way[-1] / (gain * time[-1] ** 2 / 2) - 1))
        curves.append((f"{count**3:,} particles", time, np.array(way)))
    curves.append(("exact", time, gain * time**2 / 2))
    return Result(figures, ("time [s]", axis), curves)


def fields(frames: int = 8) -> Result:
    """A small body follows the path of particles that each field alone moves, within 5 %."""
    figures: dict[str, float | bool] = {}
    curves = []
    lump = Lump((0.5, 0.5, 0.5), (0.625, 0.625, 0.625), JELLY, (0.2, 0.1, -0.1))
    for field in FIELDS:
        kind: str = field.kind
        solver = make(lump, 32)
        x = solver.position()
        start, v = x.mean(axis=0), solver.velocity()
        away, dt = [], 1 / (STEPS * FPS)
        v += accelerations([field], x, v).mean(axis=0) * dt / 2
        for frame in range(1, frames + 1):
            solver.advance(1 / FPS, _acting(fields=[(field, field)]))
            for _ in range(STEPS):  # the body is stiff: what it feels is the mean
                x = x + v * np.float32(dt)
                v += accelerations([field], x, v).mean(axis=0) * dt
            coasted = start + np.asarray(lump.velocity) * frame / FPS
            way = np.linalg.norm(x.mean(axis=0) - coasted)
            gap = np.linalg.norm(solver.position().mean(axis=0) - x.mean(axis=0))
            away.append(float(gap / way))
        figures[f"{kind}_error"] = away[-1]
        curves.append((kind, np.arange(1, frames + 1) / FPS, 100 * np.array(away)))
    return Result(figures, ("time [s]", "off the particles' path [% of the way]"), curves)


def _kilogram(per_axis: int) -> MpmSolver:
    lump = Lump((0.25,) * 3, (0.75,) * 3, KILOGRAM)
    every = Region(np.arange(per_axis**3, dtype=np.int32), np.ones(per_axis**3, np.float32))
    return make(lump, per_axis, walls="open", regions=[every])


def _acting(**acts: object) -> Push:
    none = np.zeros((0, 4, 4))
    return Push((), (0.0, 0.0, 0.0), none, none, **acts)  # type: ignore[arg-type]


def _moved(before: Floats, after: Floats) -> tuple[float, float]:
    """Return the way along x [m] and the angle about z [rad]."""
    a, b = before - before.mean(axis=0), after - after.mean(axis=0)
    across, along = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a[:, :2] * b[:, :2]).sum()
    return float((after - before).mean(axis=0)[0]), float(np.arctan2(across, along))


FORCE_CASES: dict[str, Callable[[], Result]] = {
    "newton": newton,
    "newton metre": newton_metre,
    "fields": fields,
}
