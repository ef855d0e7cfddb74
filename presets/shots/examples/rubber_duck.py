"""A rubber duck out of one picture: a portrait becomes a body, falls, is squashed and bounces."""

from collections.abc import Callable
from math import cos, pi, radians, sin
from pathlib import Path

import bmesh
import bpy
import numpy as np
import parts
from mathutils import Matrix

from blender_addon import headless, materials

FRAMES = 50
"At twice the usual rate: played at 24 a second, time goes half as fast."
PICTURE = 512
"Width of the portrait in pixels."
SPLATS = 50_000
LENGTH = 0.62
"Of the duck, from beak to tail [m]: one for a pool."
DROP = 0.40
"What is under the duck at first [m]."


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it; the duck is not in it yet."""
    scene = parts.new_scene("Rubber Duck", FRAMES, (384, 216))
    scene.render.fps = 48
    _floor()
    parts.domain(scene, (-0.80, -0.75, -0.06), (0.80, 0.75, 1.15), resolution=68)
    job = scene.impetus
    job.walls, job.leaving, job.splats = "OPEN", "GROW", 160_000
    parts.world(scene, (0.70, 0.76, 0.82), 0.75)
    parts.backdrop(scene, (0.50, 0.74, 0.76), (0.66, 0.84, 0.84), (0.86, 0.93, 0.91))
    parts.lamp("Key", 2.4, (1.0, 0.92, 0.80), (-1.6, -1.6, 3.6))
    parts.camera(scene, [(1, (0.12, -2.75, 0.72)), (FRAMES, (0.0, -2.6, 0.60))],
                 (0.0, 0.0, 0.42), 46)  # fmt: skip
    _portrait()
    return scene


def prepare(scene: bpy.types.Scene, folder: Path, say: headless.Say) -> None:
    """Render the portrait, make a body of it, and hold that over the floor."""
    picture = folder / "duck.png"
    portrait = bpy.data.scenes["Portrait"]
    portrait.render.filepath = str(picture)
    bpy.ops.render.render(write_still=True, scene=portrait.name)
    options = ("--length", f"{LENGTH:g}", "--splats", f"{SPLATS}")
    duck = headless.body_of_picture(picture, folder / "duck", options=options, say=say)
    duck.location = (0.0, 0.0, DROP + LENGTH / 2)
    duck.rotation_euler = (radians(-10), radians(-26), 0.0)  # so it lands on its keel, twice
    materials.apply(duck.impetus, "Soft Silicone")
    duck.impetus.young_modulus = 3.5e5  # a firmer one: its neck holds its head


def _floor() -> None:
    """Bathroom tiles, white and green."""
    size, tile = 512, 32
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:size, 0:size]
    tone = rng.normal(1.0, 0.02, (size // tile, size // tile)).repeat(tile, 0).repeat(tile, 1)
    check = ((x // tile + y // tile) % 2)[..., None]
    pixels = np.where(check, (0.93, 0.93, 0.90), (0.33, 0.60, 0.58)) * tone[..., None]
    pixels[(x % tile < 2) | (y % tile < 2)] = (0.78, 0.78, 0.74)
    mesh = parts.box((4.0, 3.0, 0.1))
    floor = parts.thing("Floor", mesh, parts.painted("Tiles", np.clip(pixels, 0, 1), roughness=0.3))
    parts.map_flat(mesh, (0, 1), 3.2)
    floor.location = (0.0, 0.6, -0.05)
    floor.impetus.role, floor.impetus.friction = "STATIC", 0.6
    floor.impetus.splat_density = 0.7


def _portrait() -> None:
    """A studio of its own: a duck of five pieces, seen from its left."""
    studio = bpy.data.scenes.new("Portrait")
    with bpy.context.temp_override(scene=studio):
        rubber = parts.shader("Yellow Rubber", (0.92, 0.55, 0.03), roughness=0.32,
                              specular_ior_level=0.25)  # fmt: skip
        body = parts.thing("Duck", parts.shape("Duck", _body, is_smooth=True), rubber)
        melt = body.modifiers.new("Melt", "REMESH")
        melt.mode, melt.voxel_size, melt.use_smooth_shade = "VOXEL", 0.03, True
        soften = body.modifiers.new("Soften", "SMOOTH")
        soften.factor, soften.iterations = 0.5, 14
        wing = parts.thing("Wing", parts.shape("Wing", _wing, is_smooth=True), rubber)
        wing.location = (0.16, -0.50, -0.14)
        beak = parts.shader("Beak", (0.85, 0.16, 0.02), roughness=0.3)
        for name, at, size in (
            ("Upper Beak", (-0.90, 0.0, 0.51), (0.29, 0.22, 0.10)),
            ("Lower Beak", (-0.86, 0.0, 0.41), (0.22, 0.16, 0.07)),
        ):
            parts.thing(name, parts.shape(name, _ball(at, size), is_smooth=True), beak)
        scarf = parts.thing("Scarf", parts.shape("Scarf", _scarf, is_smooth=True),
                            parts.painted("Knitted", _stripes(), roughness=0.8))  # fmt: skip
        scarf.location, scarf.rotation_euler = (-0.45, 0.0, 0.20), (0.0, radians(10), 0.0)
        white = parts.shader("White", (0.9, 0.9, 0.88), roughness=0.2)
        black = parts.shader("Black", (0.01, 0.01, 0.012), roughness=0.1)
        for name, look, at, radius in (
            ("Eye", white, (-0.62, -0.315, 0.67), 0.09),
            ("Pupil", black, (-0.645, -0.375, 0.68), 0.055),
        ):
            parts.thing(name, parts.shape(name, _ball(at, (radius,) * 3), is_smooth=True), look)
        parts.world(studio, (1.0, 0.86, 0.58), 0.6)  # warm, so that no pale rim becomes a seam
        parts.lamp("Studio Key", 2.2, (1.0, 0.93, 0.82), (-2.0, -3.0, 4.0))
        parts.camera(studio, [(1, (-0.10, -3.9, 0.20))], (-0.10, 0.0, 0.12), 50)
    render = studio.render
    render.engine, render.film_transparent = "CYCLES", True
    studio.cycles.samples, studio.cycles.use_denoising = 32, False
    render.resolution_x, render.resolution_y = PICTURE, PICTURE * 3 // 4
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
    studio.view_settings.view_transform = "Standard"


def _ball(at: parts.Triple, size: parts.Triple) -> Callable[[bmesh.types.BMesh], object]:
    placed = Matrix.Translation(at) @ Matrix.Diagonal((*size, 1.0))
    return lambda built: bmesh.ops.create_icosphere(
        built, subdivisions=4, radius=1.0, matrix=placed
    )


def _body(built: bmesh.types.BMesh) -> None:
    """Balls from the chest over the head to the tail, to be melted into one skin."""
    for at, size in (
        ((0.05, 0.0, -0.25), (0.78, 0.52, 0.46)),
        ((-0.35, 0.0, -0.18), (0.42, 0.45, 0.44)),
        ((-0.45, 0.0, 0.20), (0.26, 0.26, 0.30)),
        ((-0.48, 0.0, 0.55), (0.38, 0.37, 0.37)),
        ((0.62, 0.0, -0.02), (0.26, 0.22, 0.22)),
        ((0.80, 0.0, 0.12), (0.15, 0.12, 0.14)),
    ):
        _ball(at, size)(built)


def _scarf(built: bmesh.types.BMesh) -> None:
    """A ring about Z, its picture once around."""
    around, across = 64, 16
    turn = [2 * pi * k / around for k in range(around)]
    rings = [[built.verts.new(((0.285 + 0.085 * cos(t)) * cos(a), (0.285 + 0.085 * cos(t)) * sin(a),
                               0.10 * sin(t)))
              for t in (2 * pi * k / across for k in range(across))] for a in turn]  # fmt: skip
    uv = built.loops.layers.uv.new("UVMap")
    for i in range(around):
        for k in range(across):
            j, n = (i + 1) % around, (k + 1) % across
            face = built.faces.new((rings[i][k], rings[j][k], rings[j][n], rings[i][n]))
            for loop, place in zip(
                face.loops, ((i, k), (i + 1, k), (i + 1, k + 1), (i, k + 1)), strict=True
            ):
                loop[uv].uv = place[0] / around, place[1] / across


def _stripes() -> np.ndarray:
    """White and red stripes."""
    x = np.arange(256)[None, :] / 256
    red = (np.sin(2 * pi * 12 * x) > 0)[..., None]
    return np.where(red, (0.80, 0.10, 0.12), (0.95, 0.93, 0.88)).repeat(8, 0)


def _wing(built: bmesh.types.BMesh) -> None:
    """A drop that ends in three feathers."""
    for at, size in (
        ((-0.10, 0.0, 0.0), (0.28, 0.08, 0.19)),
        ((0.12, 0.0, 0.07), (0.27, 0.07, 0.09)),
        ((0.10, 0.0, -0.02), (0.23, 0.07, 0.09)),
        ((0.06, 0.0, -0.10), (0.19, 0.07, 0.08)),
    ):
        _ball(at, size)(built)
