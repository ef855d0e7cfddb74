"""What the scenes of this folder are made of: objects, shaders, light and a camera; bpy alone."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import cos, pi, radians, sin
from typing import Any

import bmesh
import bpy
import numpy as np
from mathutils import Matrix, Vector

Triple = tuple[float, float, float]


def new_scene(name: str, frames: int, size: tuple[int, int] = (480, 270)) -> bpy.types.Scene:
    """Replace the open file by an empty scene; extensions stay on."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    scene.name = name
    scene.frame_start, scene.frame_end = 1, frames
    scene.render.fps = 24
    scene.render.resolution_x, scene.render.resolution_y = size
    return scene


def thing(name: str, mesh: bpy.types.Mesh | None, *shaders: bpy.types.Material) -> Any:
    """Return a new object of the scene; without a mesh an empty."""
    made = bpy.data.objects.new(name, mesh)
    for shader in shaders:
        mesh.materials.append(shader)
    bpy.context.scene.collection.objects.link(made)
    return made


def shader(name: str, color: Triple, **inputs: Any) -> bpy.types.Material:
    """Return a Principled material; inputs by their names, lower case, spaces as underscores."""
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*color, 1.0)  # what the solid viewport shows
    if not material.node_tree:
        material.use_nodes = True
    node = material.node_tree.nodes["Principled BSDF"]
    node.inputs["Base Color"].default_value = (*color, 1.0)
    for socket, value in inputs.items():
        node.inputs[socket.replace("_", " ").title().replace("Ior", "IOR")].default_value = value
    return material


def painted(name: str, pixels: np.ndarray, **inputs: Any) -> bpy.types.Material:
    """Return a Principled material whose colour is a picture: float (H, W, 3), sRGB, bottom up."""
    image = picture(name, pixels)
    material = shader(name, tuple(pixels.reshape(-1, 3).mean(0).tolist()), **inputs)
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    node = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(texture.outputs["Color"], node.inputs["Base Color"])
    return material


def picture(name: str, pixels: np.ndarray) -> bpy.types.Image:
    """Return an image of the file: float (H, W, 3), sRGB, bottom up."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height)
    whole = np.ones((height, width, 4), np.float32)
    whole[..., :3] = pixels
    image.pixels.foreach_set(whole.ravel())
    image.pack()
    return image


def shape(name: str, make: Callable[[Any], object], *, is_smooth: bool = False) -> bpy.types.Mesh:
    """Return a mesh that `make` builds in a BMesh."""
    mesh = bpy.data.meshes.new(name)
    built = bmesh.new()
    make(built)
    built.to_mesh(mesh)
    built.free()
    if is_smooth:
        smooth(mesh)
    return mesh


def smooth(mesh: bpy.types.Mesh) -> None:
    """Shade a mesh smooth."""
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))


def map_flat(mesh: bpy.types.Mesh, axes: tuple[int, int], scale: float) -> None:
    """Lay a picture over a mesh along two of its axes, once every `scale` metres."""
    uv = mesh.uv_layers.new(name="UVMap")
    for loop in mesh.loops:
        point = mesh.vertices[loop.vertex_index].co
        uv.data[loop.index].uv = [point[axis] / scale + 0.5 for axis in axes]


def world(scene: bpy.types.Scene, color: Triple, strength: float) -> None:
    """Light the scene evenly from all around; the colour is the background too."""
    made = bpy.data.worlds.new("World")
    scene.world = made
    if not made.node_tree:
        made.use_nodes = True
    background = made.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (*color, 1.0)
    background.inputs["Strength"].default_value = strength


def backdrop(scene: bpy.types.Scene, *colors: Triple) -> None:
    """Stand a picture behind everything: these sRGB colours, blended from bottom to top."""
    at = np.linspace(0, len(colors) - 1, 256)
    rows = np.stack([np.interp(at, range(len(colors)), c) for c in zip(*colors, strict=True)], 1)
    scene.impetus.backdrop = picture("Backdrop", np.repeat(rows[:, None], 4, axis=1))


def lamp(
    name: str, energy: float, color: Triple, location: Triple, *, area: float | None = None,
    target: Triple = (0.0, 0.0, 0.2),
) -> None:  # fmt: skip
    """Add a sun, or an area light of a side [m], that looks at a target."""
    data = bpy.data.lights.new(name, "SUN" if area is None else "AREA")
    data.energy, data.color = energy, color
    if area is None:
        data.angle = radians(4)
    else:
        data.size = area
    made = bpy.data.objects.new(name, data)
    made.location = location
    made.rotation_euler = (Vector(target) - made.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(made)


def camera(
    scene: bpy.types.Scene, keys: Iterable[tuple[int, Triple]], target: Triple, lens: float
) -> None:
    """Add the scene's camera: its places by frame, always looking at the target."""
    data = bpy.data.cameras.new("Camera")
    data.lens = lens
    made = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(made)
    scene.camera = made
    for frame, location in keys:
        made.location = location
        made.rotation_euler = (Vector(target) - made.location).to_track_quat("-Z", "Y").to_euler()
        made.keyframe_insert("location", frame=frame)
        made.keyframe_insert("rotation_euler", frame=frame)


def box(size: Triple) -> bpy.types.Mesh:
    """Return a box about the origin, edges in metres."""
    scale = Matrix.Diagonal((*size, 1.0))
    return shape("Box", lambda built: bmesh.ops.create_cube(built, size=1.0, matrix=scale))


def turned(name: str, profile: Iterable[tuple[float, float]], *, steps: int = 64) -> bpy.types.Mesh:
    """Return a closed mesh, smooth but for its edges: (radius, height) turned about Z.

    The profile begins and ends on the axis.
    """

    def make(built: Any) -> None:
        turns = [2 * pi * k / steps for k in range(steps)]
        rings = []
        for radius, height in profile:
            if radius < 1e-6:
                rings.append([built.verts.new((0.0, 0.0, height))] * steps)
                continue
            places = [(radius * cos(a), radius * sin(a), height) for a in turns]
            rings.append([built.verts.new(place) for place in places])
        for one, other in pairwise(rings):
            for k in range(steps):
                n = (k + 1) % steps
                corners = dict.fromkeys((one[k], one[n], other[n], other[k]))
                if len(corners) > 2:
                    built.faces.new(corners)
        bmesh.ops.recalc_face_normals(built, faces=built.faces)

    mesh = shape(name, make, is_smooth=True)
    mesh.set_sharp_from_angle(angle=radians(40))
    return mesh


def joined(name: str, pieces: Iterable[bpy.types.Mesh]) -> bpy.types.Mesh:
    """Return one mesh of several, with their faces' material slots."""

    def make(built: Any) -> None:
        for piece in pieces:
            built.from_mesh(piece)

    return shape(name, make)


def domain(scene: bpy.types.Scene, low: Triple, high: Triple, *, resolution: int) -> None:
    """Hold the simulation within a box, so many cells along its longest side."""
    job = scene.impetus
    job.domain, job.resolution, job.simulation_start = room("Domain", low, high), resolution, 1


def room(name: str, low: Triple, high: Triple) -> bpy.types.Object:
    """Return an empty whose cube is a box of the world."""
    made: bpy.types.Object = thing(name, None)
    made.empty_display_type, made.empty_display_size = "CUBE", 1.0
    made.location = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    made.scale = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
    return made
