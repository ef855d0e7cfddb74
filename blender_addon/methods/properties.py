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

from impetus.backend.contract.methods import UGLY

from .edits.properties import ImpetusEdit
from .edits.properties import classes as edit_classes
from .masks import ImpetusMask
from .masks import classes as mask_classes
from .motion_properties import (
    ImpetusFlockMotion,
    ImpetusFoundMotion,
    ImpetusLiquidMotion,
    ImpetusSlideMotion,
    ImpetusSmokeMotion,
)
from .motion_properties import classes as motion_classes

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
_SHOT = ("SHOT", "This Shot", "The motion of the shot's objects, physics and camera")
_FILE = ("FILE", "File", "Motion fields from files")
_VIDEO = ("VIDEO", "Video", "The motion of a video, as a network sees it")
MOTIONS = (
    _SHOT,
    ("SHIFT", "Shift", "The whole picture slides"),
    ("TURN", "Turn", "The whole picture turns or grows"),
    ("SPHERE", "Sphere", "A ball turns in front of what stands still"),
    ("SMOKE", "Smoke", "Smoke rises in the picture"),
    ("LIQUID", "Liquid", "A part of the picture is liquid, and falls"),
    ("FLOCK", "Flock", "Parts of the picture fly as a flock does"),
    _FILE,
    _VIDEO,
)
GUIDED_MOTIONS = (
    ("SHOT", "Moved Objects", "Objects go from where they are at the source frame to where they "
     "are at each frame"),
    ("AUTHORED", "Edits", "Moves, turns and stretches, drawn over the picture"),
    _FILE,
    _VIDEO,
)  # fmt: skip
ATTENTION = (
    ("FIRST+PREVIOUS", "First and Previous", "A new frame looks like the first and the last one"),
    ("FIRST", "First", "A new frame looks like the first one"),
    ("PREVIOUS", "Previous", "A new frame looks like the last one"),
    ("NONE", "Itself", "A new frame looks at itself alone"),
)
WARPS = (
    ("NEAREST", "Nearest", "Whole cells move; the noise stays noise"),
    ("BILINEAR", "Bilinear", "Cells are mixed; smoother, and blurrier"),
)
BACKWARD = (
    ("EXACT", "Exact", "The motion field is inverted"),
    ("SEMI-LAGRANGIAN", "As Published", "The motion is taken where it arrives; wrong in turns"),
)
GRADIENTS = (
    ("FULL", "Full", "Through both halves of the guided network; most faithful, most memory"),
    ("CONDITIONAL", "Prompt Only", "Through the half that reads the prompt; half the memory"),
    ("ESTIMATE", "Estimate", "Past the network; quick, and rough"),
)
DECODERS = (
    ("FULL", "Full", "The model's own decoder"),
    ("TINY", "Small", "A small decoder, where the model has one; the result uses the full one"),
)
DEFAULTS = {"min": 0.0, "soft_max": 20.0, "max": 1000.0}


def _models(
    _settings: bpy.types.PropertyGroup, context: bpy.types.Context, _text: str
) -> list[str]:
    known = context.window_manager.impetus.models.split("\n") if context else []
    return [name for name in known if name] or ["tiny"]


class ImpetusNovelty(bpy.types.PropertyGroup):
    """Where a frame may show something new."""

    out_of_frame: BoolProperty(
        name="Out of Frame", default=True, description="What comes in from beyond the frame is new"
    )
    disoccluded: BoolProperty(
        name="Uncovered", default=True, description="What was hidden behind something is new"
    )
    active: BoolProperty(
        name="Smoke and Liquid",
        default=True,
        description="Matter that changes by itself is new wherever it is",
    )
    floor: FloatProperty(
        name="Elsewhere",
        min=0.0,
        max=1.0,
        default=0.0,
        subtype="FACTOR",
        description="Freedom of what is not new; above 0, still things shimmer",
    )
    ceiling: FloatProperty(
        name="New",
        min=0.0,
        max=1.0,
        default=1.0,
        subtype="FACTOR",
        description="Freedom of what is new; lower stays closer to what was there",
    )
    mask: PointerProperty(type=ImpetusMask)


class ImpetusMotionCraft(bpy.types.PropertyGroup):
    """Settings of MotionCraft."""

    negative_prompt: StringProperty(
        name="Avoid", default=UGLY, maxlen=2000, description="What the frames should not look like"
    )
    motion: EnumProperty(name="Motion", items=MOTIONS, description="What carries the picture along")
    steps: IntProperty(
        name="Steps",
        default=200,
        min=1,
        max=1000,
        description="Steps of the whole way from noise to picture; only the share that the noise "
        "allows is walked",
    )
    tau: FloatProperty(
        name="Noise",
        default=400.0,
        min=0.1,
        max=1000.0,
        precision=0,
        description="How far a frame is turned to noise before it is moved, of 1000; higher "
        "changes more, lower keeps more",
    )
    guidance: FloatProperty(
        name="Guidance", default=7.5, description="How closely the prompt is followed", **DEFAULTS
    )
    attention: EnumProperty(
        name="Attention",
        items=ATTENTION,
        description="Which frames a new one takes its looks from",
    )
    reinvert: BoolProperty(
        name="Re-Invert",
        default=True,
        description="Turn each made frame to noise again for the next one; else the moved noise "
        "is moved on, which is quicker and drifts",
    )
    warp: EnumProperty(name="Warp", items=WARPS, description="How the noise is moved")
    backward: EnumProperty(
        name="Inversion", items=BACKWARD, description="How the motion field is turned round"
    )
    carry_residual: BoolProperty(
        name="Carry Small Motion",
        default=True,
        description="Keep motion that is too small for the model's grid for later frames; else "
        "slow motion is lost",
    )
    novelty: PointerProperty(type=ImpetusNovelty)


class ImpetusGuidanceTerms(bpy.types.PropertyGroup):
    """The energy of Motion Guidance."""

    flow_weight: FloatProperty(
        name="Motion", default=3.0, min=0.0, soft_max=20.0, max=1e6,
        description="How much wrong motion counts",
    )  # fmt: skip
    color_weight: FloatProperty(
        name="Color", default=100.0, min=0.0, soft_max=500.0, max=1e6,
        description="How much a change of looks counts",
    )  # fmt: skip
    flow_iterations: IntProperty(
        name="Iterations", default=5, min=1, soft_max=20, max=100,
        description="Rounds in which the network improves its guess of the motion",
    )  # fmt: skip
    target_flow_warp: BoolProperty(
        name="Compare by Target",
        description="Compare the looks along the wanted motion, instead of the estimated one",
    )
    occlusion_mask: BoolProperty(
        name="Leave Out Covered",
        default=True,
        description="Do not compare the looks of what the moved things cover",
    )


class ImpetusMotionGuidance(bpy.types.PropertyGroup):
    """Settings of Motion Guidance."""

    negative_prompt: StringProperty(
        name="Avoid", maxlen=2000, description="What the picture should not look like"
    )
    motion: EnumProperty(
        name="Motion", items=GUIDED_MOTIONS, description="What says where things go"
    )
    use_amount: BoolProperty(
        name="Amount",
        description="Say for each frame how much of the edits it shows; else they grow evenly "
        "to the last frame",
    )
    amount: FloatProperty(
        name="Amount",
        default=1.0,
        soft_min=0.0,
        soft_max=1.0,
        min=-10.0,
        max=10.0,
        options={"ANIMATABLE"},
        description="Share of the edits that a frame shows; 1 is all of them",
    )
    steps: IntProperty(
        name="Steps", default=500, min=1, max=1000,
        description="Steps from noise to picture; more are finer, and take longer",
    )  # fmt: skip
    guidance: FloatProperty(
        name="Guidance", default=7.5, description="How closely the prompt is followed", **DEFAULTS
    )
    recursions: IntProperty(
        name="Recursions", default=10, min=1, soft_max=20, max=1000,
        description="How often each step is walked; more move things farther, and take longer",
    )  # fmt: skip
    weight: FloatProperty(
        name="Strength", default=300.0, min=0.0, soft_max=1000.0, max=1e6,
        description="How hard things are pushed to where they should go",
    )  # fmt: skip
    schedule: StringProperty(
        name="Schedule",
        default="1",
        description="Factors of the strength over the steps, the noisiest first, with spaces "
        "between them: 1 1 1 1 0 lets go for the last fifth",
    )
    clip: FloatProperty(
        name="Limit", default=200.0, min=0.0, soft_max=1000.0, max=1e6,
        description="Largest push in one step; 0 for none",
    )  # fmt: skip
    terms: PointerProperty(type=ImpetusGuidanceTerms)
    edit_mask: BoolProperty(
        name="Keep the Rest", default=True,
        description="Copy what lies away from the edit from the source",
    )  # fmt: skip
    editable: PointerProperty(type=ImpetusMask)
    dilation: FloatProperty(
        name="Margin (px)", default=10.0, min=0.0, soft_max=50.0, max=10_000.0,
        description="Pixels by which the area that may change is grown",
    )  # fmt: skip
    gradient: EnumProperty(
        name="Gradient", items=GRADIENTS, description="What the push is worked out through"
    )
    decoder: EnumProperty(
        name="Decoder", items=DECODERS, description="What decodes the picture while it is pushed"
    )
    use_hard_warp: BoolProperty(
        name="Hard Start",
        description="Start from the picture with its things moved, instead of from noise; quicker",
    )
    hard_warp_start: FloatProperty(
        name="Noise", default=0.6, min=0.01, max=1.0, subtype="FACTOR",
        description="Share of the way to noise that the moved picture is taken",
    )  # fmt: skip


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
        description="How closely the prompt is followed in the first picture", **DEFAULTS,
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

    def source_frame(self, scene: bpy.types.Scene) -> int:
        """Return the frame that masks and handles speak of."""
        return self.frame if self.start == "RENDER" and self.use_frame else scene.frame_start


classes = (
    *mask_classes,
    *motion_classes,
    *edit_classes,
    ImpetusNovelty,
    ImpetusMotionCraft,
    ImpetusGuidanceTerms,
    ImpetusMotionGuidance,
    ImpetusDiffusion,
)
