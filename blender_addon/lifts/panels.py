"""Where a picture becomes a body, in the sidebar."""

import bpy

from ..job_panels import _draw_text
from ..jobs.state import state, told


class VIEW3D_PT_impetus_lift(bpy.types.Panel):
    bl_label = "Body from Picture"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Impetus"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, shown = self.layout, context.window_manager.impetus
        if shown.lift:
            row = layout.row(align=True)
            row.progress(factor=shown.lift_factor, text=told(state.lift))
            row.operator("impetus.stop_lift", text="", icon="X")
        else:
            layout.operator("impetus.body_from_picture", text="Choose a Picture", icon="IMAGE_DATA")
            if shown.lift_note:
                _draw_text(layout, shown.lift_note, icon="INFO")


classes = (VIEW3D_PT_impetus_lift,)
register, unregister = bpy.utils.register_classes_factory(classes)
