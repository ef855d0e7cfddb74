"""A shot as a file: `NAME.shot`, a zip of `shot.json` and `arrays/SHA256.npy`, open to anyone."""

from pathlib import Path

from .archive import read_archive, write_archive
from .arrays import ArraySet
from .shot import Shot


def write_shot(path: Path, shot: Shot, arrays: ArraySet) -> None:
    """Write `shot` and the arrays that it refers to, whole or not at all."""
    write_archive(path, "shot", shot, arrays)


def read_shot(path: Path) -> tuple[Shot, ArraySet]:
    """Read a shot file; sizes are checked before anything is allocated, content by sha256.

    Raises ShotError when the file is not a shot or is damaged.
    """
    return read_archive(path, "shot", Shot, "Export it again.")
