"""What the cache holds of a shot's simulation, for who looks on; computes nothing."""

from pathlib import Path
from typing import Literal

import numpy as np

from ...contract.arrays import ArraySet
from ...contract.messages import Stage
from ...contract.shot import Shot
from ..air.gas import GasRun, gas_key
from ..air.room import fluid_domain
from ..air.simulated import Record, Simulated
from ..air.splats import GasSplats, gas_splats
from ..bodies.prepare import Prepared
from ..cache import FrameCache
from ..riders import Riders
from ..simulate import SimulatedFrame, motion_key, simulate_key, track_digests


class KeptFrames:
    """The simulated frames of a prepared shot, as `simulate` would yield them."""

    def __init__(self, shot: Shot, arrays: ArraySet, prepared: Prepared, cache: Path) -> None:
        self._start = shot.frames.simulation_start
        self._prepared = prepared
        self._moves = prepared.domain is not None
        self._digests = track_digests(shot, arrays) if self._moves else {}
        self._riders = Riders(shot, arrays, prepared) if self._moves else None
        self._folder = cache / "simulate" / simulate_key(shot, arrays, prepared)
        self._cache: FrameCache | None = None

    def find(self, frame: int) -> SimulatedFrame | None:
        """Return a frame, None where the cache has it not; up to the start all is at rest."""
        if self._riders is None or frame <= self._start:
            return at_rest(self._prepared, frame)
        record = self.record_of(frame)
        return None if record is None else SimulatedFrame(frame, *self._riders.unpacked(record))

    def record_of(self, frame: int) -> Record | None:
        """Return what is kept of a frame, None where the cache has it not."""
        if self._cache is None:
            if not self._folder.is_dir():
                return None
            self._cache = FrameCache(self._folder)
        record = self._cache.find(frame)
        if record is None or record.pop("tracks").tobytes() != self._digests.get(frame):
            return None
        return record

    def nearest_before(self, frame: int) -> int:
        """Return the newest frame before this one whose file is there, at least the start."""
        while frame > self._start:
            frame -= 1
            if self._cache is not None and self._cache.has(frame):
                return frame
        return self._start


class KeptGas:
    """The simulated gas of a shot that has some."""

    def __init__(
        self, shot: Shot, arrays: ArraySet, cache: Path, bodies: Simulated | None = None
    ) -> None:
        self._shot = shot
        domain = fluid_domain(shot, arrays)
        folder = cache / "simulate" / gas_key(shot, domain, bodies)
        self._run = GasRun(shot, arrays, domain, FrameCache(folder), Silent(), bodies)

    def find(self, frame: int) -> GasSplats | None:
        """Return a frame's Gaussians, None where the cache has them not."""
        if frame not in self._shot.frames.numbers:
            return None
        found = self._run.kept(frame)
        return None if found is None else gas_splats(self._shot, found, None, None)


def kept_bodies(shot: Shot, arrays: ArraySet, prepared: Prepared, cache: Path) -> Simulated:
    """Return how the bodies of a prepared shot move, as far as the cache has it."""
    key, kept = motion_key(shot, arrays, prepared.domain), KeptFrames(shot, arrays, prepared, cache)
    return Simulated(key, track_digests(shot, arrays), kept.record_of)


class Silent:
    """A listener for work that nobody follows."""

    def progress(self, stage: Stage, done: float, total: float, eta: float | None) -> None: ...

    def frame(self, number: int) -> None: ...

    def log(self, level: Literal["info", "warning"], text: str) -> None: ...

    def check(self) -> None: ...


def at_rest(prepared: Prepared, frame: int) -> SimulatedFrame:
    """Return all that moves where the simulation finds it."""
    mean = prepared.rest_mean[prepared.tracer_splat]
    deformation = np.broadcast_to(np.eye(3, dtype=np.float32), (len(mean), 3, 3))
    return SimulatedFrame(frame, mean, deformation.copy(), np.zeros_like(mean))
