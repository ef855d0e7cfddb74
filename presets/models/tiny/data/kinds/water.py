"""Scenes of water and drinks: basins, splashes, floating blobs, liquid in a glass."""

from math import pi

import bmesh
import bpy
import numpy as np
from mathutils import Vector

from ..world import grounds, looks
from ..world.meshes import finished, lathe
from ..world.palette import noise, srgb
from ..world.stage import Stage, Thing, View, frame_things, set_day, set_studio
from .tabletop import article, joined, put_objects

WATERS = ("blue", "blue", "light blue", "teal")
DRINKS = {"blue": "blue liquid", "orange": "orange juice", "red": "red liquid", "brown": "tea",
          "green": "green liquid", "white": "milk", "purple": "purple liquid"}  # fmt: skip


def water_mesh(
    stage: Stage, balls: list[tuple[Vector, float]], cell: float = 0.055
) -> bpy.types.Mesh:
    """Melt balls of (middle, radius) into one liquid skin."""
    data = bpy.data.metaballs.new("Liquid")
    data.resolution = data.render_resolution = cell
    data.threshold = 0.25
    for middle, radius in balls:
        ball = data.elements.new()
        ball.co, ball.radius = middle, radius * 1.5
    holder = bpy.data.objects.new("Liquid", data)
    bpy.context.scene.collection.objects.link(holder)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    mesh = bpy.data.meshes.new_from_object(holder.evaluated_get(depsgraph))
    bpy.data.objects.remove(holder)
    body = bmesh.new()
    body.from_mesh(mesh)
    return finished("Liquid", body, smooth=True, grounded=False)


def splash(stage: Stage, at: Vector, scale: float, color: str) -> Thing:
    """Add a splash: a puddle, a crown of arms, and drops over it."""
    rng = stage.rng
    balls = [(Vector((rng.gauss(0, 0.25), rng.gauss(0, 0.25), 0.03)), 0.22) for _ in range(6)]
    turn, high = rng.uniform(0, 3), rng.uniform(0.3, 0.6)
    for x, y in grounds.ring(1.0, 18, turn):  # the crown's wall, wider above
        for z in (0.05, 0.16, 0.28):
            reach = 0.44 + 0.35 * z
            balls.append((Vector((x * reach, y * reach, z * high / 0.45)), 0.11))
    for x, y in grounds.ring(1.0, rng.choice((7, 9, 11)), turn):
        tall = high * rng.uniform(0.7, 1.3)
        for step in (0.5, 0.75, 1.0):
            reach = 0.5 + 0.22 * step**1.5
            balls.append((Vector((x * reach, y * reach, tall * step + 0.05)), 0.1 - 0.035 * step))
        if rng.random() < 0.6:
            balls.append((Vector((x * 0.85, y * 0.85, tall + rng.uniform(0.1, 0.3))), 0.055))
    for _ in range(rng.randrange(3, 8)):
        at_drop = Vector((rng.gauss(0, 0.45), rng.gauss(0, 0.45), rng.uniform(0.5, 1.1)))
        balls.append((at_drop, rng.uniform(0.05, 0.1)))
    thing = stage.add(water_mesh(stage, balls), looks.plain(color, "water").material)
    thing.object.location, thing.object.scale = at, (scale,) * 3
    thing.words, thing.moves, thing.radius = f"a splash of {color} water", "deform", 0.9 * scale
    return thing


def drops(stage: Stage, at: Vector, scale: float, color: str) -> Thing:
    """Add a floating blob of liquid with smaller drops round it."""
    rng = stage.rng
    balls = []
    for count, spread, sizes in ((6, 0.2, (0.2, 0.35)), (5, 0.42, (0.05, 0.12))):
        for _ in range(count):
            away = Vector([rng.gauss(0, spread) for _ in range(3)])
            balls.append((away + Vector((0, 0, 0.72)), rng.uniform(*sizes)))
    thing = stage.add(water_mesh(stage, balls), looks.plain(color, "water").material)
    thing.object.location, thing.object.scale = at, (scale,) * 3
    thing.words, thing.moves, thing.radius = f"a floating blob of {color} water", "fly", 0.8 * scale
    return thing


def basin(stage: Stage, at: Vector, half: float, color: str) -> list[Thing]:
    """Add a square basin filled with water, its surface in waves."""
    rng = stage.rng
    body = bmesh.new()
    wall, high = 0.14 * half, 0.45 * half
    for x, y, dx, dy in ((1, 0, wall, half + wall), (-1, 0, wall, half + wall),
                         (0, 1, half + wall, wall), (0, -1, half + wall, wall)):  # fmt: skip
        box = bmesh.ops.create_cube(body, size=1.0)["verts"]
        bmesh.ops.scale(
            body, vec=(2 * dx if x == 0 else wall, 2 * dy if y == 0 else wall, high), verts=box
        )
        bmesh.ops.translate(body, vec=(x * half, y * half, high / 2), verts=box)
    rim = looks.some_look(rng)
    tray = stage.add(finished("Basin", body, smooth=False), rim.material)
    count = 64
    line = np.linspace(0, 2 * pi, count, dtype=np.float32)
    u, v = np.meshgrid(line, line)
    surface = 0.025 * noise(rng, count, count, power=2.2) + 0.02 * np.sin(
        rng.choice((2, 3)) * (u + 0.5 * v)
    )
    flat = np.broadcast_to(srgb(color) * 1.05, (8, 8, 3))
    water = grounds.heights(
        stage, "Water", half * surface, half, np.asarray(flat, np.float32), 0.04
    )
    tray.object.location = at
    water.object.location = at + Vector((0, 0, 0.34 * half))
    tray.words = f"{article(rim.words)} basin filled with {color} water"
    tray.radius = water.radius = 1.2 * half
    turn = rng.uniform(0, pi)
    tray.object.rotation_euler.z = water.object.rotation_euler.z = turn
    return [tray, water]


def water(stage: Stage) -> View:
    """Build water: a basin, a splash, a floating blob, a lake, or liquid in a glass."""
    rng = stage.rng
    (set_day if rng.random() < 0.6 else set_studio)(stage)
    color = rng.choice(WATERS)
    kind = rng.choice(("basin", "splash", "splash", "drops", "glass", "glass"))
    grounds.lay_ground(stage, grounds.some_ground(rng, indoors=True))
    match kind:
        case "basin":
            found = basin(stage, Vector(), 0.85, color)[:1]
            if rng.random() < 0.5:
                other = put_objects(stage, 1)[0]
                other.object.location = Vector((0.1, 0.1, 0.12))
                other.object.scale = (0.6,) * 3
                other.moves = "spin"
                found[0].words += f" and {other.words} in it"
        case "splash":
            found = [splash(stage, Vector(), 0.9, color)]
        case "drops":
            found = [drops(stage, Vector(), 1.0, color)]
        case _:
            found = [glass(stage, Vector())]
            if rng.random() < 0.4:
                found.append(glass(stage, Vector((0.95, 0.2, 0))))
    stage.subject = joined([thing.words for thing in found])
    reach = 0.9 + 0.3 * (len(found) - 1)
    return frame_things(stage, Vector((0.35 * (len(found) - 1), 0, 0.35)), reach)


def glass(stage: Stage, at: Vector) -> Thing:
    """Add a glass of liquid: a lathed wall and what fills it."""
    rng = stage.rng
    color = rng.choice(list(DRINKS))
    stage.translucent = True
    r, high = rng.uniform(0.3, 0.42), rng.uniform(0.8, 1.1)
    low = r * rng.uniform(0.7, 1.0)
    fill = rng.uniform(0.45, 0.85)
    body = bmesh.new()
    lathe(body, [(0, 0), (low, 0), (r, high), (r - 0.03, high), (low - 0.03, 0.06), (0, 0.06)])
    cup = stage.add(finished("Glass", body, smooth=False), looks.plain("white", "clear").material)
    body = bmesh.new()
    top = low + (r - low) * fill - 0.032
    lathe(body, [(0, 0.062), (low - 0.032, 0.062), (top, high * fill), (0, high * fill)])
    inner = stage.add(finished("Drink", body, smooth=False), looks.plain(color, "plastic").material)
    cup.object.location = at
    inner.object.location = at + Vector((0, 0, 0.062))
    cup.words, cup.radius = f"a glass of {DRINKS[color]}", 0.5
    return cup
