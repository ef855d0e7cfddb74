"""A frame's passes as one multilayer EXR, by Blender's names and conventions; used by deliver."""

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from ...contract.arrays import Array
from ..images.rendered import RenderedFrame

LAYER = "ViewLayer"
EMPTY_DEPTH = np.float32(1e10)
"What Blender writes where nothing was hit."


def write_exr(path: Path, frame: RenderedFrame) -> None:
    """Write all passes of a frame; equal frames give equal bytes."""
    header: dict[str, Any] = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
    }
    OpenEXR.File(header, _channels(frame)).write(str(path))


def read_channels(path: Path) -> dict[str, Array]:
    """Read a multilayer EXR: full channel name to (h, w)."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels: dict[str, Any] = file.channels()
        return {name: channel.pixels for name, channel in channels.items()}


def read_depth(path: Path) -> Array:
    """Read the depth (h, w) that `write_exr` wrote, bit for bit, +inf where empty."""
    return _emptied(read_channels(path)[f"{LAYER}.Depth.Z"])


def _emptied(depth: Array) -> Array:
    return np.where(depth >= EMPTY_DEPTH, np.float32(np.inf), depth)


def read_frame(path: Path, number: int) -> RenderedFrame:
    """Read a frame back as `write_exr` kept it: beauty and normals in half precision."""
    read = read_channels(path)

    def image(name: str, letters: str) -> Array:
        return np.stack([read[f"{LAYER}.{name}.{letter}"] for letter in letters], axis=-1)

    depth, vector = read[f"{LAYER}.Depth.Z"], image("Vector", "XYZW")
    valid = image("Motion Valid", "XY") > 0
    return RenderedFrame(
        frame=number,
        beauty=image("Combined", "RGBA").astype(np.float32),
        depth=_emptied(depth),
        median=_emptied(read[f"{LAYER}.Depth Median.Z"]),
        coverage=read[f"{LAYER}.Coverage.X"].astype(np.float32),
        normal=image("Normal", "XYZ").astype(np.float32),
        index=read[f"{LAYER}.IndexOB.X"].astype(np.int32) - 1,
        forward=vector[..., 2:] * np.array([-1, 1], np.float32),
        backward=vector[..., :2] * np.array([1, -1], np.float32),
        valid_forward=valid[..., 1],
        valid_backward=valid[..., 0],
    )


def _channels(frame: RenderedFrame) -> dict[str, Array]:
    half = np.finfo(np.float16).max
    combined = np.clip(frame.beauty, -half, half).astype(np.float16)
    normal = frame.normal.astype(np.float16)
    f, b = frame.forward, frame.backward
    # Blender's: XY = previous - now, ZW = now - next, y up; ours point to the other frame, y down.
    vector = np.stack([b[..., 0], -b[..., 1], -f[..., 0], f[..., 1]], axis=-1)
    vector += 0.0  # no negative zeros: compositors show them
    depth, median = (
        np.where(np.isfinite(image), image, EMPTY_DEPTH).astype(np.float32)[..., None]
        for image in (frame.depth, frame.median)
    )
    passes: dict[str, Array] = {
        "Combined.RGBA": combined,
        "Normal.XYZ": normal,
        "Depth.Z": depth,
        "Depth Median.Z": median,
        "Coverage.X": frame.coverage[..., None].astype(np.float16),
        "Vector.XYZW": vector.astype(np.float32),
        # Blender's object index: 0 where there is nothing, so the shot's first body is 1.
        "IndexOB.X": (frame.index + 1)[..., None].astype(np.float32),
        "Motion Valid.XY": np.stack(
            [frame.valid_backward, frame.valid_forward], axis=-1
        ).astype(np.float16),
    }  # fmt: skip
    return {
        f"{LAYER}.{name.split('.')[0]}.{letter}": np.ascontiguousarray(values[..., i])
        for name, values in passes.items()
        for i, letter in enumerate(name.split(".")[1])
    }
