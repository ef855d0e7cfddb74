"""A sunflower in gusts: splats fitted to Cycles' pictures of it; a pin holds its foot."""

from math import cos, pi, radians, sin
from pathlib import Path

import bmesh
import bpy
import numpy as np
import parts
from mathutils import Matrix, Vector

from blender_addon import headless

FRAMES = 54
STEM = 0.60
"Height of the blossom's middle over the earth [m]."
THICK = 0.042
"Radius of the stem at its foot [m]."
STIFF = 9.0
"How many times as stiff as leaves and petals the stem is."
PETALS = 15
GREEN, GOLD, SEEDS = range(3)
GUSTS = [(1, 0.0), (5, 5.0), (12, 4.0), (16, 0.0), (26, 0.0), (30, 6.0), (35, 5.0), (39, 0.0)]
"Frames, and the wind's strength then [m/s^2]."


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it; nothing is fitted yet."""
    scene = parts.new_scene("Sunflower", FRAMES, (288, 324))
    flower = _flower()
    _pot()
    _weather()
    parts.domain(scene, (-0.52, -0.36, -0.03), (0.56, 0.36, 0.93), resolution=56)
    job = scene.impetus
    job.walls, job.leaving, job.splats = "OPEN", "GROW", 60_000
    parts.world(scene, (0.62, 0.74, 0.92), 0.8)
    parts.backdrop(scene, (0.80, 0.86, 0.78), (0.66, 0.83, 0.92), (0.36, 0.62, 0.86))
    parts.lamp("Sun", 3.2, (1.0, 0.90, 0.74), (-2.0, -2.6, 2.8))
    parts.camera(scene, [(1, (-0.25, -2.3, 0.62)), (FRAMES, (0.15, -2.3, 0.58))],
                 (0.02, 0.0, 0.36), 50)  # fmt: skip
    fit = flower.impetus.fit
    fit.views, fit.size, fit.samples, fit.steps, fit.splats = 24, 192, 24, 500, 9000
    flower.impetus.splat_source = "FITTED"
    return scene


def prepare(scene: bpy.types.Scene, _folder: Path, say: headless.Say) -> None:
    """Render the flower from all around, and fit splats to the pictures."""
    headless.fit_object(scene.objects["Sunflower"], scene, say=say)


def _flower() -> bpy.types.Object:
    """Stem, leaves and blossom: closed pieces that cross each other."""
    pieces = {
        GREEN: _leaves(),
        GOLD: _petals(),
        SEEDS: [_lens((0, -0.035, STEM), (0.125, 0.055, 0.125))],
    }
    mesh = parts.shape("Sunflower", lambda built: _fill(built, pieces), is_smooth=True)
    flower = parts.thing(
        "Sunflower", mesh, parts.painted("Green", _veins(), roughness=0.6),
        parts.painted("Gold", _streaks(), roughness=0.6),
        parts.painted("Seeds", _seeds(), roughness=0.8),
    )  # fmt: skip
    parts.map_flat(mesh, (0, 2), 0.5)
    foot = flower.vertex_groups.new(name="Foot")
    foot.add([v.index for v in mesh.vertices if v.co.z < 0.05], 1.0, "REPLACE")
    physics = flower.impetus
    physics.role, physics.material = "DYNAMIC", "ELASTIC"
    physics.density, physics.young_modulus, physics.poisson_ratio = 120.0, 3.0e5, 0.3
    stem = flower.vertex_groups.new(name="Stem")
    stem.add([v.index for v in mesh.vertices if v.co.xy.length < 1.05 * THICK], 1.0, "REPLACE")
    physics.stiffness_scale.group, physics.stiffness_scale.high = "Stem", STIFF
    pin = physics.acts.add()
    pin.name, pin.kind, pin.vertex_group = "Earth", "PIN", "Foot"
    return flower


def _fill(built: bmesh.types.BMesh, pieces: dict[int, list[Matrix]]) -> None:
    heights = np.linspace(-0.02, STEM, 16)
    sides = [(THICK * (1 - 0.45 * height / STEM), height) for height in heights]
    built.from_mesh(parts.turned("Stem", [(0.0, -0.02), *sides, (0.0, STEM)], steps=32))
    for slot, placings in pieces.items():
        for placed in placings:
            before = len(built.faces)
            bmesh.ops.create_icosphere(built, subdivisions=3, radius=1.0, matrix=placed)
            built.faces.ensure_lookup_table()
            for face in built.faces[before:]:
                face.material_index = slot


def _lens(at: parts.Triple, size: parts.Triple, turn: Matrix | None = None) -> Matrix:
    """A ball of these half axes, turned, and put in its place."""
    return Matrix.Translation(at) @ (turn or Matrix.Identity(4)) @ Matrix.Diagonal((*size, 1.0))


def _leaves() -> list[Matrix]:
    """Two leaves that rise from the stem."""
    leaves = []
    for side, height in ((-1, 0.20), (1, 0.29)):
        lean = Matrix.Rotation(side * radians(-32), 4, "Y") @ Matrix.Rotation(radians(-25), 4, "X")
        leaves.append(_lens((side * 0.15, 0.0, height), (0.16, 0.055, 0.020), lean))
    return leaves


def _petals() -> list[Matrix]:
    made = []
    for row, (reach, back) in enumerate(((0.165, -0.012), (0.185, 0.014))):
        for k in range(PETALS):
            angle = 2 * pi * (k + row / 2) / PETALS
            way = Vector((cos(angle), 0.0, sin(angle)))
            turn = Matrix.Rotation(-angle, 4, "Y") @ Matrix.Rotation(radians(10), 4, "Z")
            made.append(
                _lens((reach * way.x, back, STEM + reach * way.z), (0.085, 0.016, 0.033), turn)
            )
    return made


def _places(size: int) -> np.ndarray:
    """Metres (2, size, size) that `map_flat` gives a picture's pixels, from the mesh's origin."""
    return (np.mgrid[0:size, 0:size][::-1] / size - 0.5) * 0.5


def _veins() -> np.ndarray:
    x, y = _places(256)
    vein = np.maximum(0, np.cos(260 * (np.abs(x) - 0.7 * y))) ** 6
    return np.array([0.33, 0.55, 0.20]) + vein[..., None] * np.array([0.16, 0.14, 0.08])


def _streaks() -> np.ndarray:
    """Orange towards the blossom's middle, streaked along each petal."""
    x, y = _places(256)
    y = (y - STEM + 0.25) % 0.5 - 0.25  # the picture repeats: its middle there is the blossom's
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    warm = np.clip((0.22 - radius) / 0.12, 0, 1) + 0.18 * np.sin(PETALS * 6 * angle)
    gold, orange = np.array([1.0, 0.83, 0.12]), np.array([0.93, 0.48, 0.04])
    return np.clip(gold + np.clip(warm, 0, 1)[..., None] * (orange - gold), 0, 1)


def _seeds() -> np.ndarray:
    """Seeds as a sunflower sets them: each a golden angle after the last, on Fermat's spiral."""
    x, y = _places(512)
    y = (y - STEM + 0.25) % 0.5 - 0.25
    nearest = np.full(x.shape, np.inf)
    for n in range(420):
        radius, angle = 0.0062 * n**0.5, n * pi * (3 - 5**0.5)
        nearest = np.minimum(nearest, np.hypot(x - radius * cos(angle), y - radius * sin(angle)))
    dark, pale = np.array([0.16, 0.08, 0.04]), np.array([0.62, 0.38, 0.14])
    rim = np.clip((np.hypot(x, y) - 0.05) / 0.06, 0, 1)[..., None]
    seed = np.clip(1 - nearest / 0.0045, 0, 1)[..., None]
    return dark + seed * (0.35 + 0.65 * rim) * (pale - dark)


def _pot() -> None:
    """Terracotta, only seen: the pin holds the foot."""
    profile = [(0, -0.20), (0.11, -0.20), (0.145, -0.02), (0.165, -0.02), (0.165, 0.03),
               (0.14, 0.03), (0.14, 0.005), (0, 0.02)]  # fmt: skip
    parts.thing("Pot", parts.turned("Pot", profile),
                parts.shader("Terracotta", (0.60, 0.22, 0.11), roughness=0.8))  # fmt: skip
    earth = parts.turned("Earth", [(0, 0.0), (0.138, 0.0), (0.138, 0.018), (0, 0.026)])
    parts.thing("Earth", earth, parts.shader("Earth", (0.09, 0.05, 0.03), roughness=1.0))
    sill = parts.thing("Sill", parts.box((3.2, 1.2, 0.1)),
                       parts.shader("Sill", (0.72, 0.70, 0.66), roughness=0.7))  # fmt: skip
    sill.location = (0.0, 0.1, -0.25)
    sill.impetus.splat_density = 0.5


def _weather() -> None:
    """Two gusts from the left, the second one stronger, and eddies that turn the blossom."""
    for name, kind, strength, noise in (
        ("Wind", "WIND", 0.0, 1.5),
        ("Eddies", "TURBULENCE", 3.0, 0.0),
    ):
        bpy.ops.object.effector_add(type="FORCE", location=(-0.7, -0.2, 0.5))
        made = bpy.context.object
        made.name, made.rotation_euler = name, (0.0, radians(90), radians(20))
        field = made.field
        field.type, field.strength, field.noise, field.seed = kind, strength, noise, 3
        field.flow, field.size = 0.0, 0.6
    wind = bpy.data.objects["Wind"].field
    for frame, wind.strength in GUSTS:
        wind.keyframe_insert("strength", frame=frame)
