"""Arrays beside a shot: named by content, described by dtype and shape, checked before use."""

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from .errors import ShotError

DType = Literal["u1", "f2", "f4", "f8", "i4", "i8"]
Array = NDArray[Any]
MAX_ARRAY_BYTES = 8 << 30


class ArrayRef(msgspec.Struct, frozen=True):
    """A C-ordered, little-endian array by the sha256 of its bytes, dtype and shape."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    dtype: DType
    shape: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, le=1 << 40)], ...], msgspec.Meta(max_length=4)
    ]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def refer(array: Array) -> tuple[ArrayRef, Array]:
    """Return the reference of an array, and the array in the layout that it speaks of."""
    kind = cast(DType, array.dtype.str[1:])
    if kind not in get_args(DType):
        raise ShotError("array", f"expected a dtype of {get_args(DType)}, got {array.dtype}.")
    laid = np.ascontiguousarray(array, dtype=np.dtype(kind).newbyteorder("<"))
    digest = hashlib.sha256(f"{kind}{laid.shape}".encode())
    digest.update(laid.data.cast("B") if laid.size else b"")
    return ArrayRef(digest.hexdigest(), kind, laid.shape), laid


def rebuild(ref: ArrayRef, data: bytes | bytearray | memoryview) -> Array:
    """Make the array of `ref` from its raw bytes (read-only view, no copy).

    Raises ShotError when size or content is not what the reference says.
    """
    if len(data) != ref.nbytes:
        raise ShotError("array", f"expected {ref.nbytes} bytes, got {len(data)}.", "Send it again.")
    array = np.frombuffer(data, dtype=ref.dtype).reshape(ref.shape)
    if refer(array)[0].sha256 != ref.sha256:
        raise ShotError("array", "the content does not match its sha256.", "Send it again.")
    return array


def require_finite(
    where: str, array: Array, remedy: str = "Clear the object's transform or mesh data there."
) -> None:
    """Raise ShotError with the first offending index if a float array holds NaN or infinity."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ShotError(
            where,
            f"expected finite numbers, got {float(array[first])} at {list(first)}.",
            remedy,
        )


class ArraySet(Mapping[str, Array]):
    """Arrays by sha256, collected while a shot is built."""

    def __init__(self, arrays: Mapping[str, Array] | None = None) -> None:
        self._arrays: dict[str, Array] = dict(arrays or {})

    def add(self, array: Array) -> ArrayRef:
        """Keep `array` (once, whatever the number of users) and return its reference."""
        ref, laid = refer(array)
        self._arrays.setdefault(ref.sha256, laid)
        return ref

    def of(self, ref: ArrayRef) -> Array:
        return self._arrays[ref.sha256]

    def __getitem__(self, sha256: str) -> Array:
        return self._arrays[sha256]

    def __iter__(self) -> Any:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)
