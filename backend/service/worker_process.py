"""One worker process, seen from the server: started, spoken to, read by a thread, ended."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue

import msgspec

from .pipe import FromWorker, PipeWriter, ToWorker, from_worker, read_message

QUEUE_LENGTH = 1000
"Messages that wait for the server; then the worker itself waits."


@dataclass(frozen=True)
class Died:
    """The worker's pipe has ended, and so has the worker; `status` as subprocess tells it."""

    status: int

    @property
    def sentence(self) -> str:
        if self.status < 0:
            return f"signal {-self.status}"
        return f"exit status {self.status}"


Heard = tuple["WorkerProcess", "FromWorker | Died"]


class WorkerProcess:
    """A running worker. A thread brings what it says to `heard`, and calls `wake`."""

    def __init__(
        self, command: Sequence[str], log: Path, heard: "Queue[Heard]", wake: Callable[[], None]
    ) -> None:
        self._heard = heard
        self._wake = wake
        self._closed = threading.Event()
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, bufsize=0
            )
        assert self._process.stdin is not None
        self._writer = PipeWriter(self._process.stdin)
        self._reader = threading.Thread(target=self._read, name="worker pipe", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: ToWorker) -> None:
        """Say something; a worker that is gone does not hear it, and Died tells so."""
        try:
            self._writer.send(message)
        except (OSError, ValueError):
            self.kill()

    def kill(self) -> None:
        self._process.kill()

    def close(self, seconds: float) -> None:
        """End the worker: its input ends, and after `seconds` it is killed."""
        self._closed.set()
        self._close_input()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            while (data := read_message(stream)) is not None:
                try:
                    self._put(from_worker.decode(data))
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    break
        # A pipe that ended, or that holds something else, is the end of this worker.
        self._process.kill()
        status = self._process.wait()
        self._close_input()
        self._put(Died(status))

    def _put(self, message: "FromWorker | Died") -> None:
        while not self._closed.is_set():
            try:
                self._heard.put((self, message), timeout=0.5)
            except Full:
                continue
            self._wake()
            return
