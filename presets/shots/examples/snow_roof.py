"""Snow lies on a hut's roof; a ball thrown against it lets it slide, and break into lumps."""

from math import radians

import bmesh
import bpy
import parts
from mathutils import Matrix, Vector

from blender_addon import materials

FRAMES = 72
PITCH = radians(38)
RIDGE = 0.78


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Snow on a Roof", FRAMES)
    _hut()
    _snow()
    _ball()
    parts.domain(scene, (-1.1, -0.6, 0.0), (1.0, 0.6, 1.3), resolution=126)
    job = scene.impetus
    job.walls, job.use_ground, job.splats = "OPEN", False, 250_000
    parts.world(scene, (0.55, 0.66, 0.82), 0.8)
    parts.lamp("Sun", 3.2, (1.0, 0.86, 0.70), (-2.0, -2.4, 1.8))
    parts.camera(scene, [(1, (-2.0, -2.5, 1.15)), (FRAMES, (-1.6, -2.75, 0.95))],
                 (-0.12, 0.0, 0.42), 50)  # fmt: skip
    return scene


def _hut() -> None:
    def house(built: bmesh.types.BMesh) -> None:
        eave = RIDGE - 0.55 * 0.78
        outline = [(-0.5, 0.0), (0.5, 0.0), (0.5, eave), (0.0, RIDGE - 0.03), (-0.5, eave)]
        near = [built.verts.new((x, -0.4, z)) for x, z in outline]
        far = [built.verts.new((x, 0.4, z)) for x, z in outline]
        built.faces.new(near)
        built.faces.new(far[::-1])
        for i in range(5):
            j = (i + 1) % 5
            built.faces.new((near[j], near[i], far[i], far[j]))
        bmesh.ops.recalc_face_normals(built, faces=built.faces)

    hut = parts.thing("Hut", parts.shape("Hut", house), parts.shader("Logs", (0.30, 0.15, 0.08)))
    hut.impetus.role, hut.impetus.friction = "STATIC", 0.6
    for side in (-1, 1):
        slab = parts.thing(
            "Roof",
            parts.shape("Roof", lambda built: _box(built, (0.72, 0.98, 0.05))),
            parts.shader("Shingles", (0.14, 0.12, 0.12), roughness=0.7),
        )
        slab.rotation_euler.y = side * PITCH
        slab.location = _on_roof(side, 0.33, 0.0)
        slab.impetus.role, slab.impetus.boundary = "STATIC", "SEPARATE"
        slab.impetus.friction = 0.25
    ground = parts.thing(
        "Ground",
        parts.shape("Ground", lambda built: _box(built, (4.0, 3.0, 0.2))),
        parts.shader("Old Snow", (0.86, 0.89, 0.94), roughness=0.9),
    )
    ground.location.z = -0.1
    ground.impetus.role, ground.impetus.friction = "STATIC", 0.8
    ground.impetus.splat_density = 0.4


def _on_roof(side: int, way: float, above: float) -> tuple[float, float, float]:
    """The point so far down the slope from the ridge, and so far off it."""
    down = Matrix.Rotation(side * PITCH, 3, "Y") @ Vector((side * way, 0.0, above))
    return down.x, 0.0, RIDGE + down.z


def _snow() -> None:
    for side, name in ((-1, "Snow Left"), (1, "Snow Right")):

        def cover(built: bmesh.types.BMesh) -> None:
            _box(built, (0.62, 0.86, 0.13))
            bmesh.ops.bevel(
                built, geom=built.edges[:], offset=0.05, segments=4, profile=0.6,
                affect="EDGES", clamp_overlap=True,
            )  # fmt: skip

        mesh = parts.shape(name, cover, is_smooth=True)
        snow = parts.thing(name, mesh, parts.shader("Snow", (0.93, 0.95, 0.98), roughness=0.9))
        snow.rotation_euler.y = side * PITCH
        snow.location = _on_roof(side, 0.34, 0.105)
        physics = snow.impetus
        physics.role = "DYNAMIC"
        materials.apply(physics, "Snow")
        physics.splat_density = 2.0


def _ball() -> None:
    mesh = parts.shape(
        "Ball",
        lambda built: bmesh.ops.create_icosphere(built, subdivisions=4, radius=0.12),
        is_smooth=True,
    )
    ball = parts.thing("Ball", mesh, parts.shader("Leather", (0.55, 0.16, 0.07), roughness=0.4))
    ball.location = (-0.95, -0.18, 1.05)
    physics = ball.impetus
    physics.role = "DYNAMIC"
    materials.apply(physics, "Wood")
    physics.velocity = (3.4, 0.4, -1.2)


def _box(built: bmesh.types.BMesh, size: parts.Triple) -> None:
    bmesh.ops.create_cube(built, size=1.0, matrix=Matrix.Diagonal((*size, 1.0)))
