"""Which points are shown: those of the chosen take at the present frame, or the newest of a job.

A few frames are kept in memory, no more; files are read when a frame is first shown.
"""

import re
from collections import OrderedDict
from pathlib import Path

import bpy
import numpy as np

from impetus.backend.contract.errors import ImpetusError
from impetus.backend.contract.points import Points, decode_points
from impetus.backend.contract.take_files import frame_path

from .. import takes
from ..properties import ImpetusTake
from ..take_operators import active_take

KEPT_FRAMES = 8
"Of points in memory: at most 10 MB."
MOST = 0.99
"Share of the points that are slower than what counts as fast."

_read: "OrderedDict[Path, tuple[float, Points | None]]" = OrderedDict()
_newest: dict[str, int] = {}
_fastest: dict[Path, float] = {}


def arrived(take: ImpetusTake, frame: int) -> None:
    """Note that a running take has got points of a frame."""
    _newest[take.key] = frame


def present(context: bpy.types.Context) -> tuple[Path, Points] | None:
    """Return the points to be shown now, and their file; None where there are none."""
    settings = context.scene.impetus.view
    take = active_take(context)
    if not settings.show_points or take is None:
        return None
    follows = settings.follow_job and take.is_active and take.key in _newest
    frame = _newest[take.key] if follows else context.scene.frame_current
    path = frame_path(takes.folder_of(take), "points", frame)
    points = read(path)
    return None if points is None else (path, points)


def read(path: Path) -> Points | None:
    """Return a file's points, from memory where they were read; None where there is none."""
    try:
        changed = path.stat().st_mtime
    except OSError:
        return None
    known = _read.get(path)
    if known is None or known[0] != changed:
        known = _read[path] = (changed, _decoded(path))
    _read.move_to_end(path)
    while len(_read) > KEPT_FRAMES:
        _read.popitem(last=False)
    return known[1]


def fastest(path: Path, points: Points) -> float:
    """Return the speed [m/s] that counts as fast in a take, of all its frames that were shown."""
    here = float(np.quantile(points.speed, MOST)) if len(points.speed) else 0.0
    _fastest[path.parent] = max(_fastest.get(path.parent, 0.0), here)
    return _fastest[path.parent]


def frames_of(take: ImpetusTake) -> list[int]:
    """Return the frames of which a take has points."""
    folder = takes.folder_of(take) / "points"
    return sorted(int(p.stem) for p in folder.glob("*.npz") if re.fullmatch(r"-?\d+", p.stem))


def clear() -> None:
    """Forget everything: another file is opened, or the extension goes."""
    _read.clear()
    _newest.clear()
    _fastest.clear()


def _decoded(path: Path) -> Points | None:
    try:
        return decode_points(path.read_bytes())
    except (OSError, ImpetusError):  # a file that is no points shows none
        return None
