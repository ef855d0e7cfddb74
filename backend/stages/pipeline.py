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
from ..contract.methods import NoMethod
from ..contract.shot import Shot
from ..contract.shot_check import check_shot
from .cache import prune
from .chain import Chain
from .device import start_device
from .diffuse import MethodInput, diffuse, require_room
from .images.render import frames_to_pose
from .images.rendered import RenderedFrame
from .methods.needs import Needs, needs_of
from .progress import Listener, StageClock
from .renders import Renders, without_method
from .takes.deliver import close_take, deliver, frame_bytes
from .takes.exr import read_depth
from .takes.finished import FinishedFrames
from .takes.glimpses import Glimpses, OnPoints
from .takes.landing import disk_full, is_disk_full
from .takes.take import Take

__all__ = ["Listener", "Workspace", "run"]

DISK_RESERVE = 1.2


@dataclass(frozen=True)
class Workspace:
    """Where a shot is made: `cache` is shared by all shots, `take` is this result's own folder."""

    cache: Path
    take: Path


def run(
    shot: Shot,
    arrays: ArraySet,
    workspace: Workspace,
    listener: Listener,
    *,
    on_points: OnPoints | None = None,
) -> None:
    """Make every frame of a shot that is not whole in `workspace.take`, and the take's preview.

    `listener.frame` hears each frame once, those found there first. With `on_points`, the take gets
    a thinned look at the particles of each simulated frame, which it hears of. Made again from the
    same shot on the same device, the files are the same to the byte, however often it was
    interrupted.
    Raises ImpetusErrors: of the shot, its method's model, the physics, DiskFullError,
    MemoryShortError, and what `listener.check` raises; what is finished stays.
    """
    check_shot(shot, arrays)
    needs = needs_of(shot.method)
    take = Take(workspace.take, shot)
    finished = FinishedFrames(workspace.cache, shot, needs.weights)
    with _plain_errors(workspace), _recorded(take, finished):
        missing = _adopt(take, finished, listener)
        if missing:
            growth = _Growth(take, finished, missing)
            take.device = start_device().description
            glimpses = Glimpses(take, on_points)
            if isinstance(shot.method, NoMethod):
                _make(shot, arrays, workspace, growth, glimpses, listener)
            else:
                _make_diffused(shot, arrays, workspace, growth, needs, glimpses, listener)
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
    shot: Shot,
    arrays: ArraySet,
    workspace: Workspace,
    growth: _Growth,
    glimpses: Glimpses,
    listener: Listener,
) -> None:
    take = growth.take
    clock = _clock(take, listener, _totals(shot, set(growth.missing), 0, len(growth.missing)))
    chain = Chain(shot, arrays, workspace.cache, clock, glimpses)
    _require_disk(chain, workspace, take_frames=len(growth.missing))
    take.warnings, take.tell_simulation = chain.warnings, chain.record
    rendered = chain.rendered(growth.missing, lambda frame: read_depth(take.path("passes", frame)))
    _deliver(shot, clock.each("render", rendered), growth, clock)


def _make_diffused(
    shot: Shot,
    arrays: ArraySet,
    workspace: Workspace,
    growth: _Growth,
    needs: Needs,
    glimpses: Glimpses,
    listener: Listener,
) -> None:
    """Diffuse from the frames that a take without the method would hold, making those first."""
    require_room(shot, needs)
    plain = without_method(shot)
    kept = FinishedFrames(workspace.cache, plain)
    unrendered = {n for n in shot.frames.numbers if not kept.holds(n)}
    count = len(growth.missing)
    _require_free({workspace.take: count * frame_bytes(shot)})
    clock = _clock(growth.take, listener, _totals(shot, unrendered, count, count))

    def start() -> Chain:
        chain = Chain(plain, arrays, workspace.cache, clock, glimpses)
        _require_disk(chain, workspace, take_frames=count, cache_frames=len(unrendered))
        growth.take.warnings = chain.warnings
        growth.take.tell_simulation = chain.record
        return chain

    renders = Renders(kept, unrendered, start, workspace.cache, clock)
    given = MethodInput(shot, arrays, needs, renders, workspace.cache, clock)
    images = clock.each("diffuse", diffuse(given, growth.missing), tells_itself=True)
    _deliver(shot, images, growth, clock)
    kept.keep_simulation(growth.take)
    prune(workspace.cache, (kept.folder,))


def _deliver(
    shot: Shot, images: Iterator[RenderedFrame], growth: _Growth, clock: StageClock
) -> None:
    landed = deliver(shot, images, growth.take, growth.finished)
    for frame in clock.each("deliver", landed):
        clock.frame(frame)
        growth.take.record(now=False)


def _clock(take: Take, listener: Listener, totals: dict[Stage, float]) -> StageClock:
    clock = StageClock(listener, totals, take.seconds)
    take.seconds = clock.seconds
    return clock


def _totals(shot: Shot, rendered: set[int], diffused: int, delivered: int) -> dict[Stage, float]:
    needed = frames_to_pose(shot, rendered)
    runs = any(body.role == "dynamic" for body in shot.bodies) + bool(shot.emitters)
    simulated = 0
    if needed:
        simulated = runs * max(max(needed) - shot.frames.simulation_start, 0)
    return {
        "prepare": float(bool(needed)), "simulate": float(simulated), "splat": float(len(needed)),
        "render": float(len(rendered)), "diffuse": float(diffused), "deliver": float(delivered),
    }  # fmt: skip


def _require_disk(
    chain: Chain, workspace: Workspace, *, take_frames: int, cache_frames: int = 0
) -> None:
    """Raise DiskFullError before anything is made that would not fit."""
    kept = sum(path.stat().st_size for path in chain.simulated.folder.iterdir())
    each = frame_bytes(chain.shot)
    simulated = max(0, chain.estimate.disk_bytes - kept) + chain.gas_bytes
    _require_free(
        {workspace.take: take_frames * each, workspace.cache: simulated + cache_frames * each}
    )


def _require_free(needs: dict[Path, int]) -> None:
    """Raise DiskFullError unless every folder's disk has room for so many bytes."""
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
def _recorded(take: Take, finished: FinishedFrames) -> Iterator[None]:
    """Leave a true take.json behind, and how the simulation went, however the work ends."""
    try:
        yield
    except BaseException:
        # The first error is the one to tell; a full disk cannot hold the record either.
        with contextlib.suppress(OSError, ImpetusError):
            take.record()
            finished.keep_simulation(take)
        raise
    finished.keep_simulation(take)
    take.record()
