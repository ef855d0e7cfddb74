"""What an artist sets on an imported capture; the splats themselves stay in their file."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)


def _is_box(_settings: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return candidate.type in {"MESH", "EMPTY"}


class ImpetusCropBox(bpy.types.PropertyGroup):
    """An object whose bounding box keeps splats, or cuts them away."""

    name: StringProperty(name="Name", description="What the list shows")
    box: PointerProperty(
        name="Box",
        type=bpy.types.Object,
        poll=_is_box,
        description="Object whose bounding box counts, turned and scaled as it is",
    )
    side: EnumProperty(
        name="Side",
        items=(
            ("KEEP", "Keep", "Only splats inside of a box that keeps are there"),
            ("CUT", "Cut", "Splats inside of it are left out"),
        ),
        description="What happens to splats inside of the box",
    )
    use: BoolProperty(name="Use", default=True, description="Let the box count")


class ImpetusCapture(bpy.types.PropertyGroup):
    """A file of splats that stands in the object's place; without a path the object is none."""

    path: StringProperty(
        name="File",
        subtype="FILE_PATH",
        description="Splats or coloured points: .ply, .spz or .splat; // is beside the file",
    )
    opacity_threshold: FloatProperty(
        name="Opacity Threshold",
        default=0.02,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="Splats that are fainter are left out; higher takes haze and floaters away",
    )
    is_linear: BoolProperty(
        name="Linear Colors",
        default=False,
        description="Take the file's colours as linear light; captures of photographs are sRGB",
    )
    boxes: CollectionProperty(type=ImpetusCropBox)
    box_index: IntProperty(name="Crop Box")
    preview_points: IntProperty(
        name="Preview Points",
        default=50_000,
        min=100,
        soft_max=500_000,
        max=5_000_000,
        description="Points that stand for the splats in the viewport; a take shows all splats",
    )
    count: IntProperty(description="Splats in the file")
    kept: IntProperty(description="Splats that threshold and boxes left when last looked")
    seen: StringProperty(options={"HIDDEN"}, description="What the preview was made of")


classes = (ImpetusCropBox, ImpetusCapture)
