"""Blender's images as arrays: sRGB pictures, masks laid over the film, frames of videos."""

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import Film

from .. import nodes

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
HALF = 0.5
"What is lighter than this is inside a mask."


def read_picture(image: bpy.types.Image) -> Bytes:
    """Return an image as sRGB (H, W, 4), top row first. Raises ShotError where there is none."""
    pixels = _pixels(image)
    if pixels is None:
        raise ShotError(
            image.name,
            "expected a picture with pixels, got an image that cannot be read.",
            "Reload it, or choose another.",
        )
    return pixels


def read_mask(image: bpy.types.Image, film: Film) -> Bytes:
    """Return where an image is light, (H, W) of the film, 0 or 255.

    The image covers the film and is cropped, as a picture is to start from. Raises ShotError.
    """
    pixels = read_picture(image).astype(np.float32) / 255
    light = pixels[..., :3].max(-1) * pixels[..., 3]  # what is painted, in whatever colour
    rows, columns = nearest(light.shape[0], light.shape[1], film.width, film.height)
    return np.where(light[rows[:, None], columns] > HALF, 255, 0).astype(np.uint8)


def read_video(image: bpy.types.Image, first: int, count: int, film: Film) -> Bytes:
    """Return `count` frames of a movie or sequence from its frame `first` on, (T, H, W, 3) sRGB.

    They cover the film and are cropped. Raises ShotError where a frame is not there.
    """
    found = []
    with _shown_frame(image) as user:
        for frame in range(first, first + count):
            if image.source == "MOVIE" and frame > image.frame_duration:
                raise _missing(image, first, count, f"it has {image.frame_duration}")
            user.show(frame)
            pixels = _pixels(image)
            if pixels is None:
                raise _missing(image, first, count, f"frame {frame} cannot be read")
            found.append(_covering(pixels[..., :3], film))
    return np.stack(found)


def nearest(
    height: int, width: int, new_width: int, new_height: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns that pixels of a new size take of a picture that covers them."""
    scale = min(width / new_width, height / new_height)
    found = []
    for size, span in ((height, new_height), (width, new_width)):
        middle = (np.arange(span) + 0.5 - span / 2) * scale + size / 2
        found.append(np.floor(middle).astype(np.intp).clip(0, size - 1))
    return found[0], found[1]


def _missing(image: bpy.types.Image, first: int, count: int, what: str) -> ShotError:
    return ShotError(
        image.name,
        f"expected frames {first} to {first + count - 1} of the video, {what}.",
        "Shorten the shot, or choose another start in the video.",
    )


class _FrameUser:
    """Makes an image show one of its frames: a texture's look-up is what works without a window."""

    def __init__(self, texture: bpy.types.ImageTexture) -> None:
        self._texture = texture
        self._texture.image_user.frame_duration = 1_048_574

    def show(self, frame: int) -> None:
        self._texture.image_user.frame_current = frame
        self._texture.evaluate((0.0, 0.0, 0.0))


@contextmanager
def _shown_frame(image: bpy.types.Image) -> Iterator[_FrameUser]:
    texture = bpy.data.textures.new("Impetus video", "IMAGE")
    texture.image = image
    try:
        yield _FrameUser(texture)
    finally:
        texture.image = None
        bpy.data.textures.remove(texture)


def _pixels(image: bpy.types.Image) -> Bytes | None:
    """Return an image as sRGB bytes (H, W, 4); None if unreadable. Bytes are as they stand."""
    pixels = nodes.pixels(image)
    if pixels is None or pixels.dtype == np.uint8:
        return pixels
    values = pixels.clip(0, 1)
    if not image.is_float:
        return np.rint(values * 255).astype(np.uint8)
    color = values[..., :3]
    curve = 1.055 * np.maximum(color, 0.0031308) ** (1 / 2.4) - 0.055
    values[..., :3] = np.where(color <= 0.0031308, 12.92 * color, curve)
    return np.rint(values * 255).astype(np.uint8)


def _covering(picture: Bytes, film: Film) -> Bytes:
    """Scale a picture (H, W, 3) to cover the film, crop it at the middle; areas are averaged."""
    height, width = picture.shape[:2]
    if (width, height) == (film.width, film.height):
        return picture
    scale = min(width / film.width, height / film.height)
    down = _weights(height, film.height, scale)
    across = _weights(width, film.width, scale)
    rows = np.tensordot(down, picture.astype(np.float32), (1, 0))
    scaled = np.einsum("hwc,xw->hxc", rows, across, optimize=True)
    return np.rint(scaled).clip(0, 255).astype(np.uint8)


def _weights(size: int, span: int, scale: float) -> NDArray[np.float32]:
    """Return (span, size): how much of each source pixel a tent around the target's middle takes.

    The tent is as wide as a target's pixel, or a source's where that is wider.
    """
    middle = (np.arange(span) + 0.5 - span / 2) * scale + size / 2
    distance = np.abs(middle[:, None] - (np.arange(size) + 0.5))
    tent = np.maximum(1 - distance / max(scale, 1.0), 0)
    return (tent / tent.sum(1, keepdims=True)).astype(np.float32)
