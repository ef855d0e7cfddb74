"""Where an object's splats come from, under its Impetus physics."""

import bpy

from ..captures.reading import is_capture
from . import fitting

SHOWN = frozenset({"DYNAMIC", "STATIC", "KINEMATIC"})
"Roles of objects that are shown as they are."


class PHYSICS_PT_impetus_fit(bpy.types.Panel):
    bl_label = "Fit"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "physics"
    bl_parent_id = "PHYSICS_PT_impetus_looks"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        ob = context.object
        return ob is not None and ob.impetus.role in SHOWN and not is_capture(ob)

    def draw(self, context: bpy.types.Context) -> None:
        layout, ob, shown = self.layout, context.object, context.window_manager.impetus
        layout.use_property_split = True
        layout.use_property_decorate = False
        source = layout.row(align=True)
        source.prop(ob.impetus, "splat_source", expand=True)
        if ob.impetus.splat_source == "FITTED":
            self._draw_settings(ob)
        if shown.fit:
            row = layout.row(align=True)
            row.progress(factor=shown.fit_factor, text=f"{shown.fit}: {shown.fit_stage}")
            row.operator("impetus.stop_fit", text="", icon="X")
        elif ob.impetus.splat_source == "FITTED":
            layout.operator("object.impetus_fit", icon="OUTLINER_OB_POINTCLOUD")

    def _draw_settings(self, ob: bpy.types.Object) -> None:
        layout, fit = self.layout, ob.impetus.fit
        column = layout.column()
        column.prop(fit, "light")
        column.prop(fit, "cameras")
        column.prop(fit, "engine")
        column = layout.column(align=True)
        for name in ("views", "size", "samples"):
            column.prop(fit, name)
        column = layout.column(align=True)
        column.prop(fit, "splats")
        column.prop(fit, "steps")
        if fitting.is_stale(ob):
            layout.label(text="Edited since it was fitted", icon="ERROR")
        elif fit.key:
            layout.label(text=f"Fitted: {fit.match:.1f} dB", icon="CHECKMARK")
        else:
            layout.label(text="Not fitted yet", icon="INFO")


classes = (PHYSICS_PT_impetus_fit,)
register, unregister = bpy.utils.register_classes_factory(classes)
