"""How far a shot is: seconds spent in each stage, and the seconds that are left."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol, TypeVar

from ..contract.messages import Stage

T = TypeVar("T")

RECENT = 8
"Units whose mean tells what the next takes; a stage's first, which compiles, is forgotten."
STEADY: frozenset[Stage] = frozenset({"diffuse"})
"""Stages that take minutes for a unit: what was told of the first foretells the others, and what
other stages take drowns in it."""


class Listener(Protocol):
    """Who hears of a running shot, and may end it."""

    def progress(self, stage: Stage, done: float, total: float, eta: float | None) -> None:
        """`done` of `total` units of a stage; `eta` seconds left for the whole shot, or None."""

    def frame(self, number: int) -> None:
        """A frame's files are whole on disk."""

    def log(self, level: Literal["info", "warning"], text: str) -> None:
        """Something worth a line."""

    def check(self) -> None:
        """Raise CancelledError when the shot is to end."""


class StageClock:
    """Measures stages that call each other: a second belongs to the innermost one.

    Is itself a Listener: what a stage tells goes on with the time left for all of them.
    """

    def __init__(
        self, listener: Listener, totals: Mapping[Stage, float], spent: Mapping[Stage, float]
    ) -> None:
        self._listener = listener
        self.totals = dict(totals)
        self.seconds: dict[Stage, float] = dict(spent)
        self._spent = dict(spent)
        self._done: dict[Stage, float] = dict.fromkeys(totals, 0.0)
        self._recent: dict[Stage, deque[float]] = {}
        self._inner: list[Stage] = []
        self._since = 0.0

    @contextmanager
    def of(self, stage: Stage) -> Iterator[None]:
        """Count the time inside as this stage's."""
        self._book()
        self._inner.append(stage)
        try:
            yield
        finally:
            self._book()
            self._inner.pop()

    def each(self, stage: Stage, items: Iterator[T], *, tells_itself: bool = False) -> Iterator[T]:
        """Yield the items of a stage, each of them one unit unless the stage tells itself."""
        while True:
            self._listener.check()
            before, done = self.seconds.get(stage, 0.0), self._done[stage]
            with self.of(stage):
                try:
                    item = next(items)
                except StopIteration:
                    return
            if not tells_itself:
                self._done[stage] += 1
            self._learn(stage, self._done[stage] - done, self.seconds[stage] - before)
            if not tells_itself:
                self.progress(stage, self._done[stage], self.totals[stage])
            yield item

    def progress(self, stage: Stage, done: float, total: float, eta: float | None = None) -> None:
        """Tell how far a stage is; totals and the time left are counted here, not in the stage."""
        self._done[stage] = done
        self._listener.progress(stage, done, self.totals[stage], self._left())

    def expect(self, stage: Stage, total: float) -> None:
        """Correct what a stage was thought to have to do."""
        self.totals[stage] = total

    def frame(self, number: int) -> None:
        self._listener.frame(number)

    def log(self, level: Literal["info", "warning"], text: str) -> None:
        self._listener.log(level, text)

    def check(self) -> None:
        self._listener.check()

    def _learn(self, stage: Stage, units: float, seconds: float) -> None:
        if units <= 0:
            return
        if stage not in self._recent:
            self._recent[stage] = deque(maxlen=RECENT)
        else:
            self._recent[stage].append(seconds / units)

    def _left(self) -> float | None:
        """Return the seconds left, None as long as some stage has not shown its speed."""
        left = 0.0
        steady = any(self._so_far(stage) for stage in STEADY & self.totals.keys())
        for stage, total in self.totals.items():
            todo = total - self._done[stage]
            if todo > 0:
                times = self._recent.get(stage) or self._so_far(stage)
                if not times and steady:
                    continue
                if not times:
                    return None
                left += todo * sum(times) / len(times)
        return left

    def _so_far(self, stage: Stage) -> list[float]:
        """Return the seconds of a unit of a stage whose first one is not done yet."""
        done = self._done[stage]
        if stage not in STEADY or done <= 0:
            return []
        self._book()
        return [(self.seconds.get(stage, 0.0) - self._spent.get(stage, 0.0)) / done]

    def _book(self) -> None:
        now = time.perf_counter()
        if self._inner:
            stage = self._inner[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


class Shared:
    """One of several runs that a stage consists of: what they tell of their progress adds up.

    What a run that is made more than once says again is not heard again.
    """

    def __init__(self, clock: StageClock, done: dict[int, float]) -> None:
        self._clock, self._done = clock, done
        self._said: set[str] = set()

    @classmethod
    def among(cls, clock: StageClock, count: int) -> "tuple[Shared, ...]":
        """Return listeners for so many runs of one stage."""
        done: dict[int, float] = {}
        return tuple(cls(clock, done) for _ in range(count))

    def progress(self, stage: Stage, done: float, total: float, eta: float | None = None) -> None:
        self._done[id(self)] = done
        self._clock.progress(stage, sum(self._done.values()), total, eta)

    def frame(self, number: int) -> None:
        self._clock.frame(number)

    def log(self, level: Literal["info", "warning"], text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._clock.log(level, text)

    def check(self) -> None:
        self._clock.check()
