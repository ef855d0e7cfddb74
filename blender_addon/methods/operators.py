"""Operators for the methods: named settings, and the edit that is made by moving an object."""

from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from . import presets
from .masks import SURFACES


class IMPETUS_OT_diffusion_preset(bpy.types.Operator):
    """Use these settings; prompt, model, start and motion stay as they are"""

    bl_idname = "impetus.diffusion_preset"
    bl_label = "Use Settings"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Settings")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.scene.impetus.diffusion.method == "NONE":
            cls.poll_message_set("Choose a method first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        presets.apply(context.scene.impetus.diffusion, self.name)
        return {"FINISHED"}


class IMPETUS_OT_keep_where_it_was(bpy.types.Operator):
    """Key the selected objects as they stand now at the source frame, and go on to be moved"""

    bl_idname = "impetus.keep_where_it_was"
    bl_label = "Keep Where It Was"
    bl_options = {"REGISTER", "UNDO"}

    goal: IntProperty(
        name="Goal Frame",
        min=-1_048_574,
        max=1_048_574,
        description="Frame to move the objects at; without one, the shot's last",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        chosen = [ob for ob in context.selected_objects if ob.type in SURFACES]
        if context.mode != "OBJECT":
            cls.poll_message_set("Needs object mode")
        elif not chosen:
            cls.poll_message_set("Select what is to be moved")
        elif any(ob.impetus.role == "DYNAMIC" for ob in chosen):
            cls.poll_message_set("What is simulated moves by itself; take its physics off")
        elif any(ob.library is not None for ob in chosen):
            cls.poll_message_set("Linked objects cannot be keyed")
        else:
            return True
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        source = scene.impetus.diffusion.source_frame(scene)
        names = []
        for ob in context.selected_objects:
            if ob.type in SURFACES:
                keep_pose(ob, source)
                names.append(ob.name)
        ends = (
            self.goal if self.properties.is_property_set("goal") else source,
            scene.frame_end,
            scene.frame_start,
        )
        scene.frame_set(next(frame for frame in ends if frame != source))
        scene.tool_settings.use_keyframe_insert_auto = True
        self.report({"INFO"}, f"Now move {', '.join(names)} at frame {scene.frame_current}")
        return {"FINISHED"}


class IMPETUS_OT_picture_in_camera(bpy.types.Operator):
    """Lay the start picture over what the camera sees, as the film has it, or take it off again"""

    bl_idname = "impetus.picture_in_camera"
    bl_label = "Show in Camera"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        camera = context.scene.camera
        if camera is None or camera.type != "CAMERA" or camera.data.library is not None:
            cls.poll_message_set("Needs an active camera of this file")
        elif context.scene.impetus.diffusion.picture is None:
            cls.poll_message_set("Choose the picture first")
        else:
            return True
        return False

    def execute(self, context: bpy.types.Context) -> set[str]:
        camera = context.scene.camera.data
        picture = context.scene.impetus.diffusion.picture
        if (shown := picture_in(camera, picture)) is not None:
            camera.background_images.remove(shown)
            return {"FINISHED"}
        shown = camera.background_images.new()
        shown.image, shown.alpha = picture, 1.0
        shown.frame_method, shown.display_depth = "CROP", "FRONT"  # covers the film, as the start
        camera.show_background_images = True
        return {"FINISHED"}


def picture_in(camera: bpy.types.Camera, picture: bpy.types.Image) -> Any:
    """Return the camera's background that shows this picture, or None."""
    return next((each for each in camera.background_images if each.image == picture), None)


def keep_pose(ob: bpy.types.Object, frame: int) -> None:
    """Key an object's place and rotation, as they are now, at `frame`; it may move from then on."""
    turned = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
    for path in ("location", turned.get(ob.rotation_mode, "rotation_euler")):
        ob.keyframe_insert(path, frame=frame)
    if ob.impetus.role == "STATIC":
        ob.impetus.role = "KINEMATIC"


classes = (
    IMPETUS_OT_diffusion_preset,
    IMPETUS_OT_keep_where_it_was,
    IMPETUS_OT_picture_in_camera,
)
register, unregister = bpy.utils.register_classes_factory(classes)
