"""The shot: all that the backend needs to make frames. Immutable, serialisable, free of Blender.

SI units; world right-handed, Z up, metres; cameras in OpenCV axes; colours linear Rec.709.
A *track* is an array whose first axis is 1 (constant) or `frames.tracked_count`
(one row per frame of `frames.tracked`). Large data stands beside the shot as arrays (arrays.py).
"""

from typing import Annotated, Literal

import msgspec

from .air import Gas
from .arrays import ArrayRef
from .fits.fitted import Fitted
from .forces import Force, Number, Window
from .materials import Material
from .methods import Method, NoMethod
from .part import Box as Box
from .part import Color, Fraction, FrameNumber, Name, NonNegative, Part, Positive, Vector3
from .regions import Scale


class FrameRange(Part, frozen=True):
    """Blender's frame numbers, both ends included; seconds = (frame - simulation_start) / fps."""

    first: FrameNumber
    last: FrameNumber
    fps: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    simulation_start: FrameNumber

    @property
    def numbers(self) -> range:
        return range(self.first, self.last + 1)

    @property
    def tracked(self) -> range:
        """The frames that tracks speak of: all that are simulated or shown."""
        return range(min(self.first, self.simulation_start), self.last + 1)

    @property
    def tracked_count(self) -> int:
        return len(self.tracked)


class CameraTrack(Part, frozen=True):
    """A camera, one row per frame of `FrameRange.numbers`."""

    camera_to_world: ArrayRef
    "f8 (T, 4, 4), OpenCV axes (x right, y down, z forward), rigid."
    intrinsics: ArrayRef
    """f8 (T, 4): fx, fy, cx, cy in pixels of the film; pixel centres at +0.5.
    Where it is orthographic, fx and fy are pixels per metre."""
    clip_start: Positive = 0.1
    clip_end: Positive = 1000.0
    clip: ArrayRef | None = None
    "f8 (T, 2): clip start and end in metres of each frame, where they change."
    orthographic: ArrayRef | None = None
    "u1 (T,): 1 in frames where it is orthographic; a pinhole in all where absent."
    cuts: tuple[FrameNumber, ...] = ()
    "Frames at which another camera takes over: nothing is blurred across."


class Film(Part, frozen=True):
    """Output size in pixels."""

    width: Annotated[int, msgspec.Meta(ge=1, le=16384)]
    height: Annotated[int, msgspec.Meta(ge=1, le=16384)]
    region: tuple[int, int, int, int] | None = None
    "Left, top, right and bottom of what is rendered; the rest is left empty. All where absent."
    whole: tuple[int, int, int, int] | None = None
    "Where this film is cut out of a larger one: its left and top there, that one's width, height."


class Contact(Part, frozen=True):
    """A collider's surface: `separate` lets go and rubs, `slip` only slides, `stick` holds."""

    boundary: Literal["stick", "slip", "separate"] = "separate"
    friction: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.3


class Mesh(Part, frozen=True):
    """Triangles in body space (metres, the object's scale applied)."""

    vertices: ArrayRef
    "f4 (V, 3)."
    triangles: ArrayRef
    "i4 (F, 3), counter-clockwise seen from outside."
    normals: ArrayRef | None = None
    "f4 (F, 3, 3): shading normals at the corners; flat where absent."


class VertexCache(Part, frozen=True):
    """How a mesh changes its shape; what is drawn of it, and what others touch, follows."""

    vertices: ArrayRef
    "f4 (T, V, 3) m in body space: where those of `mesh` are, a row per frame of `frames.tracked`."
    mesh: Mesh
    "What changes its shape, as it is at `simulation_start`; a body's own may be finer (a bake)."


class Surface(Part, frozen=True):
    """One material slot's look."""

    base_color: Color = (0.8, 0.8, 0.8)
    alpha: Fraction = 1.0
    image: ArrayRef | None = None
    "u1 (H, W, 4) sRGB or f4 (H, W, 4) linear, top row first; looked up by the mesh's uv."
    roughness: Fraction = 0.5
    specular: Fraction = 0.5
    metallic: Fraction = 0.0
    emission: Color = (0.0, 0.0, 0.0)


class Looks(Part, frozen=True):
    """Colours of a body's surface and inside."""

    surfaces: tuple[Surface, ...] = (Surface(),)
    surface_index: ArrayRef | None = None
    "i4 (F,): which surface each triangle shows; 0 where absent."
    uv: ArrayRef | None = None
    "f4 (F, 3, 2), v upwards as in Blender."
    colors: ArrayRef | None = None
    "f4 (F, 3, 4): linear corner colours that replace base colour and image."
    lit: bool = False
    "Whether `colors` already hold the light (a bake); such a body is not lit again."
    inner_color: Color | None = None
    "What tearing shows; the surface's mean colour where absent."


class Capture(Part, frozen=True):
    """Splats made elsewhere, in body space (metres, the object's scale applied); n rows."""

    mean: ArrayRef
    "f4 (n, 3)."
    opacity: ArrayRef
    "f4 (n,), 0 to 1."
    harmonics: ArrayRef
    "f4 (n, 1, 4, 9 or 16, 3), in the order and signs of captures/harmonics.py."
    axes: ArrayRef | None = None
    "f4 (n, 3, 3): columns are the 1-sigma half axes. Absent: points, sized by their neighbours."
    linear: bool = False
    "Whether the harmonics give linear light; captures are trained in sRGB."


class Body(Part, frozen=True):
    """One object: geometry, role, and material (dynamic) or contact (None: only seen)."""

    name: Name
    role: Literal["dynamic", "static", "kinematic"]
    mesh: Mesh
    poses: ArrayRef
    "f8 track (1 or T, 4, 4), body to world, rigid; a dynamic body's is that of simulation_start."
    looks: Looks = Looks()
    material: Material | None = None
    contact: Contact | None = None
    velocity: Vector3 = (0.0, 0.0, 0.0)
    "Initial, m/s, world."
    angular_velocity: Vector3 = (0.0, 0.0, 0.0)
    "Initial, rad/s about the centre of mass, world."
    sticks_to: Annotated[tuple[Name, ...], msgspec.Meta(max_length=10_000)] = ()
    "Dynamic bodies that it holds to wherever they touch; one of two need name the other."
    thickness: NonNegative = 0.0
    "Metres given to a mesh that is open; 0 lets the backend choose two cells and warn."
    splat_density: Positive = 1.0
    "Share of the shot's splats relative to other bodies of the same size."
    capture: Capture | None = None
    "Seen in the mesh's place, which is the box around it; matter fills what it encloses."
    fit: Fitted | None = None
    "Splats fitted to pictures, in the place of those of the surface."
    stiffness_scale: Scale | None = None
    "How stiffness and strength differ over it; of a dynamic body that deforms."
    density_scale: Scale | None = None
    "How its density differs over it; of a dynamic body."
    vertex_cache: VertexCache | None = None
    "How it changes its shape by itself, on top of its poses; of a kinematic body."


class Emitter(Part, frozen=True):
    """A mesh that smoke and fire come from; where it is, the air becomes what it says."""

    name: Name
    mesh: Mesh
    poses: ArrayRef
    "f8 track (1 or T, 4, 4), body to world, rigid."
    smoke: Number = 20.0
    "Extinction of its smoke [1/m]; 20 hides what is 15 cm behind it."
    temperature: Annotated[float, msgspec.Meta(ge=-250, le=10_000)] | ArrayRef = 60.0
    "K above the air around; below zero its smoke sinks. A track f8 (1 or T,) where keyed."
    fuel: Number = 0.0
    "Share of the gas that burns, up to 1."
    rate: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 15.0
    "How fast the air in it becomes so [1/s]."
    color: Color = (0.6, 0.6, 0.6)
    "Share of the light that its smoke scatters."
    velocity: Vector3 = (0.0, 0.0, 0.0)
    "Of what comes out, m/s, world: as fast along it at least."
    inheritance: Fraction = 1.0
    "Share of its own velocity that it gives to what comes out."
    window: Window = Window()
    thickness: NonNegative = 0.0
    "Metres given to a mesh that is open; 0 lets the backend choose two cells."


class Flock(Part, frozen=True):
    """Many of one body that steer among each other (Reynolds 1987), from the simulation's start.

    Lengths in metres, speeds in m/s. Each agent is a body of its own in the frames: `body` gives
    shape, looks and contact, its pose the middle of where they start. They stay out of what has a
    contact, and of the ground. Without a contact they stay out of dynamic bodies too; with one they
    push these aside.
    """

    name: Name
    body: Body
    "Kinematic, without a track."
    count: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 100
    extent: tuple[NonNegative, NonNegative, NonNegative] = (2.0, 2.0, 1.0)
    "Edges of the box, about the body's place, in which they start."
    flat: bool = False
    "Whether they keep their height: a flock in two dimensions."
    ahead: Literal["+x", "-x", "+y", "-y", "+z", "-z"] = "+y"
    "The body's axis that flies foremost; its +Z stays up, of a body that flies along Z its +Y."
    speed: Positive = 2.0
    slowest: NonNegative = 1.0
    fastest: Positive = 3.0
    agility: Positive = 6.0
    "Largest acceleration [m/s^2]."
    sight: Positive = 1.0
    "How far one sees others."
    space: NonNegative = 0.35
    "From how close on they are too close."
    separation: NonNegative = 1.5
    alignment: NonNegative = 1.0
    cohesion: NonNegative = 1.0
    attraction: NonNegative = 0.5
    "Of the goal; weights are relative to each other."
    avoidance: NonNegative = 4.0
    goal: ArrayRef | None = None
    "f8 track (1 or T, 3): the place that all seek, world."
    bounds: Box | None = None
    "They turn back before its sides."
    banking: Fraction = 0.6
    "How much they lean into a turn; 1 is as an aeroplane does."


class Light(Part, frozen=True):
    """A lamp, shining along its pose's -Z: sun (power in W/m^2), or point, spot, area (W)."""

    name: Name
    kind: Literal["sun", "point", "spot", "area"]
    poses: ArrayRef
    "f8 track (1 or T, 4, 4)."
    color: Color = (1.0, 1.0, 1.0)
    power: NonNegative = 1.0
    size: NonNegative = 0.0
    "Radius (point, spot), edge (area) in metres; angle in radians (sun)."
    spot_angle: Annotated[float, msgspec.Meta(gt=0, le=3.1416)] = 0.785
    spot_blend: Fraction = 0.15
    shadow: bool = True


class Ground(Part, frozen=True):
    """A horizontal plane that nothing falls through; not drawn."""

    height: float = 0.0
    contact: Contact = Contact()


class World(Part, frozen=True):
    """What is behind everything, what light comes from everywhere, what lies below."""

    background: Color = (0.05, 0.05, 0.05)
    background_image: ArrayRef | None = None
    "u1 (H, W, 3 or 4) sRGB or f4 linear, shown behind the bodies, stretched to the film."
    transparent: bool = False
    "Whether the film's background is left empty (alpha 0)."
    ambient: Color = (0.05, 0.05, 0.05)
    "Radiance from all directions, for bodies without a bake."
    ground: Ground | None = None


class SimulationSettings(Part, frozen=True):
    """How finely the physics is resolved; the time step is never asked for, it follows the CFL."""

    resolution: Annotated[int, msgspec.Meta(ge=8, le=2048)] = 64
    "Grid cells along the longest side of the domain."
    particles_per_cell: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    domain: Box | None = None
    "None: the dynamic bodies' bounds, enlarged, with open walls."
    walls: Literal["open", "slip", "stick"] = "slip"
    leaving: Literal["clip", "grow", "stop"] = "clip"
    """What becomes of matter that comes to an open wall: what leaves is not simulated and not seen
    any more; the domain grows with it, up to a limit; or the job stops."""


class Blur(Part, frozen=True):
    """What the beauty is averaged over; all other passes are of the frame's own moment, sharp."""

    samples: Annotated[int, msgspec.Meta(ge=2, le=1024)] = 32
    "Pictures of each frame, each of its own moment and through its own spot of the lens."
    shutter: tuple[float, float] = (0.0, 0.0)
    "When it opens and closes, in frames from the frame's own time, within -1 to 1."
    lens: ArrayRef | None = None
    "f8 (T, 2): radius of the lens and distance of what is sharp [m]; a pinhole where absent."
    blades: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    "Sides of the lens; round below 3."
    rotation: float = 0.0
    "Of its sides [rad]."
    ratio: Positive = 1.0
    "Its height over its width, as of an anamorphic lens."


class RenderSettings(Part, frozen=True):
    """How finely the looks are resolved."""

    splats: Annotated[int, msgspec.Meta(ge=100, le=20_000_000)] = 200_000
    "Budget over all bodies."
    shadows: bool = True
    blur: Blur | None = None
    "Motion blur and depth of field; everything is sharp where absent."


class Shot(Part, frozen=True):
    """One shot. Its hash (`shot_hash`) names everything made from it."""

    name: Name
    frames: FrameRange
    film: Film
    camera: CameraTrack
    gravity: ArrayRef
    "f8 track (1 or T, 3), m/s^2."
    bodies: Annotated[tuple[Body, ...], msgspec.Meta(max_length=10_000)] = ()
    forces: Annotated[tuple[Force, ...], msgspec.Meta(max_length=1_000)] = ()
    emitters: Annotated[tuple[Emitter, ...], msgspec.Meta(max_length=100)] = ()
    gas: Gas = Gas()
    "Of the emitters; without one there is no air to move."
    flocks: Annotated[tuple[Flock, ...], msgspec.Meta(max_length=100)] = ()
    lights: Annotated[tuple[Light, ...], msgspec.Meta(max_length=1_000)] = ()
    world: World = World()
    simulation: SimulationSettings = SimulationSettings()
    render: RenderSettings = RenderSettings()
    method: Method = NoMethod()
    seed: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 0
    format: Literal[1] = 1
