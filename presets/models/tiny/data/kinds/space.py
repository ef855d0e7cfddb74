"""Scenes in space: a planet, sometimes with a ring or a moon, among stars."""

from math import pi

import bmesh
import bpy
import numpy as np
from mathutils import Euler, Vector

from ..world import grounds, looks
from ..world.palette import Floats, blend, noise, paint
from ..world.stage import LIGHTS, Stage, View, set_world

PLANETS = ("a blue and green planet", "a red planet", "a striped gas giant", "a gray moon",
           "an icy white planet", "a purple planet", "a yellow desert planet")  # fmt: skip


def planet(stage: Stage) -> View:
    """Build a planet in space, sometimes with a ring or a moon."""
    rng = stage.rng
    stage.exposed = False
    name = rng.choice(PLANETS)
    body = bmesh.new()
    body.loops.layers.uv.new("UVMap")
    bmesh.ops.create_uvsphere(body, u_segments=96, v_segments=48, radius=1.0, calc_uvs=True)
    mesh = bpy.data.meshes.new("Planet")
    body.to_mesh(mesh)
    body.free()
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
    globe = stage.add(mesh, looks.pictured("Planet", planet_picture(stage, name), roughness=0.8))
    globe.moves, globe.radius = "spin", 1.0
    globe.object.rotation_euler = (
        rng.uniform(-0.5, 0.5),
        rng.uniform(-0.5, 0.5),
        rng.uniform(0, 6),
    )
    words = name
    if rng.random() < 0.3:
        ring = stage.add(_ring_mesh(), looks.plain(rng.choice(("beige", "gray", "cream"))).material)
        ring.object.rotation_euler = globe.object.rotation_euler
        words += " with a ring"
    if rng.random() < 0.3:
        moon = stage.add(mesh.copy(), None)
        moon.object.data.materials.clear()
        moon.object.data.materials.append(
            looks.pictured("Moon", planet_picture(stage, "a gray moon"), roughness=1)
        )
        moon.object.scale = (0.2,) * 3
        turn = rng.uniform(0, 6)
        moon.object.location = Euler((0, 0, turn)).to_matrix() @ Vector(
            (1.7, 0, rng.uniform(-0.4, 0.4))
        )
        moon.moves, moon.radius = "fly", 0.2
        words += " and a small moon"
    stage.subject, stage.place = words, "in space"
    stage.sky = rng.choice(("with stars", "against a dark starry sky", ""))
    view = View(
        Vector((rng.uniform(-0.3, 0.3), 0, rng.uniform(-0.2, 0.2))),
        rng.uniform(0, 6),
        rng.uniform(-0.3, 0.3),
        rng.uniform(4.4, 7),
        50,
    )
    _space(stage, view)
    return view


def _ring_mesh() -> bpy.types.Mesh:
    points = [(*p, 0.0) for r in (1.35, 2.0) for p in grounds.ring(r, 96, 0)]
    mesh = bpy.data.meshes.new("Ring")
    mesh.from_pydata(points, [], [(i, (i + 1) % 96, 96 + (i + 1) % 96, 96 + i) for i in range(96)])
    return mesh


def _space(stage: Stage, view: View) -> None:
    rng = stage.rng
    picture = np.zeros((1024, 2048, 3), np.float32) + paint((0.02, 0.02, 0.05))
    cloud = np.clip(noise(rng, 256, 512, power=2.0), 0, 2)
    cloud = np.kron(cloud, np.ones((4, 4), np.float32))[..., None]
    picture += cloud * paint(
        rng.choice(((0.05, 0.02, 0.09), (0.02, 0.05, 0.10), (0.08, 0.03, 0.04)))
    )
    for _ in range(2600):
        y, x, bright = rng.randrange(1, 1023), rng.randrange(1, 2047), rng.uniform(0.25, 1.0)
        picture[y, x] += bright
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            picture[y + dy, x + dx] += 0.4 * bright
    set_world(picture, 1.0)
    energy = LIGHTS["bright sunlight"][0]
    data = bpy.data.lights.new("Sun", "SUN")
    data.energy, data.angle = 1.2 * energy, 0.02
    lamp = bpy.data.objects.new("Sun", data)
    turn = view.turn + rng.choice((-1, 1)) * rng.uniform(0.4, 1.5)
    away = Euler((0, -rng.uniform(-0.2, 0.5), turn)).to_matrix() @ Vector((1, 0, 0))
    lamp.rotation_euler = (-away).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(lamp)


def planet_picture(stage: Stage, name: str) -> Floats:
    """Paint a planet's surface all the way round, poles at the top and bottom row."""
    rng = stage.rng
    land = noise(rng, 256, 512, power=1.9, cells=2)
    fine = noise(rng, 256, 512, power=1.2, cells=5)
    up = np.linspace(-1, 1, 256, dtype=np.float32)[:, None]
    tones: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
        "a red planet": ((0.72, 0.34, 0.20), (0.50, 0.20, 0.12)),
        "a gray moon": ((0.66, 0.65, 0.64), (0.40, 0.40, 0.41)),
        "an icy white planet": ((0.92, 0.96, 1.0), (0.62, 0.76, 0.90)),
        "a purple planet": ((0.50, 0.26, 0.66), (0.26, 0.14, 0.44)),
        "a yellow desert planet": ((0.90, 0.74, 0.40), (0.70, 0.50, 0.24)),
    }
    if name in tones:
        a, b = (paint(tone) for tone in tones[name])
        return blend(0.5 + 0.35 * land + 0.12 * fine, a, b)
    if name == "a striped gas giant":
        a, b = (
            paint((0.88, 0.76, 0.58)),
            paint(rng.choice(((0.66, 0.42, 0.28), (0.36, 0.46, 0.68)))),
        )
        bands = 0.5 + 0.5 * np.sin(pi * (7 * up + 0.14 * land + 2 * np.sin(up * 4)))
        return blend(bands + 0.06 * fine, a, b)
    picture = blend(
        np.clip((land - 0.15) * 9, 0, 1),
        paint((0.06, 0.22, 0.50)),
        paint((0.24, 0.44, 0.18)),
    )
    picture = blend(np.clip((land - 1.0) * 4, 0, 1), picture, paint((0.58, 0.48, 0.30)))
    ice = np.clip((np.abs(up) + 0.05 * fine - 0.82) * 14, 0, 1)
    picture = blend(ice, picture, paint((0.95, 0.97, 1.0)))
    clouds = np.clip((noise(rng, 256, 512, power=1.5, cells=3) - 0.7) * 1.2, 0, 0.85)
    return blend(clouds, picture, paint((0.97, 0.97, 0.97)))
