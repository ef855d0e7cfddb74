"""Where a shot's frames get their gas from: simulated once, shown as often as asked; for chain."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...contract.arrays import ArraySet
from ...contract.shot import Shot
from ..cache import FrameCache
from .gas import GasFrame, GasRun, gas_key
from .room import fluid_domain
from .simulated import Simulated
from .splats import GasSplats, gas_splats

if TYPE_CHECKING:
    from ..progress import Listener

REMEMBERED = 4
"Frames that are not read again."
FRAME_BYTES, STATE_BYTES = 8, 60
"Of a cell: what a frame keeps of the third that is full, and a checkpoint."


class GasSource:
    """The gas of a shot at its frames."""

    def __init__(self, shot: Shot, run: GasRun, cells: int) -> None:
        self._shot, self._run, self._cells = shot, run, cells
        self._frames: dict[int, GasFrame] = {}

    def reach(self, frame: int) -> None:
        """Simulate as far as the picture of a frame needs it: to the frame after it."""
        for number in (frame - 1, frame, frame + 1):
            self._at(number)

    def splats(self, frame: int) -> GasSplats:
        here = self._at(frame)
        assert here is not None
        return gas_splats(self._shot, here, self._at(frame - 1), self._at(frame + 1))

    @property
    def bytes_left(self) -> int:
        """What a whole simulation takes on disk; two checkpoints stay while a third is written."""
        frames = self._shot.frames.last - self._shot.frames.simulation_start + 1
        return self._cells * (FRAME_BYTES * max(frames, 1) // 3 + 3 * STATE_BYTES)

    def _at(self, frame: int) -> GasFrame | None:
        if frame not in self._shot.frames.numbers:
            return None
        if frame not in self._frames:
            self._frames[frame] = self._run.at(frame)
            while len(self._frames) > REMEMBERED:
                del self._frames[next(iter(self._frames))]
        return self._frames[frame]


def gas_source(
    shot: Shot, arrays: ArraySet, cache: Path, listener: "Listener", bodies: Simulated | None
) -> GasSource | None:
    """Return the gas of a shot, None where nothing emits. Raises ShotError and MemoryShortError.

    `bodies` are the simulated ones, which it goes round.
    """
    if not shot.emitters:
        return None
    domain = fluid_domain(shot, arrays)
    kept = FrameCache(cache / "simulate" / gas_key(shot, domain, bodies))
    return GasSource(shot, GasRun(shot, arrays, domain, kept, listener, bodies), domain.cells)
