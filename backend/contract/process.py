"""What one process knows of another on this machine: whether it lives, and who holds a lock."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from .errors import LinkError

LOCK_BYTE = 0


def start_time(pid: int) -> str:
    """Return a text that tells this process from a later one of the same pid; "" when gone."""
    if sys.platform == "win32":
        return _start_time_windows(pid)
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""
        state, *fields = stat.rpartition(")")[2].split()
        # A zombie holds its pid, yet nothing of it will ever answer.
        return "" if state == "Z" else fields[18]
    answer = subprocess.run(
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    return answer.stdout.strip()


def boot_id() -> str:
    """Return a text that changes when the machine starts anew.

    Windows' process start times are absolute, so there the text is empty.
    """
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if sys.platform == "darwin":
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"],
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.stdout.strip()
    return ""


def is_alive(pid: int, started: str, boot: str) -> bool:
    """Return whether the process that was `pid` then is the process that is `pid` now."""
    return bool(started) and boot == boot_id() and start_time(pid) == started


def _start_time_windows(pid: int) -> str:
    """Return the creation time in Windows' 100 ns since 1601."""
    if sys.platform != "win32":
        raise AssertionError
    query_limited_information, still_active = 0x1000, 259
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(query_limited_information, False, pid))
    if not handle:
        return ""
    try:
        code = ctypes.c_ulong()
        times = [ctypes.c_ulonglong() for _ in range(4)]
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.GetProcessTimes(handle, *map(ctypes.byref, times))
        return str(times[0].value) if code.value == still_active else ""
    finally:
        kernel.CloseHandle(handle)


class FileLock:
    """A lock that the system itself releases when its holder ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def acquire(self, timeout: float = 0.0) -> bool:
        """Try for `timeout` seconds; return whether the lock is ours."""
        path = self._path
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        end = time.monotonic() + timeout
        while not _lock(file):
            if time.monotonic() >= end:
                os.close(file)
                return False
            time.sleep(0.02)
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back; does nothing when it is not ours."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> "FileLock":
        if not self.acquire(timeout=10.0):
            raise LinkError(
                f"Expected to lock {self._path} within 10 s.",
                "Another Impetus holds it; try again.",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        try:
            os.lseek(file, LOCK_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
