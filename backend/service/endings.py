"""What an exception means to the person whose job it ended, and to the farm that called."""

import errno
import shutil
from pathlib import Path

from ..contract.errors import (
    CancelledError,
    DiskFullError,
    ImpetusError,
    InternalError,
    MemoryShortError,
)

DONE, FATAL, OUT_OF_MEMORY, RETRY = 0, 1, 12, 75
EXIT_CODES = """**Exit codes**

- **0**: all frames are there.

- **1**: fatal; the shot cannot be made as it stands.

- **12**: out of memory; lower resolution and splats, or use a larger machine.

- **75**: interrupted, or the disk is full; run the same command again, and it goes on.

A process that is killed ends with the signal's own code; run again, it goes on, too."""

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"EFBIG: a file system, or a limit, that holds no larger file."
PLACE_ERRORS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR,
)  # fmt: skip
"What is there is not a folder, or not ours to write to."
DISK_RESERVE = 1 << 20
"With less than this free, what failed failed for want of room: libraries tell it variously."


def explain(raised: BaseException, folder: Path) -> ImpetusError:
    """Return what ended a job that wrote to `folder` as an error with a code and a remedy."""
    if isinstance(raised, KeyboardInterrupt):
        return CancelledError("The job was interrupted.", "Start it again; it goes on.")
    if isinstance(raised, ImpetusError):
        return raised
    if isinstance(raised, MemoryError):
        return MemoryShortError(
            f"The memory was not enough: {raised or 'no more could be had'}.",
            "Lower the resolution or the splat budget, or close other programs.",
        )
    if isinstance(raised, OSError) and raised.errno in PLACE_ERRORS and raised.filename:
        return ImpetusError(
            f"Expected to be able to write {raised.filename}, got: {raised.strerror}.",
            "Choose another folder, or allow it to be written.",
        )
    if _is_disk_full(raised, folder):
        return DiskFullError(
            f"The disk of {folder} is full.",
            "Free some space, then resume: finished frames are kept.",
        )
    return InternalError(
        f"Impetus failed: {type(raised).__name__}: {_first_line(raised)}.",
        "The log tells more; please report it with the shot.",
    )


def exit_code(error: ImpetusError) -> int:
    if isinstance(error, MemoryShortError):
        return OUT_OF_MEMORY
    return RETRY if isinstance(error, CancelledError | DiskFullError) else FATAL


def _first_line(raised: BaseException) -> str:
    return next((line for line in str(raised).splitlines() if line.strip()), "no more is known")


def _is_disk_full(raised: BaseException, folder: Path) -> bool:
    if isinstance(raised, OSError) and raised.errno in DISK_ERRORS:
        return True
    try:
        return shutil.disk_usage(folder).free < DISK_RESERVE
    except OSError:
        return False
