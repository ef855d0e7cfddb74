"""Painted weights of a thing as parts of its shot: what acts takes some of it, regions scale it."""

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.regions import Group, Scale

from ..regions.properties import ImpetusScale
from .things import Thing


def group_of(where: str, thing: Thing, name: str, arrays: ArraySet) -> Group | None:
    """Return a thing's weights of a name; None for no name. Raises ShotError where it has none."""
    if not name:
        return None
    weights = thing.mesh.groups.get(name) if thing.mesh is not None else None
    if weights is None:
        raise ShotError(
            where,
            f"expected a vertex group or colour attribute {name!r} on {thing.name}, found none.",
            "Choose one that the object has, or none for the whole object.",
        )
    return Group(name, arrays.add(weights))


def scale_of(thing: Thing, what: str, scale: ImpetusScale, arrays: ArraySet) -> Scale | None:
    """Return how a thing's stiffness or density differs; None where it is even."""
    group = group_of(f"{thing.name}, regions of {what}", thing, scale.group, arrays)
    return None if group is None else Scale(group, scale.low, scale.high)
