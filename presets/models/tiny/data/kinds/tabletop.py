"""Scenes of objects: on a ground, in the corner of a room, and patterned walls close up."""

from math import cos, pi, radians, sin

import bpy
from mathutils import Vector

from ..world import grounds, looks, textures
from ..world.meshes import project_box
from ..world.palette import some_color, srgb
from ..world.shapes import COMMON_SHAPES, SHAPES, make_mesh
from ..world.stage import Stage, Thing, View, frame_things, set_day, set_light, set_sky, set_studio

SIZES = (("small", 0.5), ("", 0.85), ("", 1.0), ("large", 1.4))


def article(words: str) -> str:
    """Put `a` or `an` before words."""
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def place_object(
    stage: Stage, shape: str, look: looks.Look, size: tuple[str, float], at: Vector
) -> Thing:
    """Put an object on the ground, turned at random, and name it."""
    word, scale = size
    thing = stage.add(make_mesh(shape, stage.rng), look.material)
    thing.object.location = at
    thing.object.rotation_euler.z = stage.rng.uniform(0, 2 * pi)
    thing.object.scale = (scale,) * 3
    thing.words = article(" ".join(part for part in (word, look.words, shape) if part))
    thing.moves = stage.rng.choice(("slide", "spin", "fly", "still"))
    thing.radius = 0.6 * scale
    return thing


def objects(stage: Stage) -> View:
    """Build one to four objects on a ground, outdoors or before a plain background."""
    rng = stage.rng
    (set_day if rng.random() < 0.55 else set_studio)(stage)
    ground = grounds.some_ground(rng, indoors=not stage.sky.startswith("under"))
    grounds.lay_ground(stage, ground)
    count = rng.choices((1, 2, 3, 4), (34, 34, 20, 12))[0]
    found = put_objects(stage, count)
    view = _look_at(stage, found)
    describe(stage, found, view)
    return view


def put_objects(stage: Stage, count: int, *, within: float = 0.75) -> list[Thing]:
    """Put objects beside each other around the origin; often of common shapes."""
    rng = stage.rng
    found: list[Thing] = []
    for _ in range(count):
        shape = rng.choice(COMMON_SHAPES if rng.random() < 0.55 else list(SHAPES))
        size = rng.choice(SIZES) if count > 1 else ("", 1.0)
        spread = within * (count - 1) ** 0.6
        for _ in range(60):
            at = Vector((rng.uniform(-spread, spread), rng.uniform(-spread, spread), 0))
            gaps = [
                (at - o.object.location).to_2d().length - o.radius - 0.62 * size[1] for o in found
            ]
            if min(gaps, default=1) > 0.06:
                found.append(place_object(stage, shape, looks.some_look(rng), size, at))
                break
            spread *= 1.04
    return found


def _look_at(stage: Stage, found: list[Thing]) -> View:
    middle = sum((t.object.location for t in found), Vector()) / len(found)
    reach = max((t.object.location - middle).length + t.radius for t in found)
    high = max(t.radius for t in found)
    return frame_things(stage, middle + Vector((0, 0, 0.62 * high)), 1.15 * reach)


def describe(stage: Stage, found: list[Thing], view: View) -> None:
    """Name the objects from left to right, with a relation where there are two."""
    right = Vector((-sin(view.turn), cos(view.turn)))
    order = sorted(found, key=lambda t: float(right.dot(t.object.location.to_2d())))
    names = [thing.words for thing in order]
    if len(order) == 2:
        step = order[1].object.location - order[0].object.location
        across = float(right.dot(step.to_2d()))
        toward = float(Vector((cos(view.turn), sin(view.turn))).dot(step.to_2d()))
        if abs(toward) > 1.3 * abs(across):
            near, far = (1, 0) if toward > 0 else (0, 1)
            stage.subject = f"{names[near]} in front of {names[far]}"
        else:
            joint = stage.rng.choice(("to the left of", "next to", "and"))
            stage.subject = f"{names[0]} {joint} {names[1]}"
    else:
        stage.subject = joined(names)


def joined(names: list[str]) -> str:
    """Join phrases as a sentence does."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def room(stage: Stage) -> View:
    """Build the corner of a room with a few objects."""
    rng = stage.rng
    set_sky(stage, "a pale sky")
    stage.sky = ""
    set_light(stage, rng.choice(("soft light", "bright sunlight", "warm light")))
    for lamp in [o for o in bpy.context.scene.objects if o.type == "LIGHT"]:
        away = Vector((1, rng.uniform(0.2, 1), rng.uniform(0.8, 1.3)))
        lamp.rotation_euler = (-away).to_track_quat("-Z", "Y").to_euler()
    floor = grounds.some_ground(rng, indoors=True)
    grounds.lay_ground(stage, floor, half=2.6)
    color = some_color(rng, other_than=("black", "navy blue"))
    if rng.random() < 0.3:
        look = looks.patterned(rng, rng.choice(("brick", "striped", "tiled", "dotted")), color)
    else:
        look = looks.plain(color, "clay")
    wall = look.words.replace(" clay", "")
    for where, turn in (((-1.6, 1, 0), 0.0), ((1, -1.6, 0), pi / 2)):
        mesh = bpy.data.meshes.new("Wall")
        mesh.from_pydata([(0, -4, 0), (0, 4, 0), (0, 4, 4), (0, -4, 4)], [], [(0, 1, 2, 3)])
        project_box(mesh, 0.6)
        side = stage.add(mesh, look.material)
        side.object.location, side.object.rotation_euler.z = where, turn
    found = put_objects(stage, rng.choice((1, 2, 3)))
    turn, up = radians(rng.uniform(20, 70)), radians(rng.uniform(10, 32))
    away, lens = rng.uniform(3.6, 4.8), rng.uniform(32, 45)
    view = View(Vector((-0.1, -0.1, 0.55)), turn, up, away, lens)
    describe(stage, found, view)
    stage.place = f"{stage.place} in the corner of a room with {wall} walls"
    return view


def pattern(stage: Stage) -> View:
    """Build a patterned wall seen close up, now and then with a ball before it."""
    rng = stage.rng
    set_studio(stage)
    stage.sky = ""
    name = rng.choice([*textures.PATTERNS, "wooden", "terrazzo"])
    color = some_color(rng)
    if name == "wooden":
        look = looks.wood(rng)
    elif name == "terrazzo":
        picture = textures.terrazzo(rng, srgb("cream"), srgb(color))
        look = looks.Look(looks.pictured(name, picture, roughness=0.4), f"{color} terrazzo")
    else:
        look = looks.patterned(rng, name, color)
    mesh = bpy.data.meshes.new("Wall")
    mesh.from_pydata([(-9, -9, 0), (9, -9, 0), (9, 9, 0), (-9, 9, 0)], [], [(0, 1, 2, 3)])
    project_box(mesh, rng.uniform(0.35, 0.8))
    wall = stage.add(mesh, look.material)
    stage.subject = f"{article(look.words)} {rng.choice(('wall', 'surface', 'pattern'))}"
    stage.place, stage.view = "", rng.choice(("", "a close up of"))
    if rng.random() < 0.3:
        other = looks.some_look(rng)
        ball = place_object(stage, "sphere", other, ("", 0.8), Vector((0, 0, 0.1)))
        stage.subject = f"{ball.words} before {stage.subject}"
    wall.moves = "still"
    return View(Vector((0, 0, 0)), rng.uniform(0, 2 * pi), radians(rng.uniform(38, 88)),
                rng.uniform(2.6, 4.5), 50)  # fmt: skip
