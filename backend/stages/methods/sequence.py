"""A method that makes each frame from the last: its frames and states kept, so that it goes on.

Frame by frame, constant memory: only the newest states stay. A killed job starts at the state after
its last frame, and what follows is the same to the byte.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from ...contract.arrays import Array
from ..cache import FrameCache
from ..progress import StageClock

State = dict[str, Array]


class Sequential(Protocol):
    """What makes pictures u1 (h, w, 3), one after the other."""

    def first(self, frame: int) -> Array:
        """Begin, and return the first frame's picture."""

    def next(self, frame: int) -> Array:
        """Return the picture of this frame, which follows on the last one."""

    def state(self) -> State:
        """Return all that the next frame depends on."""

    def restore(self, state: State) -> None:
        """Go on as after the frame that `state` was taken at."""


class Sequence:
    """The pictures of a sequential method by frame number, from the cache or made now.

    `begin` makes the method, with its model, when the first picture is missing.
    """

    def __init__(
        self,
        numbers: range,
        cache: FrameCache,
        begin: Callable[["Sequence"], Sequential],
        clock: StageClock,
    ) -> None:
        self._numbers, self._cache, self._begin, self._clock = numbers, cache, begin, clock
        self._method: Sequential | None = None
        self._reached: int | None = None
        self._done = 0

    def pictures(self, wanted: Collection[int]) -> Iterator[tuple[int, Array]]:
        """Yield the wanted frames' pictures in order."""
        absent = [n for n in wanted if self._cache.find(n) is None]
        self._expect(max(absent) if absent else None)
        for frame in sorted(wanted):
            self._clock.check()
            kept = self._cache.find(frame)
            yield frame, kept["picture"] if kept else self._make(frame)

    def told(self, done: int, total: int) -> None:
        """Hear how many steps of the frame at hand are done."""
        self._clock.progress("diffuse", self._done + done / total, 0)

    def _expect(self, last: int | None) -> None:
        """Tell how many frames are to be made until `last` is there."""
        count = 0
        if last is not None:
            start = self._cache.newest_checkpoint(last - 1)
            count = last - start[0] if start else last - self._numbers.start + 1
        self._clock.expect("diffuse", count)
        self._clock.progress("diffuse", 0, count)

    def _make(self, frame: int) -> Array:
        """Make pictures up to this frame and return its own."""
        if self._method is None:
            self._method = self._begin(self)
        if self._reached is None or self._reached >= frame:
            self._reached = self._restore(self._method, frame)
        picture: Array | None = None
        while self._reached is None or self._reached < frame:
            number = self._numbers.start if self._reached is None else self._reached + 1
            first = self._reached is None
            picture = self._method.first(number) if first else self._method.next(number)
            self._cache.write(number, {"picture": picture})
            self._cache.write_checkpoint(number, self._method.state())
            self._reached = number
            self._done += 1
            self._clock.progress("diffuse", self._done, 0)
        assert picture is not None
        return picture

    def _restore(self, method: Sequential, frame: int) -> int | None:
        """Go back to the newest state before this frame; None where the beginning is."""
        kept = self._cache.newest_checkpoint(frame - 1)
        if kept is None:
            return None
        method.restore(kept[1])
        return kept[0]
