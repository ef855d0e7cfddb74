"""Snow on a roof lets go at one end, slides off round the chimney, breaks and heaps up below."""

from math import radians

import bmesh
import bpy
import parts
from mathutils import Matrix, Vector

from blender_addon import materials

FRAMES = 72
PITCH = radians(38)
RIDGE = 2.35
SLOPE = 2.15
"Metres from the ridge to the eave."
ROOF = 0.12
DEEP = 0.34
"Of the snow."
CHIMNEY = (-0.62, 0.25)


def build() -> bpy.types.Scene:
    """Replace the open file by the scene, and return it."""
    scene = parts.new_scene("Snow on a Roof", FRAMES)
    _hut()
    _surroundings()
    _snow(_chimney())
    parts.domain(scene, (-4.2, -1.9, 0.0), (0.3, 1.9, 2.9), resolution=60)
    job = scene.impetus
    job.walls, job.use_ground, job.splats = "OPEN", False, 150_000
    parts.world(scene, (0.34, 0.46, 0.72), 0.55)
    parts.backdrop(scene, (0.86, 0.66, 0.55), (0.60, 0.60, 0.70), (0.30, 0.38, 0.56))
    parts.lamp("Sun", 2.6, (1.0, 0.76, 0.52), (-6.0, -5.0, 3.4))
    parts.lamp("Lantern", 20.0, (1.0, 0.62, 0.25), (0.55, -1.75, 1.1), area=0.3,
               target=(0.5, -3.0, 0.0))  # fmt: skip
    parts.camera(scene, [(1, (-6.2, -6.6, 2.3)), (FRAMES, (-5.6, -7.0, 2.0))],
                 (-0.75, 0.0, 1.12), 46)  # fmt: skip
    return scene


def _hut() -> None:
    half, front = 1.4, 1.25
    eave = RIDGE - half * 0.78

    def house(built: bmesh.types.BMesh) -> None:
        outline = [(-half, 0.0), (half, 0.0), (half, eave), (0.0, RIDGE - 0.06), (-half, eave)]
        near = [built.verts.new((x, -front, z)) for x, z in outline]
        far = [built.verts.new((x, front, z)) for x, z in outline]
        built.faces.new(near)
        built.faces.new(far[::-1])
        for i in range(5):
            j = (i + 1) % 5
            built.faces.new((near[j], near[i], far[i], far[j]))
        bmesh.ops.recalc_face_normals(built, faces=built.faces)

    hut = parts.thing("Hut", parts.shape("Hut", house), parts.shader("Logs", (0.20, 0.09, 0.04)))
    hut.impetus.role, hut.impetus.friction = "STATIC", 0.6
    for side, name in ((-1, "Roof Left"), (1, "Roof Right")):
        roof = parts.thing(name, parts.box((SLOPE + 0.08, 3.0, ROOF)),
                           parts.shader("Shingles", (0.11, 0.09, 0.09), roughness=0.7))  # fmt: skip
        roof.rotation_euler.y = side * PITCH
        roof.location = _on_roof(side, SLOPE / 2 - 0.04, 0.0)
        roof.impetus.role, roof.impetus.boundary = "STATIC", "SEPARATE"
        roof.impetus.friction = 0.3
    lit = parts.shader("Window", (0.9, 0.6, 0.3), emission_color=(1.0, 0.55, 0.18, 1.0),
                       emission_strength=2.2)  # fmt: skip
    door = parts.shader("Door", (0.10, 0.05, 0.03), roughness=0.6)
    for name, size, x, z, look in (
        ("Window", (0.42, 0.05, 0.42), 0.62, 1.05, lit),
        ("Door", (0.62, 0.06, 1.15), -0.45, 0.575, door),
    ):
        made = parts.thing(name, parts.box(size), look)
        made.location = (x, -front - 0.01, z)


def _surroundings() -> None:
    white = parts.shader("Old Snow", (0.80, 0.84, 0.90), roughness=0.9)
    ground = parts.thing("Ground", parts.box((13.0, 12.0, 0.6)), white)
    ground.location = (0.5, 1.2, -0.3)
    ground.impetus.role, ground.impetus.friction = "STATIC", 0.8
    ground.impetus.splat_density = 0.35
    cover = parts.thing("Snow Right", _slab(2.0), white)
    cover.rotation_euler.y = PITCH
    cover.location = _on_roof(1, 1.05, (ROOF + DEEP) / 2)
    needles = parts.shader("Needles", (0.03, 0.09, 0.06), roughness=0.9)
    for n, (x, y, tall) in enumerate(((-3.0, 4.2, 3.4), (2.9, 3.2, 4.0), (-4.4, 5.8, 2.9))):
        steps = [(0.0, 0.0)]
        for k in range(4):
            steps += [((0.30 - 0.06 * k) * tall, (0.10 + 0.21 * k) * tall),
                      ((0.14 - 0.03 * k) * tall, (0.30 + 0.21 * k) * tall)]  # fmt: skip
        fir = parts.thing(f"Fir {n + 1}", parts.turned("Fir", [*steps, (0.0, tall)], steps=24),
                          needles)  # fmt: skip
        fir.location = (x, y, 0.0)
        fir.impetus.splat_density = 0.6


def _chimney() -> bpy.types.Object:
    """Stand a chimney in the slope; return the room that it takes of the snow."""
    stone = parts.shader("Stone", (0.24, 0.20, 0.18), roughness=0.9)
    chimney = parts.thing("Chimney", parts.box((0.36, 0.36, 1.5)), stone)
    chimney.location = (*CHIMNEY, RIDGE - 0.05)
    chimney.impetus.role, chimney.impetus.friction = "STATIC", 0.5
    hole = parts.thing("Hole", parts.box((0.48, 0.48, 3.0)))
    hole.location = chimney.location
    hole.hide_render = True
    return hole


def _on_roof(side: int, way: float, above: float) -> tuple[float, float, float]:
    """The point so far down the slope from the ridge, and so far off it."""
    down = Matrix.Rotation(side * PITCH, 3, "Y") @ Vector((side * way, 0.0, above))
    return down.x, 0.0, RIDGE + down.z


def _slab(length: float) -> bpy.types.Mesh:
    def cover(built: bmesh.types.BMesh) -> None:
        scale = Matrix.Diagonal((length, 2.7, DEEP, 1.0))
        bmesh.ops.create_cube(built, size=1.0, matrix=scale)
        upper = [edge for edge in built.edges if sum(v.co.z for v in edge.verts) > 0]
        bmesh.ops.bevel(built, geom=upper, offset=0.14, segments=4, profile=0.6, affect="EDGES",
                        clamp_overlap=True)  # fmt: skip

    return parts.shape("Snow", cover, is_smooth=True)


def _snow(hole: bpy.types.Object) -> None:
    snow = parts.thing("Snow", _slab(1.85), parts.shader("Snow", (0.88, 0.91, 0.96), roughness=0.9))
    snow.rotation_euler.y = -PITCH
    snow.location = _on_roof(-1, 1.14, (ROOF + DEEP) / 2 + 0.01)
    cut = snow.modifiers.new("Chimney", "BOOLEAN")
    cut.operation, cut.object, cut.solver = "DIFFERENCE", hole, "EXACT"
    physics = snow.impetus
    physics.role = "DYNAMIC"
    materials.apply(physics, "Snow")
    release = physics.acts.add()
    release.name, release.kind, release.direction = "Thaw", "RELEASE", (0.0, 1.0, 0.0)
    release.frame_start, release.frame_end = 4, 26
