"""Operators on captures: import, look again, add and remove crop boxes."""

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from impetus.backend.contract.errors import ImpetusError

from . import drawing, preview
from .reading import is_capture

TEXT = "Gaussian Splats (.ply, .spz, .splat)"


class IMPETUS_OT_import_splats(bpy.types.Operator, ImportHelper):
    """Import captured Gaussian splats, or coloured points, as an object for Impetus"""

    bl_idname = "impetus.import_splats"
    bl_label = "Import Gaussian Splats"
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    filter_glob: StringProperty(default="*.ply;*.spz;*.splat", options={"HIDDEN"})
    upwards: EnumProperty(
        name="Up",
        items=(
            ("Y_DOWN", "-Y (as trained)", "The file's Y points down, as cameras' does"),
            ("Y_UP", "Y", "The file's Y points up"),
            ("Z_UP", "Z", "The file's Z points up, as Blender's"),
        ),
        description="Which of the file's directions becomes Blender's upwards",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            ob, notes = preview.add_capture(context, self.filepath, self.upwards)
        except ImpetusError as error:
            self.report({"ERROR"}, f"{error.sentence} {error.remedy}".strip())
            return {"CANCELLED"}
        for note in notes:
            self.report({"WARNING"}, note)
        settings = ob.impetus.capture
        self.report({"INFO"}, f"{settings.count:,} splats, {settings.kept:,} above the threshold")
        return {"FINISHED"}


class IMPETUS_FH_splats(bpy.types.FileHandler):
    bl_idname = "IMPETUS_FH_splats"
    bl_label = "Gaussian Splats"
    bl_import_operator = "impetus.import_splats"
    bl_file_extensions = ".ply;.spz;.splat"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


class _OfCapture:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or not is_capture(context.object):
            cls.poll_message_set("Needs an imported capture")  # type: ignore[attr-defined]
            return False
        return True


class OBJECT_OT_impetus_capture_refresh(_OfCapture, bpy.types.Operator):
    """Show the points that threshold and crop boxes leave"""

    bl_idname = "object.impetus_capture_refresh"
    bl_label = "Update Preview"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            preview.refresh(context.object)
            drawing.forget()
        except ImpetusError as error:
            self.report({"ERROR"}, f"{error.sentence} {error.remedy}".strip())
            return {"CANCELLED"}
        return {"FINISHED"}


class OBJECT_OT_impetus_crop_add(_OfCapture, bpy.types.Operator):
    """Add a box that keeps the splats inside, or cuts them away"""

    bl_idname = "object.impetus_crop_add"
    bl_label = "Add Crop Box"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        preview.add_crop_box(context, context.object)
        return {"FINISHED"}


class OBJECT_OT_impetus_crop_remove(_OfCapture, bpy.types.Operator):
    """Take the chosen box off the list; the object itself stays"""

    bl_idname = "object.impetus_crop_remove"
    bl_label = "Remove Crop Box"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.object.impetus.capture
        if not 0 <= settings.box_index < len(settings.boxes):
            self.report({"WARNING"}, "Nothing is chosen in the list")
            return {"CANCELLED"}
        settings.boxes.remove(settings.box_index)
        settings.box_index = max(0, settings.box_index - 1)
        return {"FINISHED"}


def draw_import(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Stand in File > Import."""
    self.layout.operator("impetus.import_splats", text=TEXT)


classes = (
    IMPETUS_OT_import_splats,
    IMPETUS_FH_splats,
    OBJECT_OT_impetus_capture_refresh,
    OBJECT_OT_impetus_crop_add,
    OBJECT_OT_impetus_crop_remove,
)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(classes)


def register() -> None:
    _register_classes()
    bpy.types.TOPBAR_MT_file_import.append(draw_import)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(draw_import)
    _unregister_classes()
