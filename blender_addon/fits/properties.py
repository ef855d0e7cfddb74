"""How splats are fitted to an object, and what became of the last fit."""

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty

LIGHTS = (
    (
        "SCENE",
        "Scene",
        "The scene's light as it falls on the object at the simulation's start; it stays on the "
        "surface as that moves",
    ),
    (
        "NEUTRAL",
        "Neutral",
        "Even white light: the splats hold what the surface reflects, and the scene's lights light "
        "them in each frame",
    ),
)
CAMERAS = (
    ("SPHERE", "All Around", "Cameras above, beside and below"),
    ("HEMISPHERE", "From Above", "Cameras above the horizon, for what stands on something"),
    ("TURNTABLE", "Turntable", "Cameras on three rings around the object"),
)
ENGINES = (
    ("CYCLES", "Cycles", "Path tracing; works without a window"),
    ("EEVEE", "EEVEE", "Quicker; needs a graphics card"),
)


class ImpetusFit(bpy.types.PropertyGroup):
    """How an object's splats are fitted, and the last fit that was made."""

    light: EnumProperty(
        name="Light", items=LIGHTS, description="What lights the pictures that splats are fitted to"
    )
    cameras: EnumProperty(
        name="Cameras", items=CAMERAS, description="Where the pictures are taken from"
    )
    engine: EnumProperty(name="Engine", items=ENGINES, description="What renders the pictures")
    views: IntProperty(
        name="Views",
        default=32,
        min=4,
        soft_max=128,
        max=1000,
        description="Number of pictures; more show more hidden corners, and take longer to render",
    )
    size: IntProperty(
        name="Size",
        default=256,
        min=16,
        soft_max=1024,
        max=4096,
        subtype="PIXEL",
        description="Width and height of a picture; larger ones show finer detail, and take longer",
    )
    samples: IntProperty(
        name="Samples",
        default=64,
        min=1,
        soft_max=1024,
        max=65536,
        description="Samples of each pixel: light paths in Cycles, pictures that are averaged in "
        "EEVEE; more are smoother, and take longer",
    )
    splats: IntProperty(
        name="Splats",
        default=20_000,
        min=100,
        soft_max=200_000,
        max=1_000_000,
        description="Splats that the fit begins with; it adds up to twice as many where the "
        "pictures ask for them",
    )
    steps: IntProperty(
        name="Steps",
        default=3000,
        min=10,
        soft_max=30_000,
        max=100_000,
        description="Steps of the fit; more come nearer to the pictures, and take longer",
    )
    key: StringProperty(
        options={"HIDDEN"}, description="What the last fit was made from; empty before the first"
    )
    mark: StringProperty(
        options={"HIDDEN"}, description="How the object looked, quickly told, when it was fitted"
    )
    match: FloatProperty(
        options={"HIDDEN"}, description="PSNR in dB of the last fit against its pictures"
    )


classes = (ImpetusFit,)
