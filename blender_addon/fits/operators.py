"""Operators on fits: begin, and end."""

import bpy

from impetus.backend.contract.errors import ImpetusError

from ..captures.reading import is_capture
from ..jobs import machine
from ..jobs.state import state
from ..shot_export.meshes import MESHABLE
from . import fitting


class OBJECT_OT_impetus_fit(bpy.types.Operator):
    """Render the object from all around, and fit splats to the pictures, in the background"""

    bl_idname = "object.impetus_fit"
    bl_label = "Fit Splats"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or context.object.type not in MESHABLE:
            cls.poll_message_set("Needs an object with a surface")
        elif context.object.mode != "OBJECT":
            cls.poll_message_set("Leave the object's mode of editing first")
        elif is_capture(context.object):
            cls.poll_message_set("A capture has splats already")
        elif not machine.has_backend():
            cls.poll_message_set("Set up the backend first")
        elif machine.lacks_diffusion():
            cls.poll_message_set("Set up diffusion first: it brings torch, which fits")
        elif state.fit:
            cls.poll_message_set("Another fit is running")
        else:
            return True
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        window = None if bpy.app.background else context.window
        if window is not None:  # a scene of millions of faces takes seconds to read
            window.cursor_modal_set("WAIT")
        try:
            fitting.begin(context.scene, context.object)
        except ImpetusError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            if window is not None:
                window.cursor_modal_restore()
        return {"FINISHED"}


class IMPETUS_OT_stop_fit(bpy.types.Operator):
    """End the fit; begun again, it goes on where it was"""

    bl_idname = "impetus.stop_fit"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(state.fit)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        fitting.stop()
        return {"FINISHED"}


classes = (OBJECT_OT_impetus_fit, IMPETUS_OT_stop_fit)
register, unregister = bpy.utils.register_classes_factory(classes)
