"""Operators that make takes and act on them: each calls one function, and reports."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import bpy
from bpy.props import BoolProperty, StringProperty

from impetus.backend.contract.errors import ImpetusError

from . import preflight, takes
from .jobs import machine, session
from .jobs.state import find, say
from .properties import ImpetusTake


def active_take(context: bpy.types.Context) -> ImpetusTake | None:
    """Return the take that the list shows as chosen."""
    chosen, index = context.scene.impetus.takes, context.scene.impetus.take_index
    return chosen[index] if 0 <= index < len(chosen) else None


def explain(error: ImpetusError) -> str:
    """Return an error as a report: what is wrong, and what to do."""
    return f"{error.sentence} {error.remedy}".strip()


class IMPETUS_OT_make_take(bpy.types.Operator):
    """Simulate and render the frame range as a new take; it grows on the timeline meanwhile"""

    bl_idname = "impetus.make_take"
    bl_label = "Make Take"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        worst = next(iter(preflight.problems(context.scene)), None)
        if not machine.has_backend():
            cls.poll_message_set("Set up the backend first")
        elif worst is not None and not worst.is_warning:
            cls.poll_message_set(f"{worst.where}: {worst.text}")
        elif context.mode not in {"OBJECT", "POSE"}:
            cls.poll_message_set("Leave edit mode first")
        else:
            return True
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.progress_begin(0, 1)
        try:
            take = session.make_take(context.scene, context.view_layer)
        except ImpetusError as error:
            say(sentence=error.sentence, remedy=error.remedy)
            self.report({"ERROR"}, explain(error))
            return {"CANCELLED"}
        finally:
            context.window_manager.progress_end()
        say(sentence="", remedy="")
        if take.warnings:
            self.report({"WARNING"}, take.warnings)
        return {"FINISHED"}


class _OfTake:
    """Acts on the take of `key`, or on the chosen one: `act` gets it."""

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    if TYPE_CHECKING:  # an annotation of a class's body would be a property to Blender
        report: Callable[[set[str], str], None]
        act: Callable[[bpy.types.Context, ImpetusTake], set[str]]

    def execute(self, context: bpy.types.Context) -> set[str]:
        take = find(self.key) if self.key else active_take(context)
        if take is None:
            self.report({"WARNING"}, "The take is not in the list any more")
            return {"CANCELLED"}
        return self.act(context, take)


def _has_frames(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Answer for a poll; the folder is not looked into, since polls run at every redraw."""
    take = active_take(context)
    if take is None or not take.frames_done:
        operator.poll_message_set("The take has no frames yet")
        return False
    return True


class IMPETUS_OT_cancel(_OfTake, bpy.types.Operator):
    """End the take; the frames that are there stay"""

    bl_idname = "impetus.cancel"
    bl_label = "Cancel Take"

    def act(self, _context: bpy.types.Context, take: ImpetusTake) -> set[str]:
        session.cancel(take)
        return {"FINISHED"}


class IMPETUS_OT_resume(_OfTake, bpy.types.Operator):
    """Go on at the first missing frame"""

    bl_idname = "impetus.resume"
    bl_label = "Resume Take"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        take = active_take(context)
        if take is None or not take.job:
            cls.poll_message_set("The take was never sent; make a new one")
            return False
        if take.is_active or take.state == "done":
            cls.poll_message_set("The take is not stopped")
            return False
        return True

    def act(self, _context: bpy.types.Context, take: ImpetusTake) -> set[str]:
        try:
            session.resume(take)
        except ImpetusError as error:
            self.report({"ERROR"}, explain(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class IMPETUS_OT_import_take(_OfTake, bpy.types.Operator):
    """Put the take on the timeline and behind the camera"""

    bl_idname = "impetus.import_take"
    bl_label = "Import Take"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_frames(cls, context)

    def act(self, context: bpy.types.Context, take: ImpetusTake) -> set[str]:
        graded = context.scene.view_settings.view_transform
        takes.place(context.scene, take)
        take.is_placed = True
        if graded != "Standard":
            self.report({"INFO"}, f"View transform is Standard instead of {graded}")
        return {"FINISHED"}


class IMPETUS_OT_show_take(_OfTake, bpy.types.Operator):
    """Show this take alone: the other takes on the timeline are muted"""

    bl_idname = "impetus.show_take"
    bl_label = "Show Take"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_frames(cls, context)

    def act(self, context: bpy.types.Context, take: ImpetusTake) -> set[str]:
        takes.show(context.scene, take)
        return {"FINISHED"}


class IMPETUS_OT_remove_take(_OfTake, bpy.types.Operator):
    """Take the take off the list and the timeline"""

    bl_idname = "impetus.remove_take"
    bl_label = "Remove Take"

    files: BoolProperty(
        name="Delete Frames",
        description="Delete the take's files as well; this cannot be undone",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if active_take(context) is None:
            cls.poll_message_set("There is no take yet")
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=260)

    def act(self, context: bpy.types.Context, take: ImpetusTake) -> set[str]:
        session.remove(context.scene, take, files=self.files)
        return {"FINISHED"}


class IMPETUS_OT_open_folder(_OfTake, bpy.types.Operator):
    """Open the take's folder"""

    bl_idname = "impetus.open_folder"
    bl_label = "Open Folder"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if active_take(context) is None:
            cls.poll_message_set("There is no take yet")
            return False
        return True

    def act(self, _context: bpy.types.Context, take: ImpetusTake) -> set[str]:
        if not takes.folder_of(take).is_dir():
            self.report({"WARNING"}, "The take has no folder any more")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(takes.folder_of(take)))
        return {"FINISHED"}


classes = (
    IMPETUS_OT_make_take,
    IMPETUS_OT_cancel,
    IMPETUS_OT_resume,
    IMPETUS_OT_import_take,
    IMPETUS_OT_show_take,
    IMPETUS_OT_remove_take,
    IMPETUS_OT_open_folder,
)
register, unregister = bpy.utils.register_classes_factory(classes)
