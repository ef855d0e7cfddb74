"""Find the running backend of a home, or start one that outlives us."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from .client import Client
from .conversation import TRIES
from .errors import LinkError, RefusedError, VersionError
from .keys import Connection, private_folder, read_connection, write_private
from .process import FileLock

START_SECONDS = 20.0
LOG_TAIL = 400
"Characters of the server's log that an error shows."
LOG_LIMIT = 4 << 20
_started: list["subprocess.Popen[bytes]"] = []
"Servers that this process started: asked now and then, so that one that ended leaves no zombie."


def connect_or_start(home: Path, python: Path, *, timeout: float = START_SECONDS) -> Client:
    """Return a client that the backend of `home` welcomed, started with `python` if need be.

    However many call this at once, one server starts. Raises LinkError with the end of the
    server's log when none answers within `timeout` seconds, VersionError, RefusedError.
    """
    private_folder(home)
    _started[:] = [process for process in _started if process.poll() is None]
    end = time.monotonic() + timeout
    while True:
        client = Client(_connection(home, python, end), tries=1)
        try:
            client.hello()
        except LinkError as err:
            client.close()
            if isinstance(err, VersionError | RefusedError) or time.monotonic() > end:
                raise
            continue  # that one was about to end: find the next, or start it
        client.tries = TRIES
        return client


def log_path(home: Path) -> Path:
    return home / "server.log"


def _connection(home: Path, python: Path, end: float) -> Connection:
    """Return the running server's connection; start it under a lock if there is none."""
    with contextlib.suppress(LinkError):
        return read_connection(home)
    lock = FileLock(home / "launch.lock")
    if not lock.acquire(timeout=max(0.0, end - time.monotonic())):
        raise _failure(home, "Another Impetus is starting the backend, and has not finished.")
    try:
        with contextlib.suppress(LinkError):
            return read_connection(home)  # who had the lock before us has started it
        process = _start(home, python)
        _started.append(process)
        while time.monotonic() < end:
            with contextlib.suppress(LinkError):
                return read_connection(home)
            if process.poll() is not None:
                raise _failure(home, f"The backend ended with status {process.returncode}.")
            time.sleep(0.05)
        process.kill()
        raise _failure(home, "The backend did not answer in time.")
    finally:
        lock.release()


def _start(home: Path, python: Path) -> "subprocess.Popen[bytes]":
    """Start a server in a session of its own, with the log as its output."""
    log = log_path(home)
    if not log.exists() or log.stat().st_size > LOG_LIMIT:
        write_private(log, b"")
    command = [str(python), "-P", "-m", "impetus.backend", "serve", "--home", str(home)]
    # What the host program set for its own Python is not for this one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        with log.open("ab") as stream:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=home,
                env=environment,
                close_fds=True,
                start_new_session=True,
                creationflags=_creation_flags(),
            )
    except OSError as err:
        raise LinkError(f"The backend does not start: {err}.", "Set up the backend again.") from err


def _creation_flags() -> int:
    if sys.platform == "win32":
        return subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


def _failure(home: Path, sentence: str) -> LinkError:
    try:
        tail = log_path(home).read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:].strip()
    except OSError:
        tail = ""
    return LinkError(
        f"{sentence} {tail}".strip(), f"Look at {log_path(home)}, or set up the backend again."
    )
