"""Runs in a background Blender, on a copy: bakes every body's light into corner colours."""

import json
import os
import sys
from dataclasses import replace
from typing import Any

import bpy
import numpy as np

from ..shot_export.meshes import read_mesh
from ..shot_export.things import Things
from ..shot_export.timeline import shown
from ..shot_export.transforms import place


def run(scene: Any, order: dict[str, Any]) -> None:
    """Bake the copy's scene, and write the result whole."""
    start = scene.impetus.simulation_start
    things, copies = real_copies(scene, start)
    prepare_cycles(scene, order)
    pairs = list(zip(things, copies, strict=True))
    areas = [area(copy.data, thing.matrices[0]) for thing, copy in pairs]
    result: dict[str, Any] = {"names": json.dumps([thing.name for thing in things])}
    for index, (thing, copy) in enumerate(pairs):
        say(f"IMPETUS {index} {len(things)} {thing.name}")
        share = order["triangles"] * areas[index] / max(sum(areas), 1e-12)
        densify(copy.data, np.array(thing.matrices[0]), max(share, 200))
        bake(scene, copy)
        result |= {f"{k}_{index}": v for k, v in read(scene, thing, copy).items()}
    part = order["result"] + ".tmp.npz"
    np.savez(part, **result)
    os.replace(part, order["result"])


def say(line: str) -> None:
    """Speak to the process that watches this one."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def real_copies(scene: Any, start: int) -> tuple[list[Any], list[Any]]:
    """Put a plain mesh object in the place of everything that is seen; return things and copies."""
    layer = scene.view_layers[0]
    collected = Things(scene, layer)
    scene.frame_set(start)
    with shown(layer):
        layer.update()
        collected.add(start, layer.depsgraph, meshes=True, shapes=False)
        things = [thing for thing in collected.present(1) if thing.mesh is not None]
        copies = [copy_of(thing, scene) for thing in things]
        for instance in layer.depsgraph.object_instances:
            source = instance.parent if instance.is_instance else instance.object
            if instance.is_instance or source.original.type not in {"LIGHT", "CAMERA", "VOLUME"}:
                HIDDEN.add(source.original)
    for source in HIDDEN:
        source.hide_render = True
    for copy in copies:
        scene.collection.objects.link(copy)
    layer.update()
    return things, copies


HIDDEN: set[Any] = set()


def copy_of(thing: Any, scene: Any) -> Any:
    """Make an object of the thing's evaluated triangles, with its layers and materials."""
    mesh = bpy.data.meshes.new(thing.name)
    found = thing.mesh
    mesh.from_pydata(found.vertices.tolist(), [], found.triangles.tolist())
    for material in found.materials:
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", found.slot)
    for name, uv in found.uv.items():
        layer = mesh.uv_layers.new(name=name)
        layer.uv.foreach_set("vector", uv.ravel())
    for name, colors in found.colors.items():
        attribute = mesh.color_attributes.new(name, "FLOAT_COLOR", "CORNER")
        attribute.data.foreach_set("color", colors.ravel())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(found.triangles), bool))
    mesh.normals_split_custom_set(found.normals.reshape(-1, 3).tolist())
    copy = bpy.data.objects.new(f"impetus {thing.name}", mesh)
    copy.matrix_world = thing.matrices[0].T  # Blender reads a flat sequence column by column
    return copy


def area(mesh: Any, matrix: Any) -> float:
    """Return the surface in the world, square Blender units."""
    linear = np.array(matrix)[:3, :3]
    vertices = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", vertices.ravel())
    corners = np.empty(len(mesh.polygons) * 3, np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    a, b, c = (vertices @ linear.T)[corners.reshape(-1, 3)].transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def densify(mesh: Any, matrix: Any, triangles: float) -> None:
    """Split long edges until the light's detail has corners to lie on."""
    import bmesh  # is there once bpy is

    linear = matrix[:3, :3]
    longest = np.sqrt(area(mesh, matrix) / triangles * 4 / np.sqrt(3))
    work = bmesh.new()
    work.from_mesh(mesh)
    for _ in range(10):
        long = [
            edge
            for edge in work.edges
            if np.linalg.norm(linear @ np.array(edge.verts[0].co - edge.verts[1].co))
            > longest * 1.4
        ]
        if not long or len(work.faces) > 2 * triangles:
            break
        bmesh.ops.subdivide_edges(work, edges=long, cuts=1, use_grid_fill=True)
        bmesh.ops.triangulate(work, faces=[face for face in work.faces if len(face.verts) > 3])
    work.to_mesh(mesh)
    work.free()


def prepare_cycles(scene: Any, order: dict[str, Any]) -> None:
    """Set Cycles as the bake needs it; the copy is ours to change."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples = order["samples"]
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False  # it would take the row of corners for a picture
    scene.render.use_simplify = False
    if order["device"] != "NONE":
        preferences = bpy.context.preferences.addons["cycles"].preferences
        preferences.compute_device_type = order["device"]
        preferences.refresh_devices()
        for device in preferences.devices:
            device.use = True


def bake(scene: Any, copy: Any) -> None:
    """Bake all light into the copy's corner colours."""
    mesh, layer = copy.data, scene.view_layers[0]
    attribute = mesh.color_attributes.new("impetus light", "FLOAT_COLOR", "CORNER")
    mesh.color_attributes.active_color = attribute
    with bpy.context.temp_override(
        scene=scene, view_layer=layer, active_object=copy, object=copy, selected_objects=[copy],
        selected_editable_objects=[copy],
    ):  # fmt: skip
        for other in layer.objects:
            other.select_set(other == copy)
        layer.objects.active = copy
        bpy.ops.object.bake(type="COMBINED", target="VERTEX_COLORS", margin=0, use_clear=True)


def read(scene: Any, thing: Any, copy: Any) -> dict[str, Any]:
    """Return the baked mesh as the shot wants it: body space, metres, outside outside."""
    evaluated = copy.evaluated_get(scene.view_layers[0].depsgraph)
    found = read_mesh(evaluated)
    assert found is not None  # it was baked
    mesh = replace(found, colors={"light": found.colors["impetus light"]})
    placing = place(thing.name, np.stack(thing.matrices), 0, scene.unit_settings.scale_length)
    body = mesh.stretched(placing.stretch)
    return {
        "vertices": body.vertices,
        "triangles": body.triangles,
        "normals": body.normals,
        "slot": body.slot,
        "colors": joined(np.clip(np.nan_to_num(body.colors["light"]), 0, 1e4), body),
    }


def joined(colors: Any, body: Any) -> Any:
    """Average the corners that meet in one vertex and face one way: six samples for one."""
    facing = np.rint(body.normals.reshape(-1, 3) * 16)
    keys = np.column_stack([body.triangles.reshape(-1), body.slot.repeat(3), facing])
    _, group = np.unique(keys.astype(np.int64), axis=0, return_inverse=True)
    group = group.reshape(-1)
    sums = np.zeros((group.max() + 1, 4))
    np.add.at(sums, group, colors.reshape(-1, 4))
    means = sums / np.bincount(group)[:, None]
    return means[group].reshape(colors.shape).astype(np.float32)
