"""The settings of the diffusion methods, as they stand on a scene; see `ImpetusDiffusion`.

Where the contract has a name for a setting, so it is called here; an enumeration's identifier is
the contract's word in capitals.
"""

from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .edits.properties import ImpetusEdit
from .edits.properties import classes as edit_classes
from .guidance_properties import ImpetusMotionGuidance
from .guidance_properties import classes as guidance_classes
from .masks import classes as mask_classes
from .motion_properties import (
    GUIDANCE,
    ImpetusFlockMotion,
    ImpetusFoundMotion,
    ImpetusLiquidMotion,
    ImpetusSlideMotion,
    ImpetusSmokeMotion,
)
from .motion_properties import classes as motion_classes
from .motioncraft_properties import ImpetusMotionCraft
from .motioncraft_properties import classes as motioncraft_classes

METHODS = (
    ("NONE", "None", "The frames are as they are rendered"),
    (
        "MOTIONCRAFT",
        "MotionCraft",
        "A first frame is carried along by the motion; what comes into view is imagined",
    ),
    (
        "MOTION_GUIDANCE",
        "Motion Guidance",
        "One picture is edited until its things have moved as wanted",
    ),
)
STARTS = (
    ("RENDER", "Rendered Frame", "Start from the shot's own render of a frame"),
    ("PICTURE", "Picture", "Start from a picture, scaled to cover the film, and cropped"),
    ("GENERATED", "Generated", "Let the model make the first picture from the prompt"),
)


def _models(
    _settings: bpy.types.PropertyGroup, context: bpy.types.Context, _text: str
) -> list[str]:
    known = context.window_manager.impetus.models.split("\n") if context else []
    return [name for name in known if name] or ["tiny"]


class ImpetusDiffusion(bpy.types.PropertyGroup):
    """What diffusion does with the shot's frames."""

    method: EnumProperty(
        name="Method", items=METHODS, description="What diffusion does with the frames"
    )
    model: StringProperty(
        name="Model",
        default="tiny",
        maxlen=200,
        search=_models,
        search_options={"SUGGESTION"},
        description="Name of the diffusion model; tiny is built in, others lie in the backend's "
        "folder of models",
    )
    prompt: StringProperty(
        name="Prompt", maxlen=2000, description="What the frames show, in a few words"
    )
    start: EnumProperty(name="Start", items=STARTS, description="What the first picture is")
    use_frame: BoolProperty(
        name="Frame", description="Start from this frame; else from the shot's first"
    )
    frame: IntProperty(
        name="Frame",
        default=1,
        min=-1_048_574,
        max=1_048_574,
        description="Frame whose render is the source",
    )
    picture: PointerProperty(
        name="Picture", type=bpy.types.Image, description="What the frames start from"
    )
    start_steps: IntProperty(
        name="Steps", default=50, min=1, max=1000,
        description="Steps in which the model makes the first picture",
    )  # fmt: skip
    start_guidance: FloatProperty(
        name="Guidance", default=7.5,
        description="How closely the prompt is followed in the first picture", **GUIDANCE,
    )  # fmt: skip
    flow_network: StringProperty(
        name="Network", default="flow", maxlen=200,
        description="Name of the network that sees motion; flow is built in",
    )  # fmt: skip
    motioncraft: PointerProperty(type=ImpetusMotionCraft)
    motion_guidance: PointerProperty(type=ImpetusMotionGuidance)
    slide: PointerProperty(type=ImpetusSlideMotion)
    smoke: PointerProperty(type=ImpetusSmokeMotion)
    liquid: PointerProperty(type=ImpetusLiquidMotion)
    flock: PointerProperty(type=ImpetusFlockMotion)
    found: PointerProperty(type=ImpetusFoundMotion)
    edits: CollectionProperty(type=ImpetusEdit)
    edit_index: IntProperty(name="Edit")

    @property
    def settings(self) -> Any:
        """The settings of the chosen method; None without one."""
        return None if self.method == "NONE" else getattr(self, self.method.lower())

    @property
    def motion(self) -> str:
        """Where the chosen method's motion comes from; empty without a method."""
        return "" if self.method == "NONE" else self.settings.motion

    @property
    def can_follow(self) -> bool:
        """Whether MotionCraft's frames can be drawn to their renders: what is there is the same."""
        craft = self.motioncraft
        return self.start == "RENDER" and craft.motion == "SHOT" and craft.reinvert

    def source_frame(self, scene: bpy.types.Scene) -> int:
        """Return the frame that masks and handles speak of."""
        return self.frame if self.start == "RENDER" and self.use_frame else scene.frame_start


classes = (
    *mask_classes,
    *motion_classes,
    *edit_classes,
    *motioncraft_classes,
    *guidance_classes,
    ImpetusDiffusion,
)
