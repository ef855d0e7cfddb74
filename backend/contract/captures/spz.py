"""Niantic's SPZ, versions 2 and 3: splats in 20 to 65 bytes each, and then compressed by gzip.

Header of 16 bytes: magic NGSP, version, count, degree, fractional bits, flags, 0. Behind it, each
for all splats: places (3 x 24-bit fixed point), opacities, mean colours, scales (in sixteenths of
e's exponents from -10), rotations (version 2: x, y, z in bytes; 3: the smallest three of four in
10 bits each), harmonics in bytes. Its axes are right, up, back; ours are a PLY's: right, down,
front, so y and z change sign.
"""

import gzip
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import CaptureError
from . import harmonics as waves
from .gaussians import COUNTS, Floats, Gaussians, logit_of, opacity_of, require_count, whole_splats

Bytes = NDArray[np.uint8]

MAGIC = b"NGSP"
HEADER = struct.Struct("<4sIIBBBB")
ANTIALIASED, EXTENDED = 1, 2
BITS = 12
"Fractional bits: a quarter of a millimetre where units are metres."
FARTHEST = (1 << 23) - 1
COLOR_SCALE = 0.15
BUCKETS = (8, 16)
"Steps in 1/128 that harmonics of degree 1, and of higher ones, are rounded to."
ROOT = np.sqrt(0.5)
SMALLEST = 511
TIGHTEST = 1032
"Bytes that deflate makes of one at the most."
FLIP = np.array([1.0, -1.0, -1.0], np.float32)
_SOMEWHERE = np.array([0.48, 0.36, 0.8])
WAVE_FLIP = np.sign(waves.basis(_SOMEWHERE * FLIP) * waves.basis(_SOMEWHERE)).astype(np.float32)
"Signs of the 16 harmonics under the half turn between the two sets of axes."


def read_spz(path: Path) -> Gaussians:
    """Read an SPZ file. Raises CaptureError for one that is not whole, or of another version."""
    with path.open("rb") as raw:
        if raw.read(4) == MAGIC:
            raise _other_version(path.name, int.from_bytes(raw.read(4), "little"))
    try:
        with gzip.open(path) as stream:
            return _read(path, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise CaptureError(
            f"{path.name}: expected a whole SPZ file, got: {err}.",
            "It was cut off or damaged: fetch it again.",
        ) from err


def write_spz(stream: BinaryIO, splats: Gaussians, *, version: Literal[2, 3] = 3) -> None:
    """Write splats. Places keep 12 fractional bits, fewer where they reach beyond 2047."""
    farthest = float(np.abs(splats.mean).max(initial=1e-9))
    bits = int(min(BITS, np.floor(np.log2(FARTHEST / farthest))))
    if bits < 0:
        raise CaptureError(
            f"Expected places within {FARTHEST:,} for SPZ, got {farthest:.3g}.",
            "Scale the capture down, or write PLY.",
        )
    count, degree = len(splats), COUNTS.index(splats.harmonics.shape[1])
    flags = ANTIALIASED if splats.antialiased else 0
    packed = splats.only(np.arange(count))
    quaternion = packed.quaternion / np.linalg.norm(packed.quaternion, axis=1, keepdims=True)
    quaternion[:, 2:] *= -1
    rotations = _smallest_three(quaternion) if version == 3 else _first_three(quaternion)
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0) as body:
        body.write(HEADER.pack(MAGIC, version, count, degree, bits, flags, 0))
        body.write(_fixed(packed.mean * FLIP, bits).tobytes())
        body.write(_bytes(255 * opacity_of(packed.logit)).tobytes())
        body.write(_bytes(255 * (COLOR_SCALE * packed.harmonics[:, 0] + 0.5)).tobytes())
        body.write(_bytes(16 * (packed.log_scale + 10)).tobytes())
        body.write(rotations.tobytes())
        for first in range(0, count, waves.CHUNK):
            body.write(_rounded(packed.harmonics[first : first + waves.CHUNK]).tobytes())


def _read(path: Path, stream: gzip.GzipFile) -> Gaussians:
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size or not head.startswith(MAGIC):
        raise CaptureError(
            f"{path.name}: expected the header of an SPZ file, got {head[:8]!r}.",
            "Check that it is one.",
        )
    _, version, count, degree, bits, flags, _ = HEADER.unpack(head)
    if version not in (2, 3):
        raise _other_version(path.name, version)
    require_count(path.name, count)
    if degree > 4 or bits > 23:
        raise CaptureError(
            f"{path.name}: expected harmonics of degree 0 to 4 and at most 23 fractional bits, "
            f"got {degree} and {bits}.",
            "It is damaged: fetch it again.",
        )
    turn_bytes, waves_each = 4 if version == 3 else 3, (degree + 1) ** 2 - 1
    claimed = count * (16 + turn_bytes + 3 * waves_each)
    if claimed > path.stat().st_size * TIGHTEST:
        raise _cut_off(path.name, count)

    def take(each: int) -> Bytes:
        data = stream.read(count * each)
        if len(data) < count * each:
            raise _cut_off(path.name, count)
        return np.frombuffer(data, np.uint8).reshape(count, each)

    mean = (_unfixed(take(9), bits) * FLIP).astype(np.float32)
    opacity = np.clip(take(1)[:, 0], 0.25, 254.75) / 255  # the ends have no logit
    colors = take(3)
    log_scale = (take(3).astype(np.float32) / 16 - 10).astype(np.float32)
    quaternion = (_from_smallest if version == 3 else _from_first)(take(turn_bytes))
    quaternion[:, 2:] *= -1
    kept = min(waves_each, COUNTS[-1] - 1)
    coefficients = np.empty((count, 1 + kept, 3), np.float32)
    coefficients[:, 0] = (colors.astype(np.float32) / 255 - 0.5) / COLOR_SCALE
    if waves_each:
        found = take(3 * waves_each).reshape(count, waves_each, 3)[:, :kept]
        coefficients[:, 1:] = (found.astype(np.float32) - 128) / 128
        coefficients[:, 1:] *= WAVE_FLIP[1 : 1 + kept, None]
    notes = ["Its harmonics of degree 4 are left out."] * (kept < waves_each)
    notes += ["What a vendor added to it is passed over."] * bool(flags & EXTENDED)
    read = Gaussians(mean, log_scale, quaternion, logit_of(opacity), coefficients,
                     bool(flags & ANTIALIASED), tuple(notes))  # fmt: skip
    return whole_splats(path.name, read)


def _other_version(name: str, version: int) -> CaptureError:
    return CaptureError(
        f"{name}: expected SPZ version 2 or 3, got {version}.", "Save it as version 3, or as PLY."
    )


def _cut_off(name: str, count: int) -> CaptureError:
    return CaptureError(
        f"{name}: expected the {count:,} splats that its header speaks of, got fewer.",
        "It was cut off, or its header is wrong: fetch it again.",
    )


def _bytes(values: Floats) -> Bytes:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _fixed(mean: Floats, bits: int) -> Bytes:
    whole = np.round(mean.astype(np.float64) * (1 << bits)).astype("<i4")
    return np.ascontiguousarray(whole.view(np.uint8).reshape(-1, 3, 4)[:, :, :3])


def _unfixed(packed: Bytes, bits: int) -> Floats:
    low, middle, high = (packed[:, k::3].astype(np.int32) for k in range(3))
    whole = low | middle << 8 | high << 16
    return (((whole ^ 0x800000) - 0x800000) / (1 << bits)).astype(np.float32)


def _first_three(quaternion: Floats) -> Bytes:
    upright = quaternion * np.where(quaternion[:, :1] < 0, -1, 1)
    return _bytes(127.5 * (upright[:, 1:] + 1))


def _from_first(packed: Bytes) -> Floats:
    xyz = packed.astype(np.float32) / 127.5 - 1
    w = np.sqrt(np.maximum(1 - (xyz * xyz).sum(axis=1, keepdims=True), 0))
    return np.concatenate([w, xyz], axis=1)


def _smallest_three(quaternion: Floats) -> NDArray[np.uint32]:
    """Pack x, y, z, w: the largest one's index in two bits, the others as sign and 9 bits each."""
    ordered = np.roll(quaternion, -1, axis=1)
    largest = np.abs(ordered).argmax(axis=1)
    ordered = ordered * np.where(np.take_along_axis(ordered, largest[:, None], 1) < 0, -1, 1)
    size = np.floor(SMALLEST * np.abs(ordered) / ROOT + 0.5).astype(np.uint32)
    packed = largest.astype("<u4")
    for k in range(4):
        part = np.minimum(size[:, k], SMALLEST) | (ordered[:, k] < 0).astype(np.uint32) << 9
        packed = np.where(largest == k, packed, packed << np.uint32(10) | part)
    return np.asarray(packed, "<u4")


def _from_smallest(packed: Bytes) -> Floats:
    left = np.ascontiguousarray(packed).view("<u4")[:, 0]
    largest = (left >> np.uint32(30)).astype(np.int64)
    ordered = np.zeros((len(left), 4), np.float32)
    for k in (3, 2, 1, 0):
        here = largest != k
        size = (left & SMALLEST).astype(np.float32) * np.float32(ROOT / SMALLEST)
        ordered[:, k] = np.where(here, np.where(left >> np.uint32(9) & 1, -size, size), 0)
        left = np.where(here, left >> np.uint32(10), left)
    rest = np.sqrt(np.maximum(1 - (ordered * ordered).sum(axis=1), 0))
    np.put_along_axis(ordered, largest[:, None], rest[:, None], 1)
    return np.roll(ordered, 1, axis=1)


def _rounded(coefficients: Floats) -> Bytes:
    """Round harmonics (n, k, 3) beyond the first to their buckets, in SPZ's axes."""
    steps = np.round(128 * coefficients[:, 1:] * WAVE_FLIP[1 : coefficients.shape[1], None]) + 128
    for members, bucket in ((slice(0, 3), BUCKETS[0]), (slice(3, None), BUCKETS[1])):
        steps[:, members] = np.floor((steps[:, members] + bucket // 2) / bucket) * bucket
    return _bytes(steps)
