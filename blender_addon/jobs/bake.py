"""Cycles' light baked into surfaces, by a background Blender on a saved copy of the file."""

import hashlib
import json
import os
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import msgspec
import numpy as np

from impetus.backend.contract.arrays import ArraySet, refer
from impetus.backend.contract.shot import Body, Looks, Mesh, Surface

from ..shot_export import Export
from ..shot_export.nodes import node_tree
from .orders import Finished, Notice, Stepped
from .watched import watch

VERSION = 1
SCRIPT = Path(__file__).with_name("background.py")
TRIANGLES_PER_SPLAT = 0.25
MAX_TRIANGLES = 120_000
KEPT = 12
"Bakes that the cache keeps."


@dataclass(frozen=True)
class Plan:
    """What the background Blender is to do."""

    folder: Path
    key: str
    command: tuple[str, ...]

    @property
    def result(self) -> Path:
        return self.folder / f"{self.key}.npz"

    @property
    def copy(self) -> Path:
        return self.folder / f"{self.key}.blend"


def plan(scene: bpy.types.Scene, exported: Export, folder: Path) -> Plan:
    """Save a copy of the file and say how to bake it; only says, where it is baked already."""
    folder.mkdir(parents=True, exist_ok=True)
    key = _digest(scene, exported)
    budget = min(int(scene.impetus.splats * TRIANGLES_PER_SPLAT), MAX_TRIANGLES)
    settings = folder / f"{key}.json"
    made = Plan(folder, key, background(settings))
    if made.result.exists():
        return made
    save_copy(made.copy)
    order = {
        "task": "bake", "copy": str(made.copy), "result": str(made.result), "scene": scene.name,
        "triangles": budget, "samples": scene.impetus.bake_samples, **about_here(),
    }  # fmt: skip
    settings.write_text(json.dumps(order), "utf-8")
    return made


def save_copy(path: Path) -> None:
    """Save a copy of the file, without the picture of the window that Blender draws for it.

    That picture takes most of the time, and nobody looks at it.
    """
    chosen = bpy.context.preferences
    before, dirty = chosen.filepaths.file_preview_type, chosen.is_dirty
    chosen.filepaths.file_preview_type = "NONE"
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, check_existing=False)
    finally:
        chosen.filepaths.file_preview_type, chosen.is_dirty = before, dirty


def run(key: str, made: Plan) -> Generator[Notice, None, None]:
    """Bake, and yield how far it is; the last notice carries the result. Runs on the I/O thread."""
    if not made.result.exists():
        text, factor = "Bake light", 0.0
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        try:
            for line in watch(made.command, made.result.with_suffix(".log"), environment, "Baking"):
                if line.startswith("IMPETUS "):
                    _, done, total, name = line.split(" ", 3)
                    text, factor = f"Bake light: {name}", int(done) / int(total)
                yield Stepped(key, text, factor)
        finally:
            made.copy.unlink(missing_ok=True)
            made.result.with_suffix(".json").unlink(missing_ok=True)
    _keep_newest(made.folder)
    with np.load(made.result) as arrays:
        result = {name: arrays[name] for name in arrays.files}
    yield Finished(key, result)


def lit(exported: Export, result: object) -> Export:
    """Return the shot with the baked meshes and colours in the place of the unlit ones."""
    found: dict[str, Any] = result if isinstance(result, dict) else {}
    names = json.loads(str(found["names"])) if found else []
    place = {name: index for index, name in enumerate(names)}
    arrays = ArraySet(dict(exported.arrays))
    bodies = tuple(
        _lit_body(body, arrays, found, place[body.name]) if body.name in place else body
        for body in exported.shot.bodies
    )
    shot = msgspec.structs.replace(exported.shot, bodies=bodies)
    return Export(shot, arrays, exported.warnings)


def _lit_body(body: Body, arrays: ArraySet, found: dict[str, Any], index: int) -> Body:
    def ref(name: str) -> Any:
        return arrays.add(found[f"{name}_{index}"])

    surfaces = tuple(_without_image(surface) for surface in body.looks.surfaces)
    slots = np.minimum(found[f"slot_{index}"], len(surfaces) - 1).astype(np.int32)
    looks = Looks(
        surfaces=surfaces,
        surface_index=arrays.add(slots) if len(surfaces) > 1 else None,
        colors=ref("colors"),
        lit=True,
        inner_color=body.looks.inner_color,
    )
    mesh = Mesh(ref("vertices"), ref("triangles"), ref("normals"))
    return msgspec.structs.replace(body, mesh=mesh, looks=looks)


def _without_image(surface: Surface) -> Surface:
    return msgspec.structs.replace(surface, image=None)


def background(settings: Path) -> tuple[str, ...]:
    """Return how to start this same Blender, without a window, on the order in a file."""
    blender: tuple[str, ...] = (sys.executable,)  # Blender as a module is a Python
    if bpy.app.binary_path:
        blender = (bpy.app.binary_path, "--background", "--factory-startup",
                   "--python-exit-code", "1", "--python")  # fmt: skip
    return (*blender, str(SCRIPT), "--", str(settings))


def about_here() -> dict[str, Any]:
    """Return what every order says of this Blender: paths, the extension, where Cycles computes."""
    cycles = bpy.context.preferences.addons.get("cycles")
    device = getattr(cycles.preferences, "compute_device_type", "NONE") if cycles else "NONE"
    return {"paths": sys.path, "package": str(SCRIPT.parents[1]), "device": device}


def _keep_newest(folder: Path) -> None:
    baked = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in baked[KEPT:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".log").unlink(missing_ok=True)


# --- what a bake depends on


def _digest(scene: bpy.types.Scene, exported: Export) -> str:
    """Return a name for what a bake reads: bodies where they start, lights, world, shader nodes."""
    shot, start = exported.shot, exported.shot.frames.simulation_start
    index = shot.frames.tracked.index(start)
    digest = hashlib.sha256(f"{VERSION} {bpy.app.version} {scene.impetus.bake_samples}".encode())
    digest.update(f"{scene.impetus.splats} {scene.cycles.max_bounces}".encode())
    for body in shot.bodies:
        poses = exported.arrays.of(body.poses)
        digest.update(msgspec.json.encode((body.name, body.mesh, body.looks)))
        digest.update(poses[index if len(poses) > 1 else 0].tobytes())
    for light in shot.lights:
        poses = exported.arrays.of(light.poses)
        digest.update(msgspec.json.encode(msgspec.structs.replace(light, poses=_same_for_all())))
        digest.update(poses[index if len(poses) > 1 else 0].tobytes())
    for block in (scene.world, *bpy.data.materials, *bpy.data.lights):
        for word in node_words(block) if block else ():
            digest.update(word.encode())
    return digest.hexdigest()


def _same_for_all() -> Any:
    """Return a reference that is the same for all poses: where things are is hashed apart."""
    return refer(np.zeros((1, 4, 4)))[0]


def node_words(block: bpy.types.ID) -> Iterator[str]:
    """Yield what a block's nodes say, in words: values, links, images."""
    yield block.name
    tree = node_tree(block)
    waiting = [tree] if tree else []
    while waiting:
        tree = waiting.pop()
        for node in tree.nodes:
            yield f"{node.bl_idname} {node.name} {node.mute}"
            for prop in node.bl_rna.properties:
                if prop.type in {"BOOLEAN", "INT", "FLOAT", "ENUM", "STRING"}:
                    yield _words(node, prop)
            yield from (f"{s.name}={_value(s)}" for s in node.inputs)
            image = getattr(node, "image", None)
            if image is not None:
                yield f"{image.name} {image.size[:]} {_changed(image)}"
            if (group := getattr(node, "node_tree", None)) is not None:
                waiting.append(group)
        yield from (
            f"{e.from_node.name}.{e.from_socket.name}>{e.to_node.name}.{e.to_socket.name}"
            for e in tree.links
        )


def _words(node: bpy.types.Node, prop: bpy.types.Property) -> str:
    skipped = {"location", "location_absolute", "width", "height", "select", "dimensions", "color"}
    if prop.identifier in skipped:
        return ""
    value = getattr(node, prop.identifier)
    return f"{prop.identifier}={tuple(value) if getattr(prop, 'is_array', False) else value}"


def _value(socket: bpy.types.NodeSocket) -> object:
    value: Any = getattr(socket, "default_value", None)
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _changed(image: bpy.types.Image) -> float:
    path = Path(bpy.path.abspath(image.filepath))
    return path.stat().st_mtime if path.is_file() else 0.0
