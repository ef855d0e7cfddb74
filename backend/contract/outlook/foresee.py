"""What a shot will take: particles, substeps, memory, time; from how its bodies stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..shot import FrameRange, SimulationSettings
from .load import MOVING_SHARE, grid_bytes, memory_bytes
from .pace import Pace, materials_key
from .reach import automatic_reach
from .standing import Standing
from .steps import longest_step, substeps, top_speed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What is asked for beside the bodies."""

    frames: FrameRange
    simulation: SimulationSettings
    gravity: Floats
    "(3,) m/s^2 at the simulation's start."
    ground: float | None
    "m, height of the ground, if there is one."
    splats: int
    pixels: int


@dataclass(frozen=True)
class Outlook:
    """An estimate: particles within a few per cent, the range of substeps within a factor of two.

    Substeps are those of a frame in which matter is at rest, and of one in which it is stopped at
    the end of its fall.
    """

    low: Floats
    "(3,) m, least corner of the box that is simulated."
    high: Floats
    spacing: float
    "m, of the grid."
    particles: dict[str, int]
    "Of each body that deforms."
    substeps_at_rest: int
    substeps: int
    slowest: str
    "The body that asks for the shortest step; empty where all is rigid."
    memory_bytes: int
    seconds: float | None
    "Until the take is done; None where the machine's speed is not known yet."

    @property
    def particle_count(self) -> int:
        return sum(self.particles.values())


def foresee(bodies: Sequence[Standing], plan: Plan, pace: Pace) -> Outlook | None:
    """Return what a shot of these bodies will take; None where nothing is dynamic."""
    dynamic = [body for body in bodies if body.is_dynamic]
    if not dynamic:
        return None
    settings, box = plan.simulation, plan.simulation.domain
    if box is None:
        low, high = automatic_reach(bodies, plan.gravity, plan.ground)
    else:
        low, high = np.array(box.low, np.float64), np.array(box.high, np.float64)
    spacing = float((high - low).max()) / settings.resolution
    soft = [body for body in dynamic if not body.is_rigid]
    particles = {body.name: body.particles(spacing, settings.particles_per_cell) for body in soft}
    frame_seconds = 1 / plan.frames.fps
    steps = plan.frames.last - plan.frames.simulation_start
    seconds = steps * frame_seconds
    speed = max(top_speed(body, plan.gravity, float(low[2]), seconds) for body in dynamic)
    at_rest = substeps(dynamic, spacing, frame_seconds, 0.0)
    fast = substeps(dynamic, spacing, frame_seconds, speed)
    slowest = min(soft, key=lambda b: _step(b, spacing), default=None)
    cells = np.ceil((high - low) / spacing - 1e-6) if soft else np.zeros(3)
    grid = grid_bytes(cells.tolist(), [body.material for body in soft if body.material])
    tracers = round(plan.splats * (MOVING_SHARE if len(dynamic) < len(bodies) else 1.0))
    count = sum(particles.values())
    return Outlook(
        low=low,
        high=high,
        spacing=spacing,
        particles=particles,
        substeps_at_rest=at_rest,
        substeps=fast,
        slowest=slowest.name if slowest else "",
        memory_bytes=memory_bytes(count, tracers if soft else 0, plan.splats, grid),
        seconds=_seconds(
            dynamic, plan, pace, steps * (at_rest + fast) / 2 * (count or len(dynamic))
        ),
    )


def _step(body: Standing, spacing: float) -> float:
    assert body.material is not None
    return longest_step(body.material, spacing)


def _seconds(
    dynamic: Sequence[Standing], plan: Plan, pace: Pace, unit_steps: float
) -> float | None:
    kinds = materials_key(tuple(type(body.material).__name__.lower() for body in dynamic))
    speed = pace.steps_a_second(kinds)
    render = pace.render_seconds(len(plan.frames.numbers), plan.splats, plan.pixels)
    return None if speed is None or render is None else unit_steps / speed + render
