"""Scenes of soft matter: jelly, sand, smoke, and a take's stage with all of them."""

from math import cos, pi, sin

import bmesh
import numpy as np
from mathutils import Vector

from ..world import grounds, looks
from ..world.meshes import finished
from ..world.palette import Floats, noise, paint
from ..world.shapes import make_mesh
from ..world.stage import Stage, Thing, View, frame_things, set_day, set_studio
from .tabletop import describe, joined, put_objects
from .water import basin, drops, splash


def jelly(stage: Stage) -> View:
    """Build one or two glossy soft bodies, squashed or leaning."""
    rng = stage.rng
    (set_day if rng.random() < 0.4 else set_studio)(stage)
    grounds.lay_ground(stage, grounds.some_ground(rng, indoors=True))
    count = rng.choice((1, 1, 2))
    found = [soft_body(stage, Vector((1.25 * i - 0.6 * (count - 1), rng.uniform(-0.3, 0.3), 0)))
             for i in range(count)]  # fmt: skip
    view = frame_things(stage, Vector((0, 0, 0.38)), 0.75 + 0.62 * (count - 1))
    describe(stage, found, view)
    return view


def soft_body(stage: Stage, at: Vector, scale: float = 1.0) -> Thing:
    """Add a squashed, twisted or leaning jelly body."""
    rng = stage.rng
    shape = rng.choice(
        ("cube", "monkey head", "sphere", "cylinder", "torus", "star", "heart", "blob")
    )
    color = rng.choice(("red", "green", "orange", "purple", "pink", "yellow", "lime green", "blue"))
    mesh = make_mesh(shape, rng)
    thing = stage.add(mesh, looks.plain(color, "jelly").material)
    body = bmesh.new()
    body.from_mesh(mesh)
    if shape in ("cube", "star", "heart", "cylinder"):
        bmesh.ops.subdivide_edges(body, edges=body.edges[:], cuts=3, use_grid_fill=True)
        bmesh.ops.triangulate(body, faces=[f for f in body.faces if len(f.verts) > 4])
    squash, lean, twist = rng.uniform(0.55, 1.15), rng.uniform(0, 0.4), rng.uniform(-0.7, 0.7)
    turn = rng.uniform(0, 2 * pi)
    for vertex in body.verts:
        x, y, z = vertex.co
        wide = squash**-0.5 * (1 + (1 - squash) * 0.35 * cos(3 * min(z, 1)))
        angle = twist * z
        x, y = x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)
        bend = lean * z * z
        vertex.co = (x * wide + bend * cos(turn), y * wide + bend * sin(turn), z * squash)
    body.to_mesh(mesh)
    body.free()
    mesh.polygons.foreach_set("use_smooth", np.full(len(mesh.polygons), shape not in ("star",)))
    thing.object.location = at
    thing.object.rotation_euler.z = rng.uniform(0, 2 * pi)
    thing.object.scale = (scale,) * 3
    how = "squashed " if squash < 0.72 else "leaning " if lean > 0.28 else ""
    thing.words, thing.moves = f"a {how}{color} jelly {shape}", "deform"
    thing.radius = 0.65 * scale
    return thing


def pile(stage: Stage, at: Vector, scale: float, *, color: str = "sand") -> Thing:
    """Add a heap of sand."""
    rng = stage.rng
    count = 72
    line = np.linspace(-1, 1, count, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    bumps = noise(rng, count, count, power=2.0)
    away = np.hypot(x, y) * (1 + 0.03 * bumps)
    height = np.clip(0.62 * (np.sqrt((0.88 - away) ** 2 + 0.012) + 0.88 - away) * 0.5, 0, None)
    height += 0.012 * noise(rng, count, count, power=1.2) * np.clip(height * 8, 0, 1)
    thing = grounds.heights(
        stage, "Sand", scale * (height - 0.008), scale, sand_picture(stage), 1.0
    )
    # Its rim goes under the ground.
    thing.object.location = at - Vector((0, 0, 0.01 * scale))
    thing.words, thing.radius = "a pile of sand", 0.8 * scale
    return thing


def sand_picture(stage: Stage) -> Floats:
    """Paint sand: one of a few tones with soft darker grains."""
    tone = paint(stage.rng.choice(((0.86, 0.70, 0.46), (0.92, 0.82, 0.62), (0.76, 0.52, 0.32))))
    grain = 0.05 * noise(stage.rng, 256, 256, power=0.4, cells=12)
    return tone * (1 + grain + 0.05 * noise(stage.rng, 256, 256, power=1.7))[..., None]


def sand(stage: Stage) -> View:
    """Build one or two piles of sand, sometimes with an object in them."""
    rng = stage.rng
    set_day(stage)
    grounds.lay_ground(stage, grounds.some_ground(rng))
    found = [pile(stage, Vector((0, 0, 0)), rng.uniform(0.9, 1.3))]
    if rng.random() < 0.35:
        found.append(pile(stage, Vector((1.4, rng.uniform(-0.4, 0.4), 0)), rng.uniform(0.6, 0.8)))
        found[1].words = "a smaller pile of sand"
    if rng.random() < 0.45:
        other = put_objects(stage, 1)[0]
        other.object.location = Vector((rng.uniform(-0.3, 0.3), rng.uniform(-1.2, -0.8), 0))
        found.append(other)
    stage.subject = joined([thing.words for thing in found])
    return frame_things(
        stage, Vector((0.3 * (len(found) - 1), 0, 0.2)), 1.0 + 0.25 * (len(found) - 1)
    )


def smoke(stage: Stage) -> View:
    """Build a plume of smoke that rises from an object or the ground."""
    rng = stage.rng
    (set_day if rng.random() < 0.7 else set_studio)(stage)
    grounds.lay_ground(stage, grounds.some_ground(rng))
    color = rng.choice(("white", "gray", "gray", "black", "orange", "purple", "pink"))
    source = put_objects(stage, 1)[0] if rng.random() < 0.6 else None
    material = looks.puff(color, rng.uniform(0.35, 0.55))
    base = 0.8 if source else 0.1
    stage.translucent = True
    body = bmesh.new()
    bmesh.ops.create_icosphere(body, subdivisions=3, radius=1.0)
    mesh = finished("Smoke", body, smooth=True, grounded=False)
    lean, wave = rng.uniform(-0.5, 0.5), rng.uniform(0, 6)
    count = rng.randrange(18, 26)
    for i in range(count):
        t = i / count
        puff = stage.add(mesh, material if i == 0 else None)
        wide = 0.2 + 0.45 * t
        puff.object.location = (
            lean * t * t * 2 + 0.25 * sin(3 * t + wave) + rng.gauss(0, 0.42 * wide),
            0.2 * cos(4 * t + wave) + rng.gauss(0, 0.42 * wide),
            base + 2.1 * t,
        )
        puff.object.scale = [wide * rng.uniform(0.75, 1.25) for _ in range(3)]
        puff.object.rotation_euler = [rng.uniform(0, 3) for _ in range(3)]
        puff.moves, puff.radius = "drift", 0.4
    words = f"{rng.choice(('a plume of', 'a cloud of', 'rising'))} {color} smoke"
    stage.subject = f"{words} above {source.words}" if source else words
    return frame_things(stage, Vector((0.2 * lean, 0, 1.25)), 1.55, ups=(4, 24))


def take(stage: Stage) -> View:
    """Build a take's usual look: jelly, sand, a basin of water and a ball on a round stage."""
    rng = stage.rng
    (set_day if rng.random() < 0.35 else set_studio)(stage)
    grounds.lay_stage(stage, grounds.some_ground(rng, indoors=True), 1.45)
    spots = grounds.ring(0.72, 4, rng.uniform(0, 2 * pi))
    rng.shuffle(spots)
    parts = rng.sample(("jelly", "sand", "water", "object"), rng.choice((1, 2, 3, 3, 4)))
    found: list[Thing] = []
    for part, (x, y) in zip(parts, spots, strict=False):
        at = Vector((x, y, 0)) if len(parts) > 1 else Vector()
        if part == "jelly":
            found.append(soft_body(stage, at, 0.7))
        elif part == "sand":
            found.append(pile(stage, at, 0.55))
        elif part == "water":
            make = rng.choice((splash, drops))
            whole = (
                basin(stage, at, 0.4, "blue")
                if rng.random() < 0.5
                else [make(stage, at, 0.55, "blue")]
            )
            found.append(whole[0])
        else:
            other = put_objects(stage, 1)[0]
            other.object.location, other.object.scale = at, (0.6,) * 3
            found.append(other)
    view = frame_things(stage, Vector((0, 0, 0.15)), 1.0, ups=(16, 34))
    describe(stage, found, view)
    return view
