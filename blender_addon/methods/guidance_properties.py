"""Settings of Motion Guidance."""

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .masks import ImpetusMask
from .motion_properties import FILE, GUIDANCE, VIDEO

GUIDED_MOTIONS = (
    ("SHOT", "Moved Objects", "Objects go from where they are at the source frame to where they "
     "are at each frame"),
    ("AUTHORED", "Edits", "Moves, turns and stretches, drawn over the picture"),
    FILE,
    VIDEO,
)  # fmt: skip
GRADIENTS = (
    ("FULL", "Full", "Through both halves of the guided network; most faithful, most memory"),
    ("CONDITIONAL", "Prompt Only", "Through the half that reads the prompt; half the memory"),
    ("ESTIMATE", "Estimate", "Past the network; quick, and rough"),
)
DECODERS = (
    ("FULL", "Full", "The model's own decoder"),
    ("TINY", "Small", "A small decoder, where the model has one; the result uses the full one"),
)


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
        name="Guidance", default=7.5, description="How closely the prompt is followed", **GUIDANCE
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
    carry_detail: BoolProperty(
        name="Carry Detail",
        description="Bring back what the model's decoder loses of the source, where things "
        "followed the motion",
    )
    low_memory: BoolProperty(
        name="Save Memory",
        description="Work inner values out twice instead of keeping them; slower, and done anyway "
        "when memory runs out",
    )
    use_hard_warp: BoolProperty(
        name="Hard Start",
        description="Start from the picture with its things moved, instead of from noise; quicker",
    )
    hard_warp_start: FloatProperty(
        name="Noise", default=0.6, min=0.01, max=1.0, subtype="FACTOR",
        description="Share of the way to noise that the moved picture is taken",
    )  # fmt: skip


classes = (ImpetusGuidanceTerms, ImpetusMotionGuidance)
