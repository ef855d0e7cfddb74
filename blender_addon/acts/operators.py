"""Operators on what acts on an object: add and remove."""

import bpy
from bpy.props import EnumProperty

from .properties import KINDS, ImpetusAct


def active_act(ob: bpy.types.Object) -> ImpetusAct | None:
    """Return what the list shows as chosen."""
    physics = ob.impetus
    return physics.acts[physics.act_index] if 0 <= physics.act_index < len(physics.acts) else None


class OBJECT_OT_impetus_act_add(bpy.types.Operator):
    """Let something act on this object: a push, a blow, a pin, a release"""

    bl_idname = "object.impetus_act_add"
    bl_label = "Add Push or Pin"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(name="Kind", items=KINDS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or context.object.impetus.role != "DYNAMIC":
            cls.poll_message_set("Needs an object with dynamic Impetus physics")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        physics = context.object.impetus
        act = physics.acts.add()
        act.kind = self.kind
        act.name = next(label for kind, label, *_ in KINDS if kind == self.kind)
        act.frame_start = context.scene.frame_current
        act.frame_end = act.frame_start + 24
        group = context.object.vertex_groups.active
        if group is not None and self.kind != "RELEASE":
            act.vertex_group = group.name
        physics.act_index = len(physics.acts) - 1
        return {"FINISHED"}


class OBJECT_OT_impetus_act_remove(bpy.types.Operator):
    """Remove what is chosen in the list"""

    bl_idname = "object.impetus_act_remove"
    bl_label = "Remove Push or Pin"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or active_act(context.object) is None:
            cls.poll_message_set("Nothing is chosen in the list")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        physics = context.object.impetus
        physics.acts.remove(physics.act_index)
        physics.act_index = max(min(physics.act_index, len(physics.acts) - 1), 0)
        return {"FINISHED"}


classes = (OBJECT_OT_impetus_act_add, OBJECT_OT_impetus_act_remove)
register, unregister = bpy.utils.register_classes_factory(classes)
