"""What dynamic bodies are made of: constitutive laws with their parameters, in SI units."""

from typing import Annotated

import msgspec

from .part import NonNegative, Part, Positive

PoissonRatio = Annotated[float, msgspec.Meta(ge=0, lt=0.5)]


class Elastic(Part, frozen=True, tag="elastic"):
    """Fixed-corotated elasticity: springs back; its stiffness stays the same under stretch."""

    density: Positive = 1000.0
    young_modulus: Positive = 1e5
    poisson_ratio: PoissonRatio = 0.3


class Rubber(Part, frozen=True, tag="rubber"):
    """Neo-Hookean elasticity, as rubber stretches; the fastest law to simulate."""

    density: Positive = 1100.0
    young_modulus: Positive = 1e6
    poisson_ratio: PoissonRatio = 0.45


class Sand(Part, frozen=True, tag="sand"):
    """Drucker-Prager sand over Hencky elasticity; the friction angle is in radians."""

    density: Positive = 1600.0
    young_modulus: Positive = 3.5e5
    poisson_ratio: PoissonRatio = 0.3
    friction_angle: Annotated[float, msgspec.Meta(ge=0, lt=1.5707)] = 0.6109
    cohesion: NonNegative = 0.0


class Water(Part, frozen=True, tag="water"):
    """Weakly compressible liquid (Tait); the bulk modulus sets its speed of sound."""

    density: Positive = 1000.0
    bulk_modulus: Positive = 1e5
    gamma: Annotated[float, msgspec.Meta(ge=1, le=20)] = 7.0
    viscosity: NonNegative = 1e-3


class Rigid(Part, frozen=True, tag="rigid"):
    """Never deforms; touches with Coulomb friction.

    Where two meet, the friction is the geometric mean of both, the restitution (the share of the
    speed that a bounce keeps) the larger one; with matter that deforms it is the body's own
    friction.
    """

    density: Positive = 2500.0
    friction: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.5
    restitution: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2


Material = Elastic | Rubber | Sand | Water | Rigid
Flowing = Sand | Water
"Materials that change neighbours: their splats are round and ride the grid."
