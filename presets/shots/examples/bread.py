"""A loaf is pulled apart: brittle matter held at both ends, one of which an empty moves away."""

from math import radians

import bmesh
import bpy
import numpy as np
import parts
from mathutils import Matrix

from blender_addon import materials

FRAMES = 60


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Bread", FRAMES)
    _board()
    loaf = _loaf()
    physics = loaf.impetus
    physics.role = "DYNAMIC"
    materials.apply(physics, "Bread")
    physics.use_inner_color, physics.inner_color = True, (0.93, 0.84, 0.66)
    physics.splat_density = 2.0
    for side, name in ((-1, "Left"), (1, "Right")):
        hand = _hand(name, side)
        pin = physics.acts.add()
        pin.name, pin.kind, pin.vertex_group, pin.target = f"{name} Hand", "PIN", name, hand
    parts.domain(scene, (-0.36, -0.14, 0.0), (0.36, 0.14, 0.30), resolution=96)
    job = scene.impetus
    job.walls, job.use_ground, job.splats = "OPEN", False, 200_000
    parts.world(scene, (0.60, 0.55, 0.50), 0.6)
    parts.lamp("Key", 3.0, (1.0, 0.88, 0.72), (-1.4, -1.6, 2.4))
    parts.lamp("Fill", 8.0, (0.7, 0.8, 1.0), (1.2, -0.9, 0.8), area=0.8)
    parts.camera(scene, [(1, (0.12, -0.95, 0.45)), (FRAMES, (-0.12, -0.95, 0.42))],
                 (0.0, 0.0, 0.13), 50)  # fmt: skip
    return scene


def _loaf() -> bpy.types.Object:
    """A baguette's middle, its crust darker on top and slashed."""

    def make(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_uvsphere(built, u_segments=64, v_segments=48, radius=1.0)
        along = Matrix.Rotation(radians(90), 4, "Y")
        bmesh.ops.transform(built, matrix=along, verts=built.verts)
        for vertex in built.verts:
            x, y, z = vertex.co
            # A superellipse along its length: blunt ends, an even middle.
            fat = max(0.0, 1 - abs(x) ** 4) ** 0.35 / max(1e-6, (1 - x * x) ** 0.5)
            slash = 0.06 * max(0.0, np.cos(14 * x + 5 * y)) ** 6 * max(0.0, z) ** 0.5
            vertex.co = 0.21 * x, 0.055 * y * fat, (0.048 * z - 0.05 * slash) * fat

    mesh = parts.shape("Loaf", make, is_smooth=True)
    rng = np.random.default_rng(3)
    rows, columns = 256, 512
    y, x = np.mgrid[0:rows, 0:columns] / np.array([rows, columns])[:, None, None] - 0.5
    crust = np.array([0.70, 0.42, 0.18]) * np.ones((rows, columns, 3))
    pale = np.maximum(0.0, np.cos(14 * 2.2 * x + 6 * y)) ** 5
    crust += pale[..., None] * np.array([0.20, 0.24, 0.20])
    crust *= 1 + 0.05 * rng.standard_normal((rows, columns, 1))
    loaf = parts.thing("Loaf", mesh, parts.painted("Crust", np.clip(crust, 0, 1), roughness=0.8))
    parts.map_flat(mesh, (0, 1), 0.45)
    loaf.location.z = 0.14
    for side, name in ((-1, "Left"), (1, "Right")):
        group = loaf.vertex_groups.new(name=name)
        group.add([v.index for v in mesh.vertices if side * v.co.x > 0.075], 1.0, "REPLACE")
    return loaf


def _hand(name: str, side: int) -> bpy.types.Object:
    """What holds an end: it waits, bends it down a little, then pulls it away."""
    hand = parts.thing(f"{name} Hand", None)
    hand.empty_display_size = 0.05
    for frame, out, turn in ((1, 0.0, 0.0), (8, 0.0, 0.0), (26, 0.01, 14.0), (56, 0.12, 20.0)):
        hand.location = (side * (0.17 + out), 0.0, 0.14)
        hand.rotation_euler = (0.0, side * radians(turn), 0.0)
        hand.keyframe_insert("location", frame=frame)
        hand.keyframe_insert("rotation_euler", frame=frame)
    hand.location = (side * 0.17, 0.0, 0.14)
    hand.rotation_euler = (0.0, 0.0, 0.0)
    return hand


def _board() -> None:
    def make(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_cube(built, size=1.0, matrix=Matrix.Diagonal((0.8, 0.36, 0.03, 1.0)))

    rows, columns = 256, 512
    y, x = np.mgrid[0:rows, 0:columns] / np.array([rows, columns])[:, None, None]
    grain = np.sin(60 * y + 3 * np.sin(4 * x) + 2 * np.sin(11 * x + 5 * y))
    wood = np.array([0.52, 0.33, 0.18]) * (1 + 0.10 * grain[..., None])
    mesh = parts.shape("Board", make)
    board = parts.thing("Board", mesh, parts.painted("Oak", np.clip(wood, 0, 1), roughness=0.5))
    parts.map_flat(mesh, (0, 1), 0.8)
    board.location.z = -0.015
    board.impetus.role, board.impetus.friction = "STATIC", 0.5
