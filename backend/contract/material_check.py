"""Whether a material's numbers make sense together; for shot_check."""

import msgspec

from .errors import ShotError
from .materials import Brittle, Cream, Material, Metal, Plasticine


def check_material(name: str, material: Material) -> None:
    """Raise ShotError, naming the body, for a material that cannot do what it is for."""
    _check_ranges(name, material)
    match material:
        case Metal() | Plasticine() if material.yield_stress >= material.young_modulus:
            _refuse_stiff(name, "yield stress", material.yield_stress, material.young_modulus)
        case Brittle() if material.strength >= material.young_modulus:
            _refuse_stiff(name, "strength", material.strength, material.young_modulus)
        case Cream() if material.yield_stress >= material.young_modulus:
            _refuse_stiff(name, "yield stress", material.yield_stress, material.young_modulus)
        case Cream() if material.yield_stress == 0 and material.consistency == 0:
            raise ShotError(
                f"{name}, material",
                "expected cream with a yield stress or a consistency, got neither.",
                "Raise one of them, or make it water.",
            )
    if isinstance(material, Plasticine):
        shear = material.young_modulus / (2 * (1 + material.poisson_ratio))
        least = 2 * material.yield_stress / (3 * shear)
        if material.tear_strain < least:
            raise ShotError(
                f"{name}, tear strain",
                f"expected at least {least:.3g}, twice what it springs back when it yields, "
                f"got {material.tear_strain:.3g}.",
                "Raise it, or the stiffness; what snaps at once is brittle.",
            )


def _check_ranges(name: str, material: Material) -> None:
    """Raise ShotError for a number out of its range: those made by a script were not looked at."""
    for field in msgspec.structs.fields(material):
        value = getattr(material, field.name)
        try:
            msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            expected = str(error).replace("Expected `float`", "expected a number")
            raise ShotError(
                f"{name}, {field.name.replace('_', ' ')}",
                f"{expected}, got {value:.6g}.",
                "Enter one. What keeps its volume nearly has a Poisson ratio of 0.45 to 0.49."
                if field.name == "poisson_ratio"
                else "Enter one.",
            ) from error


def _refuse_stiff(name: str, field: str, stress: float, stiffness: float) -> None:
    raise ShotError(
        f"{name}, {field}",
        f"expected less than its stiffness of {stiffness:.3g} Pa, got {stress:.3g} Pa: "
        "it would never give way.",
        f"Lower the {field}, or raise the stiffness.",
    )
