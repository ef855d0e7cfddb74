"""Where a method's motion comes from when it is not the shot's own: simulators, files, videos.

Lengths are pixels of the film, x right, y down; rates are per frame.
"""

from typing import Annotated, Literal

import msgspec

from .arrays import ArrayRef
from .part import Fraction, NonNegative, Part, Positive

Pixels = float
Place = tuple[Fraction, Fraction]
"A point as a share of the film's width and height, from the top left."


class ShotMotion(Part, frozen=True, tag="shot"):
    """The motion field of the shot's own physics and camera."""


class ShiftMotion(Part, frozen=True, tag="shift"):
    """The whole picture slides by the same step (MotionCraft's satellite)."""

    step: tuple[Pixels, Pixels] = (0.0, 8.0)


class TurnMotion(Part, frozen=True, tag="turn"):
    """The picture turns, and grows, about a point."""

    angle: float = 0.05
    "Radians, clockwise as seen."
    growth: Positive = 1.0
    "Factor of size."
    center: Place = (0.5, 0.5)


class SphereMotion(Part, frozen=True, tag="sphere"):
    """A ball turns in front of what stands still (MotionCraft's earth), seen from far away."""

    center: Place = (0.5, 0.5)
    radius: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.83 / 2
    "As a share of the film's height."
    angle: float = 0.31415926535897931
    "Radians; 18 degrees in the paper."
    axis: tuple[float, float, float] = (0.0, 1.0, 0.0)
    "Axis of the turn: x right, y down, z away from the eye; of any length but zero."


class SmokeMotion(Part, frozen=True, tag="smoke"):
    """Smoke rises from where the mask is, as stable fluids (MotionCraft's dragons)."""

    source: ArrayRef | None = None
    "u1 (H, W): where smoke comes from (not 0); a spot low in the picture where absent."
    obstacle: ArrayRef | None = None
    "u1 (H, W): what the smoke flows round."
    buoyancy: float = 1.0
    "Upward push of the hottest smoke, in film heights per second squared."
    vorticity: NonNegative = 0.3
    "Strength of the confinement that keeps small whirls alive."
    wind: tuple[Pixels, Pixels] = (0.0, 0.0)
    "Speed of the air that surrounds it."
    emission: Positive = 1.0
    resolution: Annotated[int, msgspec.Meta(ge=16, le=1024)] = 96
    "Cells along the film's longer side."


class LiquidMotion(Part, frozen=True, tag="liquid"):
    """What the mask covers is liquid and falls (MotionCraft's glass and melting man)."""

    fluid: ArrayRef | None = None
    "u1 (H, W): what is liquid at the start; the upper middle where absent."
    obstacle: ArrayRef | None = None
    inflow: ArrayRef | None = None
    "u1 (H, W): where liquid keeps coming in, with `inflow_velocity`."
    inflow_velocity: tuple[Pixels, Pixels] = (0.0, 4.0)
    gravity: tuple[float, float] = (0.0, 1.0)
    "In film heights per second squared."
    resolution: Annotated[int, msgspec.Meta(ge=16, le=1024)] = 96


class FlockMotion(Part, frozen=True, tag="flock"):
    """What the mask covers moves as a flock (MotionCraft's birds)."""

    agents: ArrayRef | None = None
    "i4 (H, W): 0 for the background, one number for each agent; a spread of discs where absent."
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 24
    "How many discs, without `agents`."
    speed: Positive = 4.0
    "Pixels a frame."
    separation: NonNegative = 1.5
    alignment: NonNegative = 1.0
    cohesion: NonNegative = 1.0
    goal: Place | None = None


class FileMotion(Part, frozen=True, tag="file"):
    """Motion that somebody brought, one field for each step from frame to frame."""

    flow: ArrayRef
    "f4 (T - 1, H, W, 2), pixels of a picture of that size; scaled to the film."
    direction: Literal["forward", "backward"] = "forward"
    active: ArrayRef | None = None
    "u1 (T - 1 or 1, H, W): where matter moves that the picture does not determine (not 0)."


class VideoMotion(Part, frozen=True, tag="video"):
    """The motion of a video, estimated by a flow network."""

    frames: ArrayRef
    "u1 (T, H, W, 3), sRGB."
    network: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "flow"
    iterations: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12


SimulatedMotion = ShiftMotion | TurnMotion | SphereMotion | SmokeMotion | LiquidMotion | FlockMotion
Motion = ShotMotion | SimulatedMotion | FileMotion | VideoMotion
