"""What the 3D view shows of the physics, as an artist sets it."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty

GUIDES = (
    ("OFF", "Off", "Draw no guides"),
    ("SELECTED", "Selected", "Draw the guides of selected objects"),
    ("ALL", "All", "Draw the guides of all objects"),
)
POINT_COLORS = (
    ("SPEED", "Speed", "How fast it moves, up to the fastest that was seen"),
    ("STRAIN", "Stretch", "How far it is stretched or squeezed, up to a factor of 1.65"),
    ("DAMAGE", "Damage", "How much of its strength it has lost, up to torn"),
)


class ImpetusView(bpy.types.PropertyGroup):
    """What is drawn over the 3D view."""

    guides: EnumProperty(
        name="Guides",
        items=GUIDES,
        default="SELECTED",
        description="Draw the domain, pushes, pins and starting velocities in the 3D view",
    )
    show_points: BoolProperty(
        name="Particles",
        default=False,
        description="Show particles of the chosen take in the 3D view, while it is made and later",
    )
    points_color: EnumProperty(
        name="Particle Color",
        items=POINT_COLORS,
        default="SPEED",
        description="What the colour of a particle tells, from blue for nothing to red for much",
    )
    points_size: FloatProperty(
        name="Particle Size",
        default=3.0,
        min=1.0,
        max=20.0,
        subtype="PIXEL",
        description="Diameter of a drawn particle",
    )
    follow_job: BoolProperty(
        name="Follow the Job",
        default=True,
        description="While the take is made, show the frame that is simulated, not the timeline's",
    )
