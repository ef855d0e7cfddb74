"""Tables in PLY files: the header, and the vertices' columns, mapped rather than loaded.

Turk, The PLY Polygon File Format, 1994: text, or binary of either byte order. Own code, since
Blender's side has NumPy alone, and since what a header claims is held against the file's size
before a byte is made room for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import CaptureError
from .gaussians import require_count

LONGEST_HEADER = 1 << 16
BLOCK = 1 << 13
"Rows that are taken apart at once: few enough for the processor's cache."
TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
LEAST_TEXT = 2
"Characters that one number takes at least, the space behind it included."


@dataclass(frozen=True)
class Table:
    """The vertices of a PLY file: `types` of the columns by name, `count` rows from `start`."""

    path: Path
    order: str
    count: int
    start: int
    types: dict[str, str]

    def columns(self, names: Iterable[str]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield blocks of rows, and their values (rows, columns) f4 of the columns named."""
        wanted = list(names)
        rows = self._text() if self.order == "" else self._mapped()
        for first in range(0, self.count, BLOCK):
            block = rows[first : first + BLOCK]
            values = np.empty((len(block), len(wanted)), np.float32)
            for column, name in enumerate(wanted):
                values[:, column] = block[name]
            yield slice(first, first + len(block)), values

    def require_whole(self) -> None:
        """Raise CaptureError where the file is too short for what its header says."""
        size, least = self.path.stat().st_size, LEAST_TEXT * len(self.types)
        needed = self.start + self.count * (self._layout().itemsize if self.order else least)
        if size + 1 < needed or (self.order and size < needed):
            raise _cut_off(self.path.name, self.count, f"{needed:,} bytes", f"{size:,}")

    def _layout(self) -> np.dtype[np.void]:
        return np.dtype([(name, self.order + kind) for name, kind in self.types.items()])

    def _mapped(self) -> NDArray[np.void]:
        return np.memmap(self.path, self._layout(), "r", self.start, (self.count,))

    def _text(self) -> NDArray[np.void]:
        layout = np.dtype([(name, "f8") for name in self.types])
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            lines = (stream.readline().decode("ascii", "replace") for _ in range(self.count))
            try:
                rows = np.loadtxt(lines, layout, comments=None, ndmin=1)
            except ValueError as err:
                raise CaptureError(
                    f"{self.path.name}: expected {len(self.types)} numbers in each line, got: "
                    f"{err}.",
                    "Export it again, as binary.",
                ) from err
        if len(rows) < self.count:
            raise _cut_off(self.path.name, self.count, "as many lines", f"{len(rows):,}")
        return rows


def read_table(path: Path) -> Table:
    """Read a PLY file's header. Raises CaptureError where its vertices are not all there."""
    with path.open("rb") as stream:
        head = stream.read(LONGEST_HEADER)
    lines, start = _header_lines(path.name, head)
    order = next((words[1] for words in lines if words[0] == "format" and len(words) > 1), "")
    if order not in ORDERS:
        raise CaptureError(
            f"{path.name}: expected a format of {', '.join(ORDERS)}, got {order[:40]!r}.",
            "Export it again.",
        )
    count, types, skipped = _vertices(path.name, lines)
    require_count(path.name, count)
    if skipped and order == "ascii":
        raise _not_first(path.name)
    table = Table(path, ORDERS[order], count, start + skipped, types)
    table.require_whole()
    return table


def _header_lines(name: str, head: bytes) -> tuple[list[list[str]], int]:
    """Return the header's lines as words, and where it ends."""
    end = head.find(b"end_header")
    after = head.find(b"\n", end)
    if not head.startswith(b"ply") or end < 0 or after < 0:
        raise CaptureError(
            f"{name}: expected a PLY header up to its end_header, got {head[:12]!r}.",
            "Check that it is a PLY file, and that it came over whole.",
        )
    text = head[:end].decode("ascii", "replace")
    return [words for line in text.splitlines() if (words := line.split())], after + 1


def _vertices(name: str, lines: list[list[str]]) -> tuple[int, dict[str, str], int]:
    """Return the vertices' count and columns, and the bytes of what stands before them."""
    elements: list[tuple[str, int, list[list[str]]]] = []
    for words in lines:
        if words[0] == "element":
            elements.append((words[1], _whole_number(name, words), []))
        elif words[0] == "property" and elements:
            elements[-1][2].append(words)
    skipped = 0
    for element, count, properties in elements:
        plain = [words for words in properties if len(words) == 3 and words[1] in TYPES]
        if element == "vertex":
            if len(plain) < len(properties) or not plain:
                raise CaptureError(
                    f"{name}: expected vertices of numbers alone, got "
                    f"{next((w for w in properties if w not in plain), ['none'])}.",
                    "Export it again.",
                )
            return count, {words[2]: TYPES[words[1]] for words in plain}, skipped
        if count and len(plain) < len(properties):
            raise _not_first(name)  # lists have no one length: what follows cannot be found
        skipped += count * sum(np.dtype(TYPES[words[1]]).itemsize for words in plain)
    raise CaptureError(
        f"{name}: expected an element named vertex, got none.",
        "Export it as splats or as a point cloud.",
    )


def _whole_number(name: str, words: list[str]) -> int:
    if len(words) == 3 and words[2].isascii() and words[2].isdigit() and len(words[2]) < 20:
        return int(words[2])
    raise CaptureError(
        f"{name}: expected an element with a count, got {' '.join(words)[:60]!r}.",
        "Export it again.",
    )


def _not_first(name: str) -> CaptureError:
    return CaptureError(
        f"{name}: expected its vertices first, got them after what has no fixed length.",
        "Export it as splats or as a point cloud.",
    )


def _cut_off(name: str, count: int, expected: str, got: str) -> CaptureError:
    return CaptureError(
        f"{name}: expected {expected} for the {count:,} rows that its header speaks of, got {got}.",
        "It was cut off, or its header is wrong: fetch it again.",
    )
