"""Building blocks of meshes: turned profiles, prisms, boxes, and what finishes a mesh."""

from itertools import pairwise
from math import cos, pi, sin
from typing import TypeAlias

import bmesh
import bpy
import numpy as np
from mathutils import Matrix, Vector

Shape: TypeAlias = bmesh.types.BMesh


def finished(name: str, shape: Shape, *, smooth: bool, grounded: bool = True) -> bpy.types.Mesh:
    """Turn a bmesh into a mesh: normals outward, set on the ground, with box projected UVs."""
    bmesh.ops.recalc_face_normals(shape, faces=shape.faces)
    if grounded:
        points = np.array([vertex.co for vertex in shape.verts])
        low, high = points.min(0), points.max(0)
        middle = Vector((*((low + high) / 2)[:2], low[2]))
        bmesh.ops.translate(shape, verts=shape.verts, vec=-middle)
    mesh = bpy.data.meshes.new(name)
    shape.to_mesh(mesh)
    shape.free()
    mesh.polygons.foreach_set("use_smooth", np.full(len(mesh.polygons), smooth))
    project_box(mesh)
    return mesh


def project_box(mesh: bpy.types.Mesh, scale: float = 1.0) -> None:
    """Give each face the texture coordinates of the axis plane that it faces most."""
    count = len(mesh.loops)
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    corners = np.empty(count, np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    normals = np.empty(len(mesh.polygons) * 3, np.float32)
    mesh.polygons.foreach_get("normal", normals)
    sizes = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", sizes)
    axis = np.repeat(np.abs(normals.reshape(-1, 3)).argmax(1), sizes)
    pair = np.array([(1, 2), (0, 2), (0, 1)])[axis]
    at = points.reshape(-1, 3)[corners]
    uv = np.take_along_axis(at, pair, 1) * scale
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", np.ascontiguousarray(uv, np.float32).ravel())


def lathe(shape: Shape, profile: list[tuple[float, float]], segments: int = 40) -> None:
    """Turn a profile of (radius, height) about z; radius 0 closes an end."""
    rings = []
    for radius, z in profile:
        count = 1 if radius == 0 else segments
        rings.append(
            [
                shape.verts.new((radius * cos(t), radius * sin(t), z))
                for t in (2 * pi * i / segments for i in range(count))
            ]
        )
    for low, high in pairwise(rings):
        for i in range(segments):
            j = (i + 1) % segments
            corners = [
                low[i % len(low)],
                low[j % len(low)],
                high[j % len(high)],
                high[i % len(high)],
            ]
            face = list(dict.fromkeys(corners))
            if len(face) > 2:
                shape.faces.new(face)


def curved(profile: list[tuple[float, float]], steps: int = 5) -> list[tuple[float, float]]:
    """Round a profile by Catmull-Rom curves through its points."""
    points = np.array([profile[0], *profile, profile[-1]], np.float64)
    found = []
    for i in range(1, len(points) - 2):
        a, b, c, d = points[i - 1 : i + 3]
        for t in np.arange(steps) / steps:
            found.append(
                0.5
                * (
                    2 * b
                    + (c - a) * t
                    + (2 * a - 5 * b + 4 * c - d) * t**2
                    + (3 * b - a - 3 * c + d) * t**3
                )
            )
    found.append(points[-1])
    return [(max(0.0, float(r)) if r > 1e-4 else 0.0, float(z)) for r, z in found]


def block(shape: Shape, size: tuple[float, float, float], at: tuple[float, float, float]) -> None:
    """Add a box of this size around a point."""
    where = Matrix.Translation(at) @ Matrix.Diagonal((*size, 1.0))
    bmesh.ops.create_cube(shape, size=1.0, matrix=where)


def prism(shape: Shape, outline: list[tuple[float, float]], deep: float) -> None:
    """Add an outline of (x, z), drawn out along y."""
    face = shape.faces.new([shape.verts.new((x, -deep / 2, z)) for x, z in outline])
    pushed = bmesh.ops.extrude_face_region(shape, geom=[face])
    moved = [part for part in pushed["geom"] if isinstance(part, bmesh.types.BMVert)]
    bmesh.ops.translate(shape, verts=moved, vec=(0, deep, 0))
