"""The objects' shapes by name: about one metre wide, standing on z = 0."""

import random
from collections.abc import Callable
from math import cos, pi, sin

import bmesh
import bpy
from mathutils import Matrix, Vector

from .meshes import Shape, block, curved, finished, lathe, prism


def make_mesh(name: str, rng: random.Random) -> bpy.types.Mesh:
    """Make the mesh of a shape of SHAPES; its lowest point lies at z = 0, its middle over 0, 0."""
    make, smooth = SHAPES[name]
    shape = bmesh.new()
    make(shape, rng)
    return finished(name, shape, smooth=smooth)


def _bevelled(shape: Shape, width: float = 0.03) -> None:
    bmesh.ops.bevel(
        shape, geom=shape.edges[:], offset=width, segments=2, profile=0.5, affect="EDGES"
    )


def _cube(shape: Shape, rng: random.Random) -> None:
    block(shape, (1, 1, 1), (0, 0, 0))
    _bevelled(shape)


def _box(shape: Shape, rng: random.Random) -> None:
    block(shape, (rng.uniform(1.1, 1.4), 0.7, rng.uniform(0.35, 0.6)), (0, 0, 0))
    _bevelled(shape)


def _sphere(shape: Shape, rng: random.Random) -> None:
    bmesh.ops.create_icosphere(shape, subdivisions=5, radius=0.5)


def _cylinder(shape: Shape, rng: random.Random) -> None:
    high = rng.uniform(0.7, 1.3)
    bmesh.ops.create_cone(shape, cap_ends=True, segments=64, radius1=0.45, radius2=0.45, depth=high)


def _cone(shape: Shape, rng: random.Random) -> None:
    bmesh.ops.create_cone(shape, cap_ends=True, segments=64, radius1=0.55, radius2=0, depth=1.1)


def _pyramid(shape: Shape, rng: random.Random) -> None:
    bmesh.ops.create_cone(shape, cap_ends=True, segments=4, radius1=0.75, radius2=0, depth=0.95)


def _torus(shape: Shape, rng: random.Random) -> None:
    thick = rng.uniform(0.14, 0.22)
    ring = [(0.52 + thick * cos(2 * pi * i / 20), thick * sin(2 * pi * i / 20)) for i in range(21)]
    lathe(shape, ring, 48)
    bmesh.ops.remove_doubles(shape, verts=shape.verts, dist=1e-4)


def _capsule(shape: Shape, rng: random.Random) -> None:
    half = [(0.33 * sin(pi / 2 * i / 8), -0.33 * cos(pi / 2 * i / 8) - 0.3) for i in range(9)]
    lathe(shape, half + [(r, -z) for r, z in reversed(half)])
    if rng.random() < 0.5:
        bmesh.ops.rotate(shape, verts=shape.verts, matrix=Matrix.Rotation(pi / 2, 3, "X"))


def _monkey(shape: Shape, rng: random.Random) -> None:
    bmesh.ops.create_monkey(shape, matrix=Matrix.Scale(0.62, 4))
    bmesh.ops.rotate(shape, verts=shape.verts, matrix=Matrix.Rotation(-0.35, 3, "X"))
    bmesh.ops.subdivide_edges(shape, edges=shape.edges[:], cuts=1, use_grid_fill=True, smooth=1.0)


def _blob(shape: Shape, rng: random.Random) -> None:
    bmesh.ops.create_icosphere(shape, subdivisions=5, radius=0.5)
    waves = [
        (Vector([rng.gauss(0, 1) for _ in range(3)]) * rng.uniform(2, 3.6), rng.uniform(0, 6))
        for _ in range(5)
    ]
    for vertex in shape.verts:
        swell = sum(sin(wave.dot(vertex.co) * 1.6 + phase) for wave, phase in waves)
        vertex.co *= 1 + 0.11 * swell


def _rock(shape: Shape, rng: random.Random) -> None:
    bmesh.ops.create_icosphere(shape, subdivisions=2, radius=0.5)
    for vertex in shape.verts:
        vertex.co *= rng.uniform(0.82, 1.15)
        vertex.co.z *= 0.75


def _stairs(shape: Shape, rng: random.Random) -> None:
    steps = rng.choice((4, 5))
    for i in range(steps):
        high = (i + 1) / steps
        block(shape, (1 / steps, 0.8, 0.9 * high), (i / steps, 0, 0.45 * high))


def _arch(shape: Shape, rng: random.Random) -> None:
    count, inner, outer, deep = 24, 0.34, 0.56, 0.2
    outline = [
        (outer, -0.35),
        *[(outer * cos(pi * i / count), outer * sin(pi * i / count)) for i in range(count + 1)],
        (-outer, -0.35),
    ]
    hollow = [
        (-inner, -0.35),
        *[
            (inner * cos(pi - pi * i / count), inner * sin(pi * i / count))
            for i in range(count + 1)
        ],
        (inner, -0.35),
    ]
    hollow.reverse()
    sides = [
        [[shape.verts.new((x, y, z)) for x, z in line] for line in (outline, hollow)]
        for y in (-deep, deep)
    ]
    last = len(outline) - 1
    for i in range(last):
        for side in sides:
            shape.faces.new((side[0][i], side[0][i + 1], side[1][i + 1], side[1][i]))
        for line in (0, 1):
            shape.faces.new(
                (sides[0][line][i], sides[0][line][i + 1], sides[1][line][i + 1], sides[1][line][i])
            )
    for i in (0, last):
        shape.faces.new((sides[0][0][i], sides[0][1][i], sides[1][1][i], sides[1][0][i]))


def _stack(shape: Shape, rng: random.Random) -> None:
    z = 0.0
    for size in (0.75, 0.55, 0.4)[: rng.choice((2, 3, 3))]:
        turned = Matrix.Translation(
            (rng.uniform(-0.06, 0.06), rng.uniform(-0.06, 0.06), z + size / 2)
        )
        turned = turned @ Matrix.Rotation(rng.uniform(0, pi), 4, "Z")
        bmesh.ops.create_cube(shape, size=size, matrix=turned)
        z += size


def _vase(shape: Shape, rng: random.Random) -> None:
    lathe(
        shape,
        curved(
            [
                (0, 0),
                (0.26, 0),
                (0.42, 0.35),
                (0.32, 0.75),
                (0.16, 0.95),
                (0.25, 1.15),
                (0.2, 1.13),
                (0.12, 0.95),
                (0, 0.8),
            ]
        ),
    )


def _bottle(shape: Shape, rng: random.Random) -> None:
    lathe(
        shape,
        curved(
            [
                (0, 0),
                (0.27, 0.0),
                (0.29, 0.1),
                (0.29, 0.65),
                (0.24, 0.82),
                (0.1, 0.95),
                (0.09, 1.2),
                (0.12, 1.24),
                (0, 1.26),
            ],
            4,
        ),
    )


def _bowl(shape: Shape, rng: random.Random) -> None:
    lathe(
        shape,
        curved(
            [(0, 0), (0.25, 0), (0.5, 0.22), (0.62, 0.45), (0.57, 0.45), (0.44, 0.24), (0, 0.1)]
        ),
    )


def _pawn(shape: Shape, rng: random.Random) -> None:
    lathe(
        shape,
        curved(
            [
                (0, 0),
                (0.36, 0),
                (0.36, 0.1),
                (0.2, 0.22),
                (0.13, 0.62),
                (0.24, 0.7),
                (0.13, 0.75),
                (0.23, 0.92),
                (0.16, 1.12),
                (0, 1.16),
            ]
        ),
    )


def _mushroom(shape: Shape, rng: random.Random) -> None:
    lathe(
        shape,
        curved(
            [
                (0, 0),
                (0.16, 0),
                (0.13, 0.3),
                (0.15, 0.55),
                (0.5, 0.5),
                (0.46, 0.75),
                (0.25, 0.95),
                (0, 1.0),
            ]
        ),
    )


def _egg(shape: Shape, rng: random.Random) -> None:
    turns = [pi * i / 24 for i in range(1, 24)]
    side = [(0.4 * sin(t) * (1 + 0.2 * cos(t)), -0.55 * cos(t)) for t in turns]
    lathe(shape, [(0, -0.55), *side, (0, 0.55)])


def _star(shape: Shape, rng: random.Random) -> None:
    outline = [
        (r * sin(pi * i / 5), r * cos(pi * i / 5))
        for i, r in ((i, (0.6, 0.27)[i % 2]) for i in range(10))
    ]
    prism(shape, outline, 0.3)


def _heart(shape: Shape, rng: random.Random) -> None:
    turns = (2 * pi * i / 48 for i in range(48))
    outline = [
        (
            0.6 * sin(t) ** 3,
            0.0375 * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)),
        )
        for t in turns
    ]
    prism(shape, outline, 0.34)


def _house(shape: Shape, rng: random.Random) -> None:
    prism(shape, [(-0.5, 0), (0.5, 0), (0.5, 0.55), (0, 1.0), (-0.5, 0.55)], 0.9)
    block(shape, (0.14, 0.14, 0.4), (0.28, 0.1, 0.85))


def _table(shape: Shape, rng: random.Random) -> None:
    block(shape, (1.3, 0.85, 0.09), (0, 0, 0.68))
    for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        block(shape, (0.09, 0.09, 0.66), (0.56 * x, 0.34 * y, 0.33))


def _chair(shape: Shape, rng: random.Random) -> None:
    block(shape, (0.6, 0.6, 0.09), (0, 0, 0.5))
    block(shape, (0.6, 0.08, 0.65), (0, 0.27, 0.85))
    for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        block(shape, (0.08, 0.08, 0.5), (0.25 * x, 0.25 * y, 0.25))


Maker = Callable[[Shape, random.Random], None]
"Fills an empty bmesh."
SHAPES: dict[str, tuple[Maker, bool]] = {
    "cube": (_cube, False),
    "box": (_box, False),
    "sphere": (_sphere, True),
    "cylinder": (_cylinder, False),
    "cone": (_cone, False),
    "pyramid": (_pyramid, False),
    "torus": (_torus, True),
    "capsule": (_capsule, True),
    "monkey head": (_monkey, True),
    "blob": (_blob, True),
    "rock": (_rock, False),
    "staircase": (_stairs, False),
    "arch": (_arch, False),
    "stack of boxes": (_stack, False),
    "vase": (_vase, True),
    "bottle": (_bottle, True),
    "bowl": (_bowl, True),
    "chess pawn": (_pawn, True),
    "mushroom": (_mushroom, True),
    "egg": (_egg, True),
    "star": (_star, False),
    "heart": (_heart, False),
    "house": (_house, False),
    "table": (_table, False),
    "chair": (_chair, False),
}
COMMON_SHAPES = ("cube", "sphere", "cylinder", "cone", "torus", "monkey head", "capsule", "blob")
