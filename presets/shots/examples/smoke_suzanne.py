"""Smoke round Suzanne: a fire in a bowl lights her from below, and its smoke parts before her."""

from math import radians

import bmesh
import bpy
import parts
from mathutils import Matrix

FRAMES = 60


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Smoke Round Suzanne", FRAMES, (360, 400))
    _suzanne()
    _bowl()
    _floor()
    _fire()
    _smoke()
    gas = scene.impetus.gas
    gas.domain = parts.room("Smoke Domain", (-0.75, -0.75, 0.0), (0.75, 0.75, 2.25))
    gas.resolution, gas.splats, gas.vorticity = 54, 70_000, 5.0
    gas.soot, gas.dissipation, gas.cooling = 10.0, 0.05, 0.15
    gas.burning_rate, gas.radiation, gas.glow = 5.0, 1.2, 300.0
    gas.flame_brightness, gas.flame_density = 9.0, 25.0
    scene.impetus.splats = 120_000
    parts.world(scene, (0.045, 0.055, 0.085), 1.0)
    parts.lamp("Moon", 60.0, (0.70, 0.82, 1.0), (2.2, -0.6, 2.6), area=0.8, target=(0.0, 0.0, 1.1))
    parts.lamp("Sky", 25.0, (0.60, 0.72, 1.0), (-2.4, 1.6, 2.2), area=1.5, target=(0.0, 0.0, 1.2))
    parts.camera(scene, [(1, (-0.6, -3.5, 1.15)), (FRAMES, (0.6, -3.5, 1.25))],
                 (0.0, 0.0, 1.0), 48)  # fmt: skip
    return scene


def _suzanne() -> None:
    mesh = parts.shape("Suzanne", lambda built: bmesh.ops.create_monkey(built), is_smooth=True)
    bronze = parts.shader("Bronze", (0.50, 0.30, 0.16), roughness=0.45, metallic=0.3)
    suzanne = parts.thing("Suzanne", mesh, bronze)
    suzanne.location, suzanne.scale = (0.0, 0.0, 1.12), (0.36,) * 3
    suzanne.rotation_euler = (radians(8), 0.0, 0.0)
    suzanne.modifiers.new("Subdivision", "SUBSURF").levels = 2
    # Her eyes are shells of their own and the head is open behind them: one closed skin
    remesh = suzanne.modifiers.new("Remesh", "REMESH")
    remesh.mode, remesh.voxel_size, remesh.use_smooth_shade = "VOXEL", 0.05, True
    suzanne.impetus.role, suzanne.impetus.splat_density = "STATIC", 6.0


def _bowl() -> None:
    def bowl(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_uvsphere(built, u_segments=48, v_segments=24, radius=0.30)
        above = [vertex for vertex in built.verts if vertex.co.z > 0.02]
        bmesh.ops.delete(built, geom=above, context="VERTS")
        bmesh.ops.solidify(built, geom=built.faces[:], thickness=0.035)

    iron = parts.shader("Iron", (0.07, 0.07, 0.08), roughness=0.5, metallic=0.6)
    made = parts.thing("Bowl", parts.shape("Bowl", bowl, is_smooth=True), iron)
    made.location = (0.0, 0.0, 0.31)
    made.impetus.role, made.impetus.splat_density = "STATIC", 2.0


def _floor() -> None:
    def disc(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_cone(
            built, cap_ends=True, segments=96, radius1=1.6, radius2=1.6, depth=0.1
        )

    made = parts.thing("Floor", parts.shape("Floor", disc),
                       parts.shader("Slate", (0.16, 0.16, 0.17), roughness=0.6))  # fmt: skip
    made.location.z = -0.05
    made.impetus.role, made.impetus.splat_density = "STATIC", 0.5


def _source(name: str, radius: float, location: parts.Triple, height: float) -> bpy.types.Object:
    def blob(built: bmesh.types.BMesh) -> None:
        scale = Matrix.Diagonal((1.0, 1.0, height / radius, 1.0))
        bmesh.ops.create_icosphere(built, subdivisions=2, radius=radius, matrix=scale)

    made: bpy.types.Object = parts.thing(name, parts.shape(name, blob))
    made.location, made.impetus.role = location, "SMOKE"
    return made


def _fire() -> None:
    """Embers in the bowl; they flicker, so that the flame leans and breaks."""
    fire = _source("Fire", 0.17, (0.0, 0.0, 0.28), 0.06).impetus.smoke
    fire.smoke, fire.temperature, fire.rate = 0.0, 800.0, 24.0
    fire.color, fire.velocity = (0.1, 0.1, 0.1), (0.0, 0.0, 0.5)
    for frame in range(1, FRAMES + 1, 3):
        fire.fuel = 0.7 + 0.3 * ((frame * 7) % 11) / 11
        fire.keyframe_insert("fuel", frame=frame)


def _smoke() -> None:
    """Damp wood at the bowl's rim: white smoke that the fire's draught takes up."""
    for n, (x, y) in enumerate(((-0.24, 0.1), (0.24, 0.04))):
        damp = _source(f"Damp Wood {n + 1}", 0.06, (x, y, 0.36), 0.04).impetus.smoke
        damp.smoke, damp.temperature, damp.rate = 35.0, 90.0, 15.0
        damp.color = (0.75, 0.73, 0.70)
