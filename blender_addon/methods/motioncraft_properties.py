"""Settings of MotionCraft."""

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from impetus.backend.contract.methods import UGLY

from .masks import ImpetusMask
from .motion_properties import FILE, GUIDANCE, VIDEO

MOTIONS = (
    ("SHOT", "This Shot", "The motion of the shot's objects, physics and camera"),
    ("SHIFT", "Shift", "The whole picture slides"),
    ("TURN", "Turn", "The whole picture turns or grows"),
    ("SPHERE", "Sphere", "A ball turns in front of what stands still"),
    ("SMOKE", "Smoke", "Smoke rises in the picture"),
    ("LIQUID", "Liquid", "A part of the picture is liquid, and falls"),
    ("FLOCK", "Flock", "Parts of the picture fly as a flock does"),
    FILE,
    VIDEO,
)
ATTENTION = (
    ("FIRST+PREVIOUS", "First and Previous", "A new frame looks like the first and the last one"),
    ("FIRST", "First", "A new frame looks like the first one"),
    ("PREVIOUS", "Previous", "A new frame looks like the last one"),
    ("NONE", "Itself", "A new frame looks at itself alone"),
)
WARPS = (
    ("NEAREST", "Nearest", "Whole cells move; the noise stays noise"),
    ("BILINEAR", "Bilinear", "Cells are mixed; smoother, and blurrier"),
    ("CUBIC", "Cubic", "Cells are mixed by splines; smoother, and hardly blurrier"),
)
BACKWARD = (
    ("EXACT", "Exact", "The motion field is inverted"),
    ("SEMI-LAGRANGIAN", "As Published", "The motion is taken where it arrives; wrong in turns"),
)
FILLS = (
    ("MOTION", "What Moved There", "As published: an uncovered place begins from what covered it"),
    ("SURROUNDINGS", "Its Surroundings", "Pieces of its own surface beside it"),
)
POSTERIORS = (
    ("SAMPLE", "Sample", "One of the ways in which the model may see it, by the seed"),
    ("MODE", "Likeliest", "The likeliest way in which the model may see it"),
)


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
        name="Guidance", default=7.5, description="How closely the prompt is followed", **GUIDANCE
    )
    attention: EnumProperty(
        name="Attention",
        items=ATTENTION,
        description="Which frames a new one takes its looks from",
    )
    attend_to_itself: BoolProperty(
        name="And Itself", description="Let a new frame look at itself as well"
    )
    reinvert: BoolProperty(
        name="Re-Invert",
        default=True,
        description="Turn each made frame to noise again for the next one; else the moved noise "
        "is moved on, which is quicker and drifts",
    )
    inversion_rounds: IntProperty(
        name="Rounds",
        default=1,
        min=1,
        soft_max=5,
        max=10,
        description="How often each step towards noise is corrected; more keep frames sharper, "
        "and take longer",
    )
    warp: EnumProperty(name="Warp", items=WARPS, description="How the noise is moved")
    restore_variance: BoolProperty(
        name="Restore Noise",
        description="Make a blurred noise as strong again as it was. Fine parts of the picture "
        "gain, too, in every frame: not for more than a dozen frames",
    )
    backward: EnumProperty(
        name="Inversion", items=BACKWARD, description="How the motion field is turned round"
    )
    carry_residual: BoolProperty(
        name="Carry Small Motion",
        default=True,
        description="Keep motion that is too small for the model's grid for later frames; else "
        "slow motion is lost",
    )
    settle_picture: BoolProperty(
        name="Settle Picture",
        default=True,
        description="Move each finished picture by what the model's grid could not take, so that "
        "motion is smooth; else it goes by whole cells, in jumps",
    )
    carry_detail: BoolProperty(
        name="Carry Detail",
        description="Carry the detail that the model's autoencoder loses along with the motion; "
        "frames are as sharp as the start picture where they show what it showed",
    )
    follow: FloatProperty(
        name="Follow Render",
        min=0.0,
        max=1.0,
        default=0.0,
        subtype="FACTOR",
        description="How far each made frame is drawn to its own render before the next is made "
        "of it; a quarter keeps long takes in form. At 0, as published, frames know the start "
        "picture alone, and drift",
    )
    fill: EnumProperty(
        name="Begin New With",
        items=FILLS,
        description="What comes into the frame or was hidden begins from this, before it is made",
    )
    posterior: EnumProperty(
        name="Encoding", items=POSTERIORS, description="What the start picture becomes to the model"
    )
    novelty: PointerProperty(type=ImpetusNovelty)


classes = (ImpetusNovelty, ImpetusMotionCraft)
