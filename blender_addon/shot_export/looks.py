"""Materials as looks: base colour, image or vertex colour, and the numbers of the shading."""

from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArrayRef, ArraySet
from impetus.backend.contract.part import Color
from impetus.backend.contract.shot import Looks, Surface

from . import nodes
from .meshes import Triangles

Array = NDArray[Any]
_COLOR_INPUTS = {
    "ShaderNodeBsdfPrincipled": "Base Color",
    "ShaderNodeBsdfDiffuse": "Color",
    "ShaderNodeBsdfGlossy": "Color",
    "ShaderNodeBsdfAnisotropic": "Color",
    "ShaderNodeBsdfGlass": "Color",
    "ShaderNodeSubsurfaceScattering": "Color",
    "ShaderNodeBsdfTranslucent": "Color",
    "ShaderNodeBsdfSheen": "Color",
}


@dataclass(frozen=True)
class Coloring:
    """One slot: its surface, and where a varying colour comes from."""

    surface: Surface
    image: Array | None = None
    uv_name: str | None = None
    "Empty: the layer that renders. None: no image."
    attribute: str | None = None
    "Empty: the colour attribute that renders. None: no attribute."


class LooksReader:
    """Reads each material and image once for a whole export."""

    def __init__(self, arrays: ArraySet, warnings: list[str]) -> None:
        self._arrays = arrays
        self._warnings = warnings
        self._colorings: dict[str, Coloring] = {}
        self._images: dict[str, tuple[Array | None, ArrayRef | None]] = {}

    def read(self, where: str, mesh: Triangles, inner_color: Color | None) -> Looks:
        """Return the looks of one mesh's corners."""
        slots = [self._coloring(material) for material in mesh.materials]
        slots = [self._grounded(where, slot, mesh) for slot in slots] or [Coloring(Surface())]
        slot_of = np.minimum(mesh.slot, len(slots) - 1)
        uses_image = any(slot.image is not None for slot in slots)
        uses_colors = any(slot.attribute is not None for slot in slots)
        uv = _uv(mesh, slots, slot_of) if uses_image else None
        colors = _colors(mesh, slots, slot_of, uv) if uses_colors else None
        return Looks(
            surfaces=tuple(slot.surface for slot in slots),
            surface_index=self._arrays.add(slot_of.astype(np.int32)) if len(slots) > 1 else None,
            uv=None if uv is None else self._arrays.add(uv),
            colors=None if colors is None else self._arrays.add(colors),
            inner_color=inner_color,
        )

    def _coloring(self, material: bpy.types.Material | None) -> Coloring:
        if material is None:
            return Coloring(Surface())
        name = material.name_full
        if name not in self._colorings:
            tree = nodes.node_tree(material)
            shader = nodes.surface_shader(tree) if tree else None
            self._colorings[name] = (
                self._flat(material) if shader is None else self._shaded(name, shader)
            )
        return self._colorings[name]

    def _flat(self, material: bpy.types.Material) -> Coloring:
        return Coloring(
            Surface(
                base_color=nodes.rgb(material.diffuse_color),
                alpha=_fraction(material.diffuse_color[3]),
                roughness=_fraction(material.roughness),
                specular=_fraction(material.specular_intensity),
                metallic=_fraction(material.metallic),
            )
        )

    def _shaded(self, name: str, shader: bpy.types.Node) -> Coloring:
        kind = next(
            (each for each in nodes.upstream(shader) if _is_known(each)),
            None,
        )
        if kind is None:
            self._warn(name, f"its shader {shader.bl_label} is not known; it is drawn grey")
            return Coloring(Surface())
        if kind != shader:
            self._warn(name, f"only its {kind.bl_label} shader is used")
        if kind.bl_idname == "ShaderNodeEmission":
            glow = _scaled(nodes.value(kind, "Color"), nodes.value(kind, "Strength"))
            return Coloring(Surface(base_color=(0.0, 0.0, 0.0), specular=0.0, emission=glow))
        socket = kind.inputs[_COLOR_INPUTS[kind.bl_idname]]
        return self._varying(name, Coloring(_surface(kind, socket)), socket)

    def _varying(self, name: str, plain: Coloring, socket: bpy.types.NodeSocket) -> Coloring:
        node = nodes.source(socket)
        if node is None:
            return plain
        match node.bl_idname:
            case "ShaderNodeTexImage":
                return self._textured(name, plain, node)
            case "ShaderNodeVertexColor":
                return replace(plain, attribute=node.layer_name)
            case "ShaderNodeAttribute":
                return replace(plain, attribute=node.attribute_name)
            case "ShaderNodeRGB":
                color = nodes.rgb(node.outputs[0].default_value)
                return Coloring(_with(plain.surface, base_color=color))
        self._warn(name, f"its color comes from {node.bl_label}, which only a bake can read")
        return plain

    def _textured(self, name: str, plain: Coloring, node: bpy.types.Node) -> Coloring:
        image, ref = self._image(node.image)
        if ref is None:
            self._warn(name, "its image cannot be read; the base color is used")
            return plain
        uv_name, vector = "", nodes.source(node.inputs["Vector"])
        if vector is not None and vector.bl_idname == "ShaderNodeUVMap":
            uv_name = vector.uv_map
        elif vector is not None and not _is_plain_uv(vector, node):
            self._warn(name, "its image is not placed by UV alone; only the UV map is used")
        return Coloring(_with(plain.surface, image=ref), image, uv_name)

    def _image(self, image: bpy.types.Image | None) -> tuple[Array | None, ArrayRef | None]:
        key = image.name_full if image else ""
        if key not in self._images:
            array = nodes.pixels(image)
            self._images[key] = (array, None if array is None else self._arrays.add(array))
        return self._images[key]

    def _grounded(self, where: str, slot: Coloring, mesh: Triangles) -> Coloring:
        """Drop what the mesh cannot carry: an image without UV, a missing attribute."""
        if slot.image is not None and not mesh.uv:
            self._warn(where, "its image has no UV map to lie on; the base color is used")
            return Coloring(_with(slot.surface, image=None))
        if slot.attribute is not None and not mesh.colors:
            self._warn(where, "its color attribute is missing; the base color is used")
            return replace(slot, attribute=None)
        return slot

    def _warn(self, where: str, text: str) -> None:
        if (line := f"{where}: {text}.") not in self._warnings:
            self._warnings.append(line)


def _is_known(node: bpy.types.Node) -> bool:
    return node.bl_idname in _COLOR_INPUTS or node.bl_idname == "ShaderNodeEmission"


def _is_plain_uv(vector: bpy.types.Node, image_node: bpy.types.Node) -> bool:
    link = image_node.inputs["Vector"].links[0]
    return vector.bl_idname == "ShaderNodeTexCoord" and link.from_socket.name == "UV"


def _surface(node: bpy.types.Node, color: bpy.types.NodeSocket) -> Surface:
    if node.bl_idname != "ShaderNodeBsdfPrincipled":
        rough = _fraction(nodes.value(node, "Roughness", default=0.5))
        shiny = (
            0.5 if node.bl_idname in ("ShaderNodeBsdfGlossy", "ShaderNodeBsdfAnisotropic") else 0
        )
        return Surface(
            base_color=nodes.rgb(color.default_value), roughness=rough, specular=shiny,
            metallic=2.0 * shiny,
        )  # fmt: skip
    return Surface(
        base_color=nodes.rgb(color.default_value),
        alpha=_fraction(nodes.value(node, "Alpha", default=1.0)),
        roughness=_fraction(nodes.value(node, "Roughness", default=0.5)),
        specular=_fraction(nodes.value(node, "Specular IOR Level", "Specular", default=0.5)),
        metallic=_fraction(nodes.value(node, "Metallic")),
        emission=_scaled(
            nodes.value(node, "Emission Color", "Emission", default=(0, 0, 0)),
            nodes.value(node, "Emission Strength"),
        ),
    )


def _with(surface: Surface, **changes: Any) -> Surface:
    fields = {name: getattr(surface, name) for name in surface.__struct_fields__}
    return Surface(**(fields | changes))


def _fraction(number: float) -> float:
    return min(max(float(number), 0.0), 1.0)


def _scaled(color: Any, strength: float) -> Color:
    return tuple(component * max(float(strength), 0.0) for component in nodes.rgb(color))  # type: ignore[return-value]


def _uv(mesh: Triangles, slots: list[Coloring], slot_of: Array) -> Array:
    """Return (F, 3, 2); each slot may name another layer."""
    uv = next(iter(mesh.uv.values())).copy()
    for index, slot in enumerate(slots):
        if slot.uv_name and slot.uv_name in mesh.uv:
            uv[slot_of == index] = mesh.uv[slot.uv_name][slot_of == index]
    return uv


def _colors(mesh: Triangles, slots: list[Coloring], slot_of: Array, uv: Array | None) -> Array:
    """Return (F, 3, 4) corner colours: where one slot has them, all must be written so."""
    colors = np.ones((len(slot_of), 3, 4), np.float32)
    for index, slot in enumerate(slots):
        mine = slot_of == index
        if slot.attribute is not None:
            layer = slot.attribute if slot.attribute in mesh.colors else next(iter(mesh.colors))
            colors[mine] = mesh.colors[layer][mine]
        elif slot.image is not None and uv is not None:
            colors[mine] = _sampled(slot.image, uv[mine])
        else:
            colors[mine] = (*slot.surface.base_color, slot.surface.alpha)
    return np.maximum(colors, 0.0)


def _sampled(image: Array, uv: Array) -> Array:
    height, width = image.shape[:2]
    column = np.floor(uv[..., 0] % 1.0 * width).astype(int).clip(0, width - 1)
    row = np.floor((1.0 - uv[..., 1] % 1.0) * height).astype(int).clip(0, height - 1)
    return nodes.linear(image[row, column])
