"""The sidebar's panel of the 3D views, and their switch among the overlays."""

import bpy

from ..job_panels import _draw_text
from .operators import are_meshes_shown
from .session import told, viewing


class VIEW3D_PT_impetus_splats(bpy.types.Panel):
    bl_label = "Splats"
    bl_parent_id = "VIEW3D_PT_impetus_view"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Impetus"

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(context.window_manager.impetus.viewport, "use", text="")

    def draw(self, context: bpy.types.Context) -> None:
        layout, shown = self.layout, context.window_manager.impetus.viewport
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.active = shown.use
        if context.scene.impetus.takes:
            column.row().prop(shown, "subject", expand=True)
        column.row().prop(shown, "bodies", expand=True)
        text = "Hide Dynamic Meshes" if are_meshes_shown(context) else "Show Dynamic Meshes"
        column.operator("impetus.hide_moving", text=text)
        if shown.use and (text := told(context.scene)):
            _draw_text(layout, text, icon="ERROR" if viewing.is_lost else "INFO")
        if shown.use and (shown.subject == "SCENE" or not context.scene.impetus.takes):
            layout.operator("impetus.view_scene", icon="FILE_REFRESH")


def draw_overlay(panel: bpy.types.Panel, context: bpy.types.Context) -> None:
    """Add the switch to the popover of overlays."""
    panel.layout.prop(context.window_manager.impetus.viewport, "use", text="Impetus Splats")


_register, _unregister = bpy.utils.register_classes_factory((VIEW3D_PT_impetus_splats,))


def register() -> None:
    _register()
    bpy.types.VIEW3D_PT_overlay.append(draw_overlay)


def unregister() -> None:
    bpy.types.VIEW3D_PT_overlay.remove(draw_overlay)
    _unregister()
