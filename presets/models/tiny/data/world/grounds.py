"""Grounds that things stand on: floors, lawns, sand, a round stage, each with its words."""

import random
from dataclasses import dataclass
from math import cos, pi, sin

import bmesh
import bpy
import numpy as np

from . import looks, textures
from .meshes import project_box
from .palette import LIGHT_COLORS, Floats, paint, some_color, srgb
from .stage import Stage, Thing


@dataclass(frozen=True)
class Ground:
    """A ground's picture, its words after `on`, and how many tiles of it go into a metre."""

    picture: Floats
    words: str
    tiles: float
    roughness: float = 0.6


def some_ground(rng: random.Random, *, indoors: bool = False) -> Ground:
    """Choose a ground."""
    natural = () if indoors else ("grass", "sand", "snow")
    name = rng.choice(("wood", "wood", "checkered", "tiles", "marble", "plain", "plain", "terrazzo",
                       "bricks", "concrete", "stripes", *natural))  # fmt: skip
    light = rng.choice(LIGHT_COLORS)
    color = some_color(rng)
    match name:
        case "wood":
            return Ground(
                textures.wooden(rng, *textures.wood_colors(rng)), "a wooden floor", 0.5, 0.35
            )
        case "checkered":
            dark = textures.pattern_colors("checkered", light, rng)
            picture = textures.checkered(rng, srgb(light), srgb(dark))
            return Ground(picture, f"a checkered {light} and {dark} floor", 0.5, 0.35)
        case "tiles":
            second = textures.pattern_colors("tiled", color, rng)
            return Ground(
                textures.tiled(rng, srgb(color), srgb(second)), f"a tiled {color} floor", 0.5, 0.25
            )
        case "marble":
            second = textures.pattern_colors("marble", light, rng)
            return Ground(
                textures.marbled(rng, srgb(light), srgb(second)),
                f"a {light} marble floor",
                0.3,
                0.15,
            )
        case "plain":
            shade = np.broadcast_to(srgb(color), (8, 8, 3))
            return Ground(np.asarray(shade, np.float32), f"a {color} floor", 1.0)
        case "terrazzo":
            return Ground(
                textures.terrazzo(rng, srgb("cream"), srgb("brown")), "a terrazzo floor", 0.5, 0.3
            )
        case "bricks":
            picture = textures.bricks(rng, paint((0.60, 0.30, 0.22)), srgb("gray"))
            return Ground(picture, "a brick floor", 0.5)
        case "concrete":
            gray = paint((0.5, 0.5, 0.5))
            return Ground(textures.mottled(rng, gray, 1.2 * gray), "a concrete floor", 0.25)
        case "stripes":
            dark = textures.pattern_colors("striped", light, rng)
            picture = textures.striped(rng, srgb(light), srgb(dark))
            return Ground(picture, f"a striped {light} and {dark} carpet", 0.4, 0.9)
        case "grass":
            return Ground(textures.grassy(rng), "grass", 0.35, 1.0)
        case "sand":
            return Ground(textures.sandy(rng), "sand", 0.3, 1.0)
        case _:
            return Ground(textures.snowy(rng), "snow", 0.25, 0.7)


def lay_ground(stage: Stage, ground: Ground, *, half: float | None = None) -> Thing:
    """Lay a flat ground, by default as far as the stage's grounds reach."""
    half = half or stage.reach
    mesh = bpy.data.meshes.new("Ground")
    corners = [(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    project_box(mesh, ground.tiles)
    stage.place = f"on {ground.words}"
    return stage.add(mesh, looks.pictured("Ground", ground.picture, roughness=ground.roughness))


def lay_stage(stage: Stage, ground: Ground, radius: float) -> Thing:
    """Lay a round stage."""
    shape = bmesh.new()
    bmesh.ops.create_cone(
        shape, cap_ends=True, segments=96, radius1=radius, radius2=radius, depth=0.2
    )
    bmesh.ops.translate(shape, verts=shape.verts, vec=(0, 0, -0.1))
    mesh = bpy.data.meshes.new("Stage")
    shape.to_mesh(mesh)
    shape.free()
    project_box(mesh, ground.tiles)
    material = ground.words.replace(" floor", "").removeprefix("a ").removeprefix("an ")
    stage.place = f"on a round {material} stage"
    thing = stage.add(mesh, looks.pictured("Stage", ground.picture, roughness=ground.roughness))
    mesh.materials.append(looks.plain("brown").material)
    for face in mesh.polygons:
        face.material_index = int(face.normal.z < 0.5)
    return thing


def heights(
    stage: Stage, name: str, height: Floats, half: float, picture: Floats, roughness: float
) -> Thing:
    """Lay a ground of heights (n, n) [m] over a square, in a picture's colours."""
    count = height.shape[0]
    line = np.linspace(-half, half, count)
    y, x = np.meshgrid(line, line, indexing="ij")
    points = np.stack([x, y, height], -1).reshape(-1, 3)
    at = np.arange(count * count).reshape(count, count)
    faces = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]], -1).reshape(-1, 4)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), [], faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    uv = (points[faces.ravel(), :2] / (2 * half) + 0.5).astype(np.float32)
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", uv.ravel())
    return stage.add(mesh, looks.pictured(name, picture, roughness=roughness))


def ring(radius: float, count: int, turn: float) -> list[tuple[float, float]]:
    """Return points evenly round a circle."""
    return [
        (radius * cos(turn + 2 * pi * i / count), radius * sin(turn + 2 * pi * i / count))
        for i in range(count)
    ]
