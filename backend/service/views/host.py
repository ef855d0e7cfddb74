"""The server's hold on the viewer: started when somebody wants to look, ended with the server."""

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ...contract import messages as m
from ...contract.errors import LinkError
from ..pipe import Opened, opened_by_viewer, read_message

CLOSE_SECONDS = 2.0
FAILURES = 3
"Viewers that ended before they listened, one after the other: then it is told, not tried again."
BELOW_NORMAL = 0x4000
"Windows' BELOW_NORMAL_PRIORITY_CLASS; elsewhere the viewer lowers itself."
log = logging.getLogger(__name__)


class ViewerHost:
    """The viewer of one home: one at a time, none while nobody looks."""

    def __init__(self, command: Sequence[str], log_file: Path) -> None:
        self._command = command
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._opened: Opened | None = None
        self._failures = 0

    def door(self) -> m.ViewDoor:
        """Return where the viewer listens, after starting one if none runs; port 0 until it does.

        Raises LinkError where none comes up.
        """
        if self._process is not None and self._process.poll() is not None:
            self._failures = 0 if self._opened else self._failures + 1
            self.close()
            if self._failures >= FAILURES:
                self._failures = 0
                raise LinkError(
                    "The backend's viewer does not start.", f"{self._log_file} tells more."
                )
        if self._process is None:
            self._start()
        opened = self._opened
        return m.ViewDoor(opened.port, opened.key) if opened else m.ViewDoor()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the viewer: its input ends, and then it is killed."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join()
        self._process = self._opened = None

    def _start(self) -> None:
        with self._log_file.open("wb") as stream:
            try:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream,
                    bufsize=0, creationflags=BELOW_NORMAL if sys.platform == "win32" else 0,
                )  # fmt: skip
            except OSError as err:
                raise LinkError(
                    f"The backend's viewer does not start: {err}.", "Set up the backend again."
                ) from err
        process = self._process
        self._reader = threading.Thread(
            target=self._read, args=(process,), name="viewer pipe", daemon=True
        )
        self._reader.start()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        """Hear where the viewer listens; the end of its pipe is its end, whatever else it does."""
        assert process.stdout is not None
        with process.stdout as stream:
            while (data := read_message(stream)) is not None:
                try:
                    opened = opened_by_viewer.decode(data)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    break
                if process is self._process:
                    self._opened = opened
        process.kill()
        process.wait()
        log.info("the viewer has ended")


def viewer_command(home: Path, device: str) -> list[str]:
    """Return the command that starts the product's own viewer."""
    module = "impetus.backend.service.views.viewer"
    return [sys.executable, "-P", "-m", module, "--home", str(home), "--device", device]
