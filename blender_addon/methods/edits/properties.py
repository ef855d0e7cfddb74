"""Edits of a picture: elementary flows, each shaped by handles on the camera's picture."""

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, PointerProperty

from ..masks import ImpetusMask

KINDS = (
    ("TRANSLATE", "Move", "What is masked goes from the start handle to the goal", "EMPTY_ARROWS"),
    ("ROTATE", "Rotate", "What is masked turns about the center", "FILE_REFRESH"),
    ("SCALE", "Scale", "What is masked grows or shrinks about the center", "FULLSCREEN_ENTER"),
    ("STRETCH", "Stretch", "What is masked is stretched along one direction", "ARROW_LEFTRIGHT"),
    ("HOMOGRAPHY", "Perspective", "Four corners go elsewhere, as a card is held", "MESH_PLANE"),
    ("STRETCH_ROWS", "Reshape", "Every row has a width of its own, as a hedge is cut", "SORTSIZE"),
)
KIND_ITEMS = tuple((*kind, index) for index, kind in enumerate(KINDS))
KIND_ICONS = {kind[0]: kind[3] for kind in KINDS}
KIND_LABELS = {kind[0]: kind[1] for kind in KINDS}


class ImpetusHandle(bpy.types.PropertyGroup):
    """One empty that an artist moves; its `name` says what it is to the edit: start_0, goal_0."""

    object: PointerProperty(type=bpy.types.Object)


class ImpetusEdit(bpy.types.PropertyGroup):
    """One elementary flow."""

    kind: EnumProperty(name="Kind", items=KIND_ITEMS, options={"HIDDEN"})
    use: BoolProperty(name="Use", default=True, description="Let this edit count")
    mask: PointerProperty(type=ImpetusMask)
    handles: CollectionProperty(type=ImpetusHandle)


classes = (ImpetusHandle, ImpetusEdit)
