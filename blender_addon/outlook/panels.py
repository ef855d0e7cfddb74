"""The outlook in the sidebar, under Make."""

import bpy

from impetus.backend.contract.outlook.foresee import Outlook

from . import watch

VALUE = 0.36
"Share of the width that labels take."


class VIEW3D_PT_impetus_outlook(bpy.types.Panel):
    bl_label = "Estimate"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Impetus"
    bl_parent_id = "VIEW3D_PT_impetus"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return any(ob.impetus.role == "DYNAMIC" for ob in context.scene.objects)

    def draw(self, context: bpy.types.Context) -> None:
        outlook = watch.shown(context.scene)
        column = self.layout.column()
        if outlook is None:
            nothing = watch.has_looked(context.scene)
            column.label(text="Nothing to simulate" if nothing else "Looking at the scene")
            return
        for label, text in lines(outlook):
            split = column.split(factor=VALUE)
            name = split.row()
            name.active = False
            name.label(text=label)
            split.label(text=text)


def lines(outlook: Outlook) -> list[tuple[str, str]]:
    """Return labels and values, as a person says them."""
    told = []
    if outlook.particles:
        told.append(("Particles", f"{outlook.particle_count:,}"))
    rest, fast = outlook.substeps_at_rest, outlook.substeps
    steps = f"{rest:,}" if rest == fast else f"{rest:,} to {fast:,}"
    told.append(("Substeps", f"{steps} a frame"))
    if outlook.slowest and rest > 1:
        told.append(("", f"for {outlook.slowest}"))
    told.append(("Memory", size_text(outlook.memory_bytes)))
    seconds = outlook.seconds
    told.append(
        ("Time", "Known after a take" if seconds is None else f"About {time_text(seconds)}")
    )
    return told


def size_text(size: int) -> str:
    """Return bytes in the unit that suits them."""
    mebibytes = size / 2**20
    return f"{mebibytes / 1024:.1f} GB" if mebibytes >= 1024 else f"{max(mebibytes, 1):.0f} MB"


def time_text(seconds: float) -> str:
    """Return a span of time in the unit that suits it."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"


classes = (VIEW3D_PT_impetus_outlook,)
register, unregister = bpy.utils.register_classes_factory(classes)
