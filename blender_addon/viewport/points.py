"""Points on the meshes of bodies: what a view shows of them where no backend runs."""

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..shot_export.meshes import MESHABLE, Triangles, read_mesh

Cloud = tuple[NDArray[Any], NDArray[Any]]
"Places (n, 3) f4 and linear colours (n, 3) f4."
COUNT = 20_000
"Of points, shared by all bodies."


@dataclass(frozen=True)
class MeshCloud:
    """Points on one object, in its own space."""

    name: str
    points: Cloud


def clouds_of(scene: bpy.types.Scene, layer: bpy.types.ViewLayer) -> list[MeshCloud]:
    """Return points on every body that takes part in the physics."""
    found: list[tuple[bpy.types.Object, Triangles]] = []
    for ob in layer.objects:
        if ob.type in MESHABLE and ob.impetus.role != "NONE" and not ob.hide_render:
            mesh = read_mesh(ob.evaluated_get(layer.depsgraph))
            if mesh is not None:
                found.append((ob, mesh))
    each = COUNT // max(1, len(found))
    return [
        MeshCloud(ob.name, (place := spread(mesh, each), _colors(ob, len(place))))
        for ob, mesh in found
    ]


def spread(mesh: Triangles, count: int) -> NDArray[np.float32]:
    """Return `count` places (n, 3) f4, evenly over a mesh's area; always the same ones."""
    corners = mesh.vertices[mesh.triangles].astype(np.float64)
    edges = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    reached = np.cumsum(np.linalg.norm(edges, axis=1))
    if not len(reached) or reached[-1] <= 0:
        return np.zeros((0, 3), np.float32)
    chance = np.random.default_rng(0)
    # one in each of as many equal parts of the area
    at = (np.arange(count) + chance.random(count)) * reached[-1] / count
    chosen = np.minimum(np.searchsorted(reached, at), len(reached) - 1)
    along, aside = np.sqrt(chance.random(count)), chance.random(count)
    shares = np.stack([1 - along, along * (1 - aside), along * aside], axis=1)
    return np.einsum("nk,nkj->nj", shares, corners[chosen]).astype(np.float32)


def matrix_of(cloud: MeshCloud) -> NDArray[np.float64] | None:
    """Return where its object stands now; None where it is gone, or hidden."""
    ob = bpy.context.view_layer.objects.get(cloud.name)
    return None if ob is None else np.array(ob.matrix_world, np.float64)


def _colors(ob: bpy.types.Object, count: int) -> NDArray[np.float32]:
    """Return the colour that Solid view gives the object."""
    material = ob.active_material
    color = material.diffuse_color if material is not None else ob.color
    return np.tile(np.array(color[:3], np.float32), (count, 1))
