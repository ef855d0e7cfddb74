"""The rendered frames that a method reads: kept as a take without the method holds them.

So a changed prompt reads them again, a plain take of the same shot is there at once, and a method
sees the same numbers whether a frame was just made or not: always those of the file.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from ..contract.arrays import Array
from ..contract.methods import NoMethod
from ..contract.shot import Shot
from .cache import FrameCache, stage_key
from .chain import Chain
from .images.rendered import RenderedFrame
from .images.source_flow import SourceFlow
from .progress import StageClock
from .takes.deliver import keep_frame
from .takes.exr import read_depth, read_frame
from .takes.finished import FinishedFrames


def without_method(shot: Shot) -> Shot:
    """Return the shot as if nothing was diffused."""
    return msgspec.structs.replace(shot, method=NoMethod())


class Renders:
    """Rendered frames of a shot by number; `missing` are those that are not kept in `finished`.

    `start` makes the chain when one of them is asked for; they are made in order, each once.
    """

    def __init__(
        self,
        finished: FinishedFrames,
        missing: Collection[int],
        start: Callable[[], Chain],
        cache: Path,
        clock: StageClock,
    ) -> None:
        self._finished, self._missing = finished, set(missing)
        self._start, self._cache, self._clock = start, cache, clock
        self._chain: Chain | None = None
        self._made: Iterator[int] | None = None

    @property
    def key(self) -> str:
        """Name the frames by all that they depend on."""
        return self._finished.folder.name

    def frame(self, number: int) -> RenderedFrame:
        """Return a wanted frame, after making it and those before it that are missing."""
        while number in self._missing:
            if self._made is None:
                self._made = self._clock.each("render", self._make(sorted(self._missing)))
            self._missing.discard(next(self._made))
        return read_frame(self._finished.path("passes", number), number)

    def flows_from(self, source: int, targets: Collection[int]) -> Iterator[tuple[int, SourceFlow]]:
        """Yield how each target frame comes out of the source frame, in order."""
        key = stage_key("render", self.key, "motion from", source)
        kept = FrameCache(self._cache / "render" / key)
        wanted = sorted(targets)
        absent = [n for n in wanted if kept.find(n) is None]
        made = self._chain_now().flows_from(source, absent) if absent else iter(())
        for number in wanted:
            if number in absent:
                _, flow = next(made)
                kept.write(number, _packed(flow))
            yield number, _unpacked(kept.read(number))

    def _make(self, missing: Collection[int]) -> Iterator[int]:
        chain = self._chain_now()
        for frame in chain.rendered(missing, self._known_depth):
            keep_frame(chain.shot, frame, self._finished)
            yield frame.frame

    def _known_depth(self, number: int) -> Array:
        return read_depth(self._finished.path("passes", number))

    def _chain_now(self) -> Chain:
        if self._chain is None:
            self._chain = self._start()
        return self._chain


def _packed(flow: SourceFlow) -> dict[str, Array]:
    masks = {"moving": flow.moving, "changed": flow.changed, "visible": flow.visible}
    return {"forward": flow.forward} | {name: mask.astype("u1") for name, mask in masks.items()}


def _unpacked(kept: dict[str, Array]) -> SourceFlow:
    masks = (kept[name] > 0 for name in ("moving", "changed", "visible"))
    return SourceFlow(kept["forward"], *masks)
