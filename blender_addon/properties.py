"""What an artist sets: physics on objects, job settings and takes on scenes, status on the window.

Names, as scripts use them (angles in radians, lengths in Blender units):

object.impetus   role NONE (only seen) | DYNAMIC | STATIC | KINEMATIC
                 material ELASTIC | SAND | WATER, density, young_modulus, poisson_ratio,
                 friction_angle, cohesion, bulk_modulus, gamma, viscosity   (dynamic)
                 velocity, angular_velocity                                 (dynamic)
                 thickness, splat_density, use_inner_color, inner_color
                 boundary STICK | SLIP | SEPARATE, friction                 (static, kinematic)
scene.impetus    simulation_start, resolution, particles_per_cell, domain (object), walls
                 OPEN | SLIP | STICK, use_ground, ground_height, ground_boundary, ground_friction,
                 splats, lighting LIGHTS | BAKE, bake_samples, shadows, seed, take_name,
                 takes (name, job, take, state, ...), take_index
wm.impetus       what runs now; never saved
"""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

ROLES = (
    ("NONE", "Only Seen", "No physics; the object is rendered, and nothing touches it"),
    ("DYNAMIC", "Dynamic", "Falls, deforms, flows and collides"),
    ("STATIC", "Static", "Stands still; dynamic objects collide with it"),
    ("KINEMATIC", "Kinematic", "Follows its animation and pushes dynamic objects aside"),
)
MATERIALS = (
    ("ELASTIC", "Elastic", "Deforms and springs back, like jelly or rubber"),
    ("SAND", "Sand", "Piles up and slides under its friction angle, like sand or gravel"),
    ("WATER", "Water", "Flows and keeps its volume"),
)
BOUNDARIES = (
    ("STICK", "Stick", "What touches the surface stays on it"),
    ("SLIP", "Slip", "What touches the surface slides along it and never lets go"),
    ("SEPARATE", "Separate", "What touches the surface slides with friction and may leave again"),
)
WALLS = (
    ("OPEN", "Open", "What leaves the domain is frozen where it left"),
    ("SLIP", "Slip", "The domain's walls hold everything inside, without friction"),
    ("STICK", "Stick", "The domain's walls hold what touches them"),
)
LIGHTING = (
    ("LIGHTS", "Scene Lights", "Light each frame with the scene's lights; quick"),
    (
        "BAKE",
        "Cycles Bake",
        "Bake Cycles' light into the surfaces once, in the background; richer, and it stays "
        "with the surface as that moves",
    ),
)
ACTIVE_STATES = frozenset({"exporting", "baking", "uploading", "queued", "running", "paused"})


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
        "higher shows finer detail",
    )
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
        description="Grip of the surface; things slide when the slope exceeds its arctangent",
    )


class ImpetusTake(bpy.types.PropertyGroup):
    """One take of a scene: enough to find it again after the file was closed."""

    name: StringProperty(name="Name", description="Name of the take and of its folder")
    job: StringProperty()
    take: StringProperty()
    state: StringProperty(default="exporting")
    sentence: StringProperty(description="What happened, where something did")
    folder: StringProperty(description="Where the take's frames are; // is beside the file")
    last_seq: IntProperty(min=0)
    first: IntProperty()
    last: IntProperty()
    fps: FloatProperty()
    width: IntProperty()
    height: IntProperty()
    frames_done: IntProperty(min=0)
    camera: StringProperty()
    digest: StringProperty(description="What the scene was when the take was made")

    @property
    def frames_total(self) -> int:
        """Count of frames that the take has when it is done."""
        return self.last - self.first + 1

    @property
    def is_active(self) -> bool:
        """Whether frames may still come."""
        return self.state in ACTIVE_STATES


class ImpetusScene(bpy.types.PropertyGroup):
    """Settings of the job, and the takes that were made."""

    simulation_start: IntProperty(
        name="Simulation Start",
        default=1,
        min=-1_048_574,
        max=1_048_574,
        description="Frame at which everything begins to move; the frame range may start later "
        "without changing the motion",
    )
    resolution: IntProperty(
        name="Resolution",
        default=64,
        min=8,
        soft_max=256,
        max=2048,
        description="Grid cells along the domain's longest side; higher catches finer motion, "
        "and takes longer",
    )
    particles_per_cell: IntProperty(
        name="Particles per Cell",
        default=8,
        min=1,
        soft_max=16,
        max=64,
        description="Mass points in each grid cell; more tear and splash more finely",
    )
    domain: PointerProperty(
        name="Domain",
        type=bpy.types.Object,
        description="Object whose bounding box holds the simulation; without one, the dynamic "
        "objects' surroundings",
    )
    walls: EnumProperty(
        name="Walls",
        items=WALLS,
        default="SLIP",
        description="What the domain's sides do to what reaches them",
    )
    use_ground: BoolProperty(
        name="Ground",
        default=False,
        description="Lay an unseen horizontal plane that nothing falls through",
    )
    ground_height: FloatProperty(
        name="Height",
        default=0.0,
        subtype="DISTANCE",
        unit="LENGTH",
        description="Height of the ground in the world",
    )
    ground_boundary: EnumProperty(
        name="Contact",
        items=BOUNDARIES,
        default="SEPARATE",
        description="What the ground does to what touches it",
    )
    ground_friction: FloatProperty(
        name="Friction",
        default=0.5,
        min=0.0,
        soft_max=1.0,
        max=100.0,
        description="Grip of the ground",
    )
    splats: IntProperty(
        name="Splats",
        default=200_000,
        min=100,
        soft_max=2_000_000,
        max=20_000_000,
        description="Gaussians shared by all objects; more show finer detail",
    )
    lighting: EnumProperty(
        name="Lighting",
        items=LIGHTING,
        default="LIGHTS",
        description="Where the light on the surfaces comes from",
    )
    bake_samples: IntProperty(
        name="Samples",
        default=64,
        min=1,
        soft_max=1024,
        max=65536,
        description="Light paths for each baked point; more are smoother, and take longer",
    )
    shadows: BoolProperty(
        name="Shadows",
        default=True,
        description="Let lights that cast shadows do so on every object",
    )
    seed: IntProperty(
        name="Seed",
        default=0,
        min=0,
        description="Changes every random choice; the same seed gives the same frames",
    )
    take_name: StringProperty(
        name="Name",
        default="",
        maxlen=100,
        description="Name of the next take; empty takes the scene's",
    )
    takes: CollectionProperty(type=ImpetusTake)
    take_index: IntProperty(name="Take")
    view_before: StringProperty(
        options={"HIDDEN"}, description="View settings of before the first take was placed"
    )


class ImpetusProblem(bpy.types.PropertyGroup):
    """One thing that keeps the shot from being made, or will make it look wrong."""

    where: StringProperty()
    text: StringProperty()
    fix: StringProperty()
    is_warning: BoolProperty()


class ImpetusStatus(bpy.types.PropertyGroup):
    """What runs now. On the window manager: neither saved nor undone."""

    link: EnumProperty(
        items=(
            ("OFF", "Off", ""),
            ("CONNECTING", "Connecting", ""),
            ("ON", "On", ""),
            ("SETUP", "Setting Up", ""),
        ),
        default="OFF",
        options={"HIDDEN"},
    )
    backend: StringProperty()
    sentence: StringProperty()
    remedy: StringProperty()
    stage: StringProperty()
    factor: FloatProperty(min=0.0, max=1.0)
    seconds_left: FloatProperty(default=-1.0)
    job: StringProperty()
    problems: CollectionProperty(type=ImpetusProblem)


class ImpetusPreferences(bpy.types.AddonPreferences):
    """Choices of the machine rather than of the scene."""

    bl_idname = __package__

    backend_python: StringProperty(
        name="Backend Python",
        subtype="FILE_PATH",
        description="For development: run the backend with this Python instead of the one "
        "that Set Up Backend makes",
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """Lay out the preferences."""
        self.layout.use_property_split = True
        self.layout.prop(self, "backend_python")


classes = (
    ImpetusPhysics,
    ImpetusTake,
    ImpetusScene,
    ImpetusProblem,
    ImpetusStatus,
    ImpetusPreferences,
)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(classes)


def register() -> None:
    _register_classes()
    bpy.types.Object.impetus = PointerProperty(type=ImpetusPhysics)
    bpy.types.Scene.impetus = PointerProperty(type=ImpetusScene)
    bpy.types.WindowManager.impetus = PointerProperty(type=ImpetusStatus)


def unregister() -> None:
    del bpy.types.WindowManager.impetus
    del bpy.types.Scene.impetus
    del bpy.types.Object.impetus
    _unregister_classes()
