"""Tileable textures drawn as pictures: patterns of two colours, and natural grounds."""

import random
from collections.abc import Callable

import numpy as np

from .palette import Floats, blend, noise, paint, srgb

SIZE = 256
_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE


def _soft(edge: Floats, width: float = 0.02) -> Floats:
    return np.asarray(np.clip(edge / width + 0.5, 0, 1), np.float32)


def checkered(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw a checkerboard of 4 x 4 fields."""
    waves = np.sin(4 * np.pi * _X) * np.sin(4 * np.pi * _Y)
    return blend(_soft(waves, 0.1), a, b)


def striped(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw four stripes along the tile, or aslant."""
    turn = rng.choice((0, 1, 1))
    return blend(_soft(np.sin(8 * np.pi * (_X + turn * _Y)), 0.25), a, b)


def dotted(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw round dots in a shifted grid."""
    dots = []
    for shift in (0.0, 0.5):
        u, v = ((_X * 3 + shift) % 1) - 0.5, ((_Y * 3 + shift) % 1) - 0.5
        dots.append(_soft(0.24 - np.hypot(u, v), 0.05))
    return blend(np.maximum(*dots), a, b)


def zigzag(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw zigzag bands."""
    fold = np.abs((_X * 4) % 1 - 0.5)
    return blend(_soft(np.sin(2 * np.pi * (4 * _Y + fold * 2)), 0.25), a, b)


def tiled(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw square tiles of slightly different tone, with joints."""
    tone = np.random.default_rng(rng.getrandbits(64)).uniform(0.86, 1.08, (4, 4))
    tiles = np.kron(tone, np.ones((SIZE // 4, SIZE // 4)))[..., None] * a
    joint = np.maximum(np.abs((_X * 4) % 1 - 0.5), np.abs((_Y * 4) % 1 - 0.5))
    return blend(_soft(joint - 0.46, 0.03), np.asarray(tiles, np.float32), b)


def bricks(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw a running bond of bricks `a` with joints `b`."""
    rows = np.floor(_Y * 8)
    u = _X * 4 + 0.5 * (rows % 2)
    tone = np.random.default_rng(rng.getrandbits(64)).uniform(0.75, 1.12, (8, 4))
    wall = tone[rows.astype(int), np.floor(u).astype(int) % 4][..., None] * a
    joint = np.maximum(np.abs(u % 1 - 0.5) - 0.45, (np.abs((_Y * 8) % 1 - 0.5) - 0.41) / 1.5)
    return blend(_soft(joint, 0.04), np.asarray(wall, np.float32), b)


def wooden(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw planks of colour `a` with grain of colour `b`."""
    plank = np.floor(_Y * 4)
    tone = np.random.default_rng(rng.getrandbits(64)).uniform(0.8, 1.1, 4)[plank.astype(int)]
    bend = noise(rng, SIZE, SIZE, power=2.0)
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * (16 * _Y + 0.45 * bend + 0.37 * plank**2))
    picture = blend(0.55 * grain, a, b) * tone[..., None]
    joint = np.abs((_Y * 4) % 1 - 0.5) - 0.485
    return blend(0.8 * _soft(joint, 0.02), np.asarray(picture, np.float32), 0.35 * b)


def marbled(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw veins of colour `b` in stone of colour `a`."""
    bend = noise(rng, SIZE, SIZE, power=1.9, cells=1)
    veins = 1 - np.abs(np.sin(2 * np.pi * (_X + _Y) + 1.7 * bend))
    return blend(0.9 * veins**4 + 0.12 * noise(rng, SIZE, SIZE, power=1.5), a, b)


def mottled(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw soft clouds of two colours."""
    return blend(0.5 + 0.4 * noise(rng, SIZE, SIZE, power=1.7), a, b)


def terrazzo(rng: random.Random, a: Floats, b: Floats) -> Floats:
    """Draw chips of colour `b` and grey in a ground of colour `a`."""
    picture = np.broadcast_to(a, (SIZE, SIZE, 3)).astype(np.float32)
    for tone in (b, 0.5 * a + 0.1, 0.6 * b + 0.2):
        chips = noise(rng, SIZE, SIZE, power=0.2, cells=8)
        picture = blend(_soft(chips - 1.75, 0.3), picture, tone)
    return picture


def grassy(rng: random.Random) -> Floats:
    """Draw a lawn."""
    a, b = paint((0.22, 0.42, 0.12)), paint((0.42, 0.58, 0.20))
    fine = noise(rng, SIZE, SIZE, power=0.6, cells=6)
    return blend(0.5 + 0.22 * fine + 0.2 * noise(rng, SIZE, SIZE, power=1.8), a, b)


def sandy(rng: random.Random) -> Floats:
    """Draw sand with faint ripples."""
    a, b = paint((0.72, 0.56, 0.36)), paint((0.90, 0.77, 0.55))
    bend = noise(rng, SIZE, SIZE, power=1.9, cells=1)
    ripples = 0.5 + 0.5 * np.sin(2 * np.pi * (9 * _Y + 0.6 * bend))
    return blend(0.3 + 0.45 * ripples + 0.1 * noise(rng, SIZE, SIZE, power=0.5, cells=8), a, b)


def snowy(rng: random.Random) -> Floats:
    """Draw snow with soft blue hollows."""
    a, b = paint((0.80, 0.85, 0.93)), paint((0.96, 0.97, 0.99))
    return blend(0.6 + 0.35 * noise(rng, SIZE, SIZE, power=1.6), a, b)


Pattern = Callable[[random.Random, Floats, Floats], Floats]
PATTERNS: dict[str, Pattern] = {
    "checkered": checkered,
    "striped": striped,
    "dotted": dotted,
    "zigzag": zigzag,
    "tiled": tiled,
    "brick": bricks,
    "marble": marbled,
    "mottled": mottled,
}
WOODS = (("6e4526", "4a2c16"), ("b78450", "8a5c32"), ("d0a878", "a87c4c"), ("8c5a3c", "5c3420"))


def wood_colors(rng: random.Random) -> tuple[Floats, Floats]:
    """Choose a wood's light and dark tone."""
    light, dark = (
        np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)], np.float32)
        for code in rng.choice(WOODS)
    )
    return light, dark


def pattern_colors(name: str, first: str, rng: random.Random) -> str:
    """Choose the second colour's name so that the pattern shows."""
    bright = float(srgb(first).mean()) > 0.5
    if name in ("brick", "tiled"):
        return "gray" if bright else "cream"
    darks = ("black", "navy blue", "brown", "red", "blue", "purple", "dark green", "teal")
    lights = ("white", "cream", "yellow", "light blue", "pink", "beige", "orange")
    return rng.choice([color for color in (darks if bright else lights) if color != first])
