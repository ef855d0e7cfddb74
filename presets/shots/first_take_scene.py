"""The first take's scene: a jelly Suzanne, sand, water and a swinging ball on a round stage.

`build` makes it from nothing with bpy; what is physics goes through the extension's own properties.
"""

from math import cos, pi, radians, sin
from typing import Any

import bmesh
import bpy
import numpy as np
import parts
from mathutils import Matrix

from blender_addon.methods import presets

FRAMES = 48
PROMPT = "a red jelly monkey head in front of a pile of sand and blue water, a black ball"
STAGE_RADIUS = 1.3


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("First Take", FRAMES, (640, 360))
    _stage()
    _suzanne()
    _sand()
    _water()
    _ball()
    _lights(scene)
    _camera(scene)
    _physics(scene)
    return scene


def make_draft(scene: bpy.types.Scene) -> None:
    """Cut the scene down to four small, coarse frames."""
    scene.frame_end = 4
    scene.render.resolution_percentage = 25
    scene.impetus.resolution, scene.impetus.splats = 40, 20_000


def diffuse(scene: bpy.types.Scene) -> None:
    """Choose MotionCraft with the built-in model, at a size that suits it."""
    scene.name = "First Take Diffused"
    scene.render.resolution_x, scene.render.resolution_y = 256, 144
    scene.render.resolution_percentage = 100
    diffusion = scene.impetus.diffusion
    diffusion.method, diffusion.model, diffusion.prompt = "MOTIONCRAFT", "tiny", PROMPT
    presets.apply(diffusion, "Fast")
    # Over 48 frames a small model's own ways add up: less noise leaves less to them, and what it
    # made is drawn to the render.
    craft = diffusion.motioncraft
    craft.tau, craft.posterior, craft.follow = 200.0, "MODE", 0.4


def _physics(scene: bpy.types.Scene) -> None:
    """Say what each object does, as an artist would at the panel."""
    things = scene.objects
    for name in ("Stage", "Basin"):
        things[name].impetus.role, things[name].impetus.friction = "STATIC", 0.5
    things["Ball"].impetus.role, things["Ball"].impetus.friction = "KINEMATIC", 0.2
    things["Stage"].impetus.splat_density = 0.5

    jelly = things["Suzanne"].impetus
    jelly.role, jelly.material = "DYNAMIC", "ELASTIC"
    jelly.density, jelly.young_modulus, jelly.poisson_ratio = 1000.0, 2.0e5, 0.35
    jelly.use_inner_color, jelly.inner_color = True, (0.85, 0.16, 0.16)
    jelly.splat_density = 3.0

    sand = things["Sand"].impetus
    sand.role, sand.material = "DYNAMIC", "SAND"
    sand.density, sand.young_modulus, sand.friction_angle = 1600.0, 3.5e5, radians(34)

    water = things["Water"].impetus
    water.role, water.material = "DYNAMIC", "WATER"
    water.bulk_modulus = 6.0e4

    parts.domain(scene, (-1.35, -1.35, -0.08), (1.35, 1.35, 1.16), resolution=112)
    job = scene.impetus
    job.walls, job.splats = "OPEN", 300_000


def _stage() -> None:
    def disc(shape: Any) -> None:
        bmesh.ops.create_cone(
            shape,
            cap_ends=True,
            segments=128,
            radius1=STAGE_RADIUS,
            radius2=STAGE_RADIUS,
            depth=0.16,
        )

    stage = parts.thing(
        "Stage",
        parts.shape("Stage", disc),
        _tiles(),
        parts.shader("Rim", (0.30, 0.13, 0.08), roughness=0.4),
    )
    for face in stage.data.polygons:
        face.material_index = int(face.normal.z < 0.5)
    stage.location.z = -0.08
    uv = stage.data.uv_layers.new(name="UVMap")
    for loop in stage.data.loops:
        point = stage.data.vertices[loop.vertex_index].co
        uv.data[loop.index].uv = point.x / 2.8 + 0.5, point.y / 2.8 + 0.5


def _tiles() -> bpy.types.Material:
    """A warm terrazzo, drawn here: chips on a pale ground and a ring near the rim."""
    size = 1024
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    pixels = np.full((size, size, 3), (0.80, 0.76, 0.70), np.float32)
    pixels *= 1 + 0.02 * rng.standard_normal((size, size, 1))
    chips = ((0.55, 0.33, 0.25), (0.35, 0.38, 0.40), (0.62, 0.52, 0.40), (0.25, 0.35, 0.33))
    for _ in range(1400):
        cx, cy = rng.uniform(0, size, 2)
        a, b = rng.uniform(2.5, 9, 2)
        turn = rng.uniform(0, pi)
        x0, x1 = max(0, int(cx - 10)), min(size, int(cx + 11))
        y0, y1 = max(0, int(cy - 10)), min(size, int(cy + 11))
        dy, dx = np.mgrid[y0:y1, x0:x1] - np.array([cy, cx])[:, None, None]
        u, v = dx * cos(turn) + dy * sin(turn), dy * cos(turn) - dx * sin(turn)
        inside = (u / a) ** 2 + (v / b) ** 2 < 1
        pixels[y0:y1, x0:x1][inside] = chips[rng.integers(len(chips))]
    radius = np.hypot(x, y) * 2.8
    pixels[(radius > 1.17) & (radius < 1.2)] = (0.42, 0.24, 0.15)
    return parts.painted("Terrazzo", pixels, roughness=0.35)


def _suzanne() -> None:
    mesh = parts.shape("Suzanne", lambda shape: bmesh.ops.create_monkey(shape))
    suzanne = parts.thing(
        "Suzanne", mesh, parts.shader("Jelly", (0.78, 0.05, 0.12), roughness=0.15)
    )
    suzanne.location = (-0.12, 0.0, 0.42)
    suzanne.rotation_euler = (radians(-24), radians(6), radians(14))
    suzanne.scale = (0.27,) * 3
    suzanne.modifiers.new("Subdivision", "SUBSURF").levels = 2
    # Suzanne's eyes are shells of their own and the head is open behind them: one closed skin
    remesh = suzanne.modifiers.new("Remesh", "REMESH")
    remesh.mode, remesh.voxel_size, remesh.use_smooth_shade = "VOXEL", 0.045, True
    parts.smooth(mesh)


def _sand() -> None:
    def column(shape: Any) -> None:
        bmesh.ops.create_cone(
            shape, cap_ends=True, segments=64, radius1=0.34, radius2=0.20, depth=0.36
        )

    sand = parts.thing(
        "Sand", parts.shape("Sand", column), parts.shader("Sand", (0.76, 0.50, 0.24), roughness=0.9)
    )
    sand.location = (0.40, 0.46, 0.185)


def _water() -> None:
    def tray(shape: Any) -> None:
        outer, inner, height, floor = 0.36, 0.29, 0.22, 0.05
        rim = [
            (s * sx, s * sy, z)
            for s, z in ((outer, 0), (outer, height), (inner, height), (inner, floor))
            for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        corners = [shape.verts.new(point) for point in rim]
        for ring in range(3):
            for i in range(4):
                j = (i + 1) % 4
                shape.faces.new(
                    [corners[4 * ring + k] for k in (i, j)]
                    + [corners[4 * ring + 4 + k] for k in (j, i)]
                )
        shape.faces.new(corners[3::-1])
        shape.faces.new(corners[12:])

    tray_object = parts.thing(
        "Basin",
        parts.shape("Basin", tray),
        parts.shader("Glaze", (0.05, 0.22, 0.24), roughness=0.2),
    )
    tray_object.location = (0.60, -0.52, 0.0)
    tray_object.rotation_euler.z = radians(18)

    def block(shape: Any) -> None:
        bmesh.ops.create_cube(shape, size=1.0, matrix=Matrix.Diagonal((0.24, 0.52, 0.26, 1.0)))

    water = parts.thing(
        "Water",
        parts.shape("Water", block),
        parts.shader("Water", (0.10, 0.42, 0.62), roughness=0.05, alpha=0.6),
    )
    water.parent = tray_object
    water.location = (-0.13, 0.0, 0.195)


def _ball() -> None:
    def sphere(shape: Any) -> None:
        bmesh.ops.create_icosphere(shape, subdivisions=4, radius=0.14)

    mesh = parts.shape("Ball", sphere)
    parts.smooth(mesh)
    ball = parts.thing("Ball", mesh, parts.shader("Lacquer", (0.02, 0.02, 0.03), roughness=0.12))
    path = {
        1: (-1.45, -0.40, 0.72),
        10: (-1.12, -0.30, 0.40),
        18: (-0.70, -0.18, 0.22),
        25: (-0.42, -0.10, 0.24),
        36: (-0.62, -0.16, 0.21),
        48: (-0.86, -0.24, 0.26),
    }
    for frame, location in path.items():
        ball.location = location
        ball.keyframe_insert("location", frame=frame)


def _lights(scene: bpy.types.Scene) -> None:
    parts.world(scene, (0.52, 0.60, 0.68), 0.55)
    parts.lamp("Key", 3.4, (1.0, 0.90, 0.76), (-1.8, -2.2, 3.2))
    parts.lamp("Rim", 60.0, (0.62, 0.78, 1.0), (1.6, 2.4, 1.8), area=1.2)


def _camera(scene: bpy.types.Scene) -> None:
    keys = [
        (frame, (radius * cos(radians(turn)), radius * sin(radians(turn)), height))
        for frame, turn, radius, height in ((1, -114, 4.2, 1.7), (FRAMES, -84, 3.7, 1.45))
    ]
    parts.camera(scene, keys, (0.05, 0.0, 0.12), 52)
