"""A mask as an artist gives it: a painted picture, or the outline of objects as the camera sees."""

import bpy
from bpy.props import BoolProperty, EnumProperty, PointerProperty

SURFACES = frozenset({"MESH", "CURVE", "SURFACE", "FONT", "META"})
"Types of objects that have an outline."
SOURCES = (
    ("AUTO", "Automatic", "The method chooses by itself"),
    ("IMAGE", "Picture", "What is painted lighter than half grey; laid over the film"),
    ("OBJECT", "Object", "Where the camera sees this object, at the frame that it starts from"),
    ("COLLECTION", "Collection", "Where the camera sees one of these objects, at that frame"),
)


def _has_outline(_mask: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return candidate.type in SURFACES


class ImpetusMask(bpy.types.PropertyGroup):
    """An area of the film."""

    source: EnumProperty(
        name="Mask", items=SOURCES, default="AUTO", description="Where the area comes from"
    )
    image: PointerProperty(
        name="Picture",
        type=bpy.types.Image,
        description="Lighter than half grey is inside; a picture of another size is scaled to "
        "cover the film, and cropped",
    )
    object: PointerProperty(
        name="Object",
        type=bpy.types.Object,
        poll=_has_outline,
        description="What the camera sees of this object is inside",
    )
    collection: PointerProperty(
        name="Collection",
        type=bpy.types.Collection,
        description="What the camera sees of these objects is inside",
    )
    invert: BoolProperty(name="Invert", description="Take what is outside instead")

    @property
    def chosen(self) -> bpy.types.ID | None:
        """What the area is made from; None where nothing is picked yet."""
        return None if self.source == "AUTO" else getattr(self, self.source.lower())

    @property
    def objects(self) -> list[bpy.types.Object]:
        """The objects whose outlines count, without those that have none."""
        if self.source == "OBJECT":
            return [self.object] if self.object is not None else []
        if self.source == "COLLECTION" and self.collection is not None:
            return [ob for ob in self.collection.all_objects if ob.type in SURFACES]
        return []


def draw_mask(layout: bpy.types.UILayout, mask: ImpetusMask, *, text: str, auto: str) -> None:
    """Lay out a mask; `auto` says what is taken where none is given."""
    column = layout.column()
    column.prop(mask, "source", text=text)
    match mask.source:
        case "AUTO":
            split = column.split(factor=0.4)
            split.active = False
            split.label()
            split.label(text=auto)
            return
        case "IMAGE":
            row = column.row(align=True)
            row.template_ID(mask, "image", open="image.open", text=" ")
            if mask.image is None:
                new = row.operator("impetus.new_mask", text="", icon="ADD")
                new.path = mask.path_from_id()
        case _:
            column.prop(mask, mask.source.lower(), text=" ")
    column.prop(mask, "invert")


classes = (ImpetusMask,)
