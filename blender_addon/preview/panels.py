"""What the 3D view shows of the physics: guides, and the particles of a take."""

import bpy

from ..take_operators import active_take
from . import store

UNITS = {"SPEED": " m/s", "STRAIN": "", "DAMAGE": ""}


class VIEW3D_PT_impetus_view(bpy.types.Panel):
    bl_label = "View"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Impetus"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.impetus.view
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "guides")
        layout.prop(settings, "show_points")
        column = layout.column()
        column.active = settings.show_points
        column.prop(settings, "points_color", text="Color")
        column.prop(settings, "points_size", text="Size")
        column.prop(settings, "follow_job")
        if settings.show_points:
            column.label(text=state_text(context), icon="INFO")


def state_text(context: bpy.types.Context) -> str:
    """Say what is shown, or why nothing is."""
    take = active_take(context)
    if take is None:
        return "There is no take yet"
    found = store.present(context)
    if found is None:
        frames = store.frames_of(take)
        if not frames:
            return "This take has no particles yet"
        return f"Particles of frames {frames[0]} to {frames[-1]}"
    path, points = found
    upper = {"SPEED": store.fastest(path, points), "STRAIN": 0.5, "DAMAGE": 1.0}
    color = context.scene.impetus.view.points_color
    return f"Frame {int(path.stem)}: 0 to {upper[color]:.3g}{UNITS[color]}"


classes = (VIEW3D_PT_impetus_view,)
register, unregister = bpy.utils.register_classes_factory(classes)
