"""Whether a material's numbers make sense together; for shot_check."""

from .errors import ShotError
from .materials import Brittle, Cream, Material, Metal, Plasticine


def check_material(name: str, material: Material) -> None:
    """Raise ShotError, naming the body, for a material that cannot do what it is for."""
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


def _refuse_stiff(name: str, field: str, stress: float, stiffness: float) -> None:
    raise ShotError(
        f"{name}, {field}",
        f"expected less than its stiffness of {stiffness:.3g} Pa, got {stress:.3g} Pa: "
        "it would never give way.",
        f"Lower the {field}, or raise the stiffness.",
    )
