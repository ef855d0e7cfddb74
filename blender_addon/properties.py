"""What an artist sets: physics on objects, job settings and takes on scenes, status on the window.

Names, as scripts use them (angles in radians, lengths in Blender units):

object.impetus   role NONE (only seen) | DYNAMIC | STATIC | KINEMATIC | SMOKE | FLOCK
                 material ELASTIC | RUBBER | METAL | PLASTICINE | BRITTLE | SAND | SNOW | CREAM |
                 WATER | RIGID, density, young_modulus, poisson_ratio, yield_stress,
                 hardening_modulus, tear_strain, strength, friction_angle, cohesion,
                 critical_compression,
                 critical_stretch, hardening_coefficient, consistency, flow_index, bulk_modulus,
                 gamma, viscosity, friction, restitution, sticks_to (collection)   (dynamic)
                 velocity, angular_velocity                                 (dynamic)
                 stiffness_scale, density_scale (group, low, high)          (dynamic)
                 thickness, splat_density, use_inner_color, inner_color
                 splat_source SURFACE | FITTED, fit (light, cameras, engine, views, size, samples,
                 splats, steps)
                 acts (kind FORCE | TORQUE | IMPULSE | SPIN | PIN | RELEASE, vector, vertex_group,
                 target, direction, use_window, frame_start, frame_end), act_index   (dynamic)
                 boundary STICK | SLIP | SEPARATE, friction                 (static, kinematic)
                 smoke, flock (air/properties.py)                           (smoke, flock)
                 capture (path, opacity_threshold, is_linear, boxes (box, side KEEP | CUT, use),
                 box_index, preview_points, count, kept)                    (imported splats)
scene.impetus    simulation_start, resolution, particles_per_cell, domain (object), walls
                 OPEN | SLIP | STICK, leaving CLIP | GROW | STOP,
                 use_ground, ground_height, ground_boundary, ground_friction,
                 splats, lighting LIGHTS | BAKE, bake_samples, shadows, backdrop (image), seed,
                 take_name, use_depth_of_field, use_motion_blur, blur_samples,
                 gas (air/properties.py), diffusion (methods/properties.py),
                 takes (name, job, take, state, ...), take_index
wm.impetus       what runs now; never saved
"""

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

from .acts.properties import classes as act_classes
from .air.properties import ImpetusGas
from .air.properties import classes as air_classes
from .captures.properties import classes as capture_classes
from .fits.properties import classes as fit_classes
from .methods.properties import ImpetusDiffusion
from .methods.properties import classes as method_classes
from .physics import BOUNDARIES, ImpetusPhysics
from .preview.properties import ImpetusView
from .regions.properties import classes as region_classes
from .viewport.properties import ImpetusViewport
from .viewport.properties import classes as viewport_classes

WALLS = (
    ("OPEN", "Open", "Nothing holds what comes to the domain's sides: it leaves"),
    ("SLIP", "Slip", "The domain's walls hold everything inside, without friction"),
    ("STICK", "Stick", "The domain's walls hold what touches them"),
)
LEAVING = (
    ("CLIP", "Clip", "What leaves is not simulated any more, and hidden from that frame on"),
    (
        "GROW",
        "Grow",
        "The domain grows with what comes near to its sides, so that it flies on and lands; takes "
        "memory and time as it grows, and clips at a limit",
    ),
    ("STOP", "Stop", "The job stops at the frame in which something leaves, and says what"),
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


def _is_volume_object(_settings: bpy.types.PropertyGroup, candidate: bpy.types.Object) -> bool:
    return candidate.type in {"MESH", "EMPTY"}


class ImpetusTake(bpy.types.PropertyGroup):
    """One take of a scene: enough to find it again after the file was closed."""

    name: StringProperty(name="Name", description="Name of the take and of its folder")
    key: StringProperty(description="Its name before the backend gave it one")
    job: StringProperty()
    take: StringProperty()
    state: StringProperty(default="exporting")
    sentence: StringProperty(description="What happened, where something did")
    warnings: StringProperty(description="What the artist should know, a line each")
    is_placed: BoolProperty(description="Whether it was put on the timeline")
    folder: StringProperty(description="Where the take's frames are; // is beside the file")
    last_seq: IntProperty(min=0)
    first: IntProperty()
    last: IntProperty()
    fps: FloatProperty()
    width: IntProperty()
    height: IntProperty()
    frames_done: IntProperty(min=0)
    camera: StringProperty()

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
        poll=_is_volume_object,
        description="Object whose bounding box holds the simulation; without one, the dynamic "
        "objects' surroundings",
    )
    walls: EnumProperty(
        name="Walls",
        items=WALLS,
        default="SLIP",
        description="What the domain's sides do to what reaches them",
    )
    leaving: EnumProperty(
        name="Leaving",
        items=LEAVING,
        default="CLIP",
        description="What becomes of matter that leaves through an open side of the domain; "
        "without a domain object all sides are open. Rigid objects go on anywhere",
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
    use_depth_of_field: BoolProperty(
        name="Depth of Field",
        description="Obey the camera's own depth of field: its focus, F-stop and aperture",
    )
    use_motion_blur: BoolProperty(
        name="Motion Blur",
        description="Obey the render's own motion blur: its position and shutter",
    )
    blur_samples: IntProperty(
        name="Samples",
        default=32,
        min=2,
        soft_max=128,
        max=1024,
        description="Pictures that each blurred frame is the mean of; more are smoother, and take "
        "longer",
    )
    backdrop: PointerProperty(
        name="Backdrop",
        type=bpy.types.Image,
        description="Picture shown behind the objects, stretched to the film; without one, the "
        "world's colour",
    )
    seed: IntProperty(
        name="Seed",
        default=0,
        min=0,
        description="Changes every random choice; the same seed gives the same frames",
    )
    view: PointerProperty(type=ImpetusView)
    take_name: StringProperty(
        name="Name",
        default="",
        maxlen=100,
        description="Name of the next take; empty takes the scene's",
    )
    gas: PointerProperty(type=ImpetusGas)
    diffusion: PointerProperty(type=ImpetusDiffusion)
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
    models: StringProperty(description="Names of the backend's diffusion models, a line each")
    sentence: StringProperty()
    remedy: StringProperty()
    stage: StringProperty()
    factor: FloatProperty(min=0.0, max=1.0)
    seconds_left: FloatProperty(default=-1.0)
    job: StringProperty()
    problems: CollectionProperty(type=ImpetusProblem)
    fit: StringProperty(description="Name of the object that is being fitted")
    fit_factor: FloatProperty(min=0.0, max=1.0)
    fit_trouble: StringProperty(description="Why the last fit ended early, and what to do")
    lift: StringProperty(description="Name of the picture that is being made a body")
    lift_factor: FloatProperty(min=0.0, max=1.0)
    lift_note: StringProperty(description="What to know of the last body of a picture")
    viewport: PointerProperty(type=ImpetusViewport)


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
    *method_classes,
    *act_classes,
    *region_classes,
    *air_classes,
    *capture_classes,
    ImpetusView,
    *fit_classes,
    *viewport_classes,
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
