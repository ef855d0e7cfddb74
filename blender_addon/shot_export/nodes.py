"""Reads shader nodes of materials, world and lights: which shader shows, what feeds an input."""

from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def node_tree(block: bpy.types.ID) -> bpy.types.NodeTree | None:
    """Return the nodes that a material, world or light is shaded by, if any."""
    if bpy.app.version < (5, 0, 0) and not block.use_nodes:
        return None
    return block.node_tree


def surface_shader(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    """Return the node linked to the active output's surface."""
    for target in ("ALL", "CYCLES", "EEVEE"):
        output = tree.get_output_node(target)
        if output is not None and output.inputs[0].is_linked:
            return source(output.inputs[0])
    return None


def source(socket: bpy.types.NodeSocket | None) -> bpy.types.Node | None:
    """Return the node that feeds a socket, past reroutes; None where it stands alone."""
    node = None
    while socket is not None and socket.is_linked and not socket.links[0].is_muted:
        node = socket.links[0].from_node
        if node.bl_idname != "NodeReroute":
            return node
        socket = node.inputs[0]
    return None


def upstream(node: bpy.types.Node | None) -> Iterator[bpy.types.Node]:
    """Yield a node and all that feeds it, nearest first."""
    waiting, seen = [node] if node else [], set()
    while waiting:
        node = waiting.pop(0)
        if node.name in seen:
            continue
        seen.add(node.name)
        yield node
        waiting.extend(each for s in node.inputs if (each := source(s)) is not None)


def value(node: bpy.types.Node, *names: str, default: Any = 0.0) -> Any:
    """Return the own value of the first input that the node has; links are the caller's."""
    for name in names:
        if (socket := node.inputs.get(name)) is not None:
            return socket.default_value
    return default


def rgb(color: Any) -> tuple[float, float, float]:
    """Return a colour's first three components, none below zero."""
    return tuple(max(float(component), 0.0) for component in color[:3])  # type: ignore[return-value]


def pixels(image: bpy.types.Image | None) -> NDArray[Any] | None:
    """Return an image as u1 sRGB or f4 linear (H, W, 4), top row first; None if unreadable."""
    if image is None or 0 in image.size[:]:
        return None
    width, height = image.size
    flat = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(flat)
    upright = np.ascontiguousarray(flat.reshape(height, width, 4)[::-1])
    if not image.is_float and image.colorspace_settings.name == "sRGB":
        return np.rint(np.clip(upright, 0, 1) * 255).astype(np.uint8)
    return np.nan_to_num(upright, posinf=1e6, neginf=0.0)


def linear(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return what `pixels` gave as linear f4."""
    if image.dtype != np.uint8:
        return image.astype(np.float32, copy=False)
    color: NDArray[np.float32] = image.astype(np.float32) / np.float32(255)
    low, high = color[..., :3] / 12.92, ((color[..., :3] + 0.055) / 1.055) ** 2.4
    color[..., :3] = np.where(color[..., :3] <= 0.04045, low, high)
    return color
