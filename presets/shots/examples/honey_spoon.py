"""Honey runs off a spoon over pancakes: a viscous liquid on a collider that tips, and on others."""

from math import cos, pi, radians, sin

import bmesh
import bpy
import parts
from mathutils import Matrix

from blender_addon import materials

FRAMES = 72
SPOON = (0.036, 0.029, 0.019)
"Half axes of the spoon's outside [m]."
WALL = 0.003
CENTER = (-0.022, 0.0, 0.135)
PANCAKE, THICK = 0.056, 0.014
PLATE = 0.007


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Honey on a Spoon", FRAMES)
    _breakfast()
    _spoon()
    _honey()
    parts.domain(scene, (-0.098, -0.08, 0.0), (0.08, 0.08, 0.15), resolution=76)
    job = scene.impetus
    job.walls, job.use_ground, job.splats = "OPEN", False, 150_000
    parts.world(scene, (0.72, 0.76, 0.80), 0.6)
    parts.backdrop(scene, (0.50, 0.56, 0.58), (0.72, 0.76, 0.75), (0.90, 0.88, 0.82))
    parts.lamp("Window", 1.3, (1.0, 0.95, 0.86), (-0.30, 0.35, 0.38), area=0.25,
               target=(0.0, 0.0, 0.06))  # fmt: skip
    parts.lamp("Sun", 2.0, (1.0, 0.92, 0.80), (0.8, -1.0, 1.5))
    parts.camera(scene, [(1, (0.15, -0.38, 0.175)), (FRAMES, (0.11, -0.36, 0.165))],
                 (-0.004, 0.0, 0.070), 46)  # fmt: skip
    return scene


def _breakfast() -> None:
    """Lay a table: pancakes on a plate, with butter, in one object, which honey sticks to."""
    table = parts.thing("Table", parts.box((0.9, 0.7, 0.02)),
                        parts.shader("Linen", (0.24, 0.33, 0.38), roughness=0.9))  # fmt: skip
    table.location = (0.0, 0.1, -0.01)
    table.impetus.splat_density = 0.35
    rim = [(0.0, 0.0), (0.055, 0.0), (0.092, 0.011), (0.093, 0.014), (0.090, 0.0145),
           (0.058, PLATE), (0.0, PLATE)]  # fmt: skip
    plate = parts.turned("Plate", rim)
    dough, baked, butter = 1, 2, 3
    _show(plate, [0] * len(plate.polygons))
    pieces = [plate]
    edge = [(PANCAKE + 0.4 * THICK * cos(a), 0.5 * THICK * sin(a)) for a in _bow()]
    for n, (x, y, wide) in enumerate(((2, 3, 1.04), (-3, -2, 1.0), (2, 0, 0.97))):
        profile = [(wide * radius, height) for radius, height in edge]
        cake = parts.turned("Pancake", [(0.0, -THICK / 2), *profile, (0.0, THICK / 2)])
        flat = [abs(face.center.z) > 0.44 * THICK for face in cake.polygons]
        _show(cake, [baked if is_flat else dough for is_flat in flat])
        cake.transform(Matrix.Translation((0.001 * x, 0.001 * y, PLATE + THICK * (0.5 + n))))
        pieces.append(cake)
    pat = parts.box((0.019, 0.019, 0.008))
    _show(pat, [butter] * len(pat.polygons))
    place = Matrix.Translation((0.026, 0.014, PLATE + 3 * THICK + 0.0035))
    pat.transform(place @ Matrix.Rotation(radians(28), 4, "Z"))
    breakfast = parts.thing(
        "Breakfast", parts.joined("Breakfast", [*pieces, pat]),
        parts.shader("Porcelain", (0.85, 0.84, 0.80), roughness=0.25),
        parts.shader("Dough", (0.82, 0.58, 0.26), roughness=0.8),
        parts.shader("Baked", (0.52, 0.22, 0.06), roughness=0.7),
        parts.shader("Butter", (0.93, 0.76, 0.30), roughness=0.5),
    )  # fmt: skip
    breakfast.impetus.role, breakfast.impetus.boundary = "STATIC", "STICK"


def _show(mesh: bpy.types.Mesh, slots: list[int]) -> None:
    mesh.polygons.foreach_set("material_index", slots)


def _bow() -> list[float]:
    return [-pi / 2 + pi * i / 12 for i in range(13)]


def _spoon() -> None:
    """Bowl and handle; it holds still, then tips over its end."""
    steps = 16
    bow = [-pi / 2 * (1 - i / steps) for i in range(steps + 1)]
    outside = [(cos(a), sin(a)) for a in bow]
    inside = [(cos(a), sin(a)) for a in reversed(bow)]
    mesh = parts.turned("Spoon", [*outside, *((0.9 * r, 0.85 * h) for r, h in inside)])
    for vertex in mesh.vertices:
        vertex.co = [c * half for c, half in zip(vertex.co, SPOON, strict=True)]
    steel = parts.shader("Silver", (0.62, 0.62, 0.64), roughness=0.25, metallic=0.85)
    spoon = parts.thing("Spoon", mesh, steel)
    for frame, turn in ((1, 0.0), (5, 0.0), (32, 72.0), (50, 92.0), (FRAMES, 98.0)):
        spoon.location, spoon.rotation_euler = CENTER, (0.0, radians(turn), 0.0)
        spoon.keyframe_insert("location", frame=frame)
        spoon.keyframe_insert("rotation_euler", frame=frame)
    spoon.impetus.role, spoon.impetus.boundary = "KINEMATIC", "STICK"
    spoon.impetus.splat_density = 2.0
    handle = parts.thing("Handle", _handle(), steel)
    handle.parent, handle.location = spoon, (-SPOON[0] - 0.052, 0.0, -0.002)
    handle.impetus.splat_density = 2.0


def _handle() -> bpy.types.Mesh:
    """A flat bar that is broader at its end, and bends up a little."""

    def make(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_icosphere(built, subdivisions=4, radius=1.0)
        for vertex in built.verts:
            x, y, z = vertex.co
            across = 0.0035 + 0.0025 * (0.5 - 0.5 * x)
            vertex.co = 0.055 * x, across * y, 0.0016 * z + 0.010 * (0.5 - 0.5 * x) ** 2

    return parts.shape("Handle", make, is_smooth=True)


def _honey() -> None:
    a, b, c = (half - 2 * WALL for half in SPOON)

    def make(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_uvsphere(built, u_segments=48, v_segments=24, radius=1.0)
        for vertex in built.verts:  # it lies in the spoon: flat on top, a little heaped
            x, y, z = vertex.co
            vertex.co = a * x, b * y, c * z if z < 0 else 0.2 * c * z

    honey = parts.thing(
        "Honey",
        parts.shape("Honey", make, is_smooth=True),
        parts.shader("Honey", (0.88, 0.42, 0.03), roughness=0.08),
    )
    honey.location = CENTER
    physics = honey.impetus
    physics.role = "DYNAMIC"
    materials.apply(physics, "Honey")
    # It falls by some centimetres only: a quarter of the stiffness does, and takes fewer steps.
    physics.bulk_modulus = 4e4
