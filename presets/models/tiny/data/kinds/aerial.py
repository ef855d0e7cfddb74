"""Scenes from the air: a city of blocks, streets, trees and cars."""

from math import pi, radians

import bmesh
import numpy as np
from mathutils import Matrix, Vector

from ..world import grounds, looks
from ..world.meshes import block, finished
from ..world.palette import Floats, paint
from ..world.stage import Stage, View, set_day

PHRASES = ("a city seen from above", "an aerial view of a city", "a satellite picture of a city")


def city(stage: Stage) -> View:
    """Build a city seen from above: blocks, streets, trees, a few cars."""
    rng = stage.rng
    set_day(stage)
    stage.sky = ""
    count, pitch = 9, 2.0
    half = count * pitch / 2
    grounds.heights(
        stage, "Streets", np.zeros((2, 2), np.float32), half, _streets(stage, count), 0.8
    )
    houses = [bmesh.new() for _ in range(4)]
    green = bmesh.new()
    tall = rng.uniform(0.5, 1.8)
    for i in range(count * count):
        x, y = (i % count + 0.5) * pitch - half, (i // count + 0.5) * pitch - half
        if rng.random() < 0.16:
            for _ in range(9):
                at = Matrix.Translation(
                    (x + rng.uniform(-0.6, 0.6), y + rng.uniform(-0.6, 0.6), 0.18)
                )
                bmesh.ops.create_icosphere(
                    green, subdivisions=2, radius=rng.uniform(0.12, 0.24), matrix=at
                )
            continue
        parts = rng.choice((1, 2, 2))
        for j in range(parts * parts):
            wide = 1.4 / parts
            dx, dy = ((j % parts) + 0.5) * wide - 0.7, ((j // parts) + 0.5) * wide - 0.7
            high = tall * rng.choice((0.25, 0.4, 0.4, 0.7, 1.0))
            size = (wide * rng.uniform(0.7, 0.92), wide * rng.uniform(0.7, 0.92), high)
            block(rng.choice(houses), size, (x + dx, y + dy, high / 2))
    roofs = rng.choice((("gray", "white", "beige", "brown"), ("cream", "orange", "brown", "white"),
                        ("gray", "light blue", "white", "navy blue")))  # fmt: skip
    for body, color in zip([*houses, green], [*roofs, "dark green"], strict=True):
        if body.verts:
            stage.add(
                finished("Houses", body, smooth=False, grounded=False), looks.plain(color).material
            )
    _cars(stage, count, pitch, half)
    words = (
        "with orange roofs"
        if "orange" in roofs
        else rng.choice(
            (
                f"with {'blue' if 'navy blue' in roofs else 'gray'} roofs",
                "",
                "with trees and streets",
            )
        )
    )
    stage.subject = f"{rng.choice(PHRASES)} {words}".strip()
    up = rng.choice((88, rng.uniform(50, 75), rng.uniform(35, 50)))
    return View(
        Vector((rng.uniform(-2, 2), rng.uniform(-2, 2), 0)),
        rng.uniform(0, 2 * pi),
        radians(up),
        rng.uniform(9, 12),
        rng.uniform(45, 70),
    )


def _streets(stage: Stage, count: int) -> Floats:
    size = 32
    y, x = np.mgrid[0 : count * size, 0 : count * size] % size / size - 0.5
    edge = np.maximum(np.abs(x), np.abs(y))
    picture = np.where(
        (edge < 0.385)[..., None], paint((0.62, 0.62, 0.60)), paint((0.27, 0.27, 0.29))
    )
    lawn = np.kron(
        np.random.default_rng(stage.rng.getrandbits(64)).random((count, count)) < 0.3,
        np.ones((size, size)),
    )
    picture = np.where(((edge < 0.36) & (lawn > 0))[..., None], paint((0.34, 0.50, 0.24)), picture)
    dash = (edge > 0.488) & (np.minimum(np.abs(x), np.abs(y)) * 6 % 1 < 0.5)
    return np.asarray(np.where(dash[..., None], paint((0.85, 0.85, 0.80)), picture), np.float32)


def _cars(stage: Stage, count: int, pitch: float, half: float) -> None:
    for _ in range(14):
        body = bmesh.new()
        block(body, (0.36, 0.16, 0.1), (0, 0, 0.05))
        block(body, (0.2, 0.14, 0.08), (-0.02, 0, 0.13))
        color = stage.rng.choice(("red", "white", "yellow", "blue", "black"))
        car = stage.add(finished("Car", body, smooth=False), looks.plain(color, "glossy").material)
        lane = stage.rng.randrange(count + 1) * pitch - half + 0.11
        along = stage.rng.uniform(-half, half)
        flat = stage.rng.random() < 0.5
        car.object.location = (along, lane, 0) if flat else (lane, along, 0)
        car.object.rotation_euler.z = 0.0 if flat else pi / 2
        car.moves, car.radius = "drive", 0.3
