"""Operators on objects, on the backend and on problems: each calls one function, and reports."""

import bpy
from bpy.props import EnumProperty, StringProperty

from . import materials
from .jobs import backend_setup, machine, session
from .jobs.state import connect, state
from .shot_export.meshes import MESHABLE

# --- objects


class OBJECT_OT_impetus_add(bpy.types.Operator):
    """Let the selected objects take part in Impetus' physics"""

    bl_idname = "object.impetus_add"
    bl_label = "Add Impetus Physics"
    bl_options = {"REGISTER", "UNDO"}

    role: EnumProperty(
        name="Role",
        items=(
            ("DYNAMIC", "Dynamic", ""),
            ("STATIC", "Static", ""),
            ("KINEMATIC", "Kinematic", ""),
            ("SMOKE", "Smoke", ""),
            ("FLOCK", "Flock", ""),
        ),
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or context.object.type not in MESHABLE:
            cls.poll_message_set("Needs an object with a surface")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        for ob in {context.object, *context.selected_objects}:
            if ob.type in MESHABLE and ob.impetus.role == "NONE":
                ob.impetus.role = self.role
        return {"FINISHED"}


class OBJECT_OT_impetus_remove(bpy.types.Operator):
    """Take the object out of Impetus' physics; it is still rendered"""

    bl_idname = "object.impetus_remove"
    bl_label = "Remove Impetus Physics"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.object.impetus.role = "NONE"
        return {"FINISHED"}


class OBJECT_OT_impetus_material(bpy.types.Operator):
    """Use this material's values"""

    bl_idname = "object.impetus_material"
    bl_label = "Use Material"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Material")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        materials.apply(context.object.impetus, self.name)
        return {"FINISHED"}


# --- backend


class IMPETUS_OT_set_up(bpy.types.Operator):
    """Fetch what simulates and renders into a folder of its own; Blender itself is not changed"""

    bl_idname = "impetus.set_up"
    bl_label = "Set Up Backend"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not bpy.app.online_access:
            cls.poll_message_set("Needs online access: Preferences, System, Network")
        elif not machine.can_set_up():
            cls.poll_message_set("Install the extension from its zip; this copy has no backend")
        elif state.work:
            cls.poll_message_set("It is being set up")
        else:
            return True
        return False

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=360)

    def draw(self, _context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.label(text=f"Downloads about {backend_setup.DOWNLOAD_MEGABYTES} MB once,")
        column.label(text=f"and keeps {backend_setup.DISK_MEGABYTES} MB in the extension's folder.")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.set_up()
        return {"FINISHED"}


class IMPETUS_OT_set_up_diffusion(bpy.types.Operator):
    """Fetch what diffusion needs, torch above all, into the backend's folder"""

    bl_idname = "impetus.set_up_diffusion"
    bl_label = "Set Up Diffusion"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not bpy.app.online_access:
            cls.poll_message_set("Needs online access: Preferences, System, Network")
        elif not machine.has_backend() or not machine.can_set_up():
            cls.poll_message_set("Set up the backend first")
        elif state.work:
            cls.poll_message_set("It is being set up")
        else:
            return True
        return False

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=360)

    def draw(self, _context: bpy.types.Context) -> None:
        fetched, kept = backend_setup.DIFFUSION_MEGABYTES, backend_setup.DIFFUSION_DISK_MEGABYTES
        column = self.layout.column(align=True)
        column.label(text=f"Downloads up to {fetched / 1000:g} GB once,")
        column.label(text=f"and keeps up to {kept / 1000:g} GB in the extension's folder.")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.set_up_diffusion()
        return {"FINISHED"}


class IMPETUS_OT_stop(bpy.types.Operator):
    """Stop setting up, and remove what was begun"""

    bl_idname = "impetus.stop"
    bl_label = "Cancel"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.stop_work()
        return {"FINISHED"}


class IMPETUS_OT_connect(bpy.types.Operator):
    """Find the backend that runs on this machine, or start it"""

    bl_idname = "impetus.connect"
    bl_label = "Connect"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not machine.has_backend():
            cls.poll_message_set("Set up the backend first")
            return False
        if state.is_linked or state.is_connecting:
            cls.poll_message_set("It is connected")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        connect()
        return {"FINISHED"}


class IMPETUS_OT_disconnect(bpy.types.Operator):
    """Let go of the backend; what it makes goes on"""

    bl_idname = "impetus.disconnect"
    bl_label = "Disconnect"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.disconnect()
        return {"FINISHED"}


# --- problems


class IMPETUS_OT_fix(bpy.types.Operator):
    """Put this right"""

    bl_idname = "impetus.fix"
    bl_label = "Fix"
    bl_options = {"REGISTER", "UNDO"}

    where: StringProperty()
    fix: StringProperty()

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene, ob = context.scene, context.scene.objects.get(self.where)
        match self.fix:
            case "ADD_CAMERA":
                found = next((each for each in scene.objects if each.type == "CAMERA"), None)
                scene.camera = found or _new_camera(context)
            case "ADD_PHYSICS":
                return bpy.ops.object.impetus_add()
            case "SET_UP_DIFFUSION":
                return bpy.ops.impetus.set_up_diffusion("INVOKE_DEFAULT")
            case "ADD_EDIT":
                return bpy.ops.impetus.add_edit()
            case "RESET_HANDLES":
                scene.impetus.diffusion.edit_index = scene.impetus.diffusion.edits.find(self.where)
                return bpy.ops.impetus.fit_edit()
            case "FIRST_SOURCE":
                scene.impetus.diffusion.use_frame = False
            case "BUILT_IN_MODEL":
                scene.impetus.diffusion.model = "tiny"
            case "START_FIRST":
                scene.impetus.simulation_start = scene.frame_start
            case "PERSPECTIVE" if ob:
                ob.data.type = "PERSP"
            case "SHOW_IN_RENDER" if ob:
                ob.hide_render = False
            case "REMOVE_PHYSICS" if ob:
                ob.impetus.role = "NONE"
            case "MAKE_KINEMATIC" if ob:
                ob.impetus.role = "KINEMATIC"
            case _:
                return {"CANCELLED"}
        return {"FINISHED"}


def _new_camera(context: bpy.types.Context) -> bpy.types.Object:
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    context.collection.objects.link(camera)
    region = getattr(context.space_data, "region_3d", None)
    if region is not None:  # where the artist looks from now
        camera.matrix_world = region.view_matrix.inverted()
    return camera


class IMPETUS_OT_select(bpy.types.Operator):
    """Select the object"""

    bl_idname = "impetus.select"
    bl_label = "Select Object"
    bl_options = {"REGISTER", "UNDO"}

    where: StringProperty()

    def execute(self, context: bpy.types.Context) -> set[str]:
        ob = context.view_layer.objects.get(self.where)
        if ob is None:
            return {"CANCELLED"}
        for other in context.view_layer.objects:
            other.select_set(other == ob)
        context.view_layer.objects.active = ob
        return {"FINISHED"}


classes = (
    OBJECT_OT_impetus_add,
    OBJECT_OT_impetus_remove,
    OBJECT_OT_impetus_material,
    IMPETUS_OT_set_up,
    IMPETUS_OT_set_up_diffusion,
    IMPETUS_OT_stop,
    IMPETUS_OT_connect,
    IMPETUS_OT_disconnect,
    IMPETUS_OT_fix,
    IMPETUS_OT_select,
)
register, unregister = bpy.utils.register_classes_factory(classes)
