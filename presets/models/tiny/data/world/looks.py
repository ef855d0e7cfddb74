"""Materials of the scenes: colour or drawn texture, and a finish, each with the words for it."""

import random
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from . import textures
from .palette import Floats, linear, some_color, srgb

FINISHES: dict[str, dict[str, Any]] = {
    "": {"Roughness": 0.5},
    "rubber": {"Roughness": 0.75},
    "clay": {"Roughness": 0.95},
    "plastic": {"Roughness": 0.35},
    "glossy": {"Roughness": 0.08, "Coat Weight": 0.6},
    "metal": {"Roughness": 0.25, "Metallic": 1.0},
    "glass": {"Roughness": 0.02, "Transmission Weight": 1.0, "IOR": 1.25},
    "jelly": {"Roughness": 0.1, "Transmission Weight": 0.45, "IOR": 1.3, "Coat Weight": 0.8},
    "water": {"Roughness": 0.03, "Transmission Weight": 0.55, "IOR": 1.33, "Coat Weight": 0.5},
    "clear": {"Roughness": 0.03, "Alpha": 0.1},
    "glowing": {"Roughness": 0.5, "Emission Strength": 1.6},
}


@dataclass(frozen=True)
class Look:
    """A material and what it is called before a noun, such as `red rubber`."""

    material: bpy.types.Material
    words: str


def plain(color: str, finish: str = "") -> Look:
    """Make a material of one colour."""
    values = srgb(color)
    if finish in ("glass", "jelly", "water"):
        values = 0.25 + 0.75 * values
    material = _material(f"{color} {finish}".strip(), linear(values), FINISHES[finish])
    return Look(material, f"{color} {finish}".strip())


def patterned(rng: random.Random, pattern: str, color: str) -> Look:
    """Make a material with a drawn pattern of two colours."""
    second = textures.pattern_colors(pattern, color, rng)
    picture = textures.PATTERNS[pattern](rng, srgb(color), srgb(second))
    words = f"{pattern} {color} and {second}" if rng.random() < 0.6 else f"{pattern} {color}"
    return Look(pictured(words, picture, roughness=0.45), words)


def wood(rng: random.Random) -> Look:
    """Make a wooden material."""
    picture = textures.wooden(rng, *textures.wood_colors(rng))
    return Look(pictured("wooden", picture, roughness=0.5), "wooden")


def some_look(rng: random.Random, *, other_than: tuple[str, ...] = ()) -> Look:
    """Choose a look as things on a table have them."""
    color = some_color(rng, other_than=other_than)
    kind = rng.random()
    if kind < 0.24:
        return patterned(rng, rng.choice(list(textures.PATTERNS)), color)
    if kind < 0.31:
        return wood(rng)
    finish = rng.choice(
        (
            "",
            "",
            "rubber",
            "rubber",
            "clay",
            "plastic",
            "glossy",
            "glossy",
            "metal",
            "glass",
            "jelly",
        )
    )
    return plain(color, finish)


def pictured(
    name: str, picture: Floats, *, roughness: float, scale: float = 1.0, metallic: float = 0.0
) -> bpy.types.Material:
    """Make a material whose colour is an sRGB picture (h, w, 3), row 0 at the bottom."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = np.clip(picture, 0, 1)
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    material = _material(name, (0.8, 0.8, 0.8), {"Roughness": roughness, "Metallic": metallic})
    nodes, links = material.node_tree.nodes, material.node_tree.links
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    links.new(texture.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return material


def puff(color: str, opacity: float) -> bpy.types.Material:
    """Make what smoke is of: dense in the middle of a ball, gone at its outline."""
    material = _material(f"{color} smoke", linear(srgb(color)), {"Roughness": 1.0})
    nodes, links = material.node_tree.nodes, material.node_tree.links
    facing = nodes.new("ShaderNodeLayerWeight")
    facing.inputs["Blend"].default_value = 0.35
    alpha = nodes.new("ShaderNodeMapRange")
    alpha.interpolation_type = "SMOOTHSTEP"
    alpha.inputs["To Min"].default_value, alpha.inputs["To Max"].default_value = opacity, 0.0
    alpha.inputs["From Max"].default_value = 0.75
    links.new(facing.outputs["Facing"], alpha.inputs["Value"])
    links.new(alpha.outputs["Result"], nodes["Principled BSDF"].inputs["Alpha"])
    return material


def _material(name: str, color: tuple[float, ...], inputs: dict[str, Any]) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    if not material.node_tree:
        material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*color, 1.0)
    for socket, value in inputs.items():
        shader.inputs[socket].default_value = value
    if inputs.get("Emission Strength"):
        shader.inputs["Emission Color"].default_value = (*color, 1.0)
    material.diffuse_color = (*color, 1.0)
    return material
