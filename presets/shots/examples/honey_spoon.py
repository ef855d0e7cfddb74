"""Honey runs off a spoon that tips over a bowl: a viscous liquid on a moving collider."""

from itertools import pairwise
from math import cos, pi, radians, sin

import bmesh
import bpy
import parts
from mathutils import Matrix

from blender_addon import materials

FRAMES = 72
RADIUS = 0.075


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Honey on a Spoon", FRAMES)
    _bowl()
    _spoon()
    _honey()
    parts.domain(scene, (-0.20, -0.16, 0.0), (0.16, 0.16, 0.34), resolution=96)
    job = scene.impetus
    job.walls, job.use_ground, job.splats = "OPEN", False, 200_000
    parts.world(scene, (0.75, 0.72, 0.66), 0.7)
    parts.lamp("Window", 14.0, (1.0, 0.93, 0.82), (-0.7, 0.6, 0.8), area=0.6)
    parts.lamp("Key", 2.2, (1.0, 0.92, 0.82), (1.2, -1.5, 2.2))
    parts.camera(scene, [(1, (0.42, -0.78, 0.46))], (-0.01, 0.0, 0.165), 50)
    return scene


def _shell(outer: float, inner: float, lift: float) -> bpy.types.Mesh:
    """The lower half of a ball with a wall: a closed mesh, open at the top as a bowl is."""

    def make(built: bmesh.types.BMesh) -> None:
        steps = 20
        bow = [(outer, -pi / 2 * (1 - i / steps)) for i in range(steps + 1)]
        hollow = [(inner, -pi / 2 * i / steps) for i in range(steps + 1)]
        rim = [built.verts.new(_polar(r, a, lift if r == inner else 0.0)) for r, a in bow + hollow]
        for one, other in pairwise(rim):
            built.edges.new((one, other))
        bmesh.ops.spin(
            built, geom=built.verts[:] + built.edges[:], axis=(0, 0, 1), cent=(0, 0, 0),
            angle=2 * pi, steps=48,
        )  # fmt: skip
        bmesh.ops.remove_doubles(built, verts=built.verts, dist=1e-5)
        bmesh.ops.recalc_face_normals(built, faces=built.faces)

    return parts.shape("Shell", make, is_smooth=True)


def _polar(radius: float, angle: float, up: float) -> parts.Triple:
    return radius * cos(angle), 0.0, radius * sin(angle) + up


def _bowl() -> None:
    bowl = parts.thing(
        "Bowl",
        _shell(0.13, 0.112, 0.0),
        parts.shader("Stoneware", (0.10, 0.22, 0.30), roughness=0.3),
    )
    bowl.location.z = 0.13
    bowl.impetus.role, bowl.impetus.boundary = "STATIC", "STICK"
    table = parts.thing(
        "Table",
        parts.shape(
            "Table",
            lambda built: bmesh.ops.create_cube(
                built, size=1.0, matrix=Matrix.Diagonal((1.6, 1.2, 0.02, 1.0))
            ),
        ),
        parts.shader("Linen", (0.80, 0.76, 0.68), roughness=0.9),
    )
    table.location.z = -0.01
    table.impetus.splat_density = 0.3


def _spoon() -> None:
    """Bowl and handle in one; it holds still, then tips over its side."""
    mesh = _shell(RADIUS, RADIUS - 0.012, 0.0)
    spoon = parts.thing("Spoon", mesh, parts.shader("Beech", (0.62, 0.40, 0.22), roughness=0.45))
    spoon.scale = (1.0, 0.8, 0.55)
    for frame, turn in ((1, 0.0), (6, 0.0), (36, 78.0), (FRAMES, 96.0)):
        spoon.location = (-0.02, 0.0, 0.27)
        spoon.rotation_euler = (0.0, radians(turn), 0.0)
        spoon.keyframe_insert("location", frame=frame)
        spoon.keyframe_insert("rotation_euler", frame=frame)
    spoon.impetus.role, spoon.impetus.boundary = "KINEMATIC", "STICK"
    handle = parts.thing(
        "Handle",
        parts.shape(
            "Handle",
            lambda built: bmesh.ops.create_cube(
                built, size=1.0, matrix=Matrix.Diagonal((0.20, 0.018, 0.012, 1.0))
            ),
        ),
        parts.shader("Beech Handle", (0.62, 0.40, 0.22), roughness=0.45),
    )
    handle.parent = spoon
    handle.location = (-0.165, 0.0, -0.004)


def _honey() -> None:
    def make(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_uvsphere(built, u_segments=48, v_segments=24, radius=1.0)
        for vertex in built.verts:  # a drop that lies in the spoon: flat on top
            vertex.co.z = min(vertex.co.z, 0.25)

    honey = parts.thing(
        "Honey",
        parts.shape("Honey", make, is_smooth=True),
        parts.shader("Honey", (0.90, 0.48, 0.04), roughness=0.08),
    )
    inside = RADIUS - 0.018
    honey.scale = (inside, 0.8 * inside, 0.5 * inside)
    honey.location = (-0.02, 0.0, 0.272)
    physics = honey.impetus
    physics.role = "DYNAMIC"
    materials.apply(physics, "Honey")
    physics.splat_density = 3.0
