"""The panel of an imported capture, among its object's data."""

import bpy

from .preview import words_of
from .properties import ImpetusCropBox
from .reading import is_capture


class IMPETUS_UL_crop_boxes(bpy.types.UIList):
    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: object,
        item: ImpetusCropBox, _icon: int, _owner: object, _index: str,
    ) -> None:  # fmt: skip
        row = layout.row(align=True)
        row.active = item.use and item.box is not None
        icon = "SELECT_INTERSECT" if item.side == "KEEP" else "SELECT_SUBTRACT"
        row.prop(item, "box", text="", emboss=False, icon=icon)
        row.prop(item, "use", text="")


class _OfCapture:
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "data"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None and is_capture(context.object)


class DATA_PT_impetus_capture(_OfCapture, bpy.types.Panel):
    bl_label = "Gaussian Splats"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.object.impetus.capture
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "path")
        layout.prop(settings, "opacity_threshold", text="Threshold")
        layout.prop(settings, "is_linear")
        column = layout.column()
        column.prop(settings, "preview_points")
        column.operator("object.impetus_capture_refresh", icon="FILE_REFRESH")
        if settings.seen == words_of(context.object):
            column.label(text=f"{settings.kept:,} of {settings.count:,} splats are kept")
        else:
            column.label(text="Changed since: Update Preview", icon="INFO")


class DATA_PT_impetus_crop(_OfCapture, bpy.types.Panel):
    bl_label = "Crop Boxes"
    bl_parent_id = "DATA_PT_impetus_capture"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.object.impetus.capture
        row = layout.row()
        row.template_list(
            "IMPETUS_UL_crop_boxes", "", settings, "boxes", settings, "box_index", rows=2
        )
        side = row.column(align=True)
        side.operator("object.impetus_crop_add", text="", icon="ADD")
        side.operator("object.impetus_crop_remove", text="", icon="REMOVE")
        if 0 <= settings.box_index < len(settings.boxes):
            layout.row().prop(settings.boxes[settings.box_index], "side", expand=True)


classes = (IMPETUS_UL_crop_boxes, DATA_PT_impetus_capture, DATA_PT_impetus_crop)
register, unregister = bpy.utils.register_classes_factory(classes)
