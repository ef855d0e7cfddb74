"""Pictures of things whose form is known, for tests of lifts."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impetus.backend.stages.lifts.picture import Picture

Floats = NDArray[np.float32]

GREEN = np.array([0.2, 0.9, 0.2], np.float32)


def disc(size: int = 96, radius: float = 36.0) -> Floats:
    """Return the mask (size, size) of a disc in the middle, its border as covered as it is."""
    y, x = np.mgrid[:size, :size] + 0.5
    away = np.hypot(x - size / 2, y - size / 2)
    return np.clip(radius - away + 0.5, 0, 1).astype(np.float32)


def painted(mask: Floats) -> Picture:
    """Return an opaque picture of an object with waves of colour, before a green background."""
    height, width = mask.shape
    y, x = np.mgrid[:height, :width] + 0.5
    waves = 0.5 + 0.4 * np.sin(x / 4) * np.sin(y / 7)
    color = np.stack([waves, 0.9 * x / width, 0.9 * y / height], axis=-1).astype(np.float32)
    return Picture(color * mask[..., None] + (1 - mask[..., None]) * GREEN)


def save(path: Path, picture: Picture, mask: Floats | None = None) -> Path:
    """Write a picture as PNG, with a mask as its alpha where one is given."""
    values = picture.color
    if mask is not None:
        values = np.concatenate([values, mask[..., None]], axis=-1)
    Image.fromarray((255 * values + 0.5).astype(np.uint8)).save(path)
    return path
