"""The sidebar's tab: set up, connect, make a take, see it grow, and choose among takes."""

import bpy

from . import preflight
from .jobs import machine
from .jobs.state import find
from .properties import ImpetusStatus, ImpetusTake
from .take_operators import active_take

STATE_ICONS = {
    "exporting": "SORTTIME",
    "baking": "RENDER_STILL",
    "uploading": "EXPORT",
    "queued": "SORTTIME",
    "running": "PLAY",
    "paused": "PAUSE",
    "done": "CHECKMARK",
    "failed": "ERROR",
    "cancelled": "CANCEL",
}
MAX_PROBLEMS = 6
MAX_WARNINGS = 3
LINE = 36
"Characters of text that a sidebar of usual width shows."


class _OfSidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Impetus"


class VIEW3D_PT_impetus(_OfSidebar, bpy.types.Panel):
    bl_label = "Make"

    def draw(self, context: bpy.types.Context) -> None:
        layout, shown = self.layout, context.window_manager.impetus
        layout.use_property_split = True
        layout.use_property_decorate = False
        _draw_backend(layout, shown)
        layout.prop(context.scene.impetus, "take_name", placeholder=context.scene.name)
        running = find(shown.job)
        if running is None:
            row = layout.row()
            row.scale_y = 1.4
            row.operator("impetus.make_take", icon="RENDER_ANIMATION")
        else:
            _draw_progress(layout, shown, running)
        if shown.sentence:
            _draw_text(layout, f"{shown.sentence} {shown.remedy}", icon="ERROR")


def _draw_backend(layout: bpy.types.UILayout, shown: ImpetusStatus) -> None:
    if shown.link == "SETUP":
        row = layout.row(align=True)
        row.progress(factor=shown.factor, text=shown.stage)
        row.operator("impetus.stop", text="", icon="X")
    elif shown.link == "ON":
        row = layout.row()
        row.label(text=shown.backend, icon="LINKED")
        row.operator("impetus.disconnect", text="", icon="X", emboss=False)
    elif shown.link == "CONNECTING":
        layout.label(text="Connecting", icon="SORTTIME")
    elif machine.has_backend():
        layout.operator("impetus.connect", icon="UNLINKED")
    elif not bpy.app.online_access and machine.can_set_up():
        _draw_text(layout, "Setting up needs online access, once.", icon="INTERNET_OFFLINE")
        layout.operator("extensions.userpref_allow_online", text="Allow Online Access")
        layout.operator("impetus.set_up", icon="IMPORT")
    else:
        text = "Update Backend" if machine.is_outdated() else "Set Up Backend"
        layout.operator("impetus.set_up", text=text, icon="IMPORT")


def _draw_progress(layout: bpy.types.UILayout, shown: ImpetusStatus, running: ImpetusTake) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.4
    row.progress(factor=shown.factor, text=progress_text(shown, running))
    row.operator("impetus.cancel", text="", icon="X").key = running.key


def progress_text(shown: ImpetusStatus, running: ImpetusTake) -> str:
    """Return stage, frames and time left, as a person says it."""
    parts = [shown.stage]
    if running.frames_done:
        parts.append(f"{running.frames_done} of {running.frames_total}")
    if shown.seconds_left >= 0:
        minutes, seconds = divmod(round(shown.seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return "  ·  ".join(filter(None, parts))


class VIEW3D_PT_impetus_problems(_OfSidebar, bpy.types.Panel):
    bl_label = "Before You Start"
    bl_parent_id = "VIEW3D_PT_impetus"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(preflight.problems(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        found = preflight.problems(context.scene)
        column = self.layout.column()
        for problem in found[:MAX_PROBLEMS]:
            _draw_problem(column, problem, is_object=problem.where in context.scene.objects)
        if len(found) > MAX_PROBLEMS:
            column.label(text=f"and {len(found) - MAX_PROBLEMS} more")


def _draw_problem(
    layout: bpy.types.UILayout, problem: preflight.Problem, *, is_object: bool
) -> None:
    row = layout.row()
    icon = "INFO" if problem.is_warning else "ERROR"
    name = row.row()
    name.alignment = "LEFT"
    if is_object:
        chosen = name.operator("impetus.select", text=problem.where, icon=icon, emboss=False)
        chosen.where = problem.where
    else:
        name.label(text=problem.where, icon=icon)
    if problem.fix:
        fix = row.operator("impetus.fix", text=FIXES[problem.fix])
        fix.where, fix.fix = problem.where, problem.fix
    _draw_text(layout, problem.text)


FIXES = {
    "ADD_CAMERA": "Add Camera",
    "ADD_PHYSICS": "Add Physics",
    "PERSPECTIVE": "Use Perspective",
    "START_FIRST": "Start First",
    "SHOW_IN_RENDER": "Show",
    "REMOVE_PHYSICS": "Remove Physics",
    "MAKE_KINEMATIC": "Make Kinematic",
    "SET_UP_DIFFUSION": "Set Up",
    "ADD_EDIT": "Add Edit",
    "RESET_HANDLES": "Reset Handles",
    "FIRST_SOURCE": "Use First",
    "BUILT_IN_MODEL": "Use Tiny",
}


class IMPETUS_UL_takes(bpy.types.UIList):
    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: object,
        item: ImpetusTake, _icon: int, _owner: object, _index: str,
    ) -> None:  # fmt: skip
        row = layout.row(align=True)
        row.label(text=item.name, icon=STATE_ICONS.get(item.state, "QUESTION"))
        count = row.row()
        count.alignment = "RIGHT"
        count.active = False
        done = item.state == "done"
        count.label(
            text=f"{item.frames_total}" if done else f"{item.frames_done}/{item.frames_total}"
        )


class VIEW3D_PT_impetus_takes(_OfSidebar, bpy.types.Panel):
    bl_label = "Takes"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.impetus
        row = layout.row()
        row.template_list("IMPETUS_UL_takes", "", settings, "takes", settings, "take_index", rows=4)
        side = row.column(align=True)
        side.operator("impetus.import_take", text="", icon="SEQUENCE")
        side.operator("impetus.show_take", text="", icon="HIDE_OFF")
        side.operator("impetus.open_folder", text="", icon="FILE_FOLDER")
        side.separator()
        side.operator("impetus.remove_take", text="", icon="REMOVE")
        if before := settings.view_before:
            _draw_text(layout, f"View transform: Standard, not {before.split('|')[0]}", "INFO")
        if (take := active_take(context)) is None:
            return
        if take.state in {"failed", "cancelled", "paused"} and take.job:
            layout.operator("impetus.resume", icon="PLAY")
        for text in dict.fromkeys((take.sentence, *take.warnings.splitlines()[-MAX_WARNINGS:])):
            if text:
                _draw_text(layout, text, icon="ERROR" if take.state == "failed" else "INFO")


def _draw_text(layout: bpy.types.UILayout, text: str, icon: str = "BLANK1") -> None:
    """Lay out a sentence in lines: Blender's labels do not wrap."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    line = ""
    for word in [*text.split(), None]:
        if word is None or len(line) + len(word) > LINE:
            if line:
                column.label(text=line, icon=icon)
                icon = "BLANK1"
            line = ""
        line = f"{line} {word}".strip() if word else line


classes = (
    VIEW3D_PT_impetus,
    VIEW3D_PT_impetus_problems,
    IMPETUS_UL_takes,
    VIEW3D_PT_impetus_takes,
)
register, unregister = bpy.utils.register_classes_factory(classes)
