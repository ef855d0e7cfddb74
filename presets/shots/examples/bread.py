"""A loaf is torn: brittle matter held at both ends, which two empties bend, pull and turn away."""

from math import exp, radians

import bmesh
import bpy
import numpy as np
import parts
from mathutils import Matrix

from blender_addon import materials

FRAMES = 60
LENGTH, WIDTH, HEIGHT = 0.21, 0.055, 0.048
"Half of the loaf's extents [m]."
HELD = 0.08
"What lies farther from the middle is held."
HANDS = 0.15


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Bread", FRAMES)
    _board()
    loaf = _loaf()
    physics = loaf.impetus
    physics.role = "DYNAMIC"
    materials.apply(physics, "Bread")
    physics.use_inner_color, physics.inner_color = True, (0.90, 0.78, 0.56)
    for side, name in ((-1, "Left"), (1, "Right")):
        pin = physics.acts.add()
        pin.name, pin.kind, pin.vertex_group = f"{name} Hand", "PIN", name
        pin.target = _hand(name, side)
    parts.domain(scene, (-0.36, -0.34, 0.0), (0.36, 0.16, 0.30), resolution=80)
    job = scene.impetus
    job.walls, job.use_ground, job.splats = "OPEN", False, 190_000
    parts.world(scene, (0.60, 0.55, 0.50), 0.45)
    parts.backdrop(scene, (0.36, 0.28, 0.22), (0.20, 0.15, 0.13), (0.10, 0.08, 0.08))
    parts.lamp("Key", 2.6, (1.0, 0.86, 0.68), (-1.4, -1.3, 2.0))
    parts.lamp("Window", 9.0, (0.75, 0.85, 1.0), (0.9, 0.7, 0.8), area=0.7, target=(0, 0, 0.1))
    parts.camera(scene, [(1, (0.06, -0.98, 0.46)), (FRAMES, (-0.06, -0.92, 0.40))],
                 (0.0, -0.02, 0.11), 50)  # fmt: skip
    return scene


def _loaf() -> bpy.types.Object:
    """A small baguette, slashed along its top; one slash is cut so deep that it tears there."""

    def make(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_uvsphere(built, u_segments=72, v_segments=96, radius=1.0)
        along = Matrix.Rotation(radians(90), 4, "Y")
        bmesh.ops.transform(built, matrix=along, verts=built.verts)
        for vertex in built.verts:
            x, y, z = vertex.co
            # A superellipse along its length: blunt ends, an even middle.
            fat = max(0.0, 1 - abs(x) ** 4) ** 0.35 / max(1e-6, (1 - x * x) ** 0.5)
            fat *= 1 - 0.2 * exp(-(((LENGTH * x - 0.4 * WIDTH * y) / 0.02) ** 2))
            slash = 0.10 * max(0.0, np.cos(14 * x - 3.5 * y)) ** 6 * max(0.0, z) ** 0.5
            vertex.co = LENGTH * x, WIDTH * y * fat, HEIGHT * (z - slash) * fat

    mesh = parts.shape("Loaf", make, is_smooth=True)
    loaf = parts.thing("Loaf", mesh, parts.painted("Crust", _crust(), roughness=0.75))
    parts.map_flat(mesh, (0, 1), 0.45)
    loaf.location.z = 0.12
    for side, name in ((-1, "Left"), (1, "Right")):
        group = loaf.vertex_groups.new(name=name)
        group.add([v.index for v in mesh.vertices if side * v.co.x > HELD], 1.0, "REPLACE")
    return loaf


def _crust() -> np.ndarray:
    """Golden brown, darker in blotches, floury where it is slashed; over 0.45 m, from above."""
    rng = np.random.default_rng(3)
    rows, columns = 384, 384
    y, x = (np.mgrid[0:rows, 0:columns] / np.array([rows, columns])[:, None, None] - 0.5) * 0.45
    blotch = sum(
        np.sin(rng.normal(0, 70) * x + rng.normal(0, 70) * y + rng.uniform(0, 6)) for _ in range(12)
    )
    crust = np.array([0.74, 0.45, 0.19]) * (1 + 0.045 * blotch[..., None])
    crust *= 1 + 0.08 * rng.standard_normal((rows, columns, 1))
    pale = np.maximum(0.0, np.cos(14 * x / LENGTH - 3.5 * y / WIDTH)) ** 5
    flour = pale[..., None] * (0.75 + 0.25 * rng.random((rows, columns, 1)))
    crust += flour * (np.array([0.93, 0.80, 0.58]) - crust)
    return np.clip(crust, 0, 1)


def _hand(name: str, side: int) -> bpy.types.Object:
    """What holds an end: it bends it down, pulls it away, and turns the torn face to the camera."""
    hand = parts.thing(f"{name} Hand", None)
    hand.empty_display_size = 0.05
    keys = (  # frame, way out [m], bent down and turned [degrees]
        (1, 0.0, 0.0, 0.0), (6, 0.0, 0.0, 0.0), (22, 0.008, 13.0, 0.0),
        (40, 0.06, 17.0, 6.0), (56, 0.09, 14.0, 34.0),
    )  # fmt: skip
    for frame, out, bent, turn in keys:
        hand.location = (side * (HANDS + out), 0.0, 0.12)
        hand.rotation_euler = (0.0, side * radians(bent), side * radians(turn))
        hand.keyframe_insert("location", frame=frame)
        hand.keyframe_insert("rotation_euler", frame=frame)
    return hand


def _board() -> None:
    rows, columns = 256, 512
    y, x = np.mgrid[0:rows, 0:columns] / np.array([rows, columns])[:, None, None]
    grain = np.sin(60 * y + 3 * np.sin(4 * x) + 2 * np.sin(11 * x + 5 * y))
    wood = np.array([0.46, 0.29, 0.17]) * (1 + 0.10 * grain[..., None])
    mesh = parts.box((1.0, 0.44, 0.03))
    board = parts.thing("Board", mesh, parts.painted("Oak", np.clip(wood, 0, 1), roughness=0.5))
    parts.map_flat(mesh, (0, 1), 1.0)
    board.location = (0.0, 0.02, -0.015)
    board.impetus.role, board.impetus.friction = "STATIC", 0.5
    board.impetus.splat_density = 0.6
