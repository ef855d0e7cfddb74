"""Motion of a picture that is not a render: simulated in its plane, from a file, from a video.

Steps are counted from 1: step k leads from the frame k - 1 to the frame k, frames from 0.
"""

from functools import partial
from typing import Literal, Protocol

from ..contract.arrays import ArraySet
from ..contract.errors import ShotError
from ..contract.image_motions import (
    LiquidMotion,
    ShiftMotion,
    SmokeMotion,
    SphereMotion,
    TurnMotion,
)
from ..contract.image_motions import (
    SimulatedMotion as SimulatedSettings,
)
from ..contract.methods import Novelty
from .flows.step import FlowSource, FlowStep
from .motion import FrameMotion, frame_motion, semi_lagrangian

Backward = Literal["exact", "semi-lagrangian"]
RULES = Novelty()
MOST = 1e5
"No pixels a frame, and no strength of anything here, is greater in earnest."


class MotionSource(Protocol):
    """Where each frame's pixels come from."""

    def motion(self, frame: int) -> FrameMotion | None:
        """Return the motion from the frame before, counted from 0; None for the first."""


class SimulatedMotion:
    """Motion made in the plane of a film of `size` (W, H) over `frames` frames.

    Only the last step is kept: going back starts the simulation anew, and it makes the same.
    Smoke, liquid and flock need Taichi started. IndexError for a frame that is not there.
    """

    def __init__(
        self,
        settings: SimulatedSettings,
        arrays: ArraySet,
        size: tuple[int, int],
        frames: int,
        *,
        fps: float = 24.0,
        seed: int = 0,
        rules: Novelty = RULES,
        backward: Backward = "exact",
    ) -> None:
        self._make = partial(make_flow, settings, arrays, size, fps, seed)
        self._frames, self._arrays = frames, arrays
        self._rules, self._backward = rules, backward
        self._source: FlowSource | None = None
        self._done = 0
        self._last: FlowStep | None = None

    def step(self, frame: int) -> FlowStep:
        """Return the step that leads to a frame."""
        if not 1 <= frame < self._frames:
            raise IndexError(f"expected a frame of 1 to {self._frames - 1}, got {frame}")
        if self._source is None or frame < self._done or self._last is None:
            self._source, self._done = self._make(), 0
        while self._done < frame:
            self._last = self._source.advance()
            self._done += 1
        assert self._last is not None
        return self._last

    def motion(self, frame: int) -> FrameMotion | None:
        if frame == 0:
            return None
        return motion_of_step(self.step(frame), self._rules, self._arrays, self._backward)


def motion_of_step(
    step: FlowStep, rules: Novelty, arrays: ArraySet, backward: Backward
) -> FrameMotion:
    """Turn a step round, and say by the rules what is new in its later frame."""
    exact, covered = step.backward()
    return frame_motion(
        exact if backward == "exact" else semi_lagrangian(step.forward),
        rules,
        covered=covered,
        active=step.active,
        mask=arrays.of(rules.mask) != 0 if rules.mask is not None else None,
    )


def make_flow(
    settings: SimulatedSettings, arrays: ArraySet, size: tuple[int, int], fps: float, seed: int
) -> FlowSource:
    """Start a simulation at its first frame; ShotError for numbers out of all proportion."""
    from .flows.analytic import PlaneFlow, SphereFlow
    from .flows.flock import FlockFlow
    from .flows.liquid import LiquidFlow
    from .flows.smoke import SmokeFlow

    _require_moderate(settings)
    if isinstance(settings, ShiftMotion | TurnMotion):
        return PlaneFlow(settings, size)
    if isinstance(settings, SphereMotion):
        return SphereFlow(settings, size)
    if isinstance(settings, SmokeMotion):
        return SmokeFlow(settings, arrays, size, fps, seed)
    if isinstance(settings, LiquidMotion):
        return LiquidFlow(settings, arrays, size, fps, seed)
    return FlockFlow(settings, arrays, size, fps, seed)


def _require_moderate(settings: SimulatedSettings) -> None:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not abs(number) <= MOST:
                raise ShotError(
                    f"Method, motion, {name}",
                    f"expected numbers of up to {MOST:.0f}, got {number:.3g}.",
                    "Choose a smaller one.",
                )
