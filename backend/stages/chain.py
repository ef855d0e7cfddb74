"""From a shot's bodies to rendered frames: prepare, simulate, splat and render, chained."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ..contract.arrays import Array, ArraySet
from ..contract.shot import Shot
from ..contract.simulation_record import SimulationRecord
from .bodies.prepare import prepare
from .cache import FrameCache
from .images.render import frames_to_pose, render, scene_of
from .images.rendered import RenderedFrame
from .images.source_flow import SourceFlow, flow_from
from .notes import record_of
from .progress import StageClock
from .simulate import simulate, simulate_key, track_digests
from .splats import PosedSplats, pose_splats


class Chain:
    """A shot whose bodies are prepared, and whose frames can be made, in order, again and again.

    What the simulation made is in the cache: only the first pass computes it.
    """

    def __init__(self, shot: Shot, arrays: ArraySet, cache: Path, clock: StageClock) -> None:
        self.shot = shot
        self._arrays, self._clock = arrays, clock
        clock.progress("prepare", 0, 1)
        with clock.of("prepare"):
            self._prepared = prepare(shot, arrays)
            key = simulate_key(shot, arrays, self._prepared)
            self.simulated = FrameCache(cache / "simulate" / key)
            self._scene = scene_of(shot, arrays, self._prepared)
        clock.progress("prepare", 1, 1)
        for text in self.warnings:
            clock.log("warning", text)

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._prepared.warnings

    def record(self) -> SimulationRecord | None:
        """Return what is known of the simulation so far; None where nothing is simulated."""
        domain = self._prepared.domain
        if domain is None:
            return None
        digests = track_digests(self.shot, self._arrays)
        return record_of(self.shot, self._arrays, self.simulated, domain.spacing, digests)

    def rendered(
        self, wanted: Collection[int], known_depth: Callable[[int], Array]
    ) -> Iterator[RenderedFrame]:
        """Yield the wanted frames in order; see `render` for `known_depth`."""
        posed = self._clock.each("splat", self._posed(frames_to_pose(self.shot, wanted)))
        return render(
            self._scene, posed, wanted=wanted, known_depth=known_depth, listener=self._clock
        )

    def flows_from(self, source: int, targets: Collection[int]) -> Iterator[tuple[int, SourceFlow]]:
        """Yield, in order, how each target frame's picture comes out of the source frame's."""
        start = next(splats for _, splats in self._posed({source}))
        for frame, posed in self._posed(set(targets)):
            self._clock.check()
            yield frame, flow_from(self._scene, (source, start), (frame, posed))

    def _posed(self, needed: set[int]) -> Iterator[tuple[int, PosedSplats]]:
        """Simulate up to the last frame that is needed, and pose the splats of those that are."""
        states = simulate(self.shot, self._arrays, self._prepared, self.simulated, self._clock)
        for state in self._clock.each("simulate", states, tells_itself=True):
            if state.frame in needed:
                yield state.frame, pose_splats(self.shot, self._arrays, self._prepared, state)
            if state.frame >= max(needed):
                return
