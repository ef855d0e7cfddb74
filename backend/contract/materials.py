"""What dynamic bodies are made of: constitutive laws with their parameters, in SI units."""

from typing import Annotated

import msgspec

from .part import NonNegative, Part, Positive

Friction = Annotated[float, msgspec.Meta(ge=0, le=100)]
"Of a surface. Where two bodies meet, the geometric mean of both counts (Coulomb)."
PoissonRatio = Annotated[float, msgspec.Meta(ge=0, lt=0.5)]


class Elastic(Part, frozen=True, tag="elastic"):
    """Fixed-corotated elasticity: springs back; its stiffness stays the same under stretch."""

    density: Positive = 1000.0
    young_modulus: Positive = 1e5
    poisson_ratio: PoissonRatio = 0.3
    friction: Friction = 0.5


class Rubber(Part, frozen=True, tag="rubber"):
    """Neo-Hookean elasticity, as rubber stretches; the fastest law to simulate."""

    density: Positive = 1100.0
    young_modulus: Positive = 1e6
    poisson_ratio: PoissonRatio = 0.45
    friction: Friction = 0.8


class Sand(Part, frozen=True, tag="sand"):
    """Drucker-Prager sand over Hencky elasticity; the friction angle is in radians."""

    density: Positive = 1600.0
    young_modulus: Positive = 3.5e5
    poisson_ratio: PoissonRatio = 0.3
    friction_angle: Annotated[float, msgspec.Meta(ge=0, lt=1.5707)] = 0.6109
    cohesion: NonNegative = 0.0
    friction: Friction = 0.5


class Snow(Part, frozen=True, tag="snow"):
    """Snow (Stomakhin et al. 2013): packs and hardens when pressed, crumbles when pulled.

    Elastic stretches beyond 1 - `critical_compression` and 1 + `critical_stretch` are lasting;
    stiffness grows as exp(`hardening_coefficient` (1 - J)) with the lasting volume J.
    """

    density: Positive = 400.0
    young_modulus: Positive = 1.4e5
    poisson_ratio: PoissonRatio = 0.2
    critical_compression: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.025
    critical_stretch: Annotated[float, msgspec.Meta(ge=0, lt=0.5)] = 0.0075
    hardening_coefficient: Annotated[float, msgspec.Meta(ge=0, le=30)] = 10.0
    friction: Friction = 0.3


class Metal(Part, frozen=True, tag="metal"):
    """Hencky elasticity that yields (von Mises), keeps its new shape, and hardens on the way."""

    density: Positive = 2700.0
    young_modulus: Positive = 1e7
    poisson_ratio: PoissonRatio = 0.33
    yield_stress: Positive = 5e4
    "Pa: the stress at which a bar under tension begins to flow."
    hardening_modulus: NonNegative = 1e5
    "Pa by which that stress rises for each unit of plastic strain."
    friction: Friction = 0.4


class Plasticine(Part, frozen=True, tag="plasticine"):
    """Von Mises plasticity that softens as it is worked, until it tears."""

    density: Positive = 1700.0
    young_modulus: Positive = 1e6
    poisson_ratio: PoissonRatio = 0.4
    yield_stress: Positive = 3e4
    "Pa: as metal's; falls linearly to nothing."
    tear_strain: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.7
    "Plastic strain of a bar under tension at which it is torn."
    friction: Friction = 0.5


class Brittle(Part, frozen=True, tag="brittle"):
    """Hencky elasticity that cracks under tension (Rankine), as bread and biscuits do."""

    density: Positive = 250.0
    young_modulus: Positive = 1e4
    poisson_ratio: PoissonRatio = 0.2
    strength: Positive = 1e3
    "Pa: the largest principal stress that it bears."
    tear_strain: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.1
    "Strain over which the stress falls from the strength to nothing."
    friction: Friction = 0.5


class Cream(Part, frozen=True, tag="cream"):
    """Foam, cream, paste (Herschel-Bulkley): stands, and flows where it is pushed hard enough.

    In simple shear at the rate g: `yield_stress` / sqrt(3) + `consistency` g^`flow_index`, in Pa.
    """

    density: Positive = 400.0
    young_modulus: Positive = 5e3
    poisson_ratio: PoissonRatio = 0.45
    yield_stress: NonNegative = 60.0
    "Pa: as metal's, so sqrt(3) times the stress at which a rheometer's shear begins."
    consistency: NonNegative = 10.0
    "Pa s^n."
    flow_index: Annotated[float, msgspec.Meta(ge=0.1, le=2)] = 0.5
    "n: below 1 it thins as it is sheared faster."
    friction: Friction = 0.1


class Water(Part, frozen=True, tag="water"):
    """Weakly compressible liquid (Tait); the bulk modulus sets its speed of sound."""

    density: Positive = 1000.0
    bulk_modulus: Positive = 1e5
    gamma: Annotated[float, msgspec.Meta(ge=1, le=20)] = 7.0
    viscosity: NonNegative = 1e-3
    friction: Friction = 0.0


class Rigid(Part, frozen=True, tag="rigid"):
    """Never deforms; touches with Coulomb friction.

    Where two meet, the restitution (the share of the speed that a bounce keeps) is the larger one;
    with matter that deforms the friction is the rigid body's own.
    """

    density: Positive = 2500.0
    friction: Friction = 0.5
    restitution: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2


Solid = Elastic | Rubber | Metal | Plasticine | Brittle
"Materials whose parts keep their neighbours, or lose them where they tear."
Flowing = Sand | Snow | Cream | Water
"""Materials whose parts change neighbours: their splats are round and ride the grid. Bodies of them
mix where they meet, and move as one; all others touch, rub and part."""
Material = Solid | Flowing | Rigid
