"""Slow twins of the capture files: one number after another, as their descriptions say it."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from impetus.backend.contract.captures.gaussians import Gaussians

SH_FLIP = [-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1]
"Signs of harmonics 1 to 15 between RDF and RUB: the products of the axes' signs in each."


def rotation(quaternion: np.ndarray) -> np.ndarray:
    w, x, y, z = (float(v) for v in quaternion / np.linalg.norm(quaternion.astype(float)))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def write_ply(
    path: Path,
    splats: Gaussians,
    order: str,
    *,
    kind: str = "float",
    extra: tuple[str, str] | None = None,
    before: bytes = b"",
    body_before: bytes = b"",
) -> None:
    """Write a capture's PLY, columns in another order than ours."""
    rest = splats.harmonics.shape[1] - 1
    columns = {"opacity": splats.logit}
    columns |= {f"rot_{k}": splats.quaternion[:, k] for k in range(4)}
    columns |= {name: splats.mean[:, k] for k, name in enumerate("xyz")}
    columns |= {f"scale_{k}": splats.log_scale[:, k] for k in range(3)}
    columns |= {f"f_dc_{c}": splats.harmonics[:, 0, c] for c in range(3)}
    columns |= {
        f"f_rest_{rest * c + k}": splats.harmonics[:, 1 + k, c]
        for c in range(3)
        for k in range(rest)
    }
    lines = [f"property {kind} {name}" for name in columns]
    if extra:
        lines.insert(4, f"property {extra[1]} {extra[0]}")
    head = b"ply\nformat %s 1.0\n%selement vertex %d\n" % (order.encode(), before, len(splats))
    head += ("\n".join(lines) + "\nend_header\n").encode()
    end = ">" if order == "binary_big_endian" else "<"
    code = {"float": "f", "double": "d"}[kind]
    body = b""
    for i in range(len(splats)):
        row = [float(values[i]) for values in columns.values()]
        if order == "ascii":
            body += (" ".join(repr(v) for v in row) + "\n").encode()
            continue
        packed = [struct.pack(end + code, v) for v in row]
        if extra:
            packed.insert(4, b"\7")
        body += b"".join(packed)
    path.write_bytes(head + body_before + body)


def body(path: Path) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)


def gzip_of_text() -> bytes:
    return gzip.compress(b"a letter to a friend")


def changed_spz(data: bytes, *, version: int, count: int | None, cut: int) -> bytes:
    raw = bytearray(gzip.decompress(data))
    raw[4:8] = struct.pack("<I", version)
    if count is not None:
        raw[8:12] = struct.pack("<I", count)
    return gzip.compress(bytes(raw[: len(raw) - cut]))


def _byte(value: float) -> int:
    return int(min(max(math.floor(value + 0.5), 0), 255))


def write_spz(path: Path, splats: Gaussians, version: int) -> None:
    """Write a PLY's splats as SPZ, attribute by attribute."""
    degree = math.isqrt(splats.harmonics.shape[1]) - 1
    parts = [struct.pack("<IIIBBBB", 0x5053474E, version, len(splats), degree, 12, 0, 0)]
    for mean in splats.mean:
        for value, sign in zip(mean, (1, -1, -1), strict=True):
            fixed = round(float(value) * sign * 4096)
            parts.append((fixed & 0xFFFFFF).to_bytes(3, "little"))
    for logit in splats.logit:
        parts.append(bytes([_byte(255 / (1 + math.exp(-logit)))]))
    for first in splats.harmonics[:, 0]:
        parts.append(bytes(_byte(float(v) * 0.15 * 255 + 127.5) for v in first))
    for scale in splats.log_scale:
        parts.append(bytes(_byte((float(v) + 10) * 16) for v in scale))
    for wxyz in splats.quaternion:
        w, x, y, z = wxyz.astype(float) / np.linalg.norm(wxyz.astype(float))
        q = [x, -y, -z, w]
        if version == 2:
            sign = -1 if w < 0 else 1
            parts.append(bytes(_byte(sign * v * 127.5 + 127.5) for v in q[:3]))
            continue
        largest = max(range(4), key=lambda k: abs(q[k]))
        packed = largest
        for k in range(4):
            if k != largest:
                negative = (q[k] < 0) != (q[largest] < 0)
                size = int(511 * abs(q[k]) / math.sqrt(0.5) + 0.5)
                packed = packed << 10 | negative << 9 | size
        parts.append(struct.pack("<I", packed))
    for waves in splats.harmonics[:, 1:]:
        for k, rgb in enumerate(waves):
            bucket = 8 if k < 3 else 16
            for value in rgb:
                step = math.floor(float(value) * SH_FLIP[k] * 128 + 0.5) + 128
                parts.append(bytes([min(max((step + bucket // 2) // bucket * bucket, 0), 255)]))
    path.write_bytes(gzip.compress(b"".join(parts)))


def read_spz(path: Path) -> Gaussians:
    """Read SPZ into a PLY's axes, one byte after another."""
    raw = gzip.decompress(path.read_bytes())
    magic, version, count, degree, bits, _, _ = struct.unpack_from("<IIIBBBB", raw)
    assert magic == 0x5053474E
    at = 16

    def take(size: int) -> bytes:
        nonlocal at
        at += size
        return raw[at - size : at]

    mean, logit, first, scale, turn, waves = [], [], [], [], [], []
    for _ in range(count):
        place = [int.from_bytes(take(3), "little", signed=True) / (1 << bits) for _ in range(3)]
        mean.append([place[0], -place[1], -place[2]])
    for _ in range(count):
        alpha = min(max(take(1)[0], 0.25), 254.75) / 255
        logit.append(math.log(alpha / (1 - alpha)))
    first = [[(b / 255 - 0.5) / 0.15 for b in take(3)] for _ in range(count)]
    scale = [[b / 16 - 10 for b in take(3)] for _ in range(count)]
    for _ in range(count):
        if version == 2:
            q = [b / 127.5 - 1 for b in take(3)]
            q.append(math.sqrt(max(0, 1 - sum(v * v for v in q))))
        else:
            packed = int.from_bytes(take(4), "little")
            q, largest = [0.0] * 4, packed >> 30
            for k in (3, 2, 1, 0):
                if k != largest:
                    size = math.sqrt(0.5) * (packed & 511) / 511
                    q[k] = -size if packed >> 9 & 1 else size
                    packed >>= 10
            q[largest] = math.sqrt(max(0, 1 - sum(v * v for v in q)))
        turn.append([q[3], q[0], -q[1], -q[2]])
    each = (degree + 1) ** 2 - 1
    for _ in range(count):
        waves.append([[(b - 128) / 128 * SH_FLIP[k] for b in take(3)] for k in range(each)])
    assert at == len(raw)
    harmonics = np.concatenate([np.array(first)[:, None], np.array(waves)], axis=1)
    found = (np.array(v, np.float32) for v in (mean, scale, turn, logit, harmonics))
    return Gaussians(*found)
