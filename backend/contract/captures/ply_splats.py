"""Splats and coloured points in PLY files, in the columns that 3D Gaussian Splatting writes."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import CaptureError
from .gaussians import COUNTS, Gaussians, Points, whole_points, whole_splats
from .ply import BLOCK, Table, read_table

PLACE = ("x", "y", "z")
SHAPE = ("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3", "opacity")
FIRST = ("f_dc_0", "f_dc_1", "f_dc_2")
COLOR = ("red", "green", "blue")
OFTEN = {"r": "red", "g": "green", "b": "blue", "diffuse_red": "red",
         "diffuse_green": "green", "diffuse_blue": "blue"}  # fmt: skip
FULL = {"u1": 255.0, "u2": 65535.0}
"What stands for one, by the type of a colour."
GREY = 0.5


def read_ply(path: Path) -> Gaussians | Points:
    """Read splats where the file has any of their columns, else points; rows are mapped in blocks.

    Raises CaptureError, before anything is kept, for a file that is neither, or is cut off.
    """
    table = read_table(path)
    _require(path.name, table, PLACE)
    if "packed_position" in table.types or "packed_rotation" in table.types:
        raise CaptureError(
            f"{path.name}: expected plain columns, got those of a compressed PLY.",
            "Save it uncompressed, or as SPZ.",
        )
    if any(name in table.types for name in (*SHAPE[:7], *FIRST)):
        return _read_splats(path, table)
    return _read_points(path, table)


def write_ply(stream: BinaryIO, splats: Gaussians) -> None:
    """Write splats, little endian, f4: every number as it is; normals are zero, as trainers do."""
    rest = 3 * (splats.harmonics.shape[1] - 1)
    names = [*PLACE, "nx", "ny", "nz", *FIRST, *(f"f_rest_{i}" for i in range(rest)),
             "opacity", *SHAPE[:7]]  # fmt: skip
    _write_header(stream, len(splats), [f"float {name}" for name in names])
    for first in range(0, len(splats), BLOCK):
        rows = slice(first, first + BLOCK)
        count = len(splats.mean[rows])
        block = np.zeros((count, len(names)), "<f4")
        block[:, :3] = splats.mean[rows]
        block[:, 6:9] = splats.harmonics[rows, 0]
        block[:, 9 : 9 + rest] = splats.harmonics[rows, 1:].swapaxes(1, 2).reshape(count, rest)
        block[:, 9 + rest] = splats.logit[rows]
        block[:, 10 + rest : 13 + rest] = splats.log_scale[rows]
        block[:, 13 + rest :] = splats.quaternion[rows]
        stream.write(block.tobytes())


def write_point_ply(stream: BinaryIO, points: Points) -> None:
    """Write coloured points: f4 places, colours in bytes."""
    columns = [f"float {name}" for name in PLACE] + [f"uchar {name}" for name in COLOR]
    _write_header(stream, len(points), columns)
    layout = np.dtype([("place", "<f4", 3), ("color", "u1", 3)])
    for first in range(0, len(points), BLOCK):
        rows = slice(first, first + BLOCK)
        block = np.empty(len(points.position[rows]), layout)
        block["place"] = points.position[rows]
        block["color"] = np.round(255 * np.clip(points.color[rows], 0, 1))
        stream.write(block.tobytes())


def _write_header(stream: BinaryIO, count: int, columns: list[str]) -> None:
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}",
             *(f"property {column}" for column in columns), "end_header", ""]  # fmt: skip
    stream.write("\n".join(lines).encode("ascii"))


def _read_splats(path: Path, table: Table) -> Gaussians:
    _require(path.name, table, (*SHAPE, *FIRST))
    rest = sum(name.startswith("f_rest_") for name in table.types)
    if rest % 3 or rest // 3 + 1 not in (*COUNTS, 25):
        raise CaptureError(
            f"{path.name}: expected 0, 9, 24 or 45 columns f_rest for harmonics of degree 0 to 3, "
            f"got {rest}.",
            "Export it again.",
        )
    _require(path.name, table, tuple(f"f_rest_{i}" for i in range(rest)))
    given = rest // 3
    kept = min(given, COUNTS[-1] - 1)
    notes = ("Its harmonics of degree 4 are left out.",) if kept < given else ()
    more = [f"f_rest_{given * c + k}" for c in range(3) for k in range(kept)]
    count = table.count
    made = Gaussians(
        np.empty((count, 3), np.float32), np.empty((count, 3), np.float32),
        np.empty((count, 4), np.float32), np.empty(count, np.float32),
        np.empty((count, 1 + kept, 3), np.float32), notes=notes,
    )  # fmt: skip
    for rows, values in table.columns([*PLACE, *SHAPE, *FIRST, *more]):
        made.mean[rows] = values[:, :3]
        made.log_scale[rows] = values[:, 3:6]
        made.quaternion[rows] = values[:, 6:10]
        made.logit[rows] = values[:, 10]
        made.harmonics[rows, 0] = values[:, 11:14]
        waves = values[:, 14:].reshape(len(values), 3, kept)
        made.harmonics[rows, 1:] = waves.swapaxes(1, 2)
    return whole_splats(path.name, made)


def _read_points(path: Path, table: Table) -> Points:
    named = {OFTEN.get(name, name): name for name in table.types}
    colors = [named[name] for name in COLOR if name in named]
    notes: tuple[str, ...] = ()
    if len(colors) < 3:
        colors, notes = [], ("It has no colours; its points are grey.",)
    position = np.empty((table.count, 3), np.float32)
    color = np.full((table.count, 3), GREY, np.float32)
    full = np.array([FULL.get(table.types[name], 1.0) for name in colors], np.float32)
    for rows, values in table.columns([*PLACE, *colors]):
        position[rows] = values[:, :3]
        if colors:
            color[rows] = values[:, 3:] / full
    return whole_points(path.name, Points(position, color, notes))


def _require(name: str, table: Table, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in table.types]
    if missing:
        more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
        raise CaptureError(
            f"{name}: expected columns {', '.join(missing[:6])}{more}, which its vertices lack.",
            "Export it as 3D Gaussian Splatting writes splats, or as a point cloud.",
        )
