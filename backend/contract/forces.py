"""What acts on bodies from outside: Blender's force fields, pushes, pins, releases. SI units.

A *number* is a constant, or a track (1 or T,) f8 with a row for every tracked frame. Fields act
on all dynamic bodies by Blender's own formulas (kernels/fields.py states them) and push 1 kg: what
they give is an acceleration, whatever the mass. Frames of windows may be fractional.
"""

from typing import Annotated, Literal

import msgspec

from .arrays import ArrayRef
from .part import Name, NonNegative, Part, Positive, Vector3
from .regions import Group as Group

Number = NonNegative | ArrayRef
Frame = Annotated[float, msgspec.Meta(ge=-1_048_574, le=1_048_574)]


class Falloff(Part, frozen=True):
    """How a field lessens: with the distance (sphere), or along its +Z and off it (tube, cone)."""

    kind: Literal["sphere", "tube", "cone"] = "sphere"
    side: Literal["both", "positive", "negative"] = "both"
    "On which side of its origin, along +Z, the field acts."
    power: Number = 0.0
    "(1 + distance beyond `nearest` / unit)^-power."
    nearest: Number = 0.0
    "Metres up to which nothing is lost."
    farthest: Number | None = None
    "Metres beyond which there is no force."
    radial_power: Number = 0.0
    radial_nearest: Number = 0.0
    "Metres from the axis (tube), degrees off it (cone)."
    radial_farthest: Number | None = None


class _Field(Part, frozen=True):
    name: Name
    poses: ArrayRef
    "f8 track (1 or T, 4, 4)."
    strength: ArrayRef
    "f8 track (1 or T,)."
    noise: Number = 0.0
    "How much the strength varies from frame to frame, as for Blender's first particle."
    seed: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 0
    shape: Literal["point", "line", "plane"] = "point"
    "What distances are measured from: the origin, the Z axis, the XY plane."
    falloff: Falloff = Falloff()
    unit: Positive = 1.0
    "Metres of one Blender unit, which the formulas take for 1."


class PointForce(_Field, frozen=True, tag="point"):
    """Away from its origin, axis or plane with `strength` m/s^2; below zero towards it."""

    flow: Number = 0.0
    "1/s; drags what moves."


class Wind(_Field, frozen=True, tag="wind"):
    """Along the pose's +Z with `strength` m/s^2."""

    flow: Number = 0.0
    "1/s."


class Vortex(_Field, frozen=True, tag="vortex"):
    """Round the pose's Z with `strength` m/s^2 per metre (point); inwards too (plane)."""

    flow: Number = 0.0
    "1/s."


class Turbulence(_Field, frozen=True, tag="turbulence"):
    """Three octaves of noise, still in time, of up to about `strength` m/s^2 along each axis."""

    flow: Number = 0.0
    "1/s."
    size: Number = 0.0
    "Metres of the largest whirls; 0 takes the unit."
    is_global: bool = False
    "Whether the whirls stay where they are in the world while the field moves."


class Drag(_Field, frozen=True, tag="drag"):
    """Slows by `strength` |v|^2 + `linear` |v|; `strength` in 1/m, not below zero."""

    linear: Number = 0.0
    "1/s."


class Harmonic(_Field, frozen=True, tag="harmonic"):
    """A spring of `strength` 1/s^2 to its origin, axis or plane."""

    rest_length: Number = 0.0
    "Metres."
    damping: Number = 0.0
    "Share of critical damping."


Field = PointForce | Wind | Vortex | Turbulence | Drag | Harmonic


class Window(Part, frozen=True):
    """Frames `first` <= t < `last`; without one, from or to all time."""

    first: Frame | None = None
    last: Frame | None = None


class _OnBody(Part, frozen=True):
    name: Name
    body: Name
    "Of a dynamic body of the shot."
    group: Group | None = None
    "None: all of it."


class Push(_OnBody, frozen=True, tag="push"):
    """A force and a torque, spread by mass: 1 N gives 1 kg 1 m/s^2, as if it were rigid."""

    force: ArrayRef | None = None
    "f8 track (1 or T, 3), N, world."
    torque: ArrayRef | None = None
    "f8 track (1 or T, 3), N m about the centre of mass of what is pushed, world."
    window: Window = Window()


class Impulse(_OnBody, frozen=True, tag="impulse"):
    """A blow at one moment, spread as a push is."""

    frame: Frame = 0.0
    linear: Vector3 = (0.0, 0.0, 0.0)
    "N s, world."
    angular: Vector3 = (0.0, 0.0, 0.0)
    "N m s, world."


class Pin(_OnBody, frozen=True, tag="pin"):
    """Holds what has a weight of at least one half; still, or as an object moves it.

    Nothing is held in part: a particle of a lower weight is as free as one of weight 0.
    """

    motion: ArrayRef | None = None
    "f8 track (1 or T, 4, 4), rigid: the poses of that object."
    window: Window = Window()


class Release(Part, frozen=True, tag="release"):
    """Holds a body until `first`, then lets go of it along `direction`, of all of it by `last`."""

    name: Name
    body: Name
    first: Frame
    last: Frame
    direction: Vector3 = (0.0, 0.0, 1.0)
    "World; what lies at its start goes first. What is let go starts with the body's velocity."


Force = Field | Push | Impulse | Pin | Release
