"""Runs jobs: one supervised worker process for the device of this machine."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue

from ..contract.messages import Stage
from .pipe import Ended, FromWorker, Moved, Order, Ready, Stop
from .worker_process import QUEUE_LENGTH, Died, Heard, WorkerProcess

CANCEL_SECONDS = 5.0
CLOSE_SECONDS = 5.0
START_SECONDS = 300.0
IDLE_SECONDS = 300.0
"A worker without a job is let go after this: the memory of the device is the artist's."
DEADLINES: Mapping[Stage, float] = {
    "prepare": 900.0,
    "simulate": 900.0,
    "splat": 300.0,
    "render": 900.0,
    "diffuse": 1800.0,
    "deliver": 600.0,
}
"Seconds without a word after which a stage counts as hung; a first compile takes a minute."


class Executor:
    """Makes one job at a time; `collect` tells what became of it."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        wake: Callable[[], None],
        deadlines: Mapping[Stage, float] = DEADLINES,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._command = command
        self._log = log
        self._wake = wake
        self._deadlines = deadlines
        self._idle_seconds = idle_seconds
        self._heard: Queue[Heard] = Queue(maxsize=QUEUE_LENGTH)
        self._worker: WorkerProcess | None = None
        self._order: Order | None = None
        self._stage: Stage | None = None
        self._last = 0.0
        self._kill_at: float | None = None
        self.device = ""

    @property
    def job(self) -> str | None:
        """The job that is being made."""
        return self._order.job if self._order else None

    @property
    def pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    def start(self, order: Order) -> None:
        """Have a job made, by the worker that runs or by a new one."""
        if self._worker is None:
            self._worker = WorkerProcess(self._command, self._log, self._heard, self._wake)
        self._order, self._stage, self._kill_at = order, None, None
        self._last = time.monotonic()
        self._worker.send(order)

    def cancel(self, job: str) -> None:
        """Ask for the end of a job; who does not listen within five seconds is killed."""
        if self._worker and job == self.job and self._kill_at is None:
            self._kill_at = time.monotonic() + CANCEL_SECONDS
            self._worker.send(Stop(job))

    def collect(self) -> list[FromWorker | Died]:
        """Return what the worker of now said since."""
        found: list[FromWorker | Died] = []
        for _ in range(QUEUE_LENGTH):
            try:
                worker, message = self._heard.get_nowait()
            except Empty:
                break
            if worker is self._worker:
                self._note(message)
                found.append(message)
        return found

    def watch(self) -> None:
        """Kill a worker that has not ended when asked to, or that hangs; let go of an idle one."""
        now = time.monotonic()
        if self._worker is None:
            return
        if self._order is None:
            if now - self._last > self._idle_seconds:
                self.close()
            return
        late = self._kill_at is not None and now > self._kill_at
        patience = self._deadlines[self._stage] if self._stage else START_SECONDS
        if late or now - self._last > patience:
            self._kill_at = None
            self._last = now
            self._worker.kill()

    def close(self) -> None:
        """End the worker with the server."""
        if self._worker is not None:
            self._worker.close(CLOSE_SECONDS)
            self._worker = self._order = None

    def _note(self, message: FromWorker | Died) -> None:
        self._last = time.monotonic()
        if isinstance(message, Ready):
            self.device = message.device
        elif isinstance(message, Moved):
            self._stage = message.stage
        elif isinstance(message, Died):
            self._worker = self._order = None
        elif isinstance(message, Ended):
            self._order = None
