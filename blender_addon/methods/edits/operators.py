"""Operators on edits: add, order, fit, remove, and the mask that one paints for them."""

import bpy
from bpy.props import EnumProperty, StringProperty

from ...shot_export.camera import SEEN_BY, film
from ..masks import SURFACES
from . import handles
from .properties import KINDS, ImpetusEdit


def active_edit(context: bpy.types.Context) -> ImpetusEdit | None:
    """Return the edit that the list shows as chosen."""
    diffusion = context.scene.impetus.diffusion
    index = diffusion.edit_index
    return diffusion.edits[index] if 0 <= index < len(diffusion.edits) else None


class _OnPicture:
    """Needs the camera whose picture is edited."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        camera = context.scene.camera
        if camera is None or camera.type != "CAMERA" or camera.data.type not in SEEN_BY:
            cls.poll_message_set("Needs an active camera")  # type: ignore[attr-defined]
        elif context.mode != "OBJECT":
            cls.poll_message_set("Needs object mode")  # type: ignore[attr-defined]
        else:
            return True
        return False


class _OnEdit(_OnPicture):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if active_edit(context) is None:
            cls.poll_message_set("There is no edit yet")  # type: ignore[attr-defined]
            return False
        return super().poll(context)


class IMPETUS_OT_add_edit(_OnPicture, bpy.types.Operator):
    """Add an edit with handles on the camera's picture; the selected object is what it moves"""

    bl_idname = "impetus.add_edit"
    bl_label = "Add Edit"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(name="Kind", items=tuple((*k, i) for i, k in enumerate(KINDS)))

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = context.object
        moved = chosen if chosen is not None and chosen.select_get() else None
        moved = moved if moved is not None and moved.type in SURFACES else None
        edit = handles.add_edit(context, self.kind, moved)
        _select(context, edit)
        return {"FINISHED"}


class IMPETUS_OT_remove_edit(_OnEdit, bpy.types.Operator):
    """Remove the edit and its handles"""

    bl_idname = "impetus.remove_edit"
    bl_label = "Remove Edit"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        handles.remove_edit(context, context.scene.impetus.diffusion.edit_index)
        return {"FINISHED"}


class IMPETUS_OT_order_edit(_OnEdit, bpy.types.Operator):
    """Do this edit earlier or later than the others"""

    bl_idname = "impetus.order_edit"
    bl_label = "Order Edit"
    bl_options = {"REGISTER", "UNDO"}

    direction: EnumProperty(
        name="Direction", items=(("UP", "Earlier", ""), ("DOWN", "Later", "")), options={"HIDDEN"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        diffusion = context.scene.impetus.diffusion
        target = diffusion.edit_index + (-1 if self.direction == "UP" else 1)
        if not 0 <= target < len(diffusion.edits):
            return {"CANCELLED"}
        diffusion.edits.move(diffusion.edit_index, target)
        diffusion.edit_index = target
        return {"FINISHED"}


class IMPETUS_OT_fit_edit(_OnEdit, bpy.types.Operator):
    """Put the edit's handles round what its mask covers, and back where some are gone"""

    bl_idname = "impetus.fit_edit"
    bl_label = "Reset Handles"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        if (edit := active_edit(context)) is not None:
            handles.fit(context, edit)
        return {"FINISHED"}


class IMPETUS_OT_select_edit(_OnEdit, bpy.types.Operator):
    """Select the goal handles of the edit"""

    bl_idname = "impetus.select_edit"
    bl_label = "Select Handles"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        if (edit := active_edit(context)) is not None:
            _select(context, edit)
        return {"FINISHED"}


class IMPETUS_OT_new_mask(bpy.types.Operator):
    """Make a black picture of the film's size; paint white on what is inside"""

    bl_idname = "impetus.new_mask"
    bl_label = "New Mask"
    bl_options = {"REGISTER", "UNDO"}

    path: StringProperty(options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        mask = context.scene.path_resolve(self.path)
        size = film(context.scene.render)
        image = bpy.data.images.new("Mask", size.width, size.height, alpha=False)
        mask.source, mask.image = "IMAGE", image
        editors = [area.spaces.active for area in getattr(context.screen, "areas", ())
                   if area.type == "IMAGE_EDITOR"]  # fmt: skip
        for editor in editors[:1]:
            editor.image, editor.mode = image, "PAINT"
        if not editors:
            self.report({"INFO"}, f"Paint {image.name} white in an Image Editor")
        return {"FINISHED"}


def _select(context: bpy.types.Context, edit: ImpetusEdit) -> None:
    """Select the goals, which are what an artist moves next."""
    for ob in context.view_layer.objects:
        ob.select_set(False)
    goals = [handle.object for handle in edit.handles if handle.name.startswith("goal")]
    for ob in goals:
        if ob is not None and ob.name in context.view_layer.objects:
            ob.select_set(True)
            context.view_layer.objects.active = ob


classes = (
    IMPETUS_OT_add_edit,
    IMPETUS_OT_remove_edit,
    IMPETUS_OT_order_edit,
    IMPETUS_OT_fit_edit,
    IMPETUS_OT_select_edit,
    IMPETUS_OT_new_mask,
)
register, unregister = bpy.utils.register_classes_factory(classes)
