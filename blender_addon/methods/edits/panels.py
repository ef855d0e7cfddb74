"""The list of edits: in the sidebar, beside the picture that they are made over, and in Output."""

import bpy

from ..masks import draw_mask
from .operators import active_edit
from .properties import KIND_ICONS, ImpetusEdit


class IMPETUS_UL_edits(bpy.types.UIList):
    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: object,
        item: ImpetusEdit, _icon: int, _owner: object, _index: str,
    ) -> None:  # fmt: skip
        row = layout.row(align=True)
        row.active = item.use
        row.prop(item, "name", text="", emboss=False, icon=KIND_ICONS[item.kind])
        row.prop(item, "use", text="")


def draw_edits(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Lay out how things of a picture are moved: as objects, or by edits over it."""
    diffusion = context.scene.impetus.diffusion
    if diffusion.motion == "SHOT":
        layout.operator("impetus.keep_where_it_was", icon="KEYFRAME")
    elif diffusion.motion == "AUTHORED":
        _draw_list(layout, context)
        row = layout.row(heading="Amount")
        row.use_property_decorate = True
        row.prop(diffusion.motion_guidance, "use_amount", text="")
        amount = row.row()
        amount.active = diffusion.motion_guidance.use_amount
        amount.prop(diffusion.motion_guidance, "amount", text="")


def _draw_list(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    diffusion = context.scene.impetus.diffusion
    row = layout.row()
    row.template_list("IMPETUS_UL_edits", "", diffusion, "edits", diffusion, "edit_index", rows=5)
    side = row.column(align=True)
    side.operator_menu_enum("impetus.add_edit", "kind", text="", icon="ADD")
    side.operator("impetus.remove_edit", text="", icon="REMOVE")
    side.separator()
    side.operator("impetus.order_edit", text="", icon="TRIA_UP").direction = "UP"
    side.operator("impetus.order_edit", text="", icon="TRIA_DOWN").direction = "DOWN"
    if (edit := active_edit(context)) is None:
        return
    draw_mask(layout, edit.mask, text="Moves", auto="The whole picture")
    row = layout.row(align=True)
    row.operator("impetus.select_edit", icon="RESTRICT_SELECT_OFF")
    row.operator("impetus.fit_edit", icon="FILE_REFRESH")


class VIEW3D_PT_impetus_edits(bpy.types.Panel):
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Impetus"
    bl_label = "Edits"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.impetus.diffusion.motion == "AUTHORED" or (
            context.scene.impetus.diffusion.method == "MOTION_GUIDANCE"
            and context.scene.impetus.diffusion.motion == "SHOT"
        )

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        draw_edits(self.layout, context)


classes = (IMPETUS_UL_edits, VIEW3D_PT_impetus_edits)
register, unregister = bpy.utils.register_classes_factory(classes)
