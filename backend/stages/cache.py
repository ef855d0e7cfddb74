"""What a stage has made already: keys by content, frames and checkpoints as whole files."""

import contextlib
import errno
import hashlib
import io
import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..contract.arrays import Array, refer
from ..contract.errors import DiskFullError, ResourceError
from ..contract.messages import Stage

STAGE_VERSIONS: dict[Stage, int] = {
    "prepare": 1,
    "simulate": 14,
    "splat": 1,
    "render": 4,
    "diffuse": 5,
    "deliver": 1,
}
"Raised when a stage makes something else from the same input: old caches are then left alone."

CHECKPOINTS_KEPT = 2
STALE_SECONDS = 3600.0
CACHE_BYTES = 20 << 30
"What a cache may hold of its own; links to the frames of takes take no room."
REST_SECONDS = 24 * 3600.0
"What was used this recently stays, whatever it holds: another process may be at it."
EPOCH = (1980, 1, 1, 0, 0, 0)
DAMAGE = (zipfile.BadZipFile, ValueError, KeyError, EOFError, NotImplementedError)


def stage_key(stage: Stage, *parts: object) -> str:
    """Return the sha256 that names what `stage` makes from `parts`.

    Parts are all that the stage reads, no more: structs of the shot (array references in them stand
    for their content), numbers, texts, bytes, tuples of these, and arrays.
    """
    digest = hashlib.sha256(f"{stage} {STAGE_VERSIONS[stage]}\n".encode())
    for part in parts:
        encoded = msgspec.msgpack.encode(part, order="deterministic", enc_hook=_encode_array)
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


def _encode_array(value: Any) -> str:
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return refer(value)[0].sha256
    raise TypeError(f"a stage key cannot hold {type(value).__name__}")


class FrameCache:
    """Arrays by frame in one folder, and the newest checkpoints; many processes may share it.

    A file is written beside its place, synced and moved there: what exists is whole. The same
    arrays make the same bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # `prune` goes by when a folder was last used
        self._drop_leftovers()

    def has(self, frame: int) -> bool:
        """Whether the frame's file is there, whole by its directory; `read` checks the content."""
        path = self._path("frame", frame)
        return path.is_file() and zipfile.is_zipfile(path)

    def read(self, frame: int) -> dict[str, Array]:
        """Return the frame's arrays; ResourceError when they are not there or damaged."""
        arrays = self.find(frame)
        if arrays is None:
            raise ResourceError(
                f"Expected frame {frame} whole in the cache {self.folder.name[:12]}, found none.",
                "Start the job again; what is missing is made anew.",
            )
        return arrays

    def find(self, frame: int) -> dict[str, Array] | None:
        """Return the frame's arrays, or None when they are not there or damaged."""
        return _load(self._path("frame", frame))

    def write(self, frame: int, arrays: Mapping[str, Array]) -> None:
        """Keep a frame's arrays. Raises DiskFullError."""
        self._store(self._path("frame", frame), arrays)

    def write_note(self, frame: int, arrays: Mapping[str, Array]) -> None:
        """Keep what is noted beside a frame; a power cut may take it. Raises DiskFullError."""
        self._store(self._path("note", frame), arrays, flush=False)

    def find_note(self, frame: int) -> dict[str, Array] | None:
        """Return what is noted beside a frame, or None when it is not there or damaged."""
        return _load(self._path("note", frame))

    def newest_checkpoint(self, at_most: int | None = None) -> tuple[int, dict[str, Array]] | None:
        """Return the newest whole checkpoint (of a frame up to `at_most`) and its frame."""
        for frame in sorted(self._checkpoint_frames(), reverse=True):
            if at_most is None or frame <= at_most:
                arrays = _load(self._path("checkpoint", frame))
                if arrays is not None:
                    return frame, arrays
        return None

    def write_checkpoint(self, frame: int, arrays: Mapping[str, Array]) -> None:
        """Keep a checkpoint and forget all but the two written last. Raises DiskFullError."""
        self._store(self._path("checkpoint", frame), arrays)
        others = [f for f in self._checkpoint_frames() if f != frame]
        others.sort(key=lambda f: _written(self._path("checkpoint", f)), reverse=True)
        for old in others[CHECKPOINTS_KEPT - 1 :]:
            self._path("checkpoint", old).unlink(missing_ok=True)

    def _path(self, kind: str, frame: int) -> Path:
        return self.folder / f"{kind}_{frame:+09d}.npz"

    def _checkpoint_frames(self) -> list[int]:
        return [int(path.stem.split("_")[1]) for path in self.folder.glob("checkpoint_*.npz")]

    def _store(self, path: Path, arrays: Mapping[str, Array], *, flush: bool = True) -> None:
        part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            with part.open("wb") as stream:
                _pack(stream, arrays)
                stream.flush()
                if flush:
                    os.fsync(stream.fileno())
            os.replace(part, path)
        except OSError as err:
            if err.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskFullError(
                f"Expected room for {sum(a.nbytes for a in arrays.values()) >> 20} MiB of cache in "
                f"{self.folder.parent}, got a full disk.",
                "Free some space, or set the cache on another disk; the job goes on from there.",
            ) from err
        finally:
            part.unlink(missing_ok=True)

    def _drop_leftovers(self) -> None:
        """Remove what a killed process half wrote, once it is too old to be still written."""
        for part in self.folder.glob("*.tmp"):
            if time.time() - _written(part) > STALE_SECONDS:
                part.unlink(missing_ok=True)


def prune(cache: Path, used: Iterable[Path], limit: int = CACHE_BYTES) -> int:
    """Remove the stage folders `cache/STAGE/KEY` used longest ago until the rest fits `limit`.

    `used` are those of the shot just made; what was used within REST_SECONDS stays as well.
    Returns the bytes that became free.
    """
    for folder in used:
        if folder.is_dir():
            os.utime(folder)
    folders = sorted(cache.glob("*/*/"), key=_written)
    sizes = {folder: _own_bytes(folder) for folder in folders}
    excess, freed = sum(sizes.values()) - limit, 0
    for folder in folders:
        if freed >= excess or time.time() - _written(folder) < REST_SECONDS:
            break
        shutil.rmtree(folder, ignore_errors=True)
        freed += sizes[folder]
    return freed


def _own_bytes(folder: Path) -> int:
    """Sum up the files that have no other name."""
    own = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process may be pruning too
            status = path.stat()
            own += status.st_size if status.st_nlink == 1 else 0
    return own


def _pack(stream: io.BufferedWriter, arrays: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            with archive.open(entry, "w", force_zip64=True) as target:
                np.lib.format.write_array(target, np.asarray(arrays[name]), allow_pickle=False)


def _load(path: Path) -> dict[str, Array] | None:
    """Read and check (CRC) every array of a file; None when it is missing or not whole."""
    try:
        # opened here: np.load forgets to close a file that it cannot read
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (FileNotFoundError, *DAMAGE):
        return None


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
