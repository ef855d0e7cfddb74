"""What each 3D view is shown, and when which picture is asked for; no bpy, no socket, no clock.

A view that moves gets coarse pictures, one at a time, of the size that comes ten times a second.
One that holds still gets a fine one. What is awaited longer than it should be is asked for again.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArrayRef
from impetus.backend.contract.views import MAX_PIXELS, MAX_SIDE, PANES, Bodies, Look

from .lens import Lens

BUDGET = 0.1
"Seconds that a picture may take while the view moves."
COARSEST = 1 / 8
"Of the viewport's width and height."
STILL = 0.2
"Seconds without a change after which a view holds still."
PATIENCE, LONG_PATIENCE = 5.0, 180.0
"Seconds until an answer is given up; the long one where the backend said that it is at work."

Source = str | ArrayRef


@dataclass(frozen=True)
class Stand:
    """From where and what one view looks at."""

    source: Source
    frame: int
    bodies: Bodies
    lens: Lens

    @property
    def key(self) -> tuple[object, ...]:
        return (*self.subject, self.lens.key)

    @property
    def subject(self) -> tuple[object, ...]:
        """All but from where."""
        return (self.source, self.frame, self.bodies)


@dataclass(frozen=True)
class Picture:
    """What came.

    `color` (h, w, 4) linear premultiplied f4 and `depth` (h, w) f4 [m]: the part of the picture of
    `lens` that starts at `left`, `top`.
    """

    stand: Stand
    lens: Lens
    left: int
    top: int
    color: NDArray[Any]
    depth: NDArray[Any]
    fine: bool
    seconds: float
    splats: int


@dataclass(frozen=True)
class Asked:
    """A picture that is awaited."""

    stand: Stand
    lens: Lens
    fine: bool
    at: float


@dataclass
class Pane:
    """One 3D view."""

    number: int
    stand: Stand | None = None
    moved_at: float = -math.inf
    scale: float = 0.5
    asked: Asked | None = None
    patience: float = PATIENCE
    picture: Picture | None = None
    absent: tuple[object, ...] | None = None
    "The subject that the backend does not have."
    interval: float = 0.0
    "Seconds between the pictures of a moving view, smoothed."
    came_at: float = -math.inf

    def see(self, stand: Stand, now: float) -> None:
        """Note where the view looks from now."""
        if self.stand is None or stand.key != self.stand.key:
            self.stand, self.moved_at = stand, now

    def again(self) -> None:
        """Ask anew for what was absent, or for what was lost."""
        self.absent = self.asked = None

    def is_shown(self) -> bool:
        """Whether the picture is the fine one of what is looked at."""
        stand, picture = self.stand, self.picture
        return (
            stand is not None and picture is not None and picture.fine
            and picture.stand.key == stand.key
        )  # fmt: skip

    def waits(self) -> bool:
        """Whether there is something to ask for or to wait for."""
        if self.stand is None or self.absent == self.stand.subject:
            return False
        return self.asked is not None or not self.is_shown()

    def next_ask(self, now: float) -> Asked | None:
        """Return what to ask for now, and take it as asked."""
        stand = self.stand
        if self.asked is not None and now - self.asked.at > self.patience:
            self.asked = None
        if stand is None or self.is_shown() or self.absent == stand.subject:
            return None
        asked = self.asked
        if asked is not None and (not asked.fine or asked.stand.key == stand.key):
            return None  # one at a time; a fine one is overtaken
        shown = self.picture is not None and self.picture.stand.key == stand.key
        fine = shown and now - self.moved_at >= STILL
        if shown and not fine:
            return None
        self.patience = PATIENCE
        self.asked = Asked(stand, self._lens(stand, 1.0 if fine else self.scale), fine, now)
        return self.asked

    def came(self, picture: Picture, now: float) -> None:
        """Take a picture in, and learn how large the next coarse one may be."""
        self.picture, self.asked, self.absent = picture, None, None
        if picture.fine:
            return
        if now - self.came_at < 1.0:
            self.interval = 0.7 * (self.interval or now - self.came_at) + 0.3 * (now - self.came_at)
        self.came_at = now
        ratio = math.sqrt(BUDGET / max(picture.seconds, 1e-3))
        self.scale = min(1.0, max(COARSEST, self.scale * min(1.25, max(0.5, ratio))))

    def lacks(self, stand: Stand) -> None:
        """The backend does not have what was asked for."""
        self.asked, self.absent = None, stand.subject
        if self.picture is not None and self.picture.stand.subject[0] != stand.source:
            self.picture = None

    def _lens(self, stand: Stand, scale: float) -> Lens:
        width, height = stand.lens.width, stand.lens.height
        most = min(
            1.0, math.sqrt(MAX_PIXELS / (width * height)), MAX_SIDE / width, MAX_SIDE / height
        )
        scale = min(scale, most)
        return stand.lens.scaled(max(1, int(width * scale)), max(1, int(height * scale)))


def request(pane: Pane, asked: Asked) -> Look:
    """Return an ask as the contract says it."""
    lens = asked.lens
    return Look(
        pane=pane.number,
        source=asked.stand.source,
        frame=asked.stand.frame,
        camera_to_world=tuple(map(float, lens.camera_to_world.ravel())),
        intrinsics=tuple(map(float, lens.intrinsics)),  # type: ignore[arg-type]
        width=lens.width,
        height=lens.height,
        near=lens.near,
        far=lens.far,
        orthographic=lens.orthographic,
        fine=asked.fine,
        bodies=asked.stand.bodies,
    )


@dataclass
class Panes:
    """The views by their region, those drawn last; the contract's number of them."""

    by_region: OrderedDict[int, Pane] = field(default_factory=OrderedDict)

    def of(self, region: int) -> Pane:
        """Return a region's pane; the one drawn longest ago makes room for a new one."""
        pane = self.by_region.get(region)
        if pane is None:
            if len(self.by_region) < PANES:
                taken = {each.number for each in self.by_region.values()}
                number = next(n for n in range(PANES) if n not in taken)
            else:
                number = self.by_region.popitem(last=False)[1].number
            pane = self.by_region[region] = Pane(number)
        self.by_region.move_to_end(region)
        return pane

    def numbered(self, number: int) -> Pane | None:
        return next((pane for pane in self if pane.number == number), None)

    def __iter__(self) -> Iterator[Pane]:
        return iter(self.by_region.values())
