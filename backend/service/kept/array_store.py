"""Arrays on disk by their content: chunks come in, the whole is checked, then it has its name."""

import mmap
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np

from ...contract.arrays import MAX_ARRAY_BYTES, Array, ArrayRef, ArraySet, rebuild
from ...contract.errors import MessageError, ShotError
from ...contract.keys import private_folder
from ...contract.messages import CHUNK_BYTES

MAPPED_BYTES = 1 << 20
"From this size on an array is mapped, not read: a mapping holds a file handle."

MAX_PARTS = 64
"Arrays that may be on their way at once; a client sends one after the other."


class ArrayStore:
    """The arrays of one home."""

    def __init__(self, home: Path) -> None:
        self._folder = private_folder(home / "arrays")
        self._incoming = private_folder(home / "incoming")
        self._received: OrderedDict[str, int] = OrderedDict()
        "Bytes that have come, by sha256, the longest untouched first."

    def clear_incoming(self) -> None:
        """Drop what an earlier server was still receiving; its client starts again."""
        for path in self._incoming.iterdir():
            path.unlink(missing_ok=True)

    def has(self, ref: ArrayRef) -> bool:
        try:
            return self._path(ref.sha256).stat().st_size == ref.nbytes
        except FileNotFoundError:
            return False

    def put(self, ref: ArrayRef, offset: int, data: memoryview) -> bool:
        """Store one chunk; return whether the whole array is there now.

        Raises MessageError for a chunk that is too large or out of turn, ShotError when the whole
        is not what its name says, OSError.
        """
        if self.has(ref):
            return True
        received = self._received.get(ref.sha256, 0)
        if ref.nbytes > MAX_ARRAY_BYTES or len(data) > CHUNK_BYTES:
            raise MessageError(
                f"Expected at most {MAX_ARRAY_BYTES} bytes in chunks of {CHUNK_BYTES}, "
                f"got {len(data)} of {ref.nbytes}.",
                "Simplify the mesh, or use a smaller image.",
            )
        if offset > received or offset + len(data) > ref.nbytes:
            raise MessageError(
                f"Expected the chunk at {received} of {ref.nbytes} bytes, "
                f"got {len(data)} at {offset}.",
                "Send the array again from its start.",
            )
        if offset == received:
            self._append(ref, offset, data)
            received = self._received[ref.sha256] = offset + len(data)
            self._received.move_to_end(ref.sha256)
            self._forget_abandoned()
        if received < ref.nbytes:
            return False
        self._finish(ref)
        return True

    def _append(self, ref: ArrayRef, offset: int, data: memoryview) -> None:
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._part(ref), flags, 0o600), "wb") as stream:
            if offset == 0:
                stream.truncate()
            stream.seek(offset)
            stream.write(data)

    def _forget_abandoned(self) -> None:
        while len(self._received) > MAX_PARTS:
            sha256, _ = self._received.popitem(last=False)
            (self._incoming / sha256).unlink(missing_ok=True)

    def _finish(self, ref: ArrayRef) -> None:
        """Check the whole and give it its name; a wrong one is dropped."""
        del self._received[ref.sha256]
        part = self._part(ref)
        try:
            with part.open("rb+") as stream:
                if ref.nbytes:
                    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                        _check(ref, data)
                else:
                    rebuild(ref, b"")
                os.fsync(stream.fileno())
            path = self._path(ref.sha256)
            private_folder(path.parent)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def read(self, ref: ArrayRef) -> Array:
        """Return the array, read-only. Raises ShotError when it is not there."""
        path = self._path(ref.sha256)
        try:
            if ref.nbytes < MAPPED_BYTES:
                array = np.fromfile(path, ref.dtype)
            else:
                array = np.memmap(path, ref.dtype, "r")
            return array.reshape(ref.shape)
        except (FileNotFoundError, ValueError) as err:
            raise ShotError("Array", f"{ref.sha256[:12]} is not there.", "Submit again.") from err

    def collect(self, refs: dict[str, ArrayRef]) -> ArraySet:
        return ArraySet({sha256: self.read(ref) for sha256, ref in refs.items()})

    def names(self) -> set[str]:
        """Return the sha256 of all arrays that are here."""
        return {path.name for path in self._folder.glob("*/*")}

    def remove(self, sha256: str) -> None:
        self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _part(self, ref: ArrayRef) -> Path:
        return self._incoming / ref.sha256


def _check(ref: ArrayRef, data: mmap.mmap) -> None:
    problem: ShotError | None = None
    try:
        rebuild(ref, memoryview(data))
    except ShotError as err:
        # Its traceback holds the array, and a map that is looked at cannot be closed.
        problem = err.with_traceback(None)
    if problem:
        raise problem
