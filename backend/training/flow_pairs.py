"""Pairs of pictures with known motion for the flow network: rendered clips, and pasted cut-outs.

Pasted pairs follow the idea of A. Dosovitskiy et al., FlowNet: Learning Optical Flow with
Convolutional Networks, ICCV 2015 (section 3, Flying Chairs): objects and a ground, each moved by a
map of its own. Here the maps are homographies, and the ground's bends as well; the cut-outs are
objects of our renders, and random outlines filled with them. All motion is exact: each layer is
sampled anew for both pictures, through its map and the inverse of it.
"""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..contract.errors import TrainingDataError
from .data_set import Clip, DataSet

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Value = TypeVar("Value")
Number = TypeVar("Number", np.uint8, np.float32)

FASTEST = 400.0
"Pixels from one frame to the next beyond which nothing is learned: what passes by the camera."
LARGEST_OBJECT = 0.6
"Part of a picture's pixels above which an object is a ground rather than a cut-out."


@dataclass(frozen=True)
class FlowPair:
    """Two pictures and the motion from the first to the second."""

    first: Image  # (H, W, 3) sRGB
    second: Image  # (H, W, 3)
    flow: Field  # (H, W, 2) pixels, x right, y down; 0 where it is not known
    known: Mask  # (H, W) the motion is known, of hidden pixels too
    visible: Mask  # (H, W) the pixel is seen in the second picture


@dataclass(frozen=True)
class ClipStep:
    """One frame of a clip to the next one, or back: 1-based frame numbers."""

    clip: Clip
    start: int
    end: int

    def read(self) -> FlowPair:
        """Read the pair; back in time only what leaves the picture is told as not visible."""
        geometry = self.clip.geometry(self.start)
        ahead = self.end > self.start
        flow = geometry.forward if ahead else geometry.backward
        if flow is None:
            raise TrainingDataError(
                f"Expected the motion of a clip in {self.clip.folder}, got none."
            )
        known: Mask = np.linalg.norm(flow, axis=2) < FASTEST  # and neither NaN nor infinite
        flow = np.where(known[..., None], flow, np.float32(0))
        visible = known & stays_inside(flow)
        if ahead and geometry.valid is not None:
            visible &= geometry.valid
        return FlowPair(
            self.clip.color(self.start), self.clip.color(self.end), flow, known, visible
        )


def stays_inside(flow: Field) -> Mask:
    """Where motion (H, W, 2) leads to a place between pixels of the picture."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    x, y = x + flow[..., 0], y + flow[..., 1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))


def clip_steps(data: DataSet, *, held_out: bool, both_ways: bool) -> list[ClipStep]:
    """All steps of the clips, frame by frame; `both_ways` adds those back in time."""
    steps = []
    for clip in data.clips(held_out=held_out):
        for frame in range(1, clip.frames):
            steps.append(ClipStep(clip, frame, frame + 1))
            if both_ways:
                steps.append(ClipStep(clip, frame + 1, frame))
    return steps


class CutOuts:
    """Pictures in memory and the objects in them; `refresh` reads what was added meanwhile."""

    def __init__(self, data: DataSet, *, limit: int = 4000) -> None:
        self.data, self.limit = data, limit
        self.pictures: list[Image] = []
        self.objects: list[tuple[int, Mask]] = []  # which picture, where in it
        self._seen: set[str] = set()
        self.refresh()

    def refresh(self) -> int:
        """Read new pictures, and return how many there are now."""
        for picture in self.data.pictures(held_out=False):
            key = str(picture.folder)
            if len(self.pictures) >= self.limit or key in self._seen:
                continue
            self._seen.add(key)
            index = picture.geometry(1).index
            for value in np.unique(index[index > 0]):
                mask = index == value
                if 400 <= mask.sum() <= LARGEST_OBJECT * mask.size:
                    self.objects.append((len(self.pictures), mask))
            self.pictures.append(picture.color(1))
        return len(self.pictures)


@dataclass(frozen=True)
class Layer:
    """A texture with its outline, where it lies in the first picture, and how it moves.

    `place` takes a homogeneous pixel of the first picture to the texture, `move` one of the first
    picture to the second; `bend` (H, W, 2), or none, is added to where a pixel of the second
    picture comes from.
    """

    texture: NDArray[np.uint8]  # (h, w, 4), the last is how much it covers
    place: NDArray[np.float64]  # (3, 3)
    move: NDArray[np.float64]  # (3, 3)
    bend: Field | None
    border: int


def paste(cut_outs: CutOuts, random: np.random.Generator, size: tuple[int, int]) -> FlowPair:
    """Make a pair of `size` (H, W) from a ground and one to five cut-outs on it."""
    height, width = size
    first = np.zeros((height, width, 3), np.float32)
    second = np.zeros((height, width, 3), np.float32)
    flow = np.zeros((height, width, 2), np.float32)
    top, top_there = np.zeros((height, width), np.int32), np.zeros((height, width), np.int32)
    for number, layer in enumerate(_layers(cut_outs, random, size)):
        here, there, motion = draw(layer, size)
        first, cover = _over(first, here)
        second, cover_there = _over(second, there)
        flow[cover] = motion[cover]
        top[cover], top_there[cover_there] = number, number
    visible = _seen_again(flow, top, top_there)
    known = np.ones((height, width), bool)
    return FlowPair(first.astype(np.uint8), second.astype(np.uint8), flow, known, visible)


def draw(layer: Layer, size: tuple[int, int]) -> tuple[Image, Image, Field]:
    """Sample a layer for both pictures, (H, W, 4) each, and its motion (H, W, 2) in the first."""
    pixels = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), axis=2)
    here = pixels.astype(np.float32)
    back = _apply(np.linalg.inv(layer.move).astype(np.float64), here)
    if layer.bend is not None:
        back = (back + layer.bend).astype(np.float32)
    pictures = [
        sample(layer.texture, _apply(layer.place, source), layer.border) for source in (here, back)
    ]
    # Where a pixel p goes is the q with inverse(q) + bend(q) = p; the bend is slow: this settles.
    target = _apply(layer.move, here)
    if layer.bend is not None:
        for _ in range(6):
            bend = sample(layer.bend, target, cv2.BORDER_REPLICATE)
            target = _apply(layer.move, here - bend)
    return pictures[0], pictures[1], target - here


def sample(image: NDArray[Number], xy: Field, border: int) -> NDArray[Number]:
    """Sample an image (h, w, c) bilinearly at pixels (H, W, 2)."""
    x, y = np.ascontiguousarray(xy[..., 0]), np.ascontiguousarray(xy[..., 1])
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border), image.dtype)


def _layers(cut_outs: CutOuts, random: np.random.Generator, size: tuple[int, int]) -> list[Layer]:
    ground = random_move(random, size, still=0.15, largest=30.0)
    bend = random_bend(random, size) if random.random() < 0.5 else None
    picture = _pick(cut_outs.pictures, random)
    covering = np.full((*picture.shape[:2], 1), 255, np.uint8)
    texture = np.concatenate([picture, covering], axis=2)
    height, width = picture.shape[:2]
    place = _placed(random, (width / 2, height / 2), random.uniform(0.5, 1.3), size, spread=0.3)
    layers = [Layer(texture, place, ground, bend, cv2.BORDER_REFLECT_101)]
    for _ in range(random.integers(1, 6)):
        texture, centre, extent = _cut_out(cut_outs, random)
        wanted = random.uniform(0.15, 0.7) * min(size)
        place = _placed(random, centre, extent / wanted, size, spread=0.5)
        # Some ride on the ground's motion, as what stands on the floor does.
        move = random_move(random, size, still=0.1, largest=40.0)
        if random.random() < 0.5:
            move = move @ ground
        layers.append(Layer(texture, place, move, None, cv2.BORDER_CONSTANT))
    return layers


def random_move(
    random: np.random.Generator, size: tuple[int, int], *, still: float, largest: float
) -> NDArray[np.float64]:
    """Return a homography about the middle; its centre moves up to `largest` px, slow ones often.

    One in 1 / `still` is the identity.
    """
    if random.random() < still:
        return np.eye(3)
    angle = random.normal(0, 0.10)
    scale = np.exp(random.normal(0, 0.06))
    stretch = np.exp(random.normal(0, 0.03))
    shear = random.normal(0, 0.03)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[scale * stretch, shear], [0, scale / stretch]])
    speed, heading = largest * random.random() ** 1.5, random.uniform(0, 2 * np.pi)
    move = np.eye(3)
    move[:2, :2] = linear
    move[:2, 2] = speed * np.cos(heading), speed * np.sin(heading)
    move[2, :2] = random.normal(0, 2e-4, 2)
    return _about(move, (size[1] / 2, size[0] / 2))


def random_bend(random: np.random.Generator, size: tuple[int, int]) -> Field:
    """Return a smooth field (H, W, 2) of up to a few pixels."""
    cells = int(random.integers(3, 7))
    coarse = random.normal(0, 1, (cells, cells, 2)).astype(np.float32)
    fine = cv2.resize(coarse, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    # Far below the size of a cell, so that nothing folds over.
    return np.asarray(fine * np.float32(random.uniform(0.5, 0.06 * min(size) / cells)))


def _cut_out(
    cut_outs: CutOuts, random: np.random.Generator
) -> tuple[NDArray[np.uint8], tuple[float, float], float]:
    """Return a texture (h, w, 4), the centre of what it covers, and its extent in pixels."""
    if cut_outs.objects and random.random() < 0.6:
        which, mask = _pick(cut_outs.objects, random)
        picture = cut_outs.pictures[which]
    else:
        picture = _pick(cut_outs.pictures, random)
        mask = random_outline(random, picture.shape[:2])
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    cover = (mask * np.uint8(255))[..., None]
    centre = float(columns[0] + columns[-1]) / 2, float(rows[0] + rows[-1]) / 2
    extent = float(max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1)
    return np.concatenate([picture, cover], axis=2), centre, extent


def random_outline(random: np.random.Generator, size: tuple[int, int]) -> Mask:
    """Return a mask (H, W): a wavy blob, a polygon, or a bar."""
    height, width = size
    turns = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radius = np.ones(60)
    if random.random() < 0.3:  # a polygon has few corners
        turns = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 7)))
        radius = np.ones(len(turns))
    else:
        for wave in range(2, 6):
            radius += random.normal(0, 0.25 / wave) * np.cos(
                wave * turns + random.uniform(0, 2 * np.pi)
            )
    reach = random.uniform(0.2, 0.45) * min(size)
    thin = random.uniform(0.15, 1.0)
    points = np.stack([radius * np.cos(turns), thin * radius * np.sin(turns)], axis=1) * reach
    angle = random.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = points @ turn + (width / 2, height / 2)
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 1)
    mask[height // 2, width // 2] = 1  # never empty
    return mask.astype(bool)


def _placed(
    random: np.random.Generator,
    centre: tuple[float, float],
    zoom: float,
    size: tuple[int, int],
    *,
    spread: float,
) -> NDArray[np.float64]:
    """Return the map from the first picture to a texture whose `centre` falls near its middle."""
    angle = random.normal(0, 0.3)
    middle = [side * (0.5 + spread * random.uniform(-1, 1)) for side in (size[1], size[0])]
    mirror = -1.0 if random.random() < 0.5 else 1.0
    linear = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = linear @ np.diag([mirror, 1.0])
    place = np.eye(3)
    place[:2, :2] = linear
    place[:2, 2] = np.array(centre) - linear @ np.array(middle)
    return place


def _about(move: NDArray[np.float64], centre: tuple[float, float]) -> NDArray[np.float64]:
    shift = np.eye(3)
    shift[:2, 2] = centre
    return np.asarray(shift @ move @ np.linalg.inv(shift))


def _apply(matrix: NDArray[np.float64], points: Field) -> Field:
    """Apply a homography (3, 3) to points (H, W, 2)."""
    return np.asarray(cv2.perspectiveTransform(points, matrix), dtype=np.float32)


def _over(below: Field, layer: NDArray[np.uint8]) -> tuple[Field, Mask]:
    cover = layer[..., 3:].astype(np.float32) / 255
    above = below * (1 - cover) + layer[..., :3] * cover
    return above.astype(np.float32), layer[..., 3] > 127


def _seen_again(flow: Field, top: NDArray[np.int32], top_there: NDArray[np.int32]) -> Mask:
    """Where the pixel's layer is the one seen at its target, inside the picture."""
    height, width = top.shape
    y, x = np.mgrid[:height, :width]
    column, row = np.rint(x + flow[..., 0]).astype(int), np.rint(y + flow[..., 1]).astype(int)
    found = top_there[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.asarray(stays_inside(flow) & (found == top))


def _pick(values: list[Value], random: np.random.Generator) -> Value:
    return values[int(random.integers(len(values)))]
