"""The physics of one object: role, material, contact, as an artist sets them."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
)

from .acts.properties import ImpetusAct
from .air.properties import ImpetusFlock, ImpetusSmoke
from .captures.properties import ImpetusCapture
from .fits.properties import ImpetusFit
from .regions.properties import ImpetusScale

ROLES = (
    ("NONE", "Only Seen", "No physics; the object is rendered, and nothing touches it"),
    ("DYNAMIC", "Dynamic", "Falls, deforms, flows and collides"),
    ("STATIC", "Static", "Stands still; dynamic objects collide with it"),
    (
        "KINEMATIC",
        "Kinematic",
        "Follows its animation, its mesh's changes of shape too, and pushes dynamic objects aside",
    ),
    ("SMOKE", "Smoke", "Smokes and burns; what is dynamic passes through it"),
    ("FLOCK", "Flock", "Is one of many that fly or swim together"),
)
SPLAT_SOURCES = (
    ("SURFACE", "Surface", "Spread over the surface, with its colours or its baked light"),
    ("FITTED", "Fitted", "Fitted to Blender's own renders of the object, with Fit Splats"),
)
MATERIALS = (
    ("ELASTIC", "Elastic", "Deforms and springs back, like jelly", "", 0),
    (
        "RUBBER",
        "Rubber",
        "Deforms and springs back as rubber does under large stretch; the fastest to simulate",
        "",
        3,
    ),
    ("METAL", "Metal", "Springs back a little, bends for good beyond its yield stress", "", 4),
    ("PLASTICINE", "Plasticine", "Keeps every shape it is given; softens, and tears", "", 5),
    (
        "BRITTLE",
        "Brittle",
        "Springs back until it cracks, like bread or biscuit",
        "",
        6,
    ),
    ("SAND", "Sand", "Piles up and slides under its friction angle, like sand or gravel", "", 1),
    ("SNOW", "Snow", "Packs and hardens where it is pressed, crumbles where it is pulled", "", 7),
    ("CREAM", "Foam and Cream", "Stands until pushed hard enough, then flows, like a paste", "", 8),
    ("WATER", "Water", "Flows and keeps its volume, thin or thick", "", 2),
    ("RIGID", "Rigid", "Keeps its shape, spins, rolls, stacks and floats", "", 20),
)
BOUNDARIES = (
    ("STICK", "Stick", "What touches the surface stays on it"),
    ("SLIP", "Slip", "What touches the surface slides along it and never lets go"),
    ("SEPARATE", "Separate", "What touches the surface slides with friction and may leave again"),
)


class ImpetusPhysics(bpy.types.PropertyGroup):
    """Physics of one object."""

    role: EnumProperty(
        name="Role",
        items=ROLES,
        default="NONE",
        description="What the object does; decides what it collides with",
    )
    material: EnumProperty(
        name="Material",
        items=MATERIALS,
        default="ELASTIC",
        description="The law that the object deforms by",
    )
    density: FloatProperty(
        name="Density (kg/m³)",
        default=1000.0,
        min=0.001,
        soft_min=10.0,
        soft_max=10000.0,
        max=1e6,
        description="Mass of a cubic metre in kg; heavier objects push lighter ones aside",
    )
    young_modulus: FloatProperty(
        name="Stiffness (Pa)",
        default=1e5,
        min=1.0,
        soft_max=1e7,
        max=1e12,
        step=100000,
        precision=0,
        description="Young's modulus in pascal; higher is stiffer, and takes longer to simulate",
    )
    poisson_ratio: FloatProperty(
        name="Poisson's Ratio",
        default=0.3,
        min=0.0,
        max=0.49,
        description="How much the object bulges sideways when it is squeezed",
    )
    friction_angle: FloatProperty(
        name="Friction Angle",
        default=0.6109,
        min=0.0,
        max=1.39,
        subtype="ANGLE",
        unit="ROTATION",
        description="Slope at which a heap begins to slide; higher piles up steeper",
    )
    cohesion: FloatProperty(
        name="Cohesion (Pa)",
        default=0.0,
        min=0.0,
        soft_max=5000.0,
        max=1e9,
        description="How strongly grains hold together, in pascal; wet sand keeps its shape",
    )
    critical_compression: FloatProperty(
        name="Critical Compression",
        default=0.025,
        min=0.0001,
        soft_max=0.1,
        max=0.49,
        precision=4,
        description="Share of its length by which snow is squeezed before it packs for good; "
        "lower is powder, higher holds its shape",
    )
    critical_stretch: FloatProperty(
        name="Critical Stretch",
        default=0.0075,
        min=0.0,
        soft_max=0.05,
        max=0.49,
        precision=4,
        description="Share of its length by which snow is pulled before it breaks; "
        "lower falls into powder, higher into chunks",
    )
    hardening_coefficient: FloatProperty(
        name="Hardening",
        default=10.0,
        min=0.0,
        soft_max=15.0,
        max=30.0,
        description="How fast snow hardens where it is packed; higher is more brittle ice",
    )
    yield_stress: FloatProperty(
        name="Yield Stress (Pa)",
        default=5e4,
        min=0.0,
        soft_max=1e6,
        max=1e11,
        step=10000,
        precision=1,
        description="Tension in pascal at which a bar begins to flow; higher holds its shape",
    )
    hardening_modulus: FloatProperty(
        name="Hardening (Pa)",
        default=1e5,
        min=0.0,
        soft_max=1e7,
        max=1e12,
        step=10000,
        precision=0,
        description="Pascal that the yield stress gains for each unit of lasting strain; "
        "higher spreads a bend over more of the object",
    )
    strength: FloatProperty(
        name="Strength (Pa)",
        default=1000.0,
        min=0.001,
        soft_max=1e6,
        max=1e11,
        step=1000,
        precision=1,
        description="Tension in pascal at which it cracks; higher bears more before it breaks",
    )
    tear_strain: FloatProperty(
        name="Tear Strain",
        default=0.7,
        min=0.001,
        soft_max=3.0,
        max=100.0,
        precision=3,
        description="Lasting strain at which it is torn through; higher draws out longer first",
    )
    consistency: FloatProperty(
        name="Consistency (Pa sⁿ)",
        default=10.0,
        min=0.0,
        soft_max=200.0,
        max=1e6,
        description="Resistance to flow at a shear rate of 1 a second, beyond the yield stress; "
        "higher flows more slowly",
    )
    flow_index: FloatProperty(
        name="Flow Index",
        default=0.5,
        min=0.1,
        soft_max=1.0,
        max=2.0,
        description="Below 1 it thins where it is sheared fast, at 1 it flows like honey, "
        "above 1 it thickens",
    )
    bulk_modulus: FloatProperty(
        name="Bulk Modulus (Pa)",
        default=1e5,
        min=10.0,
        soft_max=1e6,
        max=1e12,
        step=100000,
        precision=0,
        description="Resistance to compression in pascal; higher keeps the volume better, "
        "and takes longer to simulate",
    )
    gamma: FloatProperty(
        name="Gamma",
        default=7.0,
        min=1.0,
        max=20.0,
        description="How sharply pressure rises with compression; 7 is water's",
    )
    viscosity: FloatProperty(
        name="Viscosity (Pa s)",
        default=1e-3,
        min=0.0,
        soft_max=100.0,
        max=1e6,
        precision=4,
        description="Thickness of the liquid in pascal seconds; 0.001 is water, 10 is honey",
    )
    restitution: FloatProperty(
        name="Bounciness",
        default=0.2,
        min=0.0,
        max=1.0,
        description="Share of its speed that a rigid object keeps when it bounces",
    )
    velocity: FloatVectorProperty(
        name="Velocity",
        size=3,
        subtype="VELOCITY",
        unit="VELOCITY",
        description="Speed and direction, in the world, with which the object starts",
    )
    angular_velocity: FloatVectorProperty(
        name="Spin (rad/s)",
        size=3,
        subtype="XYZ",
        description="Radians a second about the world's axes with which the object starts",
    )
    thickness: FloatProperty(
        name="Thickness",
        default=0.0,
        min=0.0,
        soft_max=1.0,
        subtype="DISTANCE",
        unit="LENGTH",
        description="Depth given to a mesh that is not closed; 0 takes two grid cells",
    )
    splat_density: FloatProperty(
        name="Splat Density",
        default=1.0,
        min=0.01,
        soft_max=10.0,
        max=1000.0,
        description="Share of the splats relative to other objects of the same size; "
        "higher shows finer detail. Fitted and captured splats are as many as they are",
    )
    splat_source: EnumProperty(
        name="From",
        items=SPLAT_SOURCES,
        default="SURFACE",
        description="Where the splats that show the object come from",
    )
    fit: PointerProperty(type=ImpetusFit)
    use_inner_color: BoolProperty(
        name="Inner Color",
        default=False,
        description="Give the inside a colour of its own; without it, the surface's mean is used",
    )
    inner_color: FloatVectorProperty(
        name="Inner Color",
        size=3,
        subtype="COLOR",
        default=(0.8, 0.2, 0.1),
        min=0.0,
        soft_max=1.0,
        description="What shows where the object tears",
    )
    capture: PointerProperty(type=ImpetusCapture)
    stiffness_scale: PointerProperty(type=ImpetusScale)
    density_scale: PointerProperty(type=ImpetusScale)
    acts: CollectionProperty(type=ImpetusAct)
    act_index: IntProperty(name="Push or Pin")
    smoke: PointerProperty(type=ImpetusSmoke)
    flock: PointerProperty(type=ImpetusFlock)
    boundary: EnumProperty(
        name="Contact",
        items=BOUNDARIES,
        default="SEPARATE",
        description="What the surface does to what touches it",
    )
    friction: FloatProperty(
        name="Friction",
        default=0.3,
        min=0.0,
        soft_max=1.0,
        max=100.0,
        description="Grip of the surface; things slide when the slope exceeds its arctangent. "
        "Where two objects meet, the square root of the product of both counts",
    )
    sticks_to: PointerProperty(
        name="Sticks To",
        type=bpy.types.Collection,
        description="Objects of this collection hold to this one wherever they touch, as if "
        "glued; without one, objects that meet part again",
    )
