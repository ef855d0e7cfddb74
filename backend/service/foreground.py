"""One shot in the foreground, without a server: what `impetus render` does, and a farm calls."""

import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ..contract.arrays import ArraySet
from ..contract.errors import CancelledError, InternalError, ShotError
from ..contract.messages import Stage
from ..contract.shot import Shot
from ..contract.shot_file import read_shot
from .endings import DONE, exit_code, explain
from .method_options import ShotOptions

UNCHANGED = ShotOptions()
LINE_SECONDS = 10.0
"Without a terminal, progress is a line at most this often."


def render_shot(
    path: Path,
    out: Path,
    cache: Path,
    *,
    device: str,
    resume: bool,
    options: ShotOptions = UNCHANGED,
) -> int:
    """Make the shot file `path` into the folder `out`; return an exit code of endings.py.

    `options` go over what the shot says.
    """
    console = Console(stderr=True, soft_wrap=True)
    with interruption() as ending:
        try:
            shot, arrays = read_shot(path)
            shot = options.over(shot)
            _require_fresh(out, resume)
            _render(shot, arrays, Places(cache, out), device, console, ending)
        except Exception as raised:
            error = explain(raised, out if out.exists() else out.absolute().parent)
            if isinstance(error, InternalError):
                traceback.print_exc()
            console.print(f"impetus: {error}", style="red", markup=False, highlight=False)
            return exit_code(error)
    return DONE


class Ending:
    """Whether somebody asked for the end."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(number, signal.SIG_DFL)  # who asks twice does not want to wait


@contextmanager
def interruption() -> Iterator[Ending]:
    """Let Ctrl+C and a farm's SIGTERM end the shot at its next step."""
    ending = Ending()
    before = {
        number: signal.signal(number, ending.ask) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_fresh(out: Path, resume: bool) -> None:
    if not resume and out.exists() and any(out.iterdir()):
        raise ShotError(
            str(out), "expected an empty folder, got one with files.",
            "Choose another one, or let it resume: a take is never overwritten.",
        )  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where a shot is made: `cache` for all shots, `out` for this take."""

    cache: Path
    out: Path


def _render(
    shot: Shot, arrays: ArraySet, places: Places, device: str, console: Console, ending: Ending
) -> None:
    from ..stages.device import DeviceName, start_device

    found = start_device(cast(DeviceName, device))
    from ..stages.pipeline import Workspace, run  # what it imports greets unless the device ran

    total = len(shot.frames.numbers)
    console.print(f"{shot.name}: {total} frames on {found.description}", markup=False)
    for folder in (places.out, places.cache):
        folder.mkdir(parents=True, exist_ok=True)
    with _Teller(console, total, ending) as teller:
        run(shot, arrays, Workspace(cache=places.cache, take=places.out), teller)
    console.print(f"{total} frames in {places.out}", markup=False)


class _Teller:
    """Shows a bar on a terminal, lines elsewhere."""

    def __init__(self, console: Console, frames: int, ending: Ending) -> None:
        self._console = console
        self._ending = ending
        self._frames = frames
        self._done = 0
        self._told = 0.0
        self._stage: Stage | None = None
        self._bar = Progress(
            TextColumn("{task.description:9}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[frames]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("prepare", total=1.0, frames="", left="")

    def __enter__(self) -> "_Teller":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def progress(self, stage: Stage, done: float, total: float, eta: float | None) -> None:
        left = "" if eta is None else f"{clock_time(eta)} left"
        frames = f"{self._done} of {self._frames} frames"
        self._bar.update(
            self._task, description=stage, completed=done, total=total, frames=frames, left=left
        )
        now = time.monotonic()
        if not self._console.is_terminal and now - self._told > LINE_SECONDS:
            self._told = now
            share = 100 * done / total if total else 100.0
            self._line(", ".join(part for part in (f"{stage} {share:.0f} %", frames, left) if part))

    def frame(self, number: int) -> None:
        self._done += 1
        if not self._console.is_terminal:
            self._line(f"frame {number} ({self._done} of {self._frames})")

    def log(self, level: Literal["info", "warning"], text: str) -> None:
        self._line(f"{level}: {text}")

    def check(self) -> None:
        if self._ending.asked:
            raise CancelledError("The job was interrupted.", "Run the same command; it goes on.")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)


def clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
