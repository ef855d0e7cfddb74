"""The whole way from a shot to its take: a chain of generators, resumed at what is missing."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..contract.arrays import ArraySet
from ..contract.errors import ImpetusError, MemoryShortError
from ..contract.messages import Stage
from ..contract.shot import Shot
from ..contract.shot_check import check_shot
from .bodies.prepare import Prepared, estimate, prepare
from .cache import FrameCache, prune
from .device import start_device
from .diffuse import diffuse, frames_to_render
from .images.render import frames_to_pose, render, scene_of
from .progress import Listener, StageClock
from .simulate import simulate, simulate_key
from .splats import PosedSplats, pose_splats
from .takes.deliver import close_take, deliver, frame_bytes
from .takes.exr import read_depth
from .takes.finished import FinishedFrames
from .takes.landing import disk_full, is_disk_full
from .takes.take import Take

__all__ = ["Listener", "Workspace", "run"]

DISK_RESERVE = 1.2


@dataclass(frozen=True)
class Workspace:
    """Where a shot is made: `cache` is shared by all shots, `take` is this result's own folder."""

    cache: Path
    take: Path


def run(shot: Shot, arrays: ArraySet, workspace: Workspace, listener: Listener) -> None:
    """Make every frame of a shot that is not whole in `workspace.take`, and the take's preview.

    `listener.frame` hears each frame once, those found there first. Made again from the same shot
    on the same device, the files are the same to the byte, however often it was interrupted.
    Raises ImpetusErrors: of the shot, of the physics, DiskFullError, MemoryShortError, and what
    `listener.check` raises; what is finished stays.
    """
    check_shot(shot, arrays)
    take = Take(workspace.take, shot)
    finished = FinishedFrames(workspace.cache, shot)
    with _plain_errors(workspace), _recorded(take):
        missing = _adopt(take, finished, listener)
        if missing:
            _make(shot, arrays, workspace, _Growth(take, finished, missing), listener)
        close_take(shot, take)
    prune(workspace.cache, (finished.folder,))


@dataclass(frozen=True)
class _Growth:
    """A take that grows by the `missing` frames."""

    take: Take
    finished: FinishedFrames
    missing: tuple[int, ...]


def _adopt(take: Take, finished: FinishedFrames, listener: Listener) -> tuple[int, ...]:
    """Tell of the frames that are there, take over those made before, and return the others."""
    missing = []
    for frame in take.numbers:
        listener.check()
        if take.is_whole(frame) or finished.adopt(take, frame):
            listener.frame(frame)
        else:
            missing.append(frame)
    return tuple(missing)


def _make(
    shot: Shot, arrays: ArraySet, workspace: Workspace, growth: _Growth, listener: Listener
) -> None:
    take = growth.take
    wanted = frames_to_render(shot, growth.missing)
    clock = StageClock(listener, _totals(shot, wanted), take.seconds)
    take.seconds = clock.seconds
    take.device = start_device().description
    clock.progress("prepare", 0, 1)
    with clock.of("prepare"):
        prepared = prepare(shot, arrays)
        cache = FrameCache(workspace.cache / "simulate" / simulate_key(shot, arrays, prepared))
        _require_disk(shot, arrays, workspace, cache, len(growth.missing))
        scene = scene_of(shot, arrays, prepared)
    clock.progress("prepare", 1, 1)
    take.warnings = prepared.warnings
    for text in prepared.warnings:
        listener.log("warning", text)
    posed = clock.each("splat", _pose(shot, arrays, prepared, cache, wanted, clock))
    rendered = render(
        scene,
        posed,
        wanted=wanted,
        known_depth=lambda frame: read_depth(take.path("passes", frame)),
        listener=clock,
    )
    images = diffuse(shot, clock.each("render", rendered))
    for frame in clock.each("deliver", deliver(shot, images, take, growth.finished)):
        listener.frame(frame)
        take.record(now=False)


def _pose(
    shot: Shot,
    arrays: ArraySet,
    prepared: Prepared,
    cache: FrameCache,
    wanted: set[int],
    clock: StageClock,
) -> Iterator[tuple[int, PosedSplats]]:
    """Simulate up to the last frame that is needed, and pose the splats of those that are."""
    needed = frames_to_pose(shot, wanted)
    states = simulate(shot, arrays, prepared, cache, clock)
    for state in clock.each("simulate", states, tells_itself=True):
        if state.frame in needed:
            yield state.frame, pose_splats(shot, arrays, prepared, state)
        if state.frame >= max(needed):
            return


def _totals(shot: Shot, wanted: set[int]) -> dict[Stage, float]:
    needed = frames_to_pose(shot, wanted)
    dynamic = any(body.role == "dynamic" for body in shot.bodies)
    simulated = max(max(needed) - shot.frames.simulation_start, 0) if dynamic else 0
    count = float(len(wanted))
    return {
        "prepare": 1.0, "simulate": float(simulated), "splat": float(len(needed)),
        "render": count, "deliver": count,
    }  # fmt: skip


def _require_disk(
    shot: Shot, arrays: ArraySet, workspace: Workspace, cache: FrameCache, frames: int
) -> None:
    """Raise DiskFullError before anything is made that would not fit."""
    kept = sum(path.stat().st_size for path in cache.folder.iterdir())
    needs = {
        workspace.take: frames * frame_bytes(shot),
        workspace.cache: max(0, estimate(shot, arrays).disk_bytes - kept),
    }
    by_disk: dict[int, int] = {}
    for folder, needed in needs.items():
        disk = os.stat(folder).st_dev
        by_disk[disk] = by_disk.get(disk, 0) + int(needed * DISK_RESERVE)
        if by_disk[disk] > shutil.disk_usage(folder).free:
            raise disk_full(folder, by_disk[disk])


@contextlib.contextmanager
def _plain_errors(workspace: Workspace) -> Iterator[None]:
    """Turn what the machine says about memory and disk into our own words."""
    try:
        yield
    except MemoryError as error:
        raise MemoryShortError(
            "Expected more memory than this machine has free.",
            "Lower the number of splats or the resolution, or close other programs.",
        ) from error
    except (OSError, RuntimeError) as error:
        if is_disk_full(error):
            raise disk_full(workspace.take) from error
        raise


@contextlib.contextmanager
def _recorded(take: Take) -> Iterator[None]:
    """Leave a true take.json behind, however the work ends."""
    try:
        yield
    except BaseException:
        # The first error is the one to tell; a full disk cannot hold the record either.
        with contextlib.suppress(OSError, ImpetusError):
            take.record()
        raise
    take.record()
