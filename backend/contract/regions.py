"""Regions of one body that differ: weights on its surface, and how they scale its material."""

from typing import Annotated

import msgspec
import numpy as np

from .arrays import ArrayRef, ArraySet, require_finite
from .errors import ShotError
from .materials import Material
from .part import Name, Part

Factor = Annotated[float, msgspec.Meta(ge=1e-3, le=1e3)]
STRESSES = (
    "young_modulus",
    "bulk_modulus",
    "yield_stress",
    "hardening_modulus",
    "strength",
    "cohesion",
    "consistency",
    "viscosity",
)
"""What a material resists with. Where all of it is scaled, the stress of the same strain at the
same rate is, and a softer region yields and tears at the strain at which the others do."""


class Group(Part, frozen=True):
    """A part of a body: a vertex group, or a colour attribute by its brightness."""

    name: Name
    weights: ArrayRef
    "f4 (V,), 0 to 1, of the body's vertices; matter takes that of the nearest surface."


class Scale(Part, frozen=True):
    """A factor that differs over a body: `low` where the weight is 0, `high` where it is 1.

    In between it goes with the weight: low + (high - low) weight.
    """

    group: Group
    low: Factor = 1.0
    high: Factor = 1.0


def scaled(material: Material, stiffness: float, density: float) -> Material:
    """Return a material that resists `stiffness` times as much, with `density` times the mass."""
    values = {
        name: getattr(material, name) * stiffness
        for name in STRESSES
        if name in material.__struct_fields__
    }
    return msgspec.structs.replace(material, density=material.density * density, **values)


def check_group(
    where: str, group: Group, vertices: int, triangles: ArrayRef, arrays: ArraySet
) -> float:
    """Return the largest weight of the vertices that have faces.

    Raises ShotError for weights that are not one for each of `vertices`, or not 0 to 1.
    """
    weights = arrays.of(group.weights)
    if weights.shape != (vertices,) or weights.dtype.kind != "f":
        raise ShotError(where, f"expected a weight for each of {vertices} vertices, got "
                        f"{weights.dtype.str} {weights.shape}.")  # fmt: skip
    require_finite(f"{where}, vertex group {group.name}", weights, "Paint the weights again.")
    if (weights < 0).any() or (weights > 1).any():
        low, high = float(weights.min()), float(weights.max())
        raise ShotError(where, f"expected weights of 0 to 1, got {low:.3g} to {high:.3g}.")
    return float(weights[np.unique(arrays.of(triangles))].max(initial=0.0))
