"""A flock in the plane of the picture: each agent carries its part of it (MotionCraft's birds)."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, find_objects, shift

from ...contract.arrays import ArraySet
from ...contract.image_motions import FlockMotion
from .step import FlowStep, as_floats, nothing_active, pixel_centres

if TYPE_CHECKING:
    from ....kernels.flock import DistanceField

Numbers = NDArray[np.int64]

DISC = 0.02
"Radius of an agent, in film heights, where none are given."
SIGHT, NEAR = 2.0, 3.0
"How far agents see, in mean ways between them, and how close is too close, in their radii."
FORCE = 6.0
"Largest acceleration, in speeds a second."
EDGE = 0.08
"Film heights from the film's edge at which agents turn back."
CELL = 0.02
"Of the distances to the film's edge, in film heights."


class FlockFlow:
    """Agents over the film; one step a frame. Taichi must have been started.

    They turn back before the film's edge. A nearer agent is one with a higher number.
    """

    def __init__(
        self, settings: FlockMotion, arrays: ArraySet, size: tuple[int, int], fps: float, seed: int
    ) -> None:
        from ....kernels.flock import Flock, FlockSettings

        self._size, self._seconds = size, 1 / fps
        rng = np.random.default_rng(seed)
        if settings.agents is not None:
            self._agents = np.asarray(arrays.of(settings.agents), np.int32)
        else:
            self._agents = _spread_discs(settings.count, size, rng)
        numbers = np.unique(self._agents[self._agents != 0])
        height = size[1]
        middle = np.array(center_of_mass(self._agents != 0, self._agents, numbers))
        position = (middle.reshape(-1, 2)[:, ::-1] + 0.5) / height
        areas = np.array([(self._agents == k).sum() for k in numbers])
        radius = float(np.sqrt(np.median(areas) / np.pi)) / height if len(areas) else DISC
        speed = settings.speed * fps / height
        sparse = float(np.sqrt(size[0] / height / max(len(numbers), 1)))
        steering = FlockSettings(
            sight=max(SIGHT * sparse, 2 * NEAR * radius), near=NEAR * radius, speed=speed,
            top_speed=1.5 * speed,
            least_speed=0.5 * speed, force=FORCE * speed, separation=settings.separation,
            alignment=settings.alignment, cohesion=settings.cohesion, clearance=radius,
        )  # fmt: skip
        heading = rng.uniform(-np.pi, np.pi) + rng.normal(0, 0.6, len(numbers))
        velocity = speed * np.stack([np.cos(heading), np.sin(heading)], -1)
        self._flock = Flock(steering, position, velocity, [_edges(size)])
        self._numbers, self._first = numbers, position
        self._masks = _cut_out(self._agents, numbers)
        self._goal = None
        if settings.goal is not None:
            self._goal = (settings.goal[0] * size[0] / height, settings.goal[1])

    def advance(self) -> FlowStep:
        before = self._flock.position
        painted, rank = self._painted(before)
        self._flock.advance(self._seconds, self._goal)
        way = np.concatenate([np.zeros((1, 2)), self._flock.position - before]) * self._size[1]
        nearness = np.where(painted == 0, np.inf, 1.0 + rank)
        return FlowStep(
            as_floats(way[painted]), nothing_active(self._size), nearness=as_floats(nearness)
        )

    def painted(self) -> Numbers:
        """Which agent each pixel shows now (H, W): 0 for none, else 1 + its place in order."""
        return self._painted(self._flock.position)[0]

    def _painted(
        self, position: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The agents' masks moved to where they are; the later ones over the others."""
        shown = np.zeros(self._agents.shape, np.int64)
        moved = (position - self._first) * self._size[1]
        for place, (corner, mask) in enumerate(self._masks):
            # The mask has an empty ring, and moves by whole pixels and the rest of them.
            whole = np.floor(moved[place])
            rest = moved[place] - whole
            here = shift(mask, rest[::-1], order=1, prefilter=False) > 0.5
            pixels = np.argwhere(here) + corner + whole[::-1].astype(np.int64)
            inside = ((pixels >= 0) & (pixels < shown.shape)).all(1)
            shown[pixels[inside, 0], pixels[inside, 1]] = place + 1
        return shown, len(self._numbers) - shown


def _cut_out(
    agents: NDArray[np.int32], numbers: NDArray[np.int32]
) -> list[tuple[tuple[int, int], NDArray[np.float32]]]:
    """Each agent's mask with a ring of one pixel round it, and its corner (row, column)."""
    ranks = np.where(agents != 0, np.searchsorted(numbers, agents) + 1, 0)
    masks = []
    for place, box in enumerate(find_objects(ranks, len(numbers))):
        mask = np.pad(ranks[box] == place + 1, 1).astype(np.float32)
        masks.append(((box[0].start - 1, box[1].start - 1), mask))
    return masks


def _spread_discs(count: int, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int32]:
    """Discs that do not touch, as far as there is room for them; a number for each."""
    agents = np.zeros((size[1], size[0]), np.int32)
    centres: list[NDArray[np.float64]] = []
    wide = size[0] / size[1]
    for _ in range(50 * count):
        place = rng.uniform((2 * EDGE, 2 * EDGE), (wide - 2 * EDGE, 1 - 2 * EDGE))
        if all(np.linalg.norm(place - other) > 3 * DISC for other in centres):
            centres.append(place)
            away = pixel_centres(size) / size[1] - place
            agents[(away**2).sum(-1) <= DISC**2] = len(centres)
        if len(centres) == count:
            break
    return agents


def _edges(size: tuple[int, int]) -> "DistanceField":
    """Distance to a margin round the film, negative beyond it."""
    from ....kernels.flock import DistanceField

    wide, beyond = size[0] / size[1], 0.5
    shape = [int((side + 2 * beyond) / CELL) for side in (wide, 1.0)]
    x, y = (np.indices(shape) + 0.5) * CELL - beyond
    inside = np.minimum(np.minimum(x, wide - x), np.minimum(y, 1 - y)) - EDGE / 2
    return DistanceField(as_floats(inside), (-beyond, -beyond), CELL)
