"""From a shot's bodies to rendered frames: prepare, simulate, splat and render, chained."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from ..contract.arrays import Array, ArraySet
from ..contract.captures.gaussians import Gaussians
from ..contract.shot import Shot
from ..contract.simulation_record import SimulationRecord
from .air.flocks import with_flocks
from .air.simulated import Record, Simulated
from .air.source import GasSource, gas_source
from .bodies.prepare import Estimate, Prepared, prepare
from .cache import FrameCache
from .captures.export import splats_of_frame
from .images.render import frames_to_pose, render, scene_of
from .images.rendered import RenderedFrame
from .images.source_flow import SourceFlow, flow_from
from .notes import record_of
from .progress import Shared, StageClock
from .simulate import SimulatedFrame, Simulation, motion_key, simulate_key, track_digests
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
            self._cache = cache
            self._of_bodies, of_gas = Shared.among(clock, 2)
            shot, arrays = with_flocks(shot, arrays, cache, clock, self._bodies_for_flocks)
            self.shot, self.arrays = shot, arrays
            self._prepared = prepare(shot, arrays)
            self.simulated = self._frames_of(shot, arrays, self._prepared)
            self._simulation: Simulation | None = None
            bodies = None
            if self._prepared.domain is not None:
                bodies = self._motion_of(shot, arrays, self._prepared, self._record_of)
            self._gas: GasSource | None = gas_source(shot, arrays, cache, of_gas, bodies)
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
        simulation = self._simulation = self._new_simulation()
        try:
            for state in simulation.frames():
                if self._gas is not None and state.frame in needed:
                    self._gas.reach(state.frame)
                yield state
        finally:
            if self._simulation is simulation:
                self._simulation = None  # its solver goes

    def _new_simulation(self) -> Simulation:
        return Simulation(
            self.shot, self.arrays, self._prepared, self.simulated, self._of_bodies,
            keeps_places=bool(self.shot.emitters),
        )  # fmt: skip

    def _record_of(self, frame: int) -> Record:
        """What is kept of the bodies at a frame, for the gas that goes round them."""
        if self._simulation is None:
            self._simulation = self._new_simulation()
        return self._simulation.record_of(frame)

    def _frames_of(self, shot: Shot, arrays: ArraySet, prepared: Prepared) -> FrameCache:
        return FrameCache(self._cache / "simulate" / simulate_key(shot, arrays, prepared))

    def _bodies_for_flocks(self, shot: Shot, arrays: ArraySet) -> Simulated:
        """Simulate the bodies of a shot whose flocks keep clear of them."""
        prepared = prepare(shot, arrays)
        kept = self._frames_of(shot, arrays, prepared)
        simulation = Simulation(shot, arrays, prepared, kept, self._of_bodies, keeps_places=True)

        def record_of(frame: int) -> Record:
            with self._clock.of("simulate"):
                return simulation.record_of(frame)

        return self._motion_of(shot, arrays, prepared, record_of)

    @staticmethod
    def _motion_of(
        shot: Shot, arrays: ArraySet, prepared: Prepared, record_of: Callable[[int], Record]
    ) -> Simulated:
        key = motion_key(shot, arrays, prepared.domain)
        return Simulated(key, track_digests(shot, arrays), record_of)

    def _show(self, frame: int) -> None:
        """Let whoever watches see the particles of a frame; before the start, those of it."""
        if self._glimpses is not None and self._glimpses.wanted:
            note = self.simulated.find_note(max(frame, self.shot.frames.simulation_start))
            if note is not None:
                self._glimpses.show(frame, note)
