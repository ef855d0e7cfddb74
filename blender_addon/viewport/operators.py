"""Operators of the 3D views: each calls one function, and reports."""

import bpy

from impetus.backend.contract.errors import ShotError

from ..jobs.state import state
from . import session

MOST_WARNINGS = 3


class IMPETUS_OT_view_scene(bpy.types.Operator):
    """Show the splats of the scene as it stands, fitted ones too, before any take is made of it"""

    bl_idname = "impetus.view_scene"
    bl_label = "Update"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not state.is_linked:
            cls.poll_message_set("Connect first: in the 3D view's sidebar, Impetus")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        shown = context.window_manager.impetus.viewport
        if not shown.use:
            shown.use = True
        shown.subject = "SCENE"
        try:
            warnings = session.bring(context.scene)
        except ShotError as error:
            self.report({"ERROR"}, f"{error.sentence} {error.remedy}".strip())
            return {"CANCELLED"}
        for warning in warnings[:MOST_WARNINGS]:
            self.report({"WARNING"}, warning)
        return {"FINISHED"}


class IMPETUS_OT_hide_moving(bpy.types.Operator):
    """Hide the meshes of dynamic objects, or show them; renders and takes stay as they are"""

    bl_idname = "impetus.hide_moving"
    bl_label = "Hide Dynamic Meshes"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not any(_moving(context)):
            cls.poll_message_set("There is no dynamic object")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        hide = are_meshes_shown(context)
        for ob in _moving(context):
            ob.hide_set(hide)
        return {"FINISHED"}


def are_meshes_shown(context: bpy.types.Context) -> bool:
    """Return whether any dynamic object is seen, or there is none."""
    moving = _moving(context)
    return not moving or any(not ob.hide_get() for ob in moving)


def _moving(context: bpy.types.Context) -> list[bpy.types.Object]:
    return [ob for ob in context.view_layer.objects if ob.impetus.role == "DYNAMIC"]


classes = (IMPETUS_OT_view_scene, IMPETUS_OT_hide_moving)
register, unregister = bpy.utils.register_classes_factory(classes)
