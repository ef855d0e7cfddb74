"""A flock of swifts round three towers in the evening: all after one goal, none through a wall."""

from math import cos, pi, sin

import bmesh
import bpy
import parts

FRAMES = 84
SWIFTS = 140


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("A Flock", FRAMES)
    _ground()
    for n, (x, y, height) in enumerate(((-1.6, 0.6, 3.4), (1.4, -0.4, 2.9), (0.5, 2.2, 4.0))):
        _tower(f"Tower {n + 1}", (x, y), height)
    _swifts(_goal())
    scene.impetus.splats = 160_000
    parts.world(scene, (0.46, 0.44, 0.58), 0.55)
    parts.backdrop(scene, (0.93, 0.62, 0.38), (0.92, 0.72, 0.56), (0.66, 0.64, 0.72),
                   (0.40, 0.48, 0.66))  # fmt: skip
    parts.lamp("Sun", 3.2, (1.0, 0.66, 0.36), (-5.0, -2.0, 1.9), target=(0.0, 0.0, 1.5))
    parts.camera(scene, [(1, (-1.2, -7.4, 2.2)), (FRAMES, (1.0, -7.2, 2.4))],
                 (-0.1, 0.4, 1.95), 28)  # fmt: skip
    return scene


def _ground() -> None:
    def slab(built: bmesh.types.BMesh) -> None:
        bmesh.ops.create_cone(
            built, cap_ends=True, segments=96, radius1=5.0, radius2=5.0, depth=0.2
        )

    made = parts.thing("Ground", parts.shape("Ground", slab),
                       parts.shader("Meadow", (0.22, 0.24, 0.12), roughness=0.9))  # fmt: skip
    made.location.z = -0.1
    made.impetus.role, made.impetus.splat_density = "STATIC", 0.5


def _tower(name: str, place: tuple[float, float], height: float) -> None:
    """A round tower with a wider gallery on top, and a steep roof."""
    wall = [(0.0, 0.0), (0.42, 0.0), (0.36, 0.3), (0.32, height - 0.5), (0.42, height - 0.4),
            (0.42, height - 0.15), (0.0, height - 0.15)]  # fmt: skip
    roof = [(0.0, height - 0.15), (0.50, height - 0.15), (0.0, height + 0.65)]
    for part, profile, look in (
        (name, wall, parts.shader("Stone", (0.42, 0.32, 0.25), roughness=0.8)),
        (f"{name} Roof", roof, parts.shader("Tiles", (0.30, 0.08, 0.04), roughness=0.7)),
    ):
        made = parts.thing(part, parts.turned(part, profile), look)
        made.location = (*place, 0.0)
        made.impetus.role, made.impetus.splat_density = "STATIC", 1.0


def _goal() -> bpy.types.Object:
    """A point that goes round between the towers, up and down."""
    goal: bpy.types.Object = parts.thing("Goal", None)
    for frame in range(1, FRAMES + 1, 4):
        turn = 2 * pi * (frame - 1) / 110 + pi
        goal.location = (2.2 * cos(turn), 0.8 + 1.7 * sin(turn), 1.9 + 0.4 * sin(1.7 * turn))
        goal.keyframe_insert("location", frame=frame)
    return goal


def _swifts(goal: bpy.types.Object) -> None:
    def swift(built: bmesh.types.BMesh) -> None:
        """A spindle with two swept wings and a forked tail, flying along +Y."""
        nose, tail = (0.0, 0.075, 0.0), (0.0, -0.06, 0.0)
        top, belly = (0.0, 0.02, 0.016), (0.0, 0.02, -0.014)
        right, left = (0.016, 0.02, 0.0), (-0.016, 0.02, 0.0)
        points = {p: built.verts.new(p) for p in (nose, tail, top, belly, right, left)}
        ring = (top, right, belly, left)
        for k in range(4):
            a, b = points[ring[k]], points[ring[(k + 1) % 4]]
            built.faces.new((points[nose], a, b))
            built.faces.new((points[tail], b, a))
        for side in (-1.0, 1.0):
            _fin(built, [(0.008 * side, 0.045, 0.004), (0.14 * side, -0.045, 0.018),
                         (0.06 * side, -0.005, 0.009), (0.008 * side, 0.0, 0.004)])  # fmt: skip
            _fin(built, [(0.0, -0.045, 0.0), (0.03 * side, -0.105, 0.004),
                         (0.0, -0.065, 0.0)])  # fmt: skip
        bmesh.ops.recalc_face_normals(built, faces=built.faces)

    feathers = parts.shader("Feathers", (0.05, 0.045, 0.05), roughness=0.6)
    made = parts.thing("Swift", parts.shape("Swift", swift), feathers)
    made.location = (-2.1, -0.6, 1.9)
    physics = made.impetus
    physics.role, physics.splat_density = "FLOCK", 40.0
    flock = physics.flock
    flock.count, flock.extent, flock.ahead = SWIFTS, (1.2, 1.8, 1.2), "+y"
    flock.speed, flock.slowest, flock.fastest, flock.agility = 3.0, 1.8, 4.0, 12.0
    flock.sight, flock.space, flock.goal = 0.9, 0.32, goal
    flock.attraction, flock.cohesion = 2.0, 1.0


def _fin(built: bmesh.types.BMesh, outline: list[parts.Triple], thickness: float = 0.004) -> None:
    """Add a flat closed plate."""
    upper = [built.verts.new((x, y, z + thickness / 2)) for x, y, z in outline]
    lower = [built.verts.new((x, y, z - thickness / 2)) for x, y, z in outline]
    built.faces.new(upper)
    built.faces.new(lower[::-1])
    for k in range(len(outline)):
        j = (k + 1) % len(outline)
        built.faces.new((upper[j], upper[k], lower[k], lower[j]))
