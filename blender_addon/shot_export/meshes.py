"""Evaluated Blender geometry as triangles with corner data, in NumPy."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"Of linear Rec.709."
MESHABLE = frozenset({"MESH", "CURVE", "SURFACE", "FONT", "META"})


@dataclass(frozen=True)
class Triangles:
    """One evaluated object in its own space, Blender units."""

    vertices: Array
    "f4 (V, 3)."
    triangles: Array
    "i4 (F, 3), counter-clockwise seen from outside."
    normals: Array
    "f4 (F, 3, 3), at the corners."
    slot: Array
    "i4 (F,), material slot."
    uv: dict[str, Array]
    "f4 (F, 3, 2) by layer name; the one that renders comes first."
    colors: dict[str, Array]
    "f4 (F, 3, 4), linear, by attribute name; the one that renders comes first."
    materials: tuple[bpy.types.Material | None, ...]
    groups: dict[str, Array]
    "f4 (V,), weights of the vertex groups and colour attributes that were asked for, if there."

    def stretched(self, stretch: NDArray[np.float64]) -> "Triangles":
        """Return the mesh under a linear map (3, 3), turned so that outside stays outside."""
        turn = [0, 2, 1] if np.linalg.det(stretch) < 0 else [0, 1, 2]
        # Normals follow the inverse transpose; the cofactors also serve a flat (singular) map.
        normals = self.normals[:, turn] @ _cofactors(stretch).T
        if turn[1] == 2:
            normals = -normals
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        return Triangles(
            (self.vertices @ stretch.T).astype(np.float32),
            np.ascontiguousarray(self.triangles[:, turn]),
            (normals / np.maximum(length, 1e-30)).astype(np.float32),
            self.slot,
            {name: np.ascontiguousarray(uv[:, turn]) for name, uv in self.uv.items()},
            {name: np.ascontiguousarray(color[:, turn]) for name, color in self.colors.items()},
            self.materials,
            self.groups,
        )


@dataclass(frozen=True)
class Form:
    """The shape of a mesh: where its vertices are, and what its faces are."""

    vertices: Array
    "f4 (V, 3), Blender units."
    counts: tuple[int, int]
    "Of its corners and faces."
    digest: bytes
    "Of which vertices the faces join."

    @property
    def named(self) -> tuple[int, bytes]:
        """What is the same for all forms of a mesh that keeps its faces."""
        return len(self.vertices), self.digest


def read_mesh(evaluated: bpy.types.Object, groups: Collection[str] = ()) -> Triangles | None:
    """Return the triangles of an evaluated object, with weights of some of its groups.

    None where it has no faces.
    """
    mesh = evaluated.to_mesh()
    try:
        return None if mesh is None else _triangles(evaluated, mesh, groups)
    finally:
        evaluated.to_mesh_clear()


def read_vertices(evaluated: bpy.types.Object) -> Array:
    """Return only the vertices (V, 3) of an evaluated object."""
    mesh = evaluated.to_mesh()
    try:
        return np.zeros((0, 3), np.float32) if mesh is None else _vertices(mesh)
    finally:
        evaluated.to_mesh_clear()


def read_form(evaluated: bpy.types.Object, last: Form | None = None) -> Form:
    """Return only the form of an evaluated object; `last` itself where it is still that one."""
    mesh = evaluated.to_mesh()
    try:
        if mesh is None:
            return Form(np.zeros((0, 3), np.float32), (0, 0), b"")
        vertices, counts = _vertices(mesh), (len(mesh.loops), len(mesh.polygons))
        if last and counts == last.counts and np.array_equal(vertices, last.vertices):
            return last
        corners = _read(mesh.loops, "vertex_index", (counts[0],), np.int32)
        starts = _read(mesh.polygons, "loop_start", (counts[1],), np.int32)
        digest = hashlib.blake2b(corners.tobytes() + starts.tobytes()).digest()
        return Form(vertices, counts, digest)
    finally:
        evaluated.to_mesh_clear()


def read_surface(evaluated: bpy.types.Object) -> tuple[Array, Array] | None:
    """Return only vertices (V, 3) and triangles (F, 3) of an object; None where it has no faces."""
    mesh = evaluated.to_mesh()
    try:
        if mesh is None:
            return None
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        triangles = _read(mesh.loop_triangles, "vertices", (count, 3), np.int32)
        return (_vertices(mesh), triangles) if count else None
    finally:
        evaluated.to_mesh_clear()


def _triangles(
    evaluated: bpy.types.Object, mesh: bpy.types.Mesh, groups: Collection[str]
) -> Triangles | None:
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    if not count:
        return None
    triangles = _read(mesh.loop_triangles, "vertices", (count, 3), np.int32)
    loops = _read(mesh.loop_triangles, "loops", (count, 3), np.int32)
    corner_normals = _read(mesh.corner_normals, "vector", (len(mesh.loops), 3), np.float32)
    return Triangles(
        _vertices(mesh),
        triangles,
        corner_normals[loops],
        _read(mesh.loop_triangles, "material_index", (count,), np.int32),
        {layer.name: _uv(layer)[loops] for layer in _rendered_first(mesh.uv_layers)},
        _colors(mesh, triangles, loops),
        _materials(evaluated, mesh),
        read_weights(evaluated, mesh, groups),
    )


def _read(collection: Any, name: str, shape: tuple[int, ...], dtype: type) -> Array:
    values: Array = np.empty(shape, dtype)
    collection.foreach_get(name, values.reshape(-1))
    return values


def _vertices(mesh: bpy.types.Mesh) -> Array:
    return _read(mesh.vertices, "co", (len(mesh.vertices), 3), np.float32)


def _uv(layer: bpy.types.MeshUVLoopLayer) -> Array:
    return _read(layer.uv, "vector", (len(layer.uv), 2), np.float32)


def _rendered_first(layers: Any) -> list[Any]:
    return sorted(layers, key=lambda layer: not layer.active_render)


def _colors(mesh: bpy.types.Mesh, triangles: Array, loops: Array) -> dict[str, Array]:
    found = {}
    attributes = mesh.color_attributes
    first = attributes.render_color_index
    for index in sorted(range(len(attributes)), key=lambda i: i != first):
        attribute = attributes[index]
        values = _read(attribute.data, "color", (len(attribute.data), 4), np.float32)
        found[attribute.name] = values[loops if attribute.domain == "CORNER" else triangles]
    return found


def read_weights(
    ob: bpy.types.Object, mesh: bpy.types.Mesh, names: Collection[str]
) -> dict[str, Array]:
    """Return weights (V,) by name: of vertex groups, else the brightness of colour attributes."""
    index = {group.index: group.name for group in ob.vertex_groups if group.name in names}
    found: dict[str, Array] = {n: np.zeros(len(mesh.vertices), np.float32) for n in index.values()}
    if found:
        for vertex in mesh.vertices:
            for part in vertex.groups:
                if part.group in index:
                    found[index[part.group]][vertex.index] = part.weight
    for attribute in mesh.color_attributes:
        if attribute.name in names and attribute.name not in found:
            found[attribute.name] = _brightness(mesh, attribute)
    return found


def _brightness(mesh: bpy.types.Mesh, attribute: bpy.types.Attribute) -> Array:
    """Return the luminance (V,), 0 to 1, of a colour attribute; the mean of a vertex's corners."""
    colors = _read(attribute.data, "color", (len(attribute.data), 4), np.float32)
    bright = np.clip(colors[:, :3] @ LUMINANCE, 0, 1)
    if attribute.domain != "CORNER":
        return bright.astype(np.float32)
    vertex = _read(mesh.loops, "vertex_index", (len(mesh.loops),), np.int32)
    total, count = (np.bincount(vertex, w, len(mesh.vertices)) for w in (bright, None))
    return (total / np.maximum(count, 1)).astype(np.float32)


def _materials(
    evaluated: bpy.types.Object, mesh: bpy.types.Mesh
) -> tuple[bpy.types.Material | None, ...]:
    """Geometry nodes may add materials to the mesh; slots linked to the object replace them."""
    found = list(mesh.materials)
    for index, slot in enumerate(evaluated.material_slots):
        if index == len(found):
            found.append(slot.material)
        elif slot.link == "OBJECT":
            found[index] = slot.material
    # Evaluated copies die with the frame; the originals carry the same values at that frame.
    return tuple(material and material.original for material in found)


def _cofactors(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
