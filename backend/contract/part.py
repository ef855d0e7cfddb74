"""What every part of a shot is made of: its base class and the kinds of its numbers and names."""

from typing import Annotated

import msgspec

Name = Annotated[
    str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]+$(?!\n)")
]
Metres = float
Vector3 = tuple[float, float, float]
Color = tuple[
    Annotated[float, msgspec.Meta(ge=0, le=1e6)],
    Annotated[float, msgspec.Meta(ge=0, le=1e6)],
    Annotated[float, msgspec.Meta(ge=0, le=1e6)],
]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
NonNegative = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
FrameNumber = Annotated[int, msgspec.Meta(ge=-1_048_574, le=1_048_574)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all that a shot is made of."""


class Box(Part, frozen=True):
    """Axis-aligned, world, metres."""

    low: Vector3
    high: Vector3
