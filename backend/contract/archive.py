"""Structs as files: a zip of `KIND.json` and `arrays/SHA256.npy`; no code, no paths.

Shots, views of an object and fitted splats are kept so.
"""

import os
import zipfile
from pathlib import Path
from typing import IO, TypeVar

import msgspec
import numpy as np

from .arrays import Array, ArrayRef, ArraySet, rebuild
from .errors import ShotError
from .ranges import decoded
from .shot_check import array_refs

T = TypeVar("T", bound=msgspec.Struct)

MAX_JSON_BYTES = 64 << 20
EPOCH = (1980, 1, 1, 0, 0, 0)
"The zip's earliest date: the same struct makes the same bytes."


def write_archive(path: Path, kind: str, value: msgspec.Struct, arrays: ArraySet) -> None:
    """Write `value` and the arrays that it refers to, whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1)
    part = path.with_name(path.name + ".tmp")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            archive.writestr(zipfile.ZipInfo(f"{kind}.json", EPOCH), text)
            for sha256, ref in sorted({ref.sha256: ref for ref in array_refs(value)}.items()):
                entry = zipfile.ZipInfo(f"arrays/{sha256}.npy", EPOCH)
                with archive.open(entry, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, arrays.of(ref), allow_pickle=False)
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_archive(path: Path, kind: str, struct: type[T], remedy: str) -> tuple[T, ArraySet]:
    """Read a file; sizes are checked before anything is allocated, content by sha256.

    Raises ShotError, which ends with `remedy`, when the file is not of that kind or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{kind}.json")
            if info.file_size > MAX_JSON_BYTES:
                raise ShotError(path.name, f"{kind}.json claims {info.file_size} bytes.", remedy)
            value = decoded(archive.read(info), struct, where=path.name)
            refs = {ref.sha256: ref for ref in array_refs(value)}
            return value, ArraySet({sha: _read_array(archive, ref) for sha, ref in refs.items()})
    except FileNotFoundError as err:
        raise ShotError(
            str(path), f"expected a {kind} file, got nothing there.", "Check the path."
        ) from err
    except (zipfile.BadZipFile, KeyError, EOFError, RecursionError, ValueError, OSError) as err:
        # msgspec's errors and UnicodeDecodeError are ValueErrors
        raise ShotError(path.name, f"expected a whole {kind} file, got: {err}.", remedy) from err


def _read_array(archive: zipfile.ZipFile, ref: ArrayRef) -> Array:
    info = archive.getinfo(f"arrays/{ref.sha256}.npy")
    with archive.open(info) as stream:
        shape, fortran, dtype = _header(stream)
        if shape != ref.shape or dtype != np.dtype(ref.dtype) or (fortran and ref.nbytes):
            raise ValueError(
                f"array {ref.sha256[:12]} is {dtype} {shape}, not {ref.dtype} {ref.shape}"
            )
        if info.file_size > ref.nbytes + 4096:
            raise ValueError(f"array {ref.sha256[:12]} claims {info.file_size} bytes")
        return rebuild(ref, stream.read(ref.nbytes))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"array format {version} is not 1.0")
    return np.lib.format.read_array_header_1_0(stream)
