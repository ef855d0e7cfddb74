"""A steel ball breaks a rack of jelly balls on a felt table: rigid and elastic bodies together."""

import bmesh
import bpy
import parts
from mathutils import Matrix

from blender_addon import materials

FRAMES = 60
RADIUS = 0.06
COLORS = (
    (0.85, 0.65, 0.05), (0.08, 0.20, 0.62), (0.75, 0.07, 0.08),
    (0.32, 0.10, 0.45), (0.90, 0.35, 0.05), (0.05, 0.42, 0.20),
)  # fmt: skip


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Rigid and Jelly Billiard", FRAMES)
    _table()
    cue = _ball("Cue", (-0.55, 0.012, RADIUS), (0.82, 0.84, 0.88), metallic=1.0)
    materials.apply(cue.impetus, "Steel")
    cue.impetus.velocity = (3.0, 0.0, 0.0)
    row, place, gap = 0, 0, 2.06 * RADIUS
    for index, color in enumerate(COLORS):
        at = (0.10 + 0.88 * gap * row, (place - row / 2) * gap, RADIUS + 0.001)
        ball = _ball(f"Ball {index + 1}", at, color)
        materials.apply(ball.impetus, "Jelly")
        ball.impetus.young_modulus = 8e4
        row, place = (row, place + 1) if place < row else (row + 1, 0)
    parts.domain(scene, (-0.75, -0.48, 0.0), (0.75, 0.48, 0.36), resolution=128)
    job = scene.impetus
    job.walls, job.use_ground, job.splats = "OPEN", False, 250_000
    parts.world(scene, (0.32, 0.34, 0.38), 0.6)
    parts.lamp("Lamp", 26.0, (1.0, 0.90, 0.74), (0.0, 0.0, 1.3), area=0.7)
    parts.lamp("Key", 1.6, (1.0, 0.92, 0.85), (-1.2, -1.8, 1.8))
    parts.camera(scene, [(1, (-0.55, -1.45, 0.80)), (FRAMES, (-0.25, -1.50, 0.78))],
                 (0.02, 0.0, 0.03), 42)  # fmt: skip
    return scene


def _ball(name: str, at: parts.Triple, color: parts.Triple, **inputs: float) -> bpy.types.Object:
    mesh = parts.shape(
        name,
        lambda built: bmesh.ops.create_icosphere(built, subdivisions=4, radius=RADIUS),
        is_smooth=True,
    )
    ball = parts.thing(name, mesh, parts.shader(name, color, roughness=0.15, **inputs))
    ball.location = at
    ball.impetus.role = "DYNAMIC"
    return ball


def _table() -> None:
    def box(size: parts.Triple) -> bpy.types.Mesh:
        return parts.shape(
            "Box",
            lambda built: bmesh.ops.create_cube(
                built, size=1.0, matrix=Matrix.Diagonal((*size, 1.0))
            ),
        )

    felt = parts.thing("Felt", box((1.5, 0.96, 0.06)), parts.shader("Felt", (0.03, 0.24, 0.14)))
    felt.location.z = -0.03
    felt.impetus.role, felt.impetus.friction = "STATIC", 0.25
    felt.impetus.splat_density = 0.6
    wood = parts.shader("Mahogany", (0.26, 0.09, 0.05), roughness=0.3)
    for name, size, at in (
        ("Rail Left", (0.08, 1.12, 0.13), (-0.74, 0.0, 0.0)),
        ("Rail Right", (0.08, 1.12, 0.13), (0.74, 0.0, 0.0)),
        ("Rail Near", (1.56, 0.08, 0.13), (0.0, -0.50, 0.0)),
        ("Rail Far", (1.56, 0.08, 0.13), (0.0, 0.50, 0.0)),
    ):
        rail = parts.thing(name, box(size), wood)
        rail.location = at
        rail.impetus.role, rail.impetus.friction = "STATIC", 0.2
