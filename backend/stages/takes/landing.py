"""How a file lands: written beside its place, flushed to the disk, then moved there whole."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...contract.errors import DiskFullError

TEMPORARY = ".tmp"
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def landing(path: Path) -> Iterator[Path]:
    """Yield the path to write to; on leaving, the file is whole at `path`, or nothing is left.

    Raises DiskFullError where the disk had no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path.parent) from error
        raise


def land_bytes(path: Path, data: bytes) -> None:
    """Write a file of these bytes (atomic, flushed)."""
    with landing(path) as temporary:
        temporary.write_bytes(data)


def land_link(source: Path, path: Path) -> None:
    """Make `path` the same file as `source`; a copy where the file system knows no links."""
    with landing(path) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError as error:
            if is_disk_full(error):
                raise
            shutil.copyfile(source, temporary)


def clear_temporary(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for path in folder.glob(f"*{TEMPORARY}"):
        path.unlink(missing_ok=True)


def is_disk_full(error: BaseException) -> bool:
    """Say whether the disk was full; OpenEXR tells it in words only."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return isinstance(error, RuntimeError) and os.strerror(errno.ENOSPC) in str(error)


def disk_full(folder: Path, needed: int | None = None) -> DiskFullError:
    """Say what was needed and what is free, in MiB."""
    free = shutil.disk_usage(folder).free >> 20
    expected = "room to write" if needed is None else f"{needed >> 20} MiB free"
    return DiskFullError(
        f"Expected {expected} in {folder}, found {free} MiB.",
        "Free some space, then resume: finished frames are kept.",
    )
