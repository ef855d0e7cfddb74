"""The air of a shot: how smoke and fire move in it, and how they look. SI units.

Smoke is told by its extinction [1/m]: the share of light that a metre of it takes, for a thin one.
"""

from typing import Annotated, Literal

import msgspec

from .part import Box, Color, NonNegative, Part, Positive

Rate = Annotated[float, msgspec.Meta(ge=0, le=1000)]
Side = Literal["-x", "+x", "-y", "+y", "-z", "+z"]


class GasLooks(Part, frozen=True):
    """How smoke and fire are shown; no motion depends on it."""

    splats: Annotated[int, msgspec.Meta(ge=1000, le=5_000_000)] = 60_000
    "Most Gaussians of a frame."
    anisotropy: Annotated[float, msgspec.Meta(ge=-0.9, le=0.9)] = 0.3
    "g of Henyey and Greenstein: above 0 smoke is bright against the light."
    flame_brightness: NonNegative = 6.0
    "Radiance of the hottest flame, red; it falls as T^4, its hue follows the black body's."
    flame_density: NonNegative = 25.0
    "Extinction [1/m] of the hottest flame: its glowing soot."
    glow: Positive = 400.0
    "K above the air from which on gas glows."


class Gas(Part, frozen=True):
    """The air that emitters fill, and what becomes of what they give."""

    resolution: Annotated[int, msgspec.Meta(ge=8, le=512)] = 64
    "Grid cells along the longest side."
    domain: Box | None = None
    "None: the emitters' bounds, enlarged, most of all upwards."
    closed: Annotated[tuple[Side, ...], msgspec.Meta(max_length=6)] = ()
    "Sides of the domain that are walls without friction; air passes through the others."
    vorticity: Annotated[float, msgspec.Meta(ge=0, le=100)] = 3.0
    "Confinement [1/s] of small whirls: epsilon of Fedkiw et al. 2001."
    viscosity: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    "Kinematic [m^2/s]; what the grid itself loses is like 1e-3 already."
    weight: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    "Downward pull of smoke, as a share of gravity for each 1/m of extinction [m]."
    cooling: Rate = 0.2
    "Share of the heat lost in a second [1/s]."
    radiation: Rate = 1.5
    "Share of its heat that the hottest flame radiates in a second [1/s], falling as T^4."
    dissipation: Rate = 0.1
    "Share of the smoke lost in a second [1/s]."
    burning_rate: Rate = 4.0
    "Share of the fuel that burns in a second [1/s]."
    flame_temperature: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 1500.0
    "K by which burning gas that was all fuel gets warmer; 1500 is a sooty flame's."
    soot: NonNegative = 8.0
    "Extinction [1/m] of the smoke that such gas leaves behind."
    soot_color: Color = (0.08, 0.08, 0.08)
    "Share of the light that soot scatters."
    expansion: Annotated[float, msgspec.Meta(ge=0, le=20)] = 0.0
    "Volumes of gas that a volume of burning fuel gains; 5 at 1500 K, if it were not cooled."
    looks: GasLooks = GasLooks()
