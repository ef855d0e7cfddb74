"""Pictures from files, bounded in size, as linear light; and grey images such as masks."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ...contract.errors import LiftError
from ..bodies.textures import srgb_to_linear

Floats = NDArray[np.float32]

LEAST_SIDE, MOST_PIXELS = 16, 64_000_000
"A picture's shorter side in pixels, and all of them."
DEEP = ("I;16", "I;16B", "I;16L", "I", "F")
"Pillow's modes of more than eight bits."


@dataclass(frozen=True)
class Picture:
    """`color` (H, W, 3) sRGB in 0..1, not premultiplied; `alpha` (H, W) in 0..1, None if opaque."""

    color: Floats
    alpha: Floats | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.color.shape[1], self.color.shape[0]

    @property
    def linear(self) -> Floats:
        """The colours (H, W, 3) in linear light."""
        return srgb_to_linear(self.color)


def read_picture(path: Path, *, longest: int = 1024) -> Picture:
    """Read a picture, turned as its camera says, its longer side at most `longest` pixels.

    Raises LiftError for what is no picture, damaged, or of a size that cannot be meant.
    """
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        has_alpha = "A" in upright.getbands() or "transparency" in upright.info
        if upright.mode in DEEP:
            upright = Image.fromarray((255 * _grey(upright)).round().astype(np.uint8))
        pixels = upright.convert("RGBa" if has_alpha else "RGB")
        scale = longest / max(pixels.size)
        if scale < 1:
            size = tuple(max(1, round(side * scale)) for side in pixels.size)
            pixels = pixels.resize((size[0], size[1]), Image.Resampling.BOX)
        if has_alpha:
            pixels = pixels.convert("RGBA")
    values = np.asarray(pixels, np.float32) / np.float32(255)
    if not has_alpha or values[..., 3].min() >= 1:
        return Picture(np.ascontiguousarray(values[..., :3]))
    return Picture(np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3]))


def read_grey(path: Path, size: tuple[int, int]) -> Floats:
    """Read a one-channel image as (H, W) in 0..1, brought to `size` (width, height).

    Of a picture with colours their mean is taken, of one with alpha that alone where it varies.
    Raises LiftError as `read_picture`, and where the image has other proportions.
    """
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        values = _grey(upright)
    if abs(values.shape[1] * size[1] - values.shape[0] * size[0]) > max(values.shape):
        raise LiftError(
            f"{path.name}: expected the proportions of the picture, {size[0]} x {size[1]} pixels, "
            f"got {values.shape[1]} x {values.shape[0]}.",
            "Save it in the size of the picture.",
        )
    if values.shape == (size[1], size[0]):
        return values
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX), np.float32)


def _grey(image: Image.Image) -> Floats:
    if image.mode in DEEP:
        values = np.asarray(image, np.float32)
        most = 1.0 if image.mode == "F" and values.max(initial=0) <= 1 else 65535.0
        return np.asarray(np.clip(values / most, 0, 1), np.float32)
    rgba = np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
    if rgba[..., 3].min() < 1:
        return np.ascontiguousarray(rgba[..., 3])
    return np.asarray(rgba[..., :3].mean(axis=2), np.float32)


def _opened(path: Path) -> Image.Image:
    """Open an image, its pixels included, so that damage shows here and nowhere else."""
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(stream)
            _require_size(path, image.size)
            image.load()
    except FileNotFoundError as err:
        raise LiftError(f"{path}: expected a picture, found nothing.", "Check the path.") from err
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError,
            SyntaxError) as err:  # fmt: skip
        reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        raise LiftError(
            f"{path.name}: expected a picture such as PNG or JPEG, got: {reason}.",
            "Save it again as PNG.",
        ) from err
    return image


def _require_size(path: Path, size: tuple[int, int]) -> None:
    if min(size) < LEAST_SIDE or size[0] * size[1] > MOST_PIXELS:
        raise LiftError(
            f"{path.name}: expected sides of at least {LEAST_SIDE} and at most {MOST_PIXELS:,} "
            f"pixels, got {size[0]:,} x {size[1]:,}.",
            "Scale it.",
        )
