"""Smoke and flocks of objects, and the air of the scene, as an artist sets them.

Converted in shot_export/air; the names are those of the contract's parts.
"""

from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
)

SIDES = (
    ("-x", "-X", "Wall at the lower end of X", 1),
    ("+x", "+X", "Wall at the upper end of X", 2),
    ("-y", "-Y", "Wall at the lower end of Y", 4),
    ("+y", "+Y", "Wall at the upper end of Y", 8),
    ("-z", "-Z", "Wall below", 16),
    ("+z", "+Z", "Wall above", 32),
)
AXES = tuple(
    (f"{sign}{axis}", f"{sign}{axis.upper()}", f"The object's {sign}{axis.upper()} flies foremost")
    for axis in "xyz"
    for sign in "+-"
)
_FRAMES = {"min": -1_048_574, "max": 1_048_574}
_COLOR = {"size": 3, "subtype": "COLOR", "min": 0.0, "max": 1.0}
_LENGTH = {"subtype": "DISTANCE", "unit": "LENGTH"}
_SPEED = {"unit": "VELOCITY"}


def _is_volume_object(_settings: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return candidate.type in {"MESH", "EMPTY"}


def _room(name: str, description: str) -> Any:
    return PointerProperty(
        name=name, type=bpy.types.Object, poll=_is_volume_object, description=description
    )


class ImpetusSmoke(bpy.types.PropertyGroup):
    """What comes out of an object."""

    smoke: FloatProperty(
        name="Thickness (1/m)",
        default=20.0,
        min=0.0,
        soft_max=100.0,
        max=1e5,
        description="Share of the light that a metre of its smoke takes, were it thin; 20 hides "
        "what is 15 cm behind it",
    )
    temperature: FloatProperty(
        name="Heat (K)",
        default=60.0,
        min=-250.0,
        soft_min=-80.0,
        soft_max=1000.0,
        max=10_000.0,
        description="Kelvin above the air around; warm smoke rises, cold smoke sinks",
    )
    fuel: FloatProperty(
        name="Fuel",
        default=0.0,
        min=0.0,
        max=1.0,
        description="Share of what comes out that burns; above 0 there are flames",
    )
    rate: FloatProperty(
        name="Rate (1/s)",
        default=15.0,
        min=0.001,
        soft_max=60.0,
        max=1000.0,
        description="How fast the air in the object becomes such; lower gives thinner smoke",
    )
    color: FloatVectorProperty(
        name="Color",
        default=(0.6, 0.6, 0.6),
        description="Colour of the smoke; of fire, that of the flames follows from their heat",
        **_COLOR,
    )
    velocity: FloatVectorProperty(
        name="Velocity",
        size=3,
        description="Speed and direction, in the world, with which it comes out",
        subtype="VELOCITY",
        **_SPEED,
    )
    inheritance: FloatProperty(
        name="Inherit Motion",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="Share of the object's own motion that it gives to what comes out",
    )
    show: BoolProperty(
        name="Show Object", default=False, description="Render the object itself as well"
    )
    use_window: BoolProperty(
        name="Limit Time",
        default=False,
        description="Let it smoke only from one frame up to another, else all the time",
    )
    frame_start: IntProperty(
        name="Start", default=1, description="First frame in which it smokes", **_FRAMES
    )
    frame_end: IntProperty(
        name="End", default=25, description="Frame from which on it does not any more", **_FRAMES
    )


class ImpetusFlock(bpy.types.PropertyGroup):
    """A flock of which an object is one."""

    count: IntProperty(
        name="Count", default=100, min=1, soft_max=1000, max=5000, description="How many there are"
    )
    extent: FloatVectorProperty(
        name="Extent",
        size=3,
        default=(2.0, 2.0, 1.0),
        min=0.0,
        description="Edges of the box about the object in which they start",
        **(_LENGTH | {"subtype": "XYZ"}),
    )
    flat: BoolProperty(
        name="Keep Height",
        default=False,
        description="Let all stay at their height: fish in a pond, ants on a table",
    )
    ahead: EnumProperty(
        name="Forward", items=AXES, default="+y", description="The object's axis that flies ahead"
    )
    speed: FloatProperty(
        name="Speed", default=2.0, min=0.001, description="Speed that all seek", **_SPEED
    )
    slowest: FloatProperty(
        name="Slowest", default=1.0, min=0.0, description="None is ever slower", **_SPEED
    )
    fastest: FloatProperty(
        name="Fastest", default=3.0, min=0.001, description="None is ever faster", **_SPEED
    )
    agility: FloatProperty(
        name="Agility",
        default=6.0,
        min=0.001,
        unit="ACCELERATION",
        description="Largest acceleration; higher turns more sharply",
    )
    sight: FloatProperty(
        name="Sight", default=1.0, min=0.001, description="How far one sees others", **_LENGTH
    )
    space: FloatProperty(
        name="Space",
        default=0.35,
        min=0.0,
        description="From how close on others are too close",
        **_LENGTH,
    )
    separation: FloatProperty(
        name="Separation", default=1.5, min=0.0, soft_max=5.0, description="Wish to keep apart"
    )
    alignment: FloatProperty(
        name="Alignment", default=1.0, min=0.0, soft_max=5.0, description="Wish to fly as others do"
    )
    cohesion: FloatProperty(
        name="Cohesion", default=1.0, min=0.0, soft_max=5.0, description="Wish to be among others"
    )
    attraction: FloatProperty(
        name="Attraction", default=0.5, min=0.0, soft_max=5.0, description="Wish to reach the goal"
    )
    avoidance: FloatProperty(
        name="Avoidance",
        default=4.0,
        min=0.0,
        soft_max=10.0,
        description="Wish to turn before obstacles; nothing comes through them in any case",
    )
    banking: FloatProperty(
        name="Banking",
        default=0.6,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="How much they lean into a turn",
    )
    goal: PointerProperty(
        name="Goal",
        type=bpy.types.Object,
        description="Object that all seek; it may be animated",
    )
    bounds: _room("Stay Inside", "Object before whose bounding box's sides they turn back")
    collides: BoolProperty(
        name="Push Others",
        default=False,
        description="Let them push dynamic objects and smoke aside, as animated objects do; else "
        "they keep clear of dynamic objects",
    )


class ImpetusGas(bpy.types.PropertyGroup):
    """The air that smoke and fire move in, and how they look."""

    resolution: IntProperty(
        name="Resolution",
        default=64,
        min=8,
        soft_max=160,
        max=512,
        description="Grid cells along the longest side; higher shows finer whirls and takes longer",
    )
    domain: _room(
        "Domain",
        "Object whose bounding box holds the smoke; without one, the surroundings of what smokes",
    )
    closed: EnumProperty(
        name="Walls",
        items=SIDES,
        options={"ENUM_FLAG"},
        default=set(),
        description="Sides of the domain that hold the smoke inside; through others it leaves",
    )
    vorticity: FloatProperty(
        name="Whirls (1/s)",
        default=3.0,
        min=0.0,
        soft_max=15.0,
        max=100.0,
        description="Keeps small whirls alive; higher is livelier",
    )
    viscosity: FloatProperty(
        name="Viscosity (m²/s)",
        default=0.0,
        min=0.0,
        soft_max=0.1,
        max=10.0,
        precision=4,
        description="Thickness of the air; higher moves more smoothly",
    )
    weight: FloatProperty(
        name="Weight",
        default=0.0,
        min=0.0,
        soft_max=0.1,
        max=10.0,
        precision=3,
        description="How much thick smoke is pulled down, in shares of gravity for each 1/m",
    )
    cooling: FloatProperty(
        name="Cooling (1/s)",
        default=0.2,
        min=0.0,
        soft_max=5.0,
        max=1000.0,
        description="Share of the heat lost in a second; cooler smoke rises more slowly",
    )
    radiation: FloatProperty(
        name="Radiation (1/s)",
        default=1.5,
        min=0.0,
        soft_max=10.0,
        max=1000.0,
        description="Share of its heat that the hottest flame radiates in a second; higher makes "
        "flames shorter",
    )
    dissipation: FloatProperty(
        name="Dissipation (1/s)",
        default=0.1,
        min=0.0,
        soft_max=5.0,
        max=1000.0,
        description="Share of the smoke lost in a second",
    )
    burning_rate: FloatProperty(
        name="Burning Rate (1/s)",
        default=4.0,
        min=0.0,
        soft_max=20.0,
        max=1000.0,
        description="Share of the fuel that burns in a second; lower makes flames longer",
    )
    flame_temperature: FloatProperty(
        name="Flame Heat (K)",
        default=1500.0,
        min=1.0,
        soft_min=500.0,
        soft_max=3000.0,
        max=10_000.0,
        description="Kelvin by which burning gas gets warmer; hotter flames rise faster",
    )
    soot: FloatProperty(
        name="Soot (1/m)",
        default=8.0,
        min=0.0,
        soft_max=100.0,
        max=1e5,
        description="Thickness of the smoke that flames leave behind",
    )
    soot_color: FloatVectorProperty(
        name="Soot Color",
        default=(0.08, 0.08, 0.08),
        description="Colour of the smoke that flames leave behind",
        **_COLOR,
    )
    expansion: FloatProperty(
        name="Expansion",
        default=0.0,
        min=0.0,
        soft_max=8.0,
        max=20.0,
        description="Volumes of gas that burning fuel gains; higher bursts out",
    )
    splats: IntProperty(
        name="Splats",
        default=60_000,
        min=1000,
        soft_max=500_000,
        max=5_000_000,
        description="Most Gaussians that show smoke and fire in a frame",
    )
    anisotropy: FloatProperty(
        name="Anisotropy",
        default=0.3,
        min=-0.9,
        max=0.9,
        description="Above 0 smoke is bright against the light, below 0 with the light behind you",
    )
    flame_brightness: FloatProperty(
        name="Flame Brightness",
        default=6.0,
        min=0.0,
        soft_max=30.0,
        max=1e6,
        description="Light of the hottest flames; 1 is a white sheet's in full light",
    )
    flame_density: FloatProperty(
        name="Flame Thickness (1/m)",
        default=25.0,
        min=0.0,
        soft_max=100.0,
        max=1e5,
        description="How much flames hide what is behind them",
    )
    glow: FloatProperty(
        name="Glow From (K)",
        default=400.0,
        min=1.0,
        soft_max=1500.0,
        max=10_000.0,
        description="Kelvin above the air from which on gas glows",
    )


classes = (ImpetusSmoke, ImpetusFlock, ImpetusGas)
