"""One thing that acts on an object, as an artist sets it; converted in shot_export/acts."""

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..regions.properties import search_weights

KINDS = (
    ("FORCE", "Force", "Push with a force in newtons, spread by mass", "FORCE_FORCE", 0),
    ("TORQUE", "Torque", "Turn about the centre of mass, in newton metres", "FORCE_VORTEX", 1),
    ("IMPULSE", "Impulse", "One blow at one frame, in newton seconds", "FORCE_CHARGE", 2),
    ("SPIN", "Spin", "One twist at one frame, in newton metre seconds", "FORCE_MAGNETIC", 3),
    ("PIN", "Pin", "Hold a part still, or let another object move it", "PINNED", 4),
    ("RELEASE", "Release", "Hold all of it, then let go of it part by part", "UNPINNED", 5),
)
PUSHES = frozenset({"FORCE", "TORQUE"})
BLOWS = frozenset({"IMPULSE", "SPIN"})
_FRAMES = {"min": -1_048_574, "max": 1_048_574}


class ImpetusAct(bpy.types.PropertyGroup):
    """One push, blow, pin or release of an object."""

    name: StringProperty(name="Name", description="What the list shows")
    kind: EnumProperty(name="Kind", items=KINDS, description="How it acts")
    use: BoolProperty(name="Use", default=True, description="Let it act")
    vector: FloatVectorProperty(
        name="Amount",
        size=3,
        subtype="XYZ",
        default=(0.0, 0.0, 0.0),
        description="Along the world's axes: N of a force, N m of a torque, N s of an impulse, "
        "N m s of a spin; 1 N gives 1 kg one metre per second squared",
    )
    vertex_group: StringProperty(
        name="Group",
        search=search_weights,
        description="Vertex group, or colour attribute by its linear brightness, that it acts on. "
        "A push is spread by the weights; a pin holds firmly what has a weight of one half or "
        "more, and leaves the rest free. Without one, the whole object",
    )
    target: PointerProperty(
        name="Follow",
        type=bpy.types.Object,
        description="Object that moves and turns what is held; it may be the object itself, by "
        "its own animation. Without one, it is held still",
    )
    direction: FloatVectorProperty(
        name="Direction",
        size=3,
        subtype="XYZ",
        default=(0.0, 0.0, 1.0),
        description="In the world; what lies farthest back along it is let go first",
    )
    use_window: BoolProperty(
        name="Limit Time",
        default=False,
        description="Act only from one frame up to another, else all the time",
    )
    frame_start: IntProperty(
        name="Start", default=1, description="First frame in which it acts", **_FRAMES
    )
    frame_end: IntProperty(
        name="End",
        default=25,
        description="Frame from which on it does not act any more",
        **_FRAMES,
    )

    @property
    def is_timed(self) -> bool:
        """Whether both of its frames count."""
        return self.kind == "RELEASE" or (self.kind not in BLOWS and self.use_window)


classes = (ImpetusAct,)
