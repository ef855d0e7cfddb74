"""One frame of a take as splats in a file: what `impetus export` does, without a server.

A take's folder holds pictures. What its splats were made from is in the backend's home, as long as
the job is; or it is given as the .shot. Where they were at a frame is read from the cache, and
simulated again where the cache has let go of it.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from ..contract.arrays import ArraySet
from ..contract.captures.files import write_capture
from ..contract.errors import ShotError
from ..contract.messages import Stage
from ..contract.methods import Method
from ..contract.shot import Shot, SimulationSettings
from ..contract.shot_check import array_refs, check_shot, shot_hash
from ..contract.shot_file import read_shot
from .kept.array_store import ArrayStore
from .kept.store import Store

STAGES: tuple[Stage, ...] = ("prepare", "simulate", "splat", "render", "diffuse", "deliver")


def export_frame(
    take: Path,
    frame: int,
    out: Path,
    *,
    home: Path,
    cache: Path,
    shot_file: Path | None = None,
    device: str = "auto",
    say: Callable[[str], None],
) -> int:
    """Write the splats of a take's frame; return how many. `say` hears what takes long, and why.

    Raises ShotError where the take's shot cannot be found, or has no such frame, and what making
    the frame again raises.
    """
    from ..stages.takes.take import read_record

    record = read_record(take)
    if not record.first <= frame <= record.last:
        raise ShotError(
            record.name,
            f"expected a frame of {record.first} to {record.last}, got {frame}.",
            "Choose one that the take has.",
        )
    wanted = record.shot_hash
    if shot_file is not None:
        shot, arrays = _given(shot_file, wanted, record.settings)
    else:
        shot, arrays = _kept(record.name, wanted, home)
    check_shot(shot, arrays)
    from ..stages.device import DeviceName, start_device

    start_device(cast(DeviceName, device))
    from ..stages.chain import Chain  # what it imports greets unless the device ran
    from ..stages.progress import StageClock

    cache.mkdir(parents=True, exist_ok=True)
    listener = _Listener(say)
    chain = Chain(shot, arrays, cache, StageClock(listener, dict.fromkeys(STAGES, 0.0), {}))
    start = max(frame, shot.frames.simulation_start)
    if any(b.role == "dynamic" for b in shot.bodies) and not chain.simulated.has(start):
        say(f"Frame {frame} is not in the cache any more; it is simulated again.")
    splats = chain.splats_at(frame)
    write_capture(out, splats)
    return len(splats)


def _given(path: Path, wanted: str, settings: dict[str, Any]) -> tuple[Shot, ArraySet]:
    """Read a .shot, with what the take was made with that may be given beside it."""
    shot, arrays = read_shot(path)
    if shot_hash(shot) != wanted and "method" in settings:
        shot = msgspec.structs.replace(shot, method=msgspec.convert(settings["method"], Method))
    if shot_hash(shot) != wanted and "leaving" in settings.get("simulation", {}):
        simulation = msgspec.convert(settings["simulation"], SimulationSettings)
        shot = msgspec.structs.replace(shot, simulation=simulation)
    if shot_hash(shot) != wanted:
        raise ShotError(
            path.name,
            f"expected the shot that the take was made from ({wanted[:12]}), got another "
            f"({shot_hash(shot)[:12]}).",
            "Give the .shot of this take; it is not the same after a change.",
        )
    return shot, arrays


def _kept(name: str, wanted: str, home: Path) -> tuple[Shot, ArraySet]:
    """Find the shot among the jobs of the backend's home."""
    base = home / "impetus.sqlite"
    if base.is_file():
        store = Store(base, writes=False)
        try:
            found = next((job for job in store.jobs() if job.shot_hash == wanted), None)
        except sqlite3.Error:
            found = None
        finally:
            store.close()
        if found is not None:
            shot = found.read_shot()
            refs = {ref.sha256: ref for ref in array_refs(shot)}
            return shot, ArrayStore(home).collect(refs)
    raise ShotError(
        name,
        f"expected its shot among the jobs in {home}, found none.",
        "Give the .shot that it was made from (--shot), or the home (--home).",
    )


class _Listener:
    """Passes on what is said; nobody waits for single frames."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def progress(self, stage: Stage, done: float, total: float, eta: float | None) -> None:
        """Say nothing."""

    def frame(self, number: int) -> None:
        """Say nothing."""

    def log(self, level: Literal["info", "warning"], text: str) -> None:
        self._say(f"{level}: {text}")

    def check(self) -> None:
        """Let it go on."""
