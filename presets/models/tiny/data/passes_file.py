"""Reader of the uncompressed EXR files that Blender writes; Blender itself brings none.

OpenEXR's file layout: a header of attributes for each part, tables of offsets, then lines of
pixels, each line channel by channel. Only what `rendering` asks for is read: scan lines, no
compression, half and float channels of full resolution.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from .world.palette import Floats

MAGIC = 20000630
MULTI_PART = 0x1000
_TYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<u4"),
    1: np.dtype("<f2"),
    2: np.dtype("<f4"),
}
Header = dict[str, bytes]


def read_passes(path: Path) -> dict[str, Floats]:
    """Read all channels (h, w) by pass and letter, such as `Depth.Z`, whatever the layer's name.

    Raises ValueError if the file is no uncompressed EXR.
    """
    data = path.read_bytes()
    magic, version = struct.unpack_from("<II", data)
    if magic != MAGIC:
        raise ValueError(f"expected an EXR file, but {path.name} begins otherwise")
    headers, at = _headers(data, several=bool(version & MULTI_PART))
    found: dict[str, Floats] = {}
    for header in headers:
        if header["compression"] != b"\0":
            raise ValueError(f"expected an uncompressed EXR file, but {path.name} is compressed")
        x0, y0, x1, y1 = struct.unpack("<4i", header["dataWindow"])
        width, height = x1 - x0 + 1, y1 - y0 + 1
        offsets = np.frombuffer(data, "<u8", height, at)
        at += 8 * height
        # Before a line's pixels: the part's number if there are several, its y, its size.
        head = 12 if version & MULTI_PART else 8
        found |= _channels(data, header, offsets + head, width)
    return found


def _headers(data: bytes, *, several: bool) -> tuple[list[Header], int]:
    headers: list[Header] = []
    at = 8
    while True:
        header: Header = {}
        while data[at] != 0:
            name, at = _text(data, at)
            _, at = _text(data, at)  # its type follows from its name
            (size,) = struct.unpack_from("<i", data, at)
            header[name] = data[at + 4 : at + 4 + size]
            at += 4 + size
        at += 1
        headers.append(header)
        if not several:
            return headers, at
        if data[at] == 0:
            return headers, at + 1


def _channels(
    data: bytes, header: Header, lines: np.ndarray[tuple[int], np.dtype[np.uint64]], width: int
) -> dict[str, Floats]:
    listed, at = header["channels"], 0
    shift = 0
    found = {}
    raw = np.frombuffer(data, np.uint8)
    while listed[at] != 0:
        name, at = _text(listed, at)
        kind = _TYPES[struct.unpack_from("<i", listed, at)[0]]
        at += 16
        size = width * kind.itemsize
        reach = lines.astype(np.int64)[:, None] + shift + np.arange(size)
        values = np.ascontiguousarray(raw[reach]).view(kind)
        found[".".join(name.split(".")[-2:])] = values.astype(np.float32)
        shift += size
    return found


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1
