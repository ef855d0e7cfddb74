"""The server of one home: sockets, threads and the one loop in which everything is decided.

It imports neither torch nor taichi, so it always answers; what computes is the worker's process.
"""

import contextlib
import logging
import socket
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import zmq

from ..contract import messages as m
from ..contract.errors import LinkError
from ..contract.keys import (
    describe_self,
    make_keypair,
    private_folder,
    read_connection,
    remove_connection,
    write_connection,
)
from ..contract.process import FileLock
from ..contract.sockets import BULK, CONTROL, Context, server_socket
from ..diffusion.model_folder import list_models
from .doors.audience import Audience
from .doors.bulk import BulkDesk
from .doors.desk import FEATURES, Desk
from .doors.gate import Gate
from .executor import DEADLINES, Executor
from .executor import IDLE_SECONDS as WORKER_IDLE_SECONDS
from .foreman import Foreman
from .kept.array_store import ArrayStore
from .kept.store import Store
from .kept.takes import Takes
from .pipe import FromWorker
from .views.host import ViewerHost, viewer_command
from .worker_process import Died

HOST = "127.0.0.1"
IDLE_SECONDS = 900.0
BURST = 200
"Calls taken in a row before the worker is heard again."
TICK = 1.0
LOOKS = 10
"How often, within the idle time, the server looks whether anybody is here."
STOP_SECONDS = 5.0
ENDING_SECONDS = 15.0
"How long a new server waits for one that is no longer to be found, but has not quite ended."
LAST_WORDS_SECONDS = 0.2
DISK_RETRY_SECONDS = 1.0
UNUSED_STARTS = 20
"Arrays that no job uses, brought to be looked at or never submitted, stay for so many starts."
log = logging.getLogger(__name__)


class Server:
    """A server; `run` serves until `stop`, a client's Shutdown, or idleness."""

    def __init__(
        self,
        home: Path,
        *,
        worker_command: Sequence[str] | None = None,
        viewer: Sequence[str] | None = None,
        idle_seconds: float = IDLE_SECONDS,
        device: str = "auto",
        deadlines: Mapping[m.Stage, float] = DEADLINES,
        worker_idle_seconds: float = WORKER_IDLE_SECONDS,
    ) -> None:
        self.home = private_folder(home)
        self._command = worker_command or worker_command_of(device)
        self._viewer_command = viewer or viewer_command(self.home, device)
        self._idle_seconds = idle_seconds
        self._device = device
        self._deadlines = deadlines
        self._worker_idle_seconds = worker_idle_seconds
        self._stopping = threading.Event()
        self._backlog: deque[tuple[FromWorker | Died, str | None]] = deque()
        self._retry_at = 0.0
        self._context: Context = zmq.Context()
        self._wakes, self._wake_end = socket.socketpair()
        self._wakes.setblocking(False)
        self._wake_end.setblocking(False)

    def stop(self) -> None:
        """End soon; any thread and any signal handler may call it."""
        self._stopping.set()

    def run(self) -> None:
        """Serve. Raises LinkError when another server has this home."""
        lock = FileLock(self.home / "server.lock")
        if not lock.acquire(0.0 if _is_served(self.home) else ENDING_SECONDS):
            raise LinkError(
                f"Another backend serves {self.home} already.", "Connect to it, or end it first."
            )
        try:
            self._serve()
        finally:
            self._wakes.close()
            self._wake_end.close()
            lock.release()

    def _serve(self) -> None:
        keys = make_keypair()
        base = self.home / "impetus.sqlite"
        gate = self._gate = Gate(self._context, self.home)
        with contextlib.ExitStack() as ending:
            ending.callback(self._context.destroy, linger=0)
            gate.start()
            ending.callback(gate.stop)
            self._control, control_port = server_socket(self._context, keys, CONTROL, HOST)
            bulk, bulk_port = server_socket(self._context, keys, BULK, HOST)
            self._store = Store(base)
            ending.callback(self._store.close)
            self._assemble()
            self._foreman.recover()
            self._bulk = BulkDesk(bulk, self.home, base)
            self._bulk.start()
            ending.callback(self._bulk.stop)
            ending.callback(self._end)
            connection = describe_self(
                self.home, control_port, bulk_port, keys.public, product_version()
            )
            write_connection(self.home, connection)
            ending.callback(remove_connection, self.home, keys.public)
            log.info("serving %s on ports %d and %d", self.home, control_port, bulk_port)
            self._loop()

    def _assemble(self) -> None:
        arrays, takes = ArrayStore(self.home), Takes(self.home)
        for sha256 in self._store.outlived(arrays.names(), UNUSED_STARTS):
            with contextlib.suppress(OSError):  # mapped by a viewer, or gone
                arrays.remove(sha256)
        self._executor = Executor(
            self._command,
            self.home / "worker.log",
            self._wake,
            self._deadlines,
            self._worker_idle_seconds,
        )
        self._foreman = Foreman(self.home, self._store, arrays, takes, self._executor)
        self._audience = Audience(self._control, self._store)
        self._views = ViewerHost(self._viewer_command, self.home / "viewer.log")
        self._desk = Desk(
            self._store,
            arrays,
            self._foreman,
            self._audience,
            welcome=self._welcome,
            view_door=self._views.door,
            shutdown=self.stop,
        )

    def _loop(self) -> None:
        poller = zmq.Poller()
        for source in (self._control, self._wakes):
            poller.register(source, zmq.POLLIN)
        active = looked = time.monotonic()
        while not self._stopping.is_set():
            poller.poll(round(1000 * self._patience()))
            self._turn()
            now = time.monotonic()
            if now - looked < self._idle_seconds / LOOKS:
                continue
            looked = now
            if self._foreman.busy or self._audience.anybody():
                active = now
            elif now - active >= self._idle_seconds:
                log.info("nobody was here and nothing to do for %g s", self._idle_seconds)
                return

    def _turn(self) -> None:
        """Do what there is to do, once."""
        self._answer_calls()
        self._hear_worker()
        try:
            self._foreman.step()
        except sqlite3.OperationalError as err:
            log.error("the database failed: %s", err)
        self._audience.pump()
        if not self._gate.alive:
            # Nobody comes in without it; those who are in go on.
            log.error("the gate had died; starting another")
            self._gate.start()
        if not self._bulk.alive:
            raise LinkError("The bulk thread died.", "The log tells more.")

    def _patience(self) -> float:
        """Return how long there is nothing to do if nobody says anything [s]."""
        due = [self._foreman.next_flush, self._audience.next_retry]
        if self._backlog:
            due.append(self._retry_at)
        now = time.monotonic()
        return max(0.0, min([at - now for at in due if at is not None] + [TICK]))

    def _answer_calls(self) -> None:
        for _ in range(BURST):
            try:
                peer, *frames = self._control.recv_multipart(flags=zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            if len(frames) != 1:
                continue
            owner = str(frames[0].get("User-Id"))
            reply = self._desk.handle(peer.bytes, owner, frames[0].bytes)
            if reply is not None:
                self._audience.reply(peer.bytes, [reply])

    def _hear_worker(self) -> None:
        """Commit what the worker said; while the disk is full it waits, and so does the worker."""
        with contextlib.suppress(BlockingIOError):
            while self._wakes.recv(4096):
                pass
        if not self._backlog:
            job = self._executor.job
            self._backlog.extend((message, job) for message in self._executor.collect())
        if not self._backlog or time.monotonic() < self._retry_at:
            return
        try:
            with self._store.change():
                for message, job in self._backlog:
                    self._foreman.hear(message, job)
            self._backlog.clear()
        except sqlite3.OperationalError as err:
            log.error("the database failed, trying again: %s", err)
            self._retry_at = time.monotonic() + DISK_RETRY_SECONDS

    def _wake(self) -> None:
        """Called by the thread that reads the worker's pipe."""
        with contextlib.suppress(OSError):  # the server is ending, or has wakes enough
            self._wake_end.send(b"!")

    def _welcome(self) -> m.Welcome:
        return m.Welcome(
            version=product_version(),
            devices=(self._executor.device or self._device,),
            features=FEATURES,
            store=str(self.home),
            models=list_models(),
        )

    def _end(self) -> None:
        """Let the running job end at a step, and tell who listens."""
        self._foreman.stop()
        end = time.monotonic() + STOP_SECONDS
        while self._executor.job is not None and time.monotonic() < end:
            time.sleep(0.02)
            self._hear_worker()
        self._executor.close()
        self._views.close()
        self._foreman.recover()
        self._audience.pump()
        # Last words, such as the answer to Shutdown: an IMMEDIATE client that sees the connection
        # end drops what it has not read, so it gets the time to read.
        time.sleep(LAST_WORDS_SECONDS)
        self._control.close()


def worker_command_of(device: str) -> list[str]:
    """Return the command that starts the product's own worker on a device."""
    module = "impetus.backend.service.worker"
    return [sys.executable, "-P", "-m", module, "--device", device]


def product_version() -> str:
    try:
        return version("impetus")
    except PackageNotFoundError:
        return "unknown"


def _is_served(home: Path) -> bool:
    try:
        read_connection(home)
    except LinkError:
        return False
    return True
