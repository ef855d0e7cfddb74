"""A thinned look at a simulation's particles at one frame: how it is kept, how it is read.

Twelve bytes a point: places to 1/65535 of their bounds, and three numbers in half precision.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Array
from .errors import MessageError

MOST_POINTS = 50_000
FULL = 65_535
HALF_LIMIT = 6e4
NAMES = ("speed", "strain", "damage")


@dataclass(frozen=True)
class Points:
    """n of the particles that are simulated, and of the surface of rigid bodies.

    `position` (n, 3) f32 m world; (n,) f32 each: `speed` m/s, `strain` the largest |log| of a
    principal stretch, `damage` the share of strength that is lost, 0 to 1.
    """

    position: NDArray[np.float32]
    speed: NDArray[np.float32]
    strain: NDArray[np.float32]
    damage: NDArray[np.float32]


def pack_points(points: Points) -> dict[str, Array]:
    """Return the arrays that points are kept as."""
    place = points.position.astype(np.float64)
    low = place.min(axis=0, initial=np.inf) if len(place) else np.zeros(3)
    high = place.max(axis=0, initial=-np.inf) if len(place) else np.zeros(3)
    share = (place - low) / np.maximum(high - low, 1e-30)
    values = np.stack([getattr(points, name) for name in NAMES])
    return {
        "point_place": np.round(share * FULL).astype(np.uint16),
        "point_box": np.stack([low, high]),
        "point_value": np.clip(values, 0, HALF_LIMIT).astype(np.float16),
    }


def unpack_points(kept: Mapping[str, Array]) -> Points:
    """Return the points of `pack_points`. Raises MessageError for arrays that are none."""
    try:
        place, box, value = (kept[f"point_{name}"] for name in ("place", "box", "value"))
    except KeyError as error:
        raise _not_points(f"no {error}") from error
    count = len(place)
    shapes = place.shape, box.shape, value.shape
    if shapes != ((count, 3), (2, 3), (len(NAMES), count)) or count > 2 * MOST_POINTS:
        raise _not_points(f"shapes {shapes}")
    low, high = box.astype(np.float64)
    position = (low + place.astype(np.float64) / FULL * (high - low)).astype(np.float32)
    return Points(position, *value.astype(np.float32))


def encode_points(kept: Mapping[str, Array]) -> bytes:
    """Return the file of a frame's points: an .npz of what `pack_points` makes."""
    stream = io.BytesIO()
    arrays: dict[str, Any] = {n: kept[n] for n in sorted(kept) if n.startswith("point_")}
    np.savez(stream, **arrays)
    return stream.getvalue()


def decode_points(data: bytes) -> Points:
    """Read the file of a frame's points. Raises MessageError for what is none."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return unpack_points({name: archive[name] for name in archive.files})
    except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise _not_points(str(error)) from error


def _not_points(what: str) -> MessageError:
    return MessageError(f"Expected the points of a frame, got {what}.", "Make the take again.")
