"""What becomes of matter at an open side of the domain: how far that grows, what is said of it.

Called by simulate. In the solver what leaves takes no part from there on, and the domain grows
(kernels/mpm/growth); splats of what has left are hidden (riders).
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import psutil
from numpy.typing import NDArray

from ...kernels.mpm.growth import Growth
from ...kernels.mpm.solver import Domain, MpmSolver
from ..contract.errors import MemoryShortError, SimulationError
from ..contract.outlook.load import grid_bytes, node_bytes
from ..contract.shot import Shot
from .bodies.domain import growth_cells
from .bodies.prepare import FREE_SHARE
from .cache import FrameCache

if TYPE_CHECKING:
    from .progress import Listener

Counts = NDArray[np.int64]

GROWN_BYTES, GROWN_TIMES = 1 << 30, 4
"What a grid may grow to, or so many times its first size, if that is more: the same everywhere."
ENLARGE = "Enlarge the domain, or set Leaving to Grow."
COARSEN = "Set a larger domain, or lower the resolution."


class Leaving:
    """Watches the open sides of one simulation's domain, frame by frame."""

    def __init__(self, shot: Shot, first: Domain, listener: "Listener") -> None:
        self._shot, self._first, self._listener = shot, first, listener
        self._soft = [body.material for body in shot.bodies if body.material is not None]
        self._known = first
        self._left = False
        self.frame = shot.frames.simulation_start
        "The frame that is being made."

    def growth(self) -> Growth | None:
        """Return how far the domain may grow; None where it may not."""
        cells = growth_cells(self._shot, self._first)
        if not cells:
            return None
        most = max(GROWN_BYTES, GROWN_TIMES * grid_bytes(self._first.shape, self._soft))
        return Growth(cells, most // max(node_bytes(self._soft), 1), self._require_memory)

    def resume(self, solver: MpmSolver) -> None:
        """Take what a checkpoint brought as known."""
        self._known, self._left = solver.domain, bool(solver.left().any())

    def judge(self, solver: MpmSolver) -> None:
        """Tell what happened in the frame just made. Raises SimulationError where that is to stop.

        That is said of the first matter that leaves; how much it was in all is said in the end.
        """
        if solver.domain != self._known:
            self._known = solver.domain
            self._say("info", f"the domain has grown to {size_of(solver.domain)}.")
        counts = solver.left()
        if self._left or not counts.any():
            return
        self._left = True
        names, choice = self._names(counts), self._shot.simulation.leaving
        if choice == "stop":
            first = int(counts.argmax())
            raise SimulationError(
                f"{self._shot.bodies[first].name}, frame {self.frame}: expected it inside of the "
                f"domain, but {counts[first]:,} of its particles left it.",
                "Enlarge the domain, or set Leaving to Grow or Clip.",
            )
        if choice == "grow":
            full = f"the domain has grown as far as it may, to {size_of(solver.domain)}"
            self._say("warning", f"{full}. {names}: what leaves it now is hidden. {COARSEN}")
        else:
            self._say("info", f"{names}: what leaves the domain is hidden from now on.")

    def _say(self, level: Literal["info", "warning"], text: str) -> None:
        self._listener.log(level, f"Frame {self.frame}: {text}")

    def _names(self, counts: Counts) -> str:
        return ", ".join(self._shot.bodies[i].name for i in np.flatnonzero(counts))

    def _require_memory(self, domain: Domain) -> None:
        needed, free = grid_bytes(domain.shape, self._soft), psutil.virtual_memory().available
        if needed > FREE_SHARE * free:
            takes = f"takes {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free"
            raise MemoryShortError(
                f"Frame {self.frame}: expected room for the domain to grow to {size_of(domain)}, "
                f"but its grid {takes}.",
                "Lower the resolution, set Leaving to Clip, or close other programs.",
            )


def left_in_all(shot: Shot, cache: FrameCache, digests: Mapping[int, bytes]) -> str | None:
    """Say what has left the domain by the shot's last frame, by the notes in the cache.

    None where nothing has. A note counts where the tracks up to it were those of `digests`.
    """

    def left(frame: int) -> Counts:
        note = cache.find_note(frame)
        if note is None or "left" not in note or note["tracks"].tobytes() != digests[frame]:
            return np.zeros(0, np.int64)
        return np.asarray(note["left"], np.int64)

    counts = left(shot.frames.last)
    if not counts.any():
        return None
    frames = range(shot.frames.simulation_start, shot.frames.last + 1)
    since = frames[bisect_left(frames, True, key=lambda frame: bool(left(frame).any()))]
    parts = [f"{counts[i]:,} particles of {shot.bodies[i].name}" for i in np.flatnonzero(counts)]
    remedy = COARSEN if shot.simulation.leaving == "grow" else ENLARGE
    return f"{', '.join(parts)} left the domain from frame {since} on, and are hidden. {remedy}"


def size_of(domain: Domain) -> str:
    """Return a domain's size in words."""
    return " x ".join(f"{domain.spacing * count:.3g}" for count in domain.shape) + " m"
