"""Operators that make a body of a picture, and end that."""

from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    StringProperty,
)
from bpy_extras.io_utils import ImportHelper

from impetus.backend.contract.errors import ImpetusError

from ..jobs import machine
from ..jobs.state import state
from . import lifting
from .order import Wanted, free_folder

MASKS = (
    ("ALPHA", "Alpha", "What the picture's own alpha channel leaves"),
    ("FILE", "Painted", "A picture of the same size, the object white"),
    ("BOX", "Box", "What stands out in a box around the object, found by GrabCut"),
    (
        "SAM",
        "Segment Anything",
        "What a Segment Anything model with local weights finds in the box",
    ),
)
SIDES = ("Left (%)", "Top", "Right", "Bottom")
"Of a box, in the order of the numbers."
DEPTHS = (
    ("ROUND", "Round", "A form inflated from the silhouette: a disc becomes a ball"),
    ("depth", "Depth Map", "A picture whose brighter points are farther"),
    ("disparity", "Inverse Depth Map", "A picture whose brighter points are nearer"),
    ("metric", "Depth in Metres", "Depth along the view, from a .npy or .exr file"),
)


class IMPETUS_OT_body_from_picture(bpy.types.Operator, ImportHelper):
    """Make a body of the object in a picture: splats that look like it from its camera"""

    bl_idname = "impetus.body_from_picture"
    bl_label = "Body from Picture"
    bl_options = {"REGISTER", "PRESET"}

    filter_glob: StringProperty(default="*.png;*.jpg;*.jpeg;*.webp;*.tif", options={"HIDDEN"})
    mask: EnumProperty(name="Mask", items=MASKS, description="What of the picture is the object")
    mask_file: StringProperty(
        name="Mask File", subtype="FILE_PATH", description="The object painted white on black"
    )
    box: FloatVectorProperty(
        name="Box",
        size=4,
        default=(5.0, 5.0, 95.0, 95.0),
        min=0.0,
        max=100.0,
        description="Left, top, right and bottom of a box around the object, in percent",
    )
    sam: StringProperty(
        name="Model", subtype="DIR_PATH", description="Folder of the Segment Anything weights"
    )
    form: EnumProperty(name="Form", items=DEPTHS, description="What tells the body's form")
    depth_file: StringProperty(
        name="Depth File", subtype="FILE_PATH", description="Depth of every pixel of the picture"
    )
    length: FloatProperty(
        name="Length",
        default=1.0,
        min=0.001,
        max=10_000.0,
        subtype="DISTANCE",
        description="Size of the object's longer visible side; its mass and its fall follow",
    )
    lens: FloatProperty(
        name="Focal Length",
        default=50.0,
        min=5.0,
        max=5000.0,
        subtype="DISTANCE_CAMERA",
        description="Of the camera that took the picture: shorter ones stood nearer to the object",
    )
    roundness: FloatProperty(
        name="Roundness",
        default=1.0,
        min=0.05,
        max=10.0,
        description="How far the body reaches along the view, relative to a round one",
    )
    splats: IntProperty(
        name="Splats",
        default=0,
        min=0,
        max=2_000_000,
        description="Splats of the body; 0 takes as many as the picture has detail for",
    )
    refine: BoolProperty(
        name="Refine",
        default=False,
        description="Bring the splats nearer to the picture's colours, and coarse ones to the form "
        "as well; takes minutes, and torch, which Set Up Diffusion brings",
    )
    coarse: StringProperty(
        name="Coarse Splats",
        subtype="FILE_PATH",
        description="Splats that something else made of this picture, in its camera's axes (x "
        "right, y down, z forward): refined, they are the body. Without a file, the body's own are",
    )
    epochs: IntProperty(
        name="Epochs",
        default=300,
        min=1,
        soft_max=3000,
        max=100_000,
        description="Steps of the refinement; more come nearer to the picture, and take longer",
    )
    camera: BoolProperty(
        name="Camera", default=True, description="Add the camera that the picture was seen from"
    )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not machine.has_backend():
            cls.poll_message_set("Set up the backend first")
        elif state.lift:
            cls.poll_message_set("Another picture is being made a body")
        else:
            return True
        return False

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "mask")
        for name in {"FILE": ["mask_file"], "SAM": ["sam"]}.get(self.mask, []):
            layout.prop(self, name)
        if self.mask in {"BOX", "SAM"}:
            column = layout.column(align=True)
            for index, side in enumerate(SIDES):
                column.prop(self, "box", index=index, text=side)
        names = ["form", *(["depth_file"] if self.form != "ROUND" else []), "length", "lens"]
        names += ["roundness"] if self.form != "metric" else []
        for name in (*names, "splats", "camera", "refine"):
            layout.prop(self, name)
        if self.refine:
            layout.prop(self, "coarse")
            layout.prop(self, "epochs")
            if machine.lacks_diffusion():
                layout.label(text="Set up diffusion first: it brings torch", icon="ERROR")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        picture = Path(bpy.path.abspath(self.filepath))
        if not picture.is_file():
            self.report({"ERROR"}, f"{picture.name}: expected a picture, found nothing")
            return {"CANCELLED"}
        if self.refine and machine.lacks_diffusion():
            self.report({"ERROR"}, "Refining needs torch: set up diffusion first, or leave it out")
            return {"CANCELLED"}
        if missing := self.missing():
            self.report({"ERROR"}, f"{missing}: expected a file or folder, got none: choose one")
            return {"CANCELLED"}
        folder = free_folder(bodies_folder(), picture.stem)
        try:
            lifting.begin(Wanted(picture, folder, self.as_typed(), self.camera, "DYNAMIC"))
        except ImpetusError as error:
            self.report({"ERROR"}, f"{error.sentence} {error.remedy}".strip())
            return {"CANCELLED"}
        return {"FINISHED"}

    def missing(self) -> str:
        """Return the name of the first file or folder that is needed and not there, or nothing."""
        needed = {"FILE": ["mask_file"], "SAM": ["sam"]}.get(self.mask, [])
        needed += ["depth_file"] if self.form != "ROUND" else []
        needed += ["coarse"] if self.refine and self.coarse else []
        for name in needed:
            path = bpy.path.abspath(getattr(self, name))
            if not path or not Path(path).exists():
                return str(self.properties.bl_rna.properties[name].name)
        return ""

    def as_typed(self) -> tuple[str, ...]:
        """Return the options of `impetus lift` that the properties say."""
        found = ["--length", f"{self.length:g}", "--lens", f"{self.lens:g}"]
        found += ["--roundness", f"{self.roundness:g}"]
        if self.splats:
            found += ["--splats", str(self.splats)]
        if self.mask == "FILE":
            found += ["--mask", bpy.path.abspath(self.mask_file)]
        if self.mask in {"BOX", "SAM"}:
            found += ["--box", ",".join(f"{edge:g}%" for edge in self.box)]
        if self.mask == "SAM":
            found += ["--sam", bpy.path.abspath(self.sam)]
        if self.form != "ROUND":
            found += ["--depth", bpy.path.abspath(self.depth_file), "--depth-kind", self.form]
        if self.refine:
            found += ["--refine", "--epochs", str(self.epochs)]
            found += ["--cache", str(machine.home() / "cache")]
            if self.coarse:
                found += ["--coarse", bpy.path.abspath(self.coarse)]
        return tuple(found)


class IMPETUS_OT_stop_lift(bpy.types.Operator):
    """End the work on the picture"""

    bl_idname = "impetus.stop_lift"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(state.lift)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        lifting.stop()
        return {"FINISHED"}


def bodies_folder() -> Path:
    """Return where bodies of pictures lie: beside the file, once it has a place."""
    if bpy.data.filepath:
        return Path(bpy.data.filepath).parent / "impetus_bodies"
    return machine.cache_folder() / "bodies"


def draw_import(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Stand in File > Import."""
    self.layout.operator("impetus.body_from_picture", text="Picture as Body (.png, .jpg)")


classes = (IMPETUS_OT_body_from_picture, IMPETUS_OT_stop_lift)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(classes)


def register() -> None:
    _register_classes()
    bpy.types.TOPBAR_MT_file_import.append(draw_import)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(draw_import)
    _unregister_classes()
