"""The border between light and networks: linear premultiplied beauty to sRGB pictures, and back."""

from dataclasses import replace

import numpy as np
from PIL import Image

from ...contract.arrays import Array
from ...contract.image_motions import ShotMotion
from ...contract.shot import Film, Shot
from ..images.rendered import RenderedFrame
from ..takes.picture import decode_srgb, encode_srgb


def to_picture(frame: RenderedFrame, shot: Shot) -> Array:
    """Return the beauty as u1 (h, w, 3), sRGB; a transparent film stands on the world's colour."""
    through = 1 - _alpha(frame)
    over = frame.beauty[..., :3] + through * np.array(shot.world.background, np.float32)
    return _bytes(encode_srgb(over))


def from_picture(picture: Array, frame: RenderedFrame, shot: Shot) -> RenderedFrame:
    """Return the frame with a diffused picture as its beauty; the passes stay.

    It is opaque. With a transparent film that follows the shot's own motion it keeps the render's
    alpha, and the world's colour is taken out of it again, so that it composites as the render.
    """
    light = decode_srgb(picture.astype(np.float32) / 255)
    alpha = np.ones_like(light[..., :1])
    if shot.world.transparent and _follows_shot(shot):
        alpha = _alpha(frame)
        behind = (1 - alpha) * np.array(shot.world.background, np.float32)
        light = np.where(alpha > 0, np.maximum(light - behind, 0), 0)
    return replace(frame, beauty=np.concatenate([light, alpha], axis=-1).astype(np.float32))


def fit_picture(image: Array, film: Film) -> Array:
    """Scale u1 (H, W, 3 or 4), sRGB, to cover the film, and cut what stands over, evenly.

    Straight alpha goes over black.
    """
    picture = Image.fromarray(np.ascontiguousarray(image))
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (0, 0, 0, 255)), picture)
    scale = max(film.width / picture.width, film.height / picture.height)
    width, height = film.width / scale, film.height / scale
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    return np.array(  # a copy: PIL's own may not be written to, which torch warns of
        picture.convert("RGB").resize(
            (film.width, film.height), Image.Resampling.LANCZOS,
            box=(left, top, left + width, top + height),
        )
    )  # fmt: skip


def _alpha(frame: RenderedFrame) -> Array:
    return np.clip(frame.beauty[..., 3:], 0.0, 1.0)


def _bytes(display: Array) -> Array:
    return (np.nan_to_num(display) * 255 + 0.5).astype(np.uint8)


def _follows_shot(shot: Shot) -> bool:
    return isinstance(getattr(shot.method, "motion", None), ShotMotion)
