"""Colours by name and noise for drawn textures; every other module of the scenes paints with it."""

import random

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Color = tuple[float, float, float]

COLORS: dict[str, str] = {
    "red": "c8201c",
    "orange": "e87818",
    "yellow": "f0c828",
    "lime green": "98c830",
    "green": "2c8c38",
    "dark green": "1c4c2c",
    "teal": "18807c",
    "light blue": "78b8e4",
    "blue": "2454c0",
    "navy blue": "1c2860",
    "purple": "6c34a0",
    "pink": "ec88b0",
    "brown": "704424",
    "beige": "d4bc94",
    "white": "eeece8",
    "gray": "88888c",
    "black": "242428",
    "cream": "f0e4c4",
}
LIGHT_COLORS = ("white", "cream", "beige", "light blue", "pink", "gray", "yellow")


def srgb(name: str) -> Floats:
    """Return a colour's sRGB values in 0..1, shape (3,)."""
    code = COLORS[name]
    return np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)], np.float32)


def paint(values: object) -> Floats:
    """Return numbers as what pictures are painted with; mostly sRGB in 0..1, shape (3,)."""
    return np.array(values, np.float32)


def linear(values: Floats) -> Color:
    """Return scene-linear values of an sRGB colour, as shaders take them."""
    r, g, b = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(r), float(g), float(b)


def encoded(values: Floats) -> Floats:
    """Return sRGB values in 0..1 of scene-linear ones; what is brighter than white is clipped."""
    x = np.clip(values, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def some_color(rng: random.Random, *, other_than: tuple[str, ...] = ()) -> str:
    """Choose a colour's name."""
    return rng.choice([name for name in COLORS if name not in other_than])


def noise(rng: random.Random, height: int, width: int, *, power: float, cells: float = 2) -> Floats:
    """Draw tileable smooth noise of mean 0 and deviation 1; `power` is the spectrum's fall-off."""
    grain = np.random.default_rng(rng.getrandbits(64)).standard_normal((height, width))
    fy = np.fft.fftfreq(height)[:, None] * height
    fx = np.fft.rfftfreq(width)[None] * width
    frequency = np.hypot(fy, fx)
    gain = np.where(frequency < cells, 0.0, np.maximum(frequency, 1) ** -power)
    # What is finer than a sixteenth of the tile shows as grit at these picture sizes.
    gain *= np.exp(-((frequency / (0.18 * max(height, width))) ** 2))
    field = np.fft.irfft2(np.fft.rfft2(grain) * gain, s=(height, width))
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def blend(amount: Floats, first: Floats, second: Floats) -> Floats:
    """Mix two colours (3,) or pictures by an amount (h, w) in 0..1."""
    share = np.clip(amount, 0, 1)[..., None]
    return np.asarray(first * (1 - share) + second * share, np.float32)
