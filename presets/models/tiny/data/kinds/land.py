"""Scenes of the wide land: hills and mountains with trees and lakes, and desert dunes."""

from math import pi, radians

import bmesh
import numpy as np
from mathutils import Matrix, Vector

from ..world import grounds, looks
from ..world.meshes import block, finished
from ..world.palette import Floats, blend, noise, paint, srgb
from ..world.stage import Stage, Thing, View, set_day

LANDS: dict[str, tuple[tuple[float, float, float], ...]] = {
    # low, middle, high, rock: sRGB
    "green hills": ((0.30, 0.48, 0.18), (0.36, 0.54, 0.22), (0.52, 0.62, 0.32), (0.45, 0.40, 0.32)),
    "snowy mountains": (
        (0.34, 0.40, 0.30),
        (0.55, 0.56, 0.58),
        (0.96, 0.97, 1.0),
        (0.36, 0.35, 0.36),
    ),
    "red desert hills": (
        (0.78, 0.46, 0.28),
        (0.72, 0.38, 0.22),
        (0.84, 0.56, 0.36),
        (0.52, 0.26, 0.18),
    ),
    "autumn hills": (
        (0.66, 0.46, 0.18),
        (0.70, 0.40, 0.14),
        (0.62, 0.52, 0.28),
        (0.42, 0.34, 0.26),
    ),
}


def landscape(stage: Stage) -> View:
    """Build displaced land with trees, sometimes with a lake or a house."""
    rng = stage.rng
    set_day(stage)
    name = rng.choice(list(LANDS))
    rough = rng.uniform(0.5, 1.0) if "hills" in name else rng.uniform(1.3, 2.1)
    height = noise(rng, 160, 160, power=2.3, cells=1.5) * rough
    height = np.where(height > 0, height, 0.45 * height)
    land = grounds.heights(stage, "Land", height, 14.0, land_picture(stage, name, height), 1.0)
    words = [name]
    if rng.random() < 0.4:
        level = float(np.quantile(height, rng.uniform(0.2, 0.45)))
        lake = np.full((8, 8), level, np.float32)
        tone = np.asarray(np.broadcast_to(srgb("blue") * 0.8 + 0.1, (8, 8, 3)), np.float32)
        grounds.heights(stage, "Lake", lake, 14.0, tone, 0.05)
        words.append("a lake")
    else:
        level = -9.0
    if rng.random() < 0.7 and name != "red desert hills":
        trees(stage, height, 14.0, level, rng.randrange(40, 160), "autumn" in name)
        words.append(
            rng.choice(("trees", "pine trees")) if "autumn" not in name else "orange trees"
        )
    stage.subject = f"{words[0]} with {' and '.join(words[1:])}" if len(words) > 1 else words[0]
    stage.subject = f"{rng.choice(('a landscape of', 'a view of', ''))} {stage.subject}".strip()
    land.moves = "still"
    turn = rng.uniform(0, 2 * pi)
    stage.view = rng.choice(("", "", "a wide view of"))
    high = float(np.quantile(height, 0.8))
    return View(
        Vector((0, 0, high * 0.5)),
        turn,
        radians(rng.uniform(9, 26)),
        rng.uniform(8, 12),
        rng.uniform(26, 40),
    )


def land_picture(stage: Stage, name: str, height: Floats) -> Floats:
    """Colour land by its height and slope."""
    low, middle, high, rock = (paint(tone) for tone in LANDS[name])
    rank = (height - height.min()) / (height.max() - height.min())
    picture = blend((rank - 0.2) * 3, low, middle)
    picture = blend((rank - 0.55) * 5 + 0.2 * noise(stage.rng, 160, 160, power=1.5), picture, high)
    steep = np.hypot(*np.gradient(height, 28 / 160))
    picture = blend((steep - 0.75) * 2.2, picture, rock)
    return picture * (1 + 0.05 * noise(stage.rng, 160, 160, power=1.0, cells=6))[..., None]


def trees(
    stage: Stage, height: Floats, half: float, level: float, count: int, autumn: bool
) -> Thing:
    """Plant cones or balls on the land, all one thing."""
    rng = stage.rng
    body = bmesh.new()
    size = height.shape[0]
    cones = not autumn and rng.random() < 0.7
    for _ in range(count):
        row, column = rng.randrange(size), rng.randrange(size)
        z = float(height[row, column])
        if z < level + 0.05:
            continue
        x, y = (2 * column / (size - 1) - 1) * half, (2 * row / (size - 1) - 1) * half
        tall = rng.uniform(0.45, 0.9)
        where = Matrix.Translation((x, y, z + tall / 2))
        if cones:
            bmesh.ops.create_cone(body, cap_ends=True, segments=10, radius1=0.32 * tall, radius2=0,
                                  depth=1.1 * tall, matrix=where)  # fmt: skip
        else:
            bmesh.ops.create_icosphere(body, subdivisions=2, radius=0.42 * tall, matrix=where)
    if not body.verts:
        block(body, (0.01, 0.01, 0.01), (0, 0, -5))
    color = (
        rng.choice(("orange", "yellow", "red")) if autumn else rng.choice(("dark green", "green"))
    )
    return stage.add(
        finished("Trees", body, smooth=not cones, grounded=False),
        looks.plain(color, "clay").material,
    )


def dunes(stage: Stage) -> View:
    """Build a desert of dunes."""
    rng = stage.rng
    set_day(stage)
    count = 200
    line = np.linspace(0, 1, count, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    bend = noise(rng, count, count, power=2.4, cells=1)
    wave = (rng.choice((2, 3, 4)) * y + 0.3 * bend + 0.4 * x) % 1
    height = np.where(wave < 0.72, wave / 0.72, (1 - wave) / 0.28) ** 1.3
    smooth = np.ones(7) / 7
    for axis in (0, 1):
        height = np.apply_along_axis(
            lambda row: np.convolve(np.pad(row, 3, mode="edge"), smooth, "valid"), axis, height
        )
    height = paint(height) * rng.uniform(0.7, 1.3) + 0.3 * noise(rng, count, count, power=2.4)
    tone = sand_tone(stage)
    ripple = 0.5 + 0.5 * np.sin(2 * pi * (40 * y + 2.2 * bend))
    picture = tone * (0.95 + 0.07 * ripple)[..., None]
    grounds.heights(stage, "Dunes", height, 9.0, np.asarray(picture, np.float32), 1.0)
    stage.subject = rng.choice(("sand dunes", "sand dunes in a desert", "a desert of sand dunes"))
    stage.view = rng.choice(("", "", "a wide view of"))
    return View(
        Vector((0, 0, 0.5)),
        rng.uniform(0, 2 * pi),
        radians(rng.uniform(10, 30)),
        rng.uniform(4.5, 8),
        rng.uniform(28, 45),
    )


def sand_tone(stage: Stage) -> Floats:
    """Choose a desert's colour."""
    return paint(stage.rng.choice(((0.90, 0.70, 0.42), (0.92, 0.80, 0.58), (0.84, 0.54, 0.30))))
