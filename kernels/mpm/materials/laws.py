"""The laws' parameters, SI: what the solver is given, one for each number in `Particles.law`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ElasticLaw:
    """Fixed-corotated elasticity: kg/m^3, Pa, 1."""

    density: float
    young_modulus: float
    poisson_ratio: float


@dataclass(frozen=True)
class RubberLaw:
    """Neo-Hookean elasticity: kg/m^3, Pa, 1."""

    density: float
    young_modulus: float
    poisson_ratio: float


@dataclass(frozen=True)
class SandLaw:
    """Drucker-Prager sand: kg/m^3, Pa, 1, friction angle in radians, cohesion in Pa."""

    density: float
    young_modulus: float
    poisson_ratio: float
    friction_angle: float
    cohesion: float


@dataclass(frozen=True)
class WaterLaw:
    """Weakly compressible liquid: kg/m^3, Pa, exponent of Tait's equation, viscosity in Pa s."""

    density: float
    bulk_modulus: float
    gamma: float
    viscosity: float


Law = ElasticLaw | RubberLaw | SandLaw | WaterLaw


def lame(young_modulus: float, poisson_ratio: float) -> tuple[float, float]:
    """Return mu and lambda in Pa."""
    mu = young_modulus / (2 * (1 + poisson_ratio))
    return mu, young_modulus * poisson_ratio / ((1 + poisson_ratio) * (1 - 2 * poisson_ratio))
