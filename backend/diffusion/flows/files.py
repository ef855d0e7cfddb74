"""Read motion fields from files of others: Middlebury, KITTI, NumPy, PhiFlow, and PyTorch.

Whatever came, NumPy leaves: pixels of the field's own size, x right, y down. Every wrong thing is
one sentence, before anything large is read.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import ShotError
from ..motion import Bools, Floats
from .step import as_floats

WHERE = "Motion file"
MOST_BYTES = 4 << 30
MOST_SIDE = 16_384
MOST_MOTION = 1e5
"Pixels in one step beyond which numbers cannot be motion."
FLO_MAGIC = 202021.25
"First number of a .flo file (Baker et al. 2011); the file is little-endian."
FLO_UNKNOWN = 1e9
"Greater components say that the motion is not known there."
KITTI_ZERO, KITTI_SCALE = 32768.0, 64.0
Direction = Literal["forward", "backward"]


@dataclass(frozen=True)
class FlowFile:
    """The motion fields of a file."""

    motion: Floats
    "(T, H, W, 2) pixels; 0 where the file says nothing."
    known: Bools
    "(T, H, W) where it says something."
    direction: Direction
    "forward: where each pixel goes; backward: where the next picture's pixels were."


def read_flow(path: Path) -> FlowFile:
    """Read a file by its kind; ShotError for what is none of them, too large, or not finite.

    .flo and KITTI's 16-bit .png hold one forward field; .npy and .npz (one array, or one named
    flow) hold forward fields (H, W, 2) or (T, H, W, 2), or velocities as PhiFlow stores them,
    (T, 1, X, Y, 2): these, taken at the destination as MotionCraft does, are backward fields. .pth
    holds a forward field (1, 2, H, W) as the project of Motion Guidance stores them.
    """
    readers: dict[str, Callable[[Path], FlowFile]] = {
        ".flo": _read_flo, ".png": _read_kitti, ".npy": _read_numpy, ".npz": _read_numpy,
        ".pth": _read_torch,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(readers)
        raise ShotError(WHERE, f"expected one of {kinds}, got {path.name}.", "Choose another file.")
    _require_size(path)
    found = reader(path)
    worst = float(np.abs(found.motion).max(initial=0))
    if not worst <= MOST_MOTION:
        raise ShotError(
            WHERE,
            f"expected motion of up to {MOST_MOTION:.0f} pixels in {path.name}, got {worst:.3g}.",
            "Store pixels, and 0 or not-a-number where there is none.",
        )
    return found


def read_frozen_mask(path: Path) -> Bools:
    """Read what Motion Guidance keeps, a .pth of booleans (1, 4, h, w): (h, w), true is frozen."""
    _require_size(path)
    mask = _load_torch(path)
    alike = mask.ndim == 4 and mask.shape[0] == 1 and mask.dtype == bool
    if not alike or not (mask == mask[:, :1]).all():
        got = f"{mask.dtype} {mask.shape}"
        raise ShotError(
            WHERE, f"expected booleans (1, 4, h, w), all four alike, in {path.name}, got {got}.",
            "Choose a NAME.mask.pth of the reference project.",
        )  # fmt: skip
    return np.asarray(mask[0, 0])


def _require_size(path: Path) -> None:
    if not path.is_file():
        raise ShotError(WHERE, f"expected a file, got {str(path)!r}.", "Choose one.")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ShotError(
            WHERE, f"expected up to {MOST_BYTES >> 30} GiB, got {size >> 30} in {path.name}.",
            "Split it, or store it smaller.",
        )  # fmt: skip


def _require_sides(path: Path, *sides: int) -> None:
    if not all(1 <= side <= MOST_SIDE for side in sides):
        got = " x ".join(str(side) for side in sides)
        raise ShotError(
            WHERE, f"expected sides of 1 to {MOST_SIDE} pixels in {path.name}, got {got}.",
            "Check that the file is whole.",
        )  # fmt: skip


def _known(motion: NDArray[Any], known: Bools, direction: Direction) -> FlowFile:
    clean = np.where(known[..., None], motion, 0)
    return FlowFile(as_floats(clean), known, direction)


def _read_flo(path: Path) -> FlowFile:
    data = path.read_bytes()
    head = np.frombuffer(data[:12].ljust(12, b"\0"), "<i4")
    if len(data) < 12 or np.frombuffer(data[:4], "<f4")[0] != np.float32(FLO_MAGIC):
        raise ShotError(
            WHERE, f"expected a Middlebury file in {path.name}, got another beginning.",
            "Export the flow again.",
        )  # fmt: skip
    width, height = int(head[1]), int(head[2])
    _require_sides(path, width, height)
    if len(data) != 12 + 8 * width * height:
        raise ShotError(
            WHERE,
            f"expected {12 + 8 * width * height} bytes in {path.name}, got {len(data)}.",
            "It was cut short or is no .flo file: export it again.",
        )
    motion = np.frombuffer(data, "<f4", offset=12).reshape(1, height, width, 2)
    with np.errstate(invalid="ignore"):
        known = np.asarray((np.abs(motion) < FLO_UNKNOWN).all(-1))
    return _known(motion, known, "forward")


def _read_kitti(path: Path) -> FlowFile:
    """Read u and v as (value - 2^15) / 64 in red and green; blue is 1 where they are known."""
    import av

    try:
        with av.open(str(path)) as file:
            frame = next(file.decode(video=0))
            deep = frame.format.name.startswith("rgb48")
            values = frame.to_ndarray() if deep else None
    except (av.error.FFmpegError, StopIteration) as err:
        raise ShotError(
            WHERE, f"expected a PNG in {path.name}, got something else.", "Export it again."
        ) from err
    if values is None:
        raise ShotError(
            WHERE,
            f"expected a 16-bit colour PNG, as KITTI's, in {path.name}, got {frame.format.name}.",
            "A picture is no motion: choose the flow file.",
        )
    motion = (values[None, ..., :2].astype(np.float64) - KITTI_ZERO) / KITTI_SCALE
    return _known(motion, values[None, ..., 2] > 0, "forward")


def _read_numpy(path: Path) -> FlowFile:
    try:
        array = _named_array(path) if path.suffix.lower() == ".npz" else np.load(path, "r", False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as err:
        raise ShotError(
            WHERE, f"expected an array of numbers in {path.name}, got something else.",
            "Save it with numpy.save, without Python objects.",
        ) from err  # fmt: skip
    if array.dtype.kind != "f" or array.ndim not in (3, 4, 5) or array.shape[-1] != 2:
        raise ShotError(
            WHERE,
            f"expected floats (T, H, W, 2) in {path.name}, got {array.dtype} {array.shape}.",
            "Store pixels, x right and y down, as the last axis.",
        )
    _require_sides(path, *array.shape[:-1])
    if array.ndim == 5:
        return _from_phiflow(path, np.asarray(array))
    motion = np.asarray(array if array.ndim == 4 else array[None], np.float32)
    return _known(motion, np.asarray(np.isfinite(motion).all(-1)), "forward")


def _named_array(path: Path) -> NDArray[Any]:
    """The array called flow, or the only one; its size is known before it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_BYTES:
        raise ValueError(unpacked)
    with np.load(path, allow_pickle=False) as arrays:
        name = "flow" if "flow" in arrays.files else arrays.files[0]
        if len(arrays.files) > 1 and name != "flow":
            raise ValueError(arrays.files)
        return np.asarray(arrays[name])


def _from_phiflow(path: Path, array: NDArray[Any]) -> FlowFile:
    """Velocities (T, 1, X, Y, 2) with y up, in cells a frame; not-a-number where nothing moves.

    Odd sides are a staggered grid's: the mean of two faces is the velocity of a cell.
    """
    if array.shape[1] != 1:
        raise ShotError(
            WHERE, f"expected one batch (T, 1, X, Y, 2) in {path.name}, got {array.shape}.",
            "Store one simulation in a file.",
        )  # fmt: skip
    known = np.isfinite(array[:, 0]).all(-1)
    velocity = np.where(known[..., None], array[:, 0], 0)
    for axis in (1, 2):
        if velocity.shape[axis] % 2 == 1:
            velocity = _between(velocity, axis)
            known = _between(known.astype(np.float64), axis) > 0
    turned = velocity.transpose(0, 2, 1, 3)[:, ::-1] * (1, -1)
    return _known(-turned, np.ascontiguousarray(known.transpose(0, 2, 1)[:, ::-1]), "backward")


def _between(values: NDArray[Any], axis: int) -> NDArray[Any]:
    count = values.shape[axis]
    low, high = values.take(range(count - 1), axis), values.take(range(1, count), axis)
    return np.asarray((low + high) / 2)


def _read_torch(path: Path) -> FlowFile:
    array = _load_torch(path)
    if array.ndim != 4 or array.shape[:2] != (1, 2) or array.dtype.kind != "f":
        got = f"{array.dtype} {array.shape}"
        raise ShotError(
            WHERE, f"expected floats (1, 2, H, W) in {path.name}, got {got}.",
            "Choose a flow of the reference project, not its mask or its latents.",
        )  # fmt: skip
    _require_sides(path, *array.shape[2:])
    motion = array.transpose(0, 2, 3, 1)
    return _known(motion, np.asarray(np.isfinite(motion).all(-1)), "forward")


def _load_torch(path: Path) -> NDArray[Any]:
    """A tensor, and nothing that could run: weights_only reads no other objects."""
    import torch

    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # it has many ways to say that this is none
        raise ShotError(
            WHERE, f"expected a tensor in {path.name}, got something else.",
            "Save it with torch.save, the tensor alone.",
        ) from err  # fmt: skip
    plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
    if not plain or tensor.numel() * 4 > MOST_BYTES:
        raise ShotError(
            WHERE, f"expected a tensor in {path.name}, got {type(tensor).__name__}.",
            "Save it with torch.save, the tensor alone.",
        )  # fmt: skip
    full = tensor.detach()
    return np.asarray((full.float() if full.is_floating_point() else full).numpy())
