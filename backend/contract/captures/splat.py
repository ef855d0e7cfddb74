"""The .splat of antimatter15's viewer: 32 bytes a splat, without header and without harmonics.

Each splat: its place and its half axes (3 f4 each, the axes themselves), red, green, blue and
opacity in bytes, and its quaternion wxyz in bytes, as (q + 1) * 128.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import CaptureError
from .gaussians import (
    BAND_0,
    THINNEST,
    Gaussians,
    logit_of,
    require_count,
    whole_splats,
)

RECORD = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("turn", "u1", 4)])


def read_splat(path: Path) -> Gaussians:
    """Read a .splat file. Raises CaptureError for one that is not of whole splats."""
    size = path.stat().st_size
    if size % RECORD.itemsize:
        raise CaptureError(
            f"{path.name}: expected a multiple of {RECORD.itemsize} bytes, got {size:,}.",
            "It was cut off, or is no .splat file: fetch it again.",
        )
    require_count(path.name, size // RECORD.itemsize)
    rows = np.memmap(path, RECORD, "r")
    scale = np.array(rows["scale"])
    with np.errstate(divide="ignore", invalid="ignore"):
        log_scale = np.where(scale <= 0, -np.inf, np.log(scale)).astype(np.float32)
    rgba = rows["rgba"].astype(np.float32)
    read = Gaussians(
        np.array(rows["mean"]),
        log_scale,
        ((rows["turn"].astype(np.float32) - 128) / 128).astype(np.float32),
        logit_of(np.clip(rgba[:, 3], 0.25, 254.75) / 255),  # the ends have no logit
        ((rgba[:, None, :3] / 255 - 0.5) / BAND_0).astype(np.float32),
    )
    return whole_splats(path.name, read)


def write_splat(stream: BinaryIO, splats: Gaussians) -> None:
    """Write splats, the heaviest first, as viewers that stream them wish; harmonics are lost."""
    weight = np.exp(splats.log_scale.sum(axis=1, dtype=np.float64)) * splats.opacity
    splats = splats.only(np.argsort(-weight, kind="stable"))
    rows = np.empty(len(splats), RECORD)
    rows["mean"] = splats.mean
    rows["scale"] = np.where(splats.log_scale <= THINNEST, 0, np.exp(splats.log_scale))
    rows["rgba"][:, :3] = np.clip(np.round(255 * splats.colors), 0, 255)
    rows["rgba"][:, 3] = np.clip(np.round(255 * splats.opacity), 0, 255)
    unit = splats.quaternion / np.linalg.norm(splats.quaternion, axis=1, keepdims=True)
    rows["turn"] = np.clip(np.round(128 * unit + 128), 0, 255)
    stream.write(rows.tobytes())
