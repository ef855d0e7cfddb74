"""A steel ball breaks a rack of jelly balls on a felt table: rigid and elastic bodies together."""

import bmesh
import bpy
import parts

from blender_addon import materials

FRAMES = 60
RADIUS = 0.06
COLORS = (
    (0.80, 0.52, 0.02), (0.04, 0.12, 0.55), (0.66, 0.03, 0.04),
    (0.25, 0.05, 0.38), (0.85, 0.24, 0.02), (0.02, 0.30, 0.12),
)  # fmt: skip
TABLE = (1.50, 0.96)


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Rigid and Jelly Billiard", FRAMES)
    _table()
    cue = _ball("Cue", (-0.46, 0.008, RADIUS), parts.shader(
        "Steel", (0.72, 0.74, 0.78), roughness=0.12, metallic=0.9))  # fmt: skip
    materials.apply(cue.impetus, "Steel")
    cue.impetus.velocity = (1.7, 0.0, 0.0)
    cue.impetus.angular_velocity = (0.0, 1.7 / RADIUS, 0.0)
    row, place, gap = 0, 0, 2.05 * RADIUS
    white = parts.shader("White", (0.84, 0.82, 0.74), roughness=0.12)
    for index, color in enumerate(COLORS):
        at = (0.10 + 0.88 * gap * row, (place - row / 2) * gap, RADIUS + 0.001)
        ball = _ball(f"Ball {index + 1}", at, parts.shader("Jelly", color, roughness=0.12), white)
        ball.rotation_euler = (0.5 + 0.9 * index, 0.3 - 0.7 * index, 0.4 * index)
        materials.apply(ball.impetus, "Jelly")
        row, place = (row, place + 1) if place < row else (row + 1, 0)
    parts.domain(scene, (-0.80, -0.54, -0.05), (0.80, 0.54, 0.34), resolution=88)
    job = scene.impetus
    job.walls, job.splats = "OPEN", 140_000
    job.use_ground, job.ground_friction = True, 0.25  # under the felt, which is only seen
    parts.world(scene, (0.42, 0.38, 0.34), 0.45)
    parts.backdrop(scene, (0.17, 0.11, 0.08), (0.10, 0.07, 0.06), (0.05, 0.04, 0.04))
    parts.lamp("Lamp", 24.0, (1.0, 0.88, 0.70), (0.05, 0.1, 1.25), area=0.6, target=(0.05, 0.0, 0))
    parts.lamp("Room", 0.5, (0.8, 0.88, 1.0), (-1.2, -1.8, 1.8))
    parts.camera(scene, [(1, (-0.72, -1.38, 0.98)), (FRAMES, (-0.40, -1.50, 0.94))],
                 (0.02, -0.02, 0.0), 40)  # fmt: skip
    return scene


def _ball(name: str, at: parts.Triple, *looks: bpy.types.Material) -> bpy.types.Object:
    """A ball; of two looks the second is a stripe at either pole, so that it is seen to roll."""
    mesh = parts.shape(
        name,
        lambda built: bmesh.ops.create_uvsphere(built, u_segments=48, v_segments=32, radius=RADIUS),
        is_smooth=True,
    )
    ball = parts.thing(name, mesh, *looks)
    for face in mesh.polygons:
        face.material_index = int(len(looks) > 1 and abs(face.center.z) > 0.62 * RADIUS)
    ball.location = at
    ball.impetus.role = "DYNAMIC"
    ball.impetus.splat_density = 1.5
    return ball


def _table() -> None:
    long, wide = TABLE
    felt = parts.thing("Felt", parts.box((long, wide, 0.06)),
                       parts.shader("Felt", (0.02, 0.17, 0.09), roughness=0.95))  # fmt: skip
    felt.location.z = -0.03
    wood = parts.shader("Mahogany", (0.20, 0.055, 0.03), roughness=0.25)
    for name, size, at in (
        ("Rail Left", (0.10, wide + 0.16, 0.15), (-long / 2, 0.0, 0.0)),
        ("Rail Right", (0.10, wide + 0.16, 0.15), (long / 2, 0.0, 0.0)),
        ("Rail Near", (long + 0.10, 0.10, 0.15), (0.0, -wide / 2 - 0.03, 0.0)),
        ("Rail Far", (long + 0.10, 0.10, 0.15), (0.0, wide / 2 + 0.03, 0.0)),
    ):
        rail = parts.thing(name, parts.box(size), wood)
        rail.location = at
        rail.impetus.role, rail.impetus.friction = "STATIC", 0.2
