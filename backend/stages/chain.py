"""From a shot's bodies to rendered frames: prepare, simulate, splat and render, chained."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from ..contract.arrays import Array, ArraySet
from ..contract.captures.gaussians import Gaussians
from ..contract.shot import Shot
from ..contract.simulation_record import SimulationRecord
from .air.flocks import with_flocks
from .air.source import GasSource, gas_source
from .bodies.prepare import Estimate, prepare
from .cache import FrameCache
from .captures.export import splats_of_frame
from .images.render import frames_to_pose, render, scene_of
from .images.rendered import RenderedFrame
from .images.source_flow import SourceFlow, flow_from
from .notes import record_of
from .progress import Shared, StageClock
from .simulate import SimulatedFrame, simulate, simulate_key, track_digests
from .splats import PosedSplats, pose_splats
from .takes.glimpses import Glimpses


class Chain:
    """A shot whose bodies are prepared, and whose frames can be made, in order, again and again.

    Its `shot` and `arrays` hold a body for each agent of a flock.
    What the simulation made is in the cache: only the first pass computes it.
    """

    def __init__(
        self,
        shot: Shot,
        arrays: ArraySet,
        cache: Path,
        clock: StageClock,
        glimpses: Glimpses | None = None,
    ) -> None:
        self._clock, self._glimpses = clock, glimpses
        clock.progress("prepare", 0, 1)
        with clock.of("prepare"):
            shot, arrays = with_flocks(shot, arrays, cache, clock)
            self.shot, self.arrays = shot, arrays
            self._prepared = prepare(shot, arrays)
            key = simulate_key(shot, arrays, self._prepared)
            self.simulated = FrameCache(cache / "simulate" / key)
            self._of_bodies, of_gas = Shared.among(clock, 2)
            self._gas: GasSource | None = gas_source(shot, arrays, cache, of_gas)
            self._scene = scene_of(shot, arrays, self._prepared)
        clock.progress("prepare", 1, 1)
        for text in self.warnings:
            clock.log("warning", text)

    @property
    def estimate(self) -> Estimate:
        return self._prepared.estimate

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._prepared.warnings

    def record(self) -> SimulationRecord | None:
        """Return what is known of the simulation so far; None where nothing is simulated."""
        domain = self._prepared.domain
        if domain is None:
            return None
        digests = track_digests(self.shot, self.arrays)
        return record_of(self.shot, self.arrays, self.simulated, domain.spacing, digests)

    @property
    def gas_bytes(self) -> int:
        """Foretell what the gas may still take on disk."""
        return 0 if self._gas is None else self._gas.bytes_left

    def rendered(
        self, wanted: Collection[int], known_depth: Callable[[int], Array]
    ) -> Iterator[RenderedFrame]:
        """Yield the wanted frames in order; see `render` for `known_depth`."""
        posed = self._clock.each("splat", self._posed(frames_to_pose(self.shot, wanted)))
        return render(
            self._scene, posed, wanted=wanted, known_depth=known_depth, listener=self._clock
        )

    def splats_at(self, frame: int) -> Gaussians:
        """Return a frame's splats as a capture; see `splats_of_frame`."""
        posed = next(splats for _, splats in self._posed({frame}))
        return splats_of_frame(self._scene, frame, posed, self._clock)

    def flows_from(self, source: int, targets: Collection[int]) -> Iterator[tuple[int, SourceFlow]]:
        """Yield, in order, how each target frame's picture comes out of the source frame's."""
        start = next(splats for _, splats in self._posed({source}))
        for frame, posed in self._posed(set(targets)):
            self._clock.check()
            yield frame, flow_from(self._scene, (source, start), (frame, posed))

    def _posed(self, needed: set[int]) -> Iterator[tuple[int, PosedSplats]]:
        """Simulate up to the last frame that is needed, and pose the splats of those that are."""
        for state in self._clock.each("simulate", self._states(needed), tells_itself=True):
            self._show(state.frame)
            if state.frame in needed:
                posed = pose_splats(self.shot, self.arrays, self._prepared, state)
                if self._gas is not None:
                    posed = replace(posed, gas=self._gas.splats(state.frame))
                yield state.frame, posed
            if state.frame >= max(needed):
                return

    def _states(self, needed: set[int]) -> Iterator[SimulatedFrame]:
        """Yield bodies frame by frame, the gas having come as far as those need it."""
        for state in simulate(
            self.shot, self.arrays, self._prepared, self.simulated, self._of_bodies
        ):
            if self._gas is not None and state.frame in needed:
                self._gas.reach(state.frame)
            yield state

    def _show(self, frame: int) -> None:
        """Let whoever watches see the particles of a frame; before the start, those of it."""
        if self._glimpses is not None and self._glimpses.wanted:
            note = self.simulated.find_note(max(frame, self.shot.frames.simulation_start))
            if note is not None:
                self._glimpses.show(frame, note)
