"""MotionCraft over a shot: each frame from the last one's noisy latent, in order."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ...contract.arrays import Array
from ...contract.image_motions import ShotMotion
from ...contract.methods import MotionCraft, RenderStart
from ..cache import FrameCache, stage_key
from .border import to_picture
from .given import MethodInput
from .motions import Motions, motions_of
from .opening import Opened
from .sequence import Sequence, State
from .start import start_picture

if TYPE_CHECKING:
    from ...diffusion.motioncraft import MotionCraft as Crafting


def craft(
    given: MethodInput, method: MotionCraft, wanted: Collection[int]
) -> Iterator[tuple[int, Array]]:
    """Yield the wanted frames' pictures u1 (h, w, 3) in order."""
    opened = Opened(given.needs, given.shot.film, given.clock)
    cache = FrameCache(given.cache / "diffuse" / _key(given, method, opened.place))
    sequence = Sequence(
        given.shot.frames.numbers,
        cache,
        lambda sequence: _Crafted(given, method, opened, sequence),
        given.clock,
    )
    return sequence.pictures(wanted)


def _key(given: MethodInput, method: MotionCraft, place: str) -> str:
    """Name all that the pictures depend on: the renders only where they are read."""
    shot = given.shot
    reads = isinstance(method.motion, ShotMotion) or isinstance(method.start, RenderStart)
    behind = shot.world.background if reads and shot.world.transparent else None
    return stage_key(
        "diffuse", method, given.weights, shot.film, shot.frames, shot.seed, place,
        given.renders.key if reads else "", behind,
    )  # fmt: skip


class _Crafted:
    """The method as a sequence asks for it."""

    def __init__(
        self, given: MethodInput, method: MotionCraft, opened: Opened, sequence: Sequence
    ) -> None:
        self._given, self._method, self._opened = given, method, opened
        self._sequence = sequence
        self._motions: Motions = motions_of(given, method)
        self._crafting: Crafting | None = None
        self._state: State = {}

    def first(self, frame: int) -> Array:
        picture = start_picture(self._given, self._method, self._opened)
        self._state = {}
        return self._opened.attempt(lambda: self._ready().start(picture), self._forget)

    def next(self, frame: int) -> Array:
        motion = self._motions.motion(frame)
        assert motion is not None, "the first frame has none, and starts"
        given = self._given
        render = None
        if self._method.follow > 0:
            render = to_picture(given.renders.frame(frame), given.shot)
        return self._opened.attempt(lambda: self._ready().next(motion, render), self._forget)

    def state(self) -> State:
        assert self._crafting is not None
        self._state = self._crafting.state()
        return self._state

    def restore(self, state: State) -> None:
        self._state, self._crafting = state, None

    def _forget(self) -> None:
        self._crafting = None

    def _ready(self) -> "Crafting":
        """Return the method in the state after the last frame, with the model of now."""
        if self._crafting is None:
            from ...diffusion.motioncraft import MotionCraft as Making

            shot, check = self._given.shot, self._given.clock.check
            size = (shot.film.width, shot.film.height)
            self._crafting = Making(
                self._opened.model, self._method, size, shot.seed, check, self._sequence.told
            )
            if self._state:
                self._crafting.restore(self._state)
        return self._crafting
