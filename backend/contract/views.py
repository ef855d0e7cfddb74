"""What a viewport asks of the viewer, and what it sees: one view of the splats of one frame.

The viewer is a process of its own beside the worker, of less priority: a running job is not
starved, and the server stays light. The server tells where it listens (`OpenView` and `ViewDoor` of
messages.py), from then on the two speak over one socket of their own, CURVE and allow-list as
everywhere. `Ask` goes there, `Shown` comes back, raw frames behind the header where it says so.

The latest wins: of all looks that one client asks for one pane, only the newest counts, and of all
spreads. The viewer drops what has been overtaken without a word, a fine look also while it works on
it: an answer to ask n says that there will be none to the pane's asks of that kind before it.
"""

import math
from typing import Annotated, Literal

import msgspec

from .arrays import ArrayRef
from .messages import Answer, Count, Id, Refused, Request, Text
from .part import FrameNumber, Positive

MAX_SIDE = 8192
MAX_PIXELS = 4 << 20
"Of one picture; a larger viewport is shown a coarser picture."
MAX_POINTS = 50_000
PANES = 16
"Viewports of one client that the viewer remembers."
RIGID = 1e-4
"What a camera's axes may be off from right angles and unit length."

Side = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIDE)]
Pane = Annotated[int, msgspec.Meta(ge=0, lt=PANES)]
Source = Id | ArrayRef
"""A take, shown as far as it is simulated; or a shot's MessagePack, put as a `u1` array, shown
where it starts, or moving where the same was simulated before."""
Bodies = Literal["all", "splats_only"]
"""`splats_only` leaves out bodies that Blender itself shows as they are: those that no simulation
moves, and that have a mesh."""


class Look(Request, frozen=True, tag="look"):
    """Show a frame from here.

    `camera_to_world` 16 numbers, rows first, OpenCV axes, rigid, metres; `intrinsics` fx, fy, cx,
    cy in pixels of this picture (orthographic: fx and fy in pixels per metre), pixel centres at
    +0.5. A rough picture takes the light as it was last worked out; a `fine` one works it out.
    """

    pane: Pane
    source: Source
    frame: FrameNumber
    camera_to_world: Annotated[tuple[float, ...], msgspec.Meta(min_length=16, max_length=16)]
    intrinsics: tuple[float, float, float, float]
    width: Side
    height: Side
    near: Positive
    far: Positive
    orthographic: bool = False
    fine: bool = False
    bodies: Bodies = "all"

    def __post_init__(self) -> None:
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(f"expected at most {MAX_PIXELS} pixels, got more")
        if not all(map(math.isfinite, (*self.camera_to_world, *self.intrinsics))):
            raise ValueError("expected finite numbers")
        if min(self.intrinsics[:2]) <= 0 or self.far <= self.near:
            raise ValueError("expected fx and fy above 0, and far beyond near")
        if not _is_rigid(self.camera_to_world):
            raise ValueError("expected a camera that is only turned and moved")


class Spread(Request, frozen=True, tag="spread"):
    """Give some of a frame's splats as points, to be drawn where no picture is."""

    pane: Pane
    source: Source
    frame: FrameNumber
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_POINTS)] = 20_000
    bodies: Bodies = "all"


AnyView = Look | Spread


class Seen(Answer, frozen=True, tag="seen"):
    """The part of the picture where splats are; two raw frames follow, top row first.

    Colour `u1` (height, width, 4): sRGB, premultiplied. Depth `f4` (height, width): z in metres
    along the camera's axis, +inf where empty. `splats` is how many were drawn, `seconds` how long
    that took; `fine` whether the light is worked out for this frame and this eye.
    """

    left: Count
    top: Count
    width: Count
    height: Count
    fine: bool
    splats: Count
    seconds: float


class Points(Answer, frozen=True, tag="points"):
    """Two raw frames follow: place `f4` (count, 3) metres, world; colour `u1` (count, 3) sRGB."""

    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_POINTS)]


class Absent(Answer, frozen=True, tag="absent"):
    """The frame is not simulated yet, or no longer in the cache; `kept` is the nearest before."""

    kept: FrameNumber | None = None


class Working(Answer, frozen=True, tag="working"):
    """Not yet: something that takes seconds comes first. The answer follows."""

    text: Text


AnySight = Seen | Points | Absent | Working | Refused


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """`number` grows with every ask of a client."""

    number: Count
    protocol: tuple[int, int]
    request: AnyView


class Shown(msgspec.Struct, frozen=True, tag="shown"):
    """The answer to an ask."""

    number: Count
    answer: AnySight


def frame_sizes(answer: AnySight) -> tuple[int, ...]:
    """Return how many bytes each raw frame behind an answer has."""
    match answer:
        case Seen():
            pixels = answer.width * answer.height
            return (4 * pixels, 4 * pixels)
        case Points(count):
            return (12 * count, 3 * count)
    return ()


def _is_rigid(numbers: tuple[float, ...]) -> bool:
    rows = [numbers[i : i + 4] for i in (0, 4, 8)]
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            dot = sum(x * y for x, y in zip(a[:3], b[:3], strict=True))
            if abs(dot - (i == j)) > RIGID:
                return False
    x, y, z = (row[:3] for row in rows)
    turn = sum(x[i] * (y[i - 2] * z[i - 1] - y[i - 1] * z[i - 2]) for i in range(3))
    return turn > 0 and tuple(numbers[12:]) == (0.0, 0.0, 0.0, 1.0)
