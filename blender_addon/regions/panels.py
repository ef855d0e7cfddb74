"""Where an object's matter differs, under its Impetus physics."""

import bpy

from .properties import ImpetusScale


class PHYSICS_PT_impetus_regions(bpy.types.Panel):
    bl_label = "Regions"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "physics"
    bl_parent_id = "PHYSICS_PT_impetus"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None and context.object.impetus.role == "DYNAMIC"

    def draw(self, context: bpy.types.Context) -> None:
        physics = context.object.impetus
        self.layout.use_property_split = True
        if physics.material != "RIGID":
            _draw_scale(self.layout, physics.stiffness_scale, "Stiffness")
        _draw_scale(self.layout, physics.density_scale, "Density")


def _draw_scale(layout: bpy.types.UILayout, scale: ImpetusScale, text: str) -> None:
    column = layout.column(align=True)
    column.prop(scale, "group", text=text)
    factors = column.column(align=True)
    factors.active = bool(scale.group)
    factors.prop(scale, "low")
    factors.prop(scale, "high")


classes = (PHYSICS_PT_impetus_regions,)
register, unregister = bpy.utils.register_classes_factory(classes)
