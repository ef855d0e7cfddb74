"""Whether and how 3D views show splats: as long as Blender runs, and never in the file."""

import bpy
from bpy.props import BoolProperty, EnumProperty


def _switch(settings: "ImpetusViewport", _context: bpy.types.Context) -> None:
    from . import session  # which reads the properties that this one is part of

    session.switch(on=settings.use)


def _redraw(_settings: "ImpetusViewport", _context: bpy.types.Context) -> None:
    from . import session

    session.redraw()


class ImpetusViewport(bpy.types.PropertyGroup):
    """What the 3D views show."""

    use: BoolProperty(
        name="Show Splats",
        default=False,
        update=_switch,
        description="Let the backend draw the splats of the take into the 3D views, at the "
        "current frame, as far as it is simulated",
    )
    subject: EnumProperty(
        name="Subject",
        items=(
            ("TAKE", "Take", "The chosen take, at the timeline's frame"),
            ("SCENE", "Scene", "The scene as it stood when it was last updated, before any take"),
        ),
        update=_redraw,
        description="What the splats are of",
    )
    bodies: EnumProperty(
        name="Bodies",
        items=(
            ("MOVING", "Moving", "What is simulated, and captures; Blender shows the rest itself"),
            ("ALL", "All", "Splats of every object"),
        ),
        default="MOVING",
        update=_redraw,
        description="Whose splats are shown",
    )


classes = (ImpetusViewport,)
