"""The worker: a process of its own that makes one shot after the other on one device.

    python -P -m impetus.backend.service.worker --device auto

It speaks over its standard input and output, ends when its input ends, and may die at any moment:
what it makes lands on disk whole, and the server starts another one.
"""

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, cast

import msgspec

from ..contract.arrays import ArraySet
from ..contract.errors import CancelledError, ImpetusError
from ..contract.messages import Stage
from ..contract.shot import Shot
from ..contract.shot_check import array_refs
from .child import begin_child
from .endings import explain
from .kept.array_store import ArrayStore
from .pipe import (
    Ended,
    Glimpsed,
    Landed,
    Moved,
    Order,
    PipeWriter,
    Ready,
    Said,
    Stop,
    read_message,
    to_worker,
)

PROGRESS_SECONDS = 0.05


@dataclass(frozen=True)
class Places:
    """Where an engine works: `cache` between jobs, `take` for what this one makes."""

    cache: Path
    take: Path


class PipeListener:
    """Tells the server what a stage tells; `check` is where a stopped job ends."""

    def __init__(self, job: str, writer: PipeWriter, stopped: threading.Event) -> None:
        self._job = job
        self._writer = writer
        self._stopped = stopped
        self._told = 0.0
        self._stage: Stage | None = None

    def progress(self, stage: Stage, done: float, total: float, eta: float | None) -> None:
        now = time.monotonic()
        if stage == self._stage and now - self._told < PROGRESS_SECONDS and done < total:
            return
        self._told, self._stage = now, stage
        self._writer.send(Moved(self._job, stage, done, total, eta))

    def frame(self, number: int) -> None:
        self._writer.send(Landed(self._job, number))

    def points(self, number: int) -> None:
        self._writer.send(Glimpsed(self._job, number))

    def log(self, level: Literal["info", "warning"], text: str) -> None:
        self._writer.send(Said(self._job, level, text[:4000]))

    def check(self) -> None:
        if self._stopped.is_set():
            raise CancelledError("The job was asked to end.")


Engine = Callable[[Shot, ArraySet, Places, PipeListener], None]


class Inbox:
    """What the server says, read by a thread of its own; the end of the pipe ends the process."""

    def __init__(self) -> None:
        self.orders: SimpleQueue[Order] = SimpleQueue()
        self.stopped = threading.Event()
        self._job = ""
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def next(self) -> Order:
        order = self.orders.get()
        with self._lock:
            self._job = order.job
            self.stopped.clear()
        return order

    def _listen(self) -> None:
        stream = sys.stdin.buffer
        while (data := read_message(stream)) is not None:
            message = to_worker.decode(data)
            if isinstance(message, Order):
                self.orders.put(message)
            elif isinstance(message, Stop):
                with self._lock:
                    if message.job == self._job:
                        self.stopped.set()
        os._exit(0)


def main(engine: Engine | None = None, start: Callable[[str], str] | None = None) -> None:
    """Serve orders until the input ends.

    `engine(shot, arrays, places, listener)` makes a shot, `start(device)` readies the device and
    describes it; both default to the product's own.
    """
    parser = argparse.ArgumentParser(description="Make shots that a server orders.")
    parser.add_argument("--device", default="auto")
    device = parser.parse_args().device
    writer = begin_child()
    inbox = Inbox()
    inbox.start()
    failed: ImpetusError | None = None
    try:
        writer.send(Ready((start or _start_device)(device)))
    except Exception as raised:
        traceback.print_exc()
        failed = explain(raised, Path.cwd())
    while True:
        order = inbox.next()
        _redirect(Path(order.log))
        writer.send(_end(order, failed) if failed else _make(order, engine or _run, writer, inbox))


def _make(order: Order, engine: Engine, writer: PipeWriter, inbox: Inbox) -> Ended:
    """Make one shot and tell how it ended."""
    began = time.monotonic()
    error: ImpetusError | None = None
    try:
        shot = msgspec.json.decode(order.shot, type=Shot)
        refs = {ref.sha256: ref for ref in array_refs(shot)}
        arrays = ArrayStore(Path(order.home)).collect(refs)
        places = Places(cache=Path(order.cache), take=Path(order.take))
        engine(shot, arrays, places, PipeListener(order.job, writer, inbox.stopped))
    except Exception as raised:
        if not isinstance(raised, CancelledError):
            traceback.print_exc()
        error = explain(raised, Path(order.take))
    sys.stderr.flush()
    return _end(order, error, time.monotonic() - began)


def _end(order: Order, error: ImpetusError | None, seconds: float = 0.0) -> Ended:
    if error is None:
        return Ended(order.job, "", "", "", seconds)
    return Ended(order.job, error.code, error.sentence, error.remedy, seconds)


def _run(shot: Shot, arrays: ArraySet, places: Places, listener: PipeListener) -> None:
    from ..stages.pipeline import Workspace, run

    workspace = Workspace(cache=places.cache, take=places.take)
    run(shot, arrays, workspace, listener, on_points=listener.points)


def _start_device(name: str) -> str:
    from ..stages.device import start_device

    return start_device(cast(Any, name)).description


def _redirect(log: Path) -> None:
    """Let all that is printed from now on go to this job's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


if __name__ == "__main__":
    main()
