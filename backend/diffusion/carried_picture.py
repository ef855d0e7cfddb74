"""A start picture carried along a video's motion; what it does not show goes on from beside it.

Not of MotionCraft's paper, whose warp brings to an uncovered place what had covered it; noise up to
tau 400 leaves much of that standing. A place that came in or was hidden is made of pieces of its
own surface; which that is, the shot knows, or motion tells.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    map_coordinates,
    median_filter,
)

from .inpainting import fill, origins
from .motion import Bools, FrameMotion, inside_frame

Floats = NDArray[np.float32]

NOVEL = 0.5
"Novelty from which a pixel is a new one."
TORN = 0.3
"Pixels by which neighbours' ways may differ where a mean of them is one: else the nearest counts."
MARGIN = 2
"Pixels of its surface round what was hidden that are made anew, too: what hid it blends into them."
EDGE = 2
"Pixels from a surface's edge inwards in which a pixel, or a spline through it, has of the other."
SPECK = 25.0
"Levels by which a pixel that was filled may differ from the middle one of its neighbours."
TONE = 60.0
"Levels that a piece may be brightened or darkened by: edges that add up would make it black."
FADE = 0.9
"Of a piece's tone, what a frame leaves: shade belongs to where a surface turns away, not to it."
ALIKE = 0.3, 0.03
"Difference of motion within one surface: pixels, and a share of the motion."


class RenderedPicture:
    """A video's newest frame (H, W, 3) u1 as it was rendered: nothing has to be carried along."""

    def __init__(self, render: NDArray[np.uint8]) -> None:
        self._render = render
        self.known: Bools = np.ones(render.shape[:2], bool)

    def picture(self) -> NDArray[np.uint8]:
        """Return the newest frame."""
        return self._render


class CarriedPicture:
    """Which pixel of the start picture (H, W, 3) u1 each pixel of a video's newest frame shows.

    The start picture is sampled once however many frames have passed, so nothing blurs. What a
    frame shows anew is not known; with `fill` it takes pieces of its own surface, toned to go over
    into their border, and is known from then on. Active matter, new though seen, is not filled.
    """

    def __init__(self, start: NDArray[np.uint8], *, fill: bool) -> None:
        self.start = start
        self.fills = fill
        height, width = start.shape[:2]
        self._way = np.zeros((height, width, 2), np.float32)
        "(column, row) from each pixel to its place in the start picture."
        self._mixed: Bools = np.zeros((height, width), bool)
        "(H, W): at a surface's edge."
        self._tone = np.zeros((height, width, 3), np.float32)
        "What pieces of it differ from it by, levels of 255."
        self._filled: Bools = np.zeros((height, width), bool)
        self.known: Bools = np.ones((height, width), bool)
        "(H, W): whose place is one in the start picture."

    def step(self, motion: FrameMotion) -> None:
        """Go on to the frame that `motion` leads to."""
        if motion.surfaces is not None and not self._mixed.any():
            self._mixed = edges(motion.surfaces)  # the first frame's: they hardly move in one
        self._move(motion.backward)
        self.known &= (motion.novelty < NOVEL) & inside_frame(motion.backward)
        unseen = motion.unseen
        if self.fills and unseen is not None and unseen.any() and not unseen.all():
            self._continue(motion, unseen)
        if motion.surfaces is not None:
            self._mixed = edges(motion.surfaces)

    def shown(self, picture: NDArray[np.uint8]) -> Floats:
        """Return `picture` (H, W, 3), the start picture or one like it, as the newest frame's."""
        rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
        at = np.stack([rows + self._way[..., 1], columns + self._way[..., 0]])
        colors = [
            map_coordinates(picture[..., k].astype(np.float32), at, order=3, mode="nearest")
            for k in range(3)
        ]
        return np.asarray(np.stack(colors, -1) + self._tone, np.float32)

    def picture(self) -> NDArray[np.uint8]:
        """Return the newest frame (H, W, 3) as far as the start picture can tell it."""
        return np.asarray(np.clip(np.rint(self.shown(self.start)), 0, 255), np.uint8)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what later frames need; its size does not grow."""
        return {
            "start": self.start, "way": self._way, "tone": self._tone, "known": self.known,
            "mixed": self._mixed, "filled": self._filled,
        }  # fmt: skip

    @classmethod
    def restored(cls, state: dict[str, NDArray[Any]], *, fill: bool) -> "CarriedPicture":
        """Return what goes on as after `state` was taken."""
        carried = cls(state["start"], fill=fill)
        carried._way, carried._tone = state["way"], state["tone"]
        carried.known, carried._mixed = state["known"], state["mixed"]
        carried._filled = state["filled"]
        return carried

    def _move(self, backward: Floats) -> None:
        """Take each pixel's way, tone and whether it is known from where it was."""
        height, width = self.known.shape
        rows, columns = np.mgrid[0:height, 0:width]
        y = np.clip(rows + backward[..., 1].astype(np.float64), 0, height - 1)
        x = np.clip(columns + backward[..., 0].astype(np.float64), 0, width - 1)
        top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
        nearest = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
        masks = np.stack([self.known, self._filled], -1)
        all_of = np.concatenate([self._way, self._tone, masks], -1)
        own, blend = all_of[nearest], np.zeros_like(all_of)
        whole = np.ones((height, width), bool)
        for down in (0, 1):
            for right in (0, 1):
                beside = np.minimum(top + down, height - 1), np.minimum(left + right, width - 1)
                corner = all_of[beside]
                share = np.abs(1 - down - (y - top)) * np.abs(1 - right - (x - left))
                blend += share[..., None].astype(np.float32) * corner
                apart = np.abs(corner - own)
                whole &= (share < 1e-3) | ((apart[..., :2].max(-1) <= TORN) & (apart[..., 5] == 0))
        moved = np.where(whole[..., None], blend, own)  # a mean of two surfaces is on neither
        self._way = (moved[..., :2] + backward).astype(np.float32)
        self._tone = np.ascontiguousarray(FADE * moved[..., 2:5], np.float32)
        self.known, self._filled = moved[..., 5] > NOVEL, own[..., 6] > 0

    def _continue(self, motion: FrameMotion, unseen: Bools) -> None:
        """Give what was unseen, and its rim, places in the start picture."""
        rows, columns = np.mgrid[0 : unseen.shape[0], 0 : unseen.shape[1]]
        here = np.stack([columns, rows], -1)
        place = self._way + here
        image = self.shown(self.start).astype(np.float64)
        middle = median_filter(image, size=(3, 3, 1))
        specks = self._filled & (np.abs(image - middle).max(axis=-1) > SPECK)
        behind = unseen & inside_frame(motion.backward)
        left_edge = np.zeros_like(unseen)
        if motion.surfaces is not None:
            left_edge = _was(self._mixed, motion.backward) & ~edges(motion.surfaces)
        for part, own in surfaces(motion, unseen):
            rim = binary_dilation(part & behind, iterations=MARGIN)
            hole = part | (own & (left_edge | specks | rim))
            like = own & ~hole & self.known
            if motion.surfaces is not None and (like & ~edges(motion.surfaces)).any():
                like &= ~edges(motion.surfaces)
            like = like if like.any() else own & ~hole
            like = like if like.any() else ~(hole | unseen)
            origin = origins(image, hole, like)
            image = fill(image, hole, like, origin)
            nearest = distance_transform_edt(~like, return_distances=False, return_indices=True)
            chosen = np.where(origin >= 0, origin, nearest)[:, hole]
            place[hole] = place[tuple(chosen)]
            self.known[hole] = self._filled[hole] = True
        self._way = (place - here).astype(np.float32)
        wanted = self._tone + image - self.shown(self.start)
        self._tone = np.clip(wanted, -TONE, TONE).astype(np.float32)


def edges(surfaces: NDArray[np.integer]) -> Bools:
    """Return (H, W): pixels of surfaces (H, W) within EDGE pixels of another surface."""
    found = np.zeros(surfaces.shape, bool)
    for axis in (0, 1):
        apart = np.diff(surfaces, axis=axis) != 0
        ends = [(0, 0), (0, 0)]
        for ends[axis] in ((0, 1), (1, 0)):
            found |= np.pad(apart, ends)
    return np.asarray(binary_dilation(found, iterations=EDGE - 1))


def _was(mask: Bools, backward: Floats) -> Bools:
    """Return (H, W): where any of the pixels that a pixel comes from was in `mask` (H, W)."""
    rows, columns = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]]
    places = [rows + backward[..., 1], columns + backward[..., 0]]
    wide = mask.astype(np.float32)
    return np.asarray(map_coordinates(wide, places, order=1, mode="nearest") > 1e-3)


def surfaces(motion: FrameMotion, unseen: Bools) -> Iterator[tuple[Bools, Bools]]:
    """Yield each surface's unseen and seen pixels (H, W).

    By the shot's objects where the motion names them, else by what moves as the unseen does.
    """
    if motion.surfaces is None:
        yield unseen, surface(motion.backward, unseen)
        return
    for label in np.unique(motion.surfaces[unseen]):
        own = motion.surfaces == label
        yield unseen & own, own & ~unseen


def surface(backward: NDArray[Any], hidden: Bools) -> Bools:
    """Return (H, W): what is not hidden and moves as the hidden that is nearest to it."""
    nearest = distance_transform_edt(~hidden, return_distances=False, return_indices=True)
    own = backward[tuple(nearest)]
    apart = np.linalg.norm(backward - own, axis=-1)
    alike = apart <= ALIKE[0] + ALIKE[1] * np.linalg.norm(own, axis=-1)
    return np.asarray(alike & ~hidden)
