"""Linear light to 8-bit PNG as Blender's Standard view shows it; used by deliver."""

import io

import numpy as np
from PIL import Image

from ...contract.arrays import Array

PNG_EFFORT = 4
"Of zlib's 9: past this, small gains cost much time."


def encode_srgb(linear: Array) -> Array:
    """Return display values 0..1 (same shape) of linear light, IEC 61966-2-1, clipped."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(x, 1 / 2.4) - 0.055)


def decode_srgb(display: Array) -> Array:
    """Return linear light of display values 0..1."""
    x = np.asarray(display, np.float32)
    return np.where(x <= 0.04045, x / 12.92, np.power((x + 0.055) / 1.055, 2.4))


def to_bytes8(beauty: Array, *, transparent: bool) -> Array:
    """Return u1 (h, w, 3), or (h, w, 4) with straight alpha, of a premultiplied linear image."""
    alpha = np.clip(beauty[..., 3:], 0.0, 1.0)
    color = beauty[..., :3]
    if transparent:
        color = np.where(alpha > 0, color / np.maximum(alpha, 1e-6), 0.0)
    display = encode_srgb(np.nan_to_num(color))
    if transparent:
        display = np.concatenate([display, alpha], axis=-1)
    return (display * 255.0 + 0.5).astype(np.uint8)


def encode_png(beauty: Array, *, transparent: bool) -> bytes:
    """Return the bytes of an 8-bit sRGB PNG; equal images give equal bytes."""
    file = io.BytesIO()
    image = Image.fromarray(to_bytes8(beauty, transparent=transparent))
    image.save(file, "PNG", compress_level=PNG_EFFORT)
    return file.getvalue()
