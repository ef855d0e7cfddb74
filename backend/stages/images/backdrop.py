"""What is behind everything: the world's colour, an image stretched to the film, or nothing."""

import numpy as np
from PIL import Image

from ...contract.arrays import Array, ArraySet
from ...contract.shot import Film, Shot
from ..takes.picture import decode_srgb


def backdrop_of(shot: Shot, arrays: ArraySet) -> Array:
    """Return the backdrop (h, w, 4), linear, premultiplied; all zero for a transparent film."""
    film, world = shot.film, shot.world
    backdrop = np.zeros((film.height, film.width, 4), np.float32)
    if world.transparent:
        return backdrop
    backdrop[..., :3], backdrop[..., 3] = world.background, 1.0
    if world.background_image is not None:
        image = _stretch(_linear(arrays.of(world.background_image)), film)
        backdrop = image + backdrop * (1 - image[..., 3:])
    return backdrop


def _linear(image: Array) -> Array:
    """Return an image u1 sRGB or f4 linear (h, w, 3 or 4) as linear and premultiplied (h, w, 4)."""
    pixels = image.astype(np.float32)
    if image.dtype == np.uint8:
        pixels /= 255
        pixels[..., :3] = decode_srgb(pixels[..., :3])
    alpha = pixels[..., 3:] if image.shape[-1] == 4 else np.ones_like(pixels[..., :1])
    return np.concatenate([pixels[..., :3] * alpha, alpha], axis=-1)


def _stretch(image: Array, film: Film) -> Array:
    """Resample each channel to the whole film and cut the film out, area-weighted."""
    size = (film.width, film.height)
    left, top, width, height = film.whole or (0, 0, *size)
    across, down = image.shape[1] / width, image.shape[0] / height
    box = (left * across, top * down, (left + size[0]) * across, (top + size[1]) * down)
    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
            size, Image.Resampling.BILINEAR, box))
        for c in range(4)
    ]  # fmt: skip
    return np.stack(channels, axis=-1)
