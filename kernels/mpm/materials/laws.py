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
class SnowLaw:
    """Stomakhin's snow: kg/m^3, Pa, 1, and theta_c, theta_s, xi, all 1."""

    density: float
    young_modulus: float
    poisson_ratio: float
    critical_compression: float
    critical_stretch: float
    hardening_coefficient: float


@dataclass(frozen=True)
class MetalLaw:
    """Von Mises plasticity: kg/m^3, Pa, 1, sigma_Y of a bar under tension and its slope in Pa."""

    density: float
    young_modulus: float
    poisson_ratio: float
    yield_stress: float
    hardening_modulus: float


@dataclass(frozen=True)
class PlasticineLaw:
    """Von Mises plasticity that softens: as metal, and the plastic strain at which it is torn."""

    density: float
    young_modulus: float
    poisson_ratio: float
    yield_stress: float
    tear_strain: float


@dataclass(frozen=True)
class BrittleLaw:
    """Cracks under tension: kg/m^3, Pa, 1, Pa, and the strain from first crack to torn."""

    density: float
    young_modulus: float
    poisson_ratio: float
    strength: float
    tear_strain: float


@dataclass(frozen=True)
class CreamLaw:
    """Herschel-Bulkley paste: kg/m^3, Pa, 1, and in simple shear tau = sigma_Y / sqrt(3) + k g^n.

    sigma_Y in Pa, the consistency k in Pa s^n, the flow index n, g the shear rate in 1/s.
    """

    density: float
    young_modulus: float
    poisson_ratio: float
    yield_stress: float
    consistency: float
    flow_index: float


@dataclass(frozen=True)
class WaterLaw:
    """Weakly compressible liquid: kg/m^3, Pa, exponent of Tait's equation, viscosity in Pa s."""

    density: float
    bulk_modulus: float
    gamma: float
    viscosity: float


SolidLaw = ElasticLaw | RubberLaw | MetalLaw | PlasticineLaw | BrittleLaw
FlowingLaw = SandLaw | SnowLaw | CreamLaw | WaterLaw
Law = SolidLaw | FlowingLaw


def lame(young_modulus: float, poisson_ratio: float) -> tuple[float, float]:
    """Return mu and lambda in Pa."""
    mu = young_modulus / (2 * (1 + poisson_ratio))
    return mu, young_modulus * poisson_ratio / ((1 + poisson_ratio) * (1 - 2 * poisson_ratio))
