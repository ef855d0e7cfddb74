"""Captures of any kind by their files: `read_capture` looks inside, `write_capture` at the name."""

import os
from pathlib import Path

from ..errors import CaptureError
from .gaussians import Gaussians, Points
from .ply_splats import read_ply, write_ply
from .splat import read_splat, write_splat
from .spz import MAGIC, read_spz, write_spz

SUFFIXES = (".ply", ".spz", ".splat")
GZIP = b"\x1f\x8b"


def read_capture(path: Path) -> Gaussians | Points:
    """Read a file of splats or of coloured points.

    Raises CaptureError for a file that is not there, or not one of these, or not whole.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
        if start.startswith(b"ply"):
            return read_ply(path)
        if start.startswith(GZIP) or start == MAGIC:
            return read_spz(path)
        if path.suffix.lower() == ".splat":
            return read_splat(path)
    except OSError as err:
        raise CaptureError(
            f"{path}: expected a file of splats, got: {err.strerror or err}.",
            "Check the path.",
        ) from err
    raise CaptureError(
        f"{path.name}: expected a file of splats ({', '.join(SUFFIXES)}), got one that begins with "
        f"{start!r}.",
        "Export it as one of these.",
    )


def write_capture(path: Path, splats: Gaussians) -> None:
    """Write splats as the name's end says, whole or not at all."""
    writers = {".ply": write_ply, ".spz": write_spz, ".splat": write_splat}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise CaptureError(
            f"{path.name}: expected a name that ends in {', '.join(SUFFIXES)}.", "Name it so."
        )
    part = path.with_name(path.name + ".tmp")
    try:
        with part.open("wb") as stream:
            write(stream, splats)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
