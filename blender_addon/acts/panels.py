"""The list of what acts on an object, under its Impetus physics."""

import bpy

from .operators import active_act
from .properties import BLOWS, KINDS, PUSHES, ImpetusAct

_ICONS = {kind: icon for kind, _, _, icon, _ in KINDS}
_AMOUNTS = {"FORCE": "Force (N)", "TORQUE": "Torque (N m)", "IMPULSE": "Impulse (N s)",
            "SPIN": "Spin (N m s)"}  # fmt: skip


class IMPETUS_UL_acts(bpy.types.UIList):
    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: object,
        item: ImpetusAct, _icon: int, _owner: object, _index: str,
    ) -> None:  # fmt: skip
        row = layout.row(align=True)
        row.active = item.use
        row.prop(item, "name", text="", emboss=False, icon=_ICONS[item.kind])
        row.prop(item, "use", text="")


class PHYSICS_PT_impetus_acts(bpy.types.Panel):
    bl_label = "Pushes and Pins"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "physics"
    bl_parent_id = "PHYSICS_PT_impetus"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None and context.object.impetus.role == "DYNAMIC"

    def draw(self, context: bpy.types.Context) -> None:
        layout, ob = self.layout, context.object
        row = layout.row()
        row.template_list(
            "IMPETUS_UL_acts", "", ob.impetus, "acts", ob.impetus, "act_index", rows=3
        )
        side = row.column(align=True)
        side.operator_menu_enum("object.impetus_act_add", "kind", text="", icon="ADD")
        side.operator("object.impetus_act_remove", text="", icon="REMOVE")
        if (act := active_act(ob)) is not None:
            layout.use_property_split = True
            _draw_act(layout, act)


def _draw_act(layout: bpy.types.UILayout, act: ImpetusAct) -> None:
    layout.prop(act, "kind")
    if act.kind in _AMOUNTS:
        layout.prop(act, "vector", text=_AMOUNTS[act.kind])
    if act.kind == "PIN":
        layout.prop(act, "target")
    if act.kind == "RELEASE":
        layout.prop(act, "direction")
    else:
        layout.prop(act, "vertex_group", text="Group")
    if act.kind in BLOWS:
        layout.prop(act, "frame_start", text="Frame")
        return
    if act.kind in PUSHES | {"PIN"}:
        layout.prop(act, "use_window")
    frames = layout.column(align=True)
    frames.active = act.is_timed
    frames.prop(act, "frame_start")
    frames.prop(act, "frame_end")


classes = (IMPETUS_UL_acts, PHYSICS_PT_impetus_acts)
register, unregister = bpy.utils.register_classes_factory(classes)
