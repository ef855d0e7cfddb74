"""Motion of the picture that is not the shot's own: what each of its kinds is told."""

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .masks import ImpetusMask

PLACE = {"size": 2, "min": 0.0, "max": 1.0, "subtype": "XYZ"}
"A share of the film's width and height, from the top left."
PIXELS = {"size": 2, "subtype": "XYZ", "step": 100, "precision": 1}
GUIDANCE = {"min": 0.0, "soft_max": 20.0, "max": 1000.0}
"Range of a guidance: 1 follows the prompt plainly, higher more closely."
FILE = ("FILE", "File", "Motion fields from files")
VIDEO = ("VIDEO", "Video", "The motion of a video, as a network sees it")
DIRECTIONS = (
    ("FORWARD", "Forward", "Each pixel says where it goes"),
    ("BACKWARD", "Backward", "Each pixel says where it was"),
)


def _is_video(_motion: bpy.types.PropertyGroup, candidate: bpy.types.Image) -> bool:
    return candidate.source in {"MOVIE", "SEQUENCE"}


class ImpetusSlideMotion(bpy.types.PropertyGroup):
    """Shift, turn, and the turning sphere."""

    step: FloatVectorProperty(
        name="Step (px)",
        default=(0.0, 8.0),
        description="Pixels to the right and down by which the picture slides in each frame",
        **PIXELS,
    )
    turn_angle: FloatProperty(
        name="Angle",
        default=0.05,
        subtype="ANGLE",
        description="Turn in each frame, clockwise as seen",
    )
    growth: FloatProperty(
        name="Growth",
        default=1.0,
        min=0.01,
        soft_min=0.9,
        soft_max=1.1,
        max=100.0,
        precision=3,
        description="Factor of size in each frame; above 1 comes nearer",
    )
    turn_center: FloatVectorProperty(
        name="Center",
        default=(0.5, 0.5),
        description="What stays in place, as a share of the film from its top left",
        **PLACE,
    )
    sphere_center: FloatVectorProperty(
        name="Center",
        default=(0.5, 0.5),
        description="Middle of the ball, as a share of the film from its top left",
        **PLACE,
    )
    radius: FloatProperty(
        name="Radius",
        default=0.83 / 2,
        min=0.01,
        max=2.0,
        description="Size of the ball as a share of the film's height",
    )
    sphere_angle: FloatProperty(
        name="Angle",
        default=0.31415926535897931,
        subtype="ANGLE",
        description="Turn of the ball in each frame",
    )
    axis: FloatVectorProperty(
        name="Axis",
        default=(0.0, 1.0, 0.0),
        size=3,
        subtype="XYZ",
        description="What the ball turns about: X right, Y down, Z away from the eye",
    )


class ImpetusSmokeMotion(bpy.types.PropertyGroup):
    """Smoke in the plane of the picture."""

    source: PointerProperty(type=ImpetusMask)
    obstacle: PointerProperty(type=ImpetusMask)
    buoyancy: FloatProperty(
        name="Buoyancy",
        default=1.0,
        soft_min=0.0,
        soft_max=5.0,
        description="Upward push of the hottest smoke, in film heights per second squared",
    )
    vorticity: FloatProperty(
        name="Swirl",
        default=0.3,
        min=0.0,
        soft_max=2.0,
        description="How strongly small whirls are kept alive",
    )
    wind: FloatVectorProperty(
        name="Wind (px)",
        default=(0.0, 0.0),
        description="Pixels to the right and down that the air around moves in each frame",
        **PIXELS,
    )
    emission: FloatProperty(
        name="Emission", default=1.0, min=0.001, soft_max=5.0, description="How much smoke comes"
    )
    resolution: IntProperty(
        name="Resolution",
        default=96,
        min=16,
        soft_max=256,
        max=1024,
        description="Cells along the film's longer side; higher shows finer whirls",
    )


class ImpetusLiquidMotion(bpy.types.PropertyGroup):
    """Liquid in the plane of the picture."""

    fluid: PointerProperty(type=ImpetusMask)
    obstacle: PointerProperty(type=ImpetusMask)
    use_inflow: BoolProperty(name="Inflow", description="Let liquid keep coming in")
    inflow: PointerProperty(type=ImpetusMask)
    inflow_velocity: FloatVectorProperty(
        name="Speed (px)",
        default=(0.0, 4.0),
        description="Pixels to the right and down that what comes in moves in each frame",
        **PIXELS,
    )
    gravity: FloatVectorProperty(
        name="Gravity",
        default=(0.0, 1.0),
        size=2,
        subtype="XYZ",
        description="Pull to the right and down, in film heights per second squared",
    )
    resolution: IntProperty(
        name="Resolution",
        default=96,
        min=16,
        soft_max=256,
        max=1024,
        description="Cells along the film's longer side; higher shows finer splashes",
    )


class ImpetusFlockMotion(bpy.types.PropertyGroup):
    """A flock in the plane of the picture."""

    agents: PointerProperty(type=ImpetusMask)
    count: IntProperty(
        name="Count",
        default=24,
        min=1,
        soft_max=200,
        max=10_000,
        description="How many there are",
    )
    speed: FloatProperty(
        name="Speed (px)",
        default=4.0,
        min=0.01,
        soft_max=32.0,
        description="Pixels that each one flies in a frame",
    )
    separation: FloatProperty(
        name="Separation",
        default=1.5,
        min=0.0,
        soft_max=5.0,
        description="How much each one keeps clear of the others",
    )
    alignment: FloatProperty(
        name="Alignment",
        default=1.0,
        min=0.0,
        soft_max=5.0,
        description="How much each one flies as its neighbors do",
    )
    cohesion: FloatProperty(
        name="Cohesion",
        default=1.0,
        min=0.0,
        soft_max=5.0,
        description="How much each one stays with the others",
    )
    use_goal: BoolProperty(name="Goal", description="Let all of them fly towards one place")
    goal: FloatVectorProperty(
        name="Goal",
        default=(0.5, 0.5),
        description="Where they fly to, as a share of the film from its top left",
        **PLACE,
    )


class ImpetusFoundMotion(bpy.types.PropertyGroup):
    """Motion that is there already: in a file, in a video."""

    path: StringProperty(
        name="File",
        subtype="FILE_PATH",
        description="A .npy of shape (steps, height, width, 2), or the first of numbered .flo "
        "files; pixels to the right and down, a field for each step from frame to frame",
    )
    direction: EnumProperty(
        name="Direction", items=DIRECTIONS, description="What a pixel of the field speaks of"
    )
    active: PointerProperty(type=ImpetusMask)
    video: PointerProperty(
        name="Video",
        type=bpy.types.Image,
        poll=_is_video,
        description="Movie or image sequence whose motion is taken over",
    )
    video_start: IntProperty(
        name="Video Start",
        default=1,
        min=1,
        max=1_048_574,
        description="Frame of the video that the shot's first frame goes with",
    )
    iterations: IntProperty(
        name="Iterations",
        default=12,
        min=1,
        soft_max=32,
        max=100,
        description="Rounds in which the network improves its guess of the motion",
    )


classes = (
    ImpetusSlideMotion,
    ImpetusSmokeMotion,
    ImpetusLiquidMotion,
    ImpetusFlockMotion,
    ImpetusFoundMotion,
)
