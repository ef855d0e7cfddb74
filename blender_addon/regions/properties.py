"""How painted weights scale the matter of an object; converted in shot_export/groups."""

import bpy
from bpy.props import FloatProperty, StringProperty

_FACTOR = {"default": 1.0, "min": 0.001, "soft_min": 0.1, "soft_max": 10.0, "max": 1000.0}


def weight_names(ob: bpy.types.Object) -> list[str]:
    """Return what an object's weights can be taken from: vertex groups, then colour attributes."""
    groups = [group.name for group in ob.vertex_groups]
    colors = ob.data.color_attributes if ob.type == "MESH" else ()
    return groups + [color.name for color in colors if color.name not in groups]


def search_weights(
    settings: bpy.types.PropertyGroup, _context: bpy.types.Context, _text: str
) -> list[str]:
    """Offer the names of an object's weights."""
    return weight_names(settings.id_data)


class ImpetusScale(bpy.types.PropertyGroup):
    """A factor that goes from one value to another with painted weights."""

    group: StringProperty(
        name="Group",
        search=search_weights,
        description="Vertex group, or colour attribute by its linear brightness, whose weights "
        "scale it; empty, it is the same everywhere",
    )
    low: FloatProperty(
        name="At 0", description="Factor where the weight is 0", precision=3, **_FACTOR
    )
    high: FloatProperty(
        name="At 1", description="Factor where the weight is 1", precision=3, **_FACTOR
    )


classes = (ImpetusScale,)
