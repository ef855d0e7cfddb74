"""The folders of the takes: what is whole in them, and their files by name, never by path."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from ...contract import messages as m
from ...contract.errors import UnknownTakeError
from ...contract.keys import private_folder
from ...contract.take_files import frame_path, is_whole

TAKE_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
NAME_LENGTH = 32
MISSING = "Look at the list of takes again."


class Takes:
    """All takes of one home."""

    def __init__(self, home: Path) -> None:
        self._folder = private_folder(home / "takes")

    def create(self, name: str) -> str:
        """Make an empty folder for a new take; return the take's id, which starts with `name`."""
        plain = re.sub(r"[^0-9A-Za-z]+", "-", name).strip("-")[:NAME_LENGTH]
        take = f"{plain}-{m.new_id()}" if plain else m.new_id()
        (self._folder / take).mkdir(mode=0o700)
        return take

    def folder(self, take: str) -> Path:
        """Return where a take lies. Raises UnknownTakeError for what is no take's id."""
        if not TAKE_ID.fullmatch(take):
            raise UnknownTakeError(f"Expected a take's id, got {take!r}.", MISSING)
        return self._folder / take

    def whole_frames(self, take: str, numbers: Iterable[int]) -> list[int]:
        folder = self.folder(take)
        return [number for number in numbers if is_whole(folder, number)]

    def files(self, take: str) -> tuple[m.TakeFile, ...]:
        """Return which files of the take as a whole are there."""
        folder = self.folder(take)
        return tuple(name for name in get_args(m.TakeFile) if (folder / name).is_file())

    def read(self, request: m.ReadFrame | m.ReadFile) -> tuple[m.Chunk, bytes]:
        """Return one chunk of a file. Raises UnknownTakeError when there is no such file."""
        folder = self.folder(request.take)
        if isinstance(request, m.ReadFrame):
            path = frame_path(folder, request.file, request.frame)
        else:
            path = folder / request.file
        try:
            # A link in a take's folder could lead anywhere: neither the file nor its folder is one.
            if not path.parent.resolve().is_relative_to(self._folder.resolve() / request.take):
                raise FileNotFoundError
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(path, flags), "rb") as stream:
                status = os.fstat(stream.fileno())
                stream.seek(request.offset)
                data = stream.read(m.CHUNK_BYTES)
        except OSError as err:
            raise UnknownTakeError(
                f"Expected {path.parent.name}/{path.name} in take {request.take}, got none.",
                MISSING,
            ) from err
        version = f"{status.st_ino:x}-{status.st_mtime_ns:x}"
        return m.Chunk(request.offset, status.st_size, version), data

    def sweep(self, take: str) -> None:
        """Delete what was half written when its writer died."""
        for part in self.folder(take).rglob("*.tmp"):
            part.unlink(missing_ok=True)

    def remove(self, take: str) -> None:
        shutil.rmtree(self.folder(take), ignore_errors=True)
