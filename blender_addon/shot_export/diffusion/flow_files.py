"""Motion fields that somebody brought: NumPy's files, and Middlebury's numbered .flo."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import require_finite
from impetus.backend.contract.errors import ShotError

Flow = NDArray[np.float32]
MAGIC = 202021.25
"The first number of a .flo file, by which it is known."
WHERE = "Motion file"


def read_flow(path: Path, steps: int) -> Flow:
    """Return `steps` fields (steps, H, W, 2) in pixels, x right, y down.

    `.npy` holds (T, H, W, 2), or (H, W, 2) for one step; of numbered `.flo` files, `path` is the
    first. Raises ShotError for anything else, for too few steps, and for numbers not finite.
    """
    if not path.is_file():
        raise ShotError(WHERE, f"expected a file, got {str(path)!r}.", "Choose one.")
    match path.suffix.lower():
        case ".npy":
            flow = _read_npy(path)
        case ".flo":
            flow = np.stack([_read_flo(each) for each in _numbered(path, steps)])
        case _:
            raise ShotError(
                WHERE,
                f"expected a .npy or .flo file, got {path.name}.",
                "Save it with NumPy, as (steps, height, width, 2) in pixels.",
            )
    if len(flow) < steps:
        raise ShotError(
            WHERE,
            f"expected {steps} steps for {steps + 1} frames, got {len(flow)}.",
            "Shorten the shot, or bring a longer motion.",
        )
    require_finite(WHERE, flow, "Replace these numbers in the file.")
    return np.ascontiguousarray(flow[:steps], np.float32)


def _read_npy(path: Path) -> NDArray[np.floating]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as err:
        raise ShotError(
            WHERE, f"expected an array of numbers in {path.name}, got something else.",
            "Save it with numpy.save, without Python objects.",
        ) from err  # fmt: skip
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[-1] != 2 or array.dtype.kind != "f" or 0 in array.shape:
        raise ShotError(
            WHERE,
            f"expected floats of shape (steps, height, width, 2), got {array.dtype} {array.shape}.",
            "Save x to the right and y down in pixels, in the last axis.",
        )
    return array


def _read_flo(path: Path) -> Flow:
    data = path.read_bytes()
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != np.float32(MAGIC):
        raise ShotError(
            WHERE, f"expected a .flo file, got {path.name}, which is none.", "Choose another."
        )
    width, height = np.frombuffer(data, "<i4", 2, 4).tolist()
    if width < 1 or height < 1 or len(data) != 12 + 8 * width * height:
        raise ShotError(
            WHERE,
            f"expected {width} x {height} vectors in {path.name}, got {len(data) - 12} bytes.",
            "Write the file again.",
        )
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)


def _numbered(first: Path, count: int) -> list[Path]:
    """Return the files whose numbers follow the first's, as many as there are, up to `count`."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", first.name)
    if match is None:
        return [first]
    head, digits, tail = match.groups()
    names = (
        f"{head}{number:0{len(digits)}d}{tail}"
        for number in range(int(digits), int(digits) + count)
    )
    found = []
    for name in names:
        if not (path := first.with_name(name)).is_file():
            break
        found.append(path)
    return found
