"""Elementary flows: how an artist says where things of a picture go (Motion Guidance, section 3).

Lengths are pixels of the film, x right, y down. Each moves what its mask covers; several are
composed in order, f12(p) = f1(p) + f2(p + f1(p)).
"""

from typing import Annotated

import msgspec

from .arrays import ArrayRef
from .image_motions import Pixels, Place
from .part import Fraction, Part, Positive


class Edit(Part, frozen=True):
    """Base of the elementary flows."""

    mask: ArrayRef | None = None
    "u1 (H, W): what moves (not 0), where it is in the source picture; all of it where absent."


class Translate(Edit, frozen=True, tag="translate"):
    offset: tuple[Pixels, Pixels] = (0.0, 0.0)


class Rotate(Edit, frozen=True, tag="rotate"):
    angle: float = 0.0
    "Radians, clockwise as seen."
    center: Place | None = None
    "The middle of what moves where absent."


class Scale(Edit, frozen=True, tag="scale"):
    factor: Positive = 1.0
    center: Place | None = None


class Stretch(Edit, frozen=True, tag="stretch"):
    """Scale along one direction: (s - 1) <p - c, u> u."""

    factor: Positive = 1.0
    angle: float = 0.0
    "Of the direction u, radians from x right towards y down."
    center: Place | None = None


class Homography(Edit, frozen=True, tag="homography"):
    """The plane is seen anew: four corners of the moving box go elsewhere."""

    corners: tuple[tuple[Pixels, Pixels], ...] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    "Offsets of the bounding box's corners: top left, top right, bottom right, bottom left."


class StretchRows(Edit, frozen=True, tag="stretch_rows"):
    """Every row is stretched sideways by its own factor, blended by cosines between the points."""

    factors: tuple[tuple[Fraction, Positive], ...] = ((0.0, 1.0), (1.0, 1.0))
    "(height in the moving box from its top, factor of width), in order of height."
    center: Place | None = None


ElementaryFlow = Translate | Rotate | Scale | Stretch | Homography | StretchRows


class AuthoredMotion(Part, frozen=True, tag="authored"):
    """Elementary flows over the source picture; `amount` says how much of them a frame shows."""

    edits: Annotated[tuple[ElementaryFlow, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    amount: ArrayRef | None = None
    "f8 track (1 or T,), 1 the whole edit; where absent it grows evenly to 1 at the last frame."
