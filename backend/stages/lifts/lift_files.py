"""A lifted body as a folder: splats, mesh, camera, pictures; the extension reads it."""

import os
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from ...contract.captures.files import write_capture
from ...contract.captures.gaussians import BAND_0, Gaussians, logit_of
from ..bodies.shape import Shape
from ..takes.picture import encode_srgb
from .lift import Lifted
from .picture import Floats
from .splats import Splats, front_view, own_colors

CHESSBOARD = 0.8
"Grey that stands behind a front view where there is no background."


class LiftRecord(msgspec.Struct, frozen=True):
    """`lift.json`: the camera, sizes, and how well it went. Lengths in metres, body space."""

    camera_to_body: list[list[float]]
    intrinsics: list[float]
    size: tuple[int, int]
    splats: int
    triangles: int
    "0 where there is no mesh."
    volume: float
    match: float
    notes: tuple[str, ...]
    epochs: int = 0
    "Of the refinement; 0 where there was none."
    format: int = 1


def write_lift(out: Path, lifted: Lifted) -> None:
    """Write a body into the folder `out`; `lift.json` comes last, and says that it is whole.

    splats.ply (as captures are trained), form.npz (mesh, where there is one: vertices, triangles,
    normals, uv),
    texture.png (the object's colours, continued beyond it), mask.png, front.png (what its camera
    sees), and background.png where there is one.
    """
    out.mkdir(parents=True, exist_ok=True)
    record = out / "lift.json"
    record.unlink(missing_ok=True)
    write_capture(out / "splats.ply", gaussians_of(lifted.splats))
    (out / "form.npz").unlink(missing_ok=True)
    if lifted.shape is not None:
        _write_form(out / "form.npz", lifted.shape, lifted)
    texture = encode_srgb(own_colors(lifted.picture, lifted.mask))
    _write_picture(out / "texture.png", texture)
    _write_picture(out / "mask.png", lifted.mask)
    behind = lifted.background
    if behind is None:
        behind = np.full(lifted.picture.color.shape, CHESSBOARD, np.float32)
    else:
        _write_picture(out / "background.png", behind)
    _write_picture(out / "front.png", front_view(lifted.splats, lifted.seen, behind))
    whole = LiftRecord(
        lifted.seen.camera_to_body.tolist(),
        lifted.seen.intrinsics.tolist(),
        lifted.picture.size,
        len(lifted.splats),
        len(lifted.shape.triangles) if lifted.shape else 0,
        lifted.shape.volume if lifted.shape else 0.0,
        lifted.match,
        lifted.notes,
        lifted.epochs,
    )
    part = record.with_suffix(".tmp")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1))
    os.replace(part, record)


def gaussians_of(splats: Splats) -> Gaussians:
    """Return splats as captures hold them: colours in sRGB, logarithms, logits."""
    shown = encode_srgb(splats.color).astype(np.float32)
    return Gaussians(
        splats.mean,
        np.log(splats.scale),
        splats.turn,
        logit_of(np.clip(splats.opacity, 1e-4, 1 - 1e-4)),
        ((shown - np.float32(0.5)) / np.float32(BAND_0))[:, None, :],
    )


def _write_form(path: Path, shape: Shape, lifted: Lifted) -> None:
    width, height = lifted.picture.size
    pixel, _ = lifted.seen.to_picture(shape.vertices)
    uv = np.stack([pixel[:, 0] / width, 1 - pixel[:, 1] / height], axis=1)
    part = path.with_suffix(".tmp")
    with part.open("wb") as stream:
        np.savez(
            stream,
            vertices=shape.vertices,
            triangles=shape.triangles,
            normals=shape.corner_normals,
            uv=uv[shape.triangles].astype(np.float32),
        )
    os.replace(part, path)


def _write_picture(path: Path, values: Floats) -> None:
    part = path.with_suffix(".tmp")
    with part.open("wb") as stream:
        pixels = (255 * np.clip(np.nan_to_num(values), 0, 1) + 0.5).astype(np.uint8)
        Image.fromarray(pixels).save(stream, "PNG")
    os.replace(part, path)
