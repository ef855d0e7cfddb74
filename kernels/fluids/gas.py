"""Smoke and fire in SI units: what thickens, warms and burns in the air; called by stages/air.

Buoyancy is Boussinesq's: air that is T kelvin warmer than around rises with g T / T0, and smoke
weighs it down (Fedkiw et al. 2001, equation 8). Fuel burns at a rate of its own, gives heat and
soot, and makes the air swell (Feldman et al., Animating Suspended Particle Explosions, 2003). Hot
gas loses heat by radiation as T^4 (Nguyen et al., Physically Based Modeling and Animation of Fire,
2002, section 4.2). Smoke is told by its extinction [1/m]: the share of light that a metre takes.
In two or three dimensions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .air import MOST_SUBSTEPS, Air
from .grid import FluidDomain, cell_field
from .pressure import Solved

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

SMOKE, HEAT, FUEL = "smoke", "heat", "fuel"
SCALARS = (SMOKE, HEAT, FUEL)
TINTS = ("red", "green", "blue")
"The smoke's colour, each times the smoke: kept where emitters differ in it."
AMBIENT = 293.15
"K: what the temperature of the air around is taken for, T0."


@dataclass(frozen=True)
class GasSettings:
    """How air moves and what becomes of what is in it; SI units."""

    vorticity: float = 0.0
    "Strength of the confinement [1/s]: epsilon of Fedkiw et al. 2001, equation 11."
    viscosity: float = 0.0
    "Kinematic [m^2/s]."
    weight: float = 0.0
    "Downward pull of smoke, as a share of gravity for each 1/m of its extinction [m]."
    cooling: float = 0.0
    "Share of the heat lost in a second [1/s]."
    radiating: float = 0.0
    "Share of the heat that gas at the flame's temperature radiates in a second [1/s]."
    thinning: float = 0.0
    "Share of the smoke lost in a second [1/s]."
    burning: float = 0.0
    "Share of the fuel that burns in a second [1/s]."
    flame: float = 1500.0
    "K by which burning gas that was all fuel gets warmer."
    soot: float = 0.0
    "Extinction [1/m] of the smoke that burning gas that was all fuel leaves."
    soot_color: tuple[float, float, float] = (0.05, 0.05, 0.05)
    swelling: float = 0.0
    "Volumes of gas that a volume of burning fuel gains."


@dataclass(frozen=True)
class Emission:
    """What comes in from one source; in the cells that it covers the air becomes what it says."""

    cover: Floats
    "(shape) share of each cell, 0..1."
    rate: float
    "How fast [1/s]: after 1 / rate seconds what was there differs by a third of what it did."
    smoke: float
    "Extinction [1/m]; smoke that is thicker already stays."
    heat: float
    "K above the air around; below zero it sinks."
    fuel: float
    "Share of the gas that burns, 0..1."
    velocity: Sequence[float]
    "(dimension,) m/s: what it covers moves as fast along it at least."
    color: tuple[float, float, float] = (0.5, 0.5, 0.5)
    "Share of the light that its smoke scatters."


Obstacles = Callable[[float], tuple[Bools, Floats]]
"""At a share of the time that passes: cells that are solid (shape), and how fast their faces move
(faces, dimension) [m/s]."""
Blow = Callable[[Floats, float, float], Floats]
"""What acts from outside: the velocity of the cells (shape, dimension) [m/s], a share of the time
that passes, and seconds, to the change of that velocity."""


class Gas:
    """Air with smoke, heat, fuel and, if `tinted`, colour in it.

    `solid` (shape) is where no air is at the start; ValueError where its shape is not the domain's.
    """

    def __init__(
        self,
        domain: FluidDomain,
        settings: GasSettings,
        solid: Bools | None = None,
        *,
        tinted: bool = False,
    ) -> None:
        if solid is not None and np.shape(solid) != domain.shape:
            raise ValueError(f"expected obstacles {domain.shape}, got {np.shape(solid)}")
        self.domain, self._settings = domain, settings
        none = np.zeros(domain.shape, bool)
        self._air = Air(domain, none if solid is None else solid, tolerance=0.0)
        self.names = (*SCALARS, *TINTS) if tinted else SCALARS
        self._carried = [cell_field(domain) for _ in self.names]

    def advance(
        self,
        seconds: float,
        gravity: Sequence[float],
        emissions: Sequence[Emission] = (),
        *,
        obstacles: Obstacles | None = None,
        blow: Blow | None = None,
        on_substep: Callable[[float], None] | None = None,
    ) -> int:
        """Let time pass under `gravity` (dimension,) [m/s^2]; return how many substeps it took.

        `obstacles`, where some move, is asked in the middle of each substep; `on_substep` hears
        the share of the time that has passed. FloatingPointError where the air's speed is not a
        number any more.
        """
        left = seconds
        for k in range(MOST_SUBSTEPS):
            count = min(self._air.substeps(left, self._lively(gravity, emissions)),
                        MOST_SUBSTEPS - k)  # fmt: skip
            dt = left / count
            share = 1 - (left - dt / 2) / seconds
            if obstacles is not None:
                self._clear()
                self._air.place(*obstacles(share))
                self._clear()
            swelling = self._react(dt)
            self._emit(dt, emissions)
            self._push(dt, np.asarray(gravity, np.float32))
            if blow is not None:
                self._air.push(blow(self._air.at_cells(), share, dt))
            self._air.step(dt, self._carried, swelling)
            left -= dt
            if not math.isfinite(self._air.top_speed()):
                raise FloatingPointError("the air's speed is not a number")
            if on_substep is not None:
                on_substep(1 - left / seconds)
            if count == 1:
                return k + 1
        return MOST_SUBSTEPS

    def read(self, name: str) -> Floats:
        """What is in the cells (shape): a name of `names`; nothing in obstacles."""
        values = self._carried[self.names.index(name)].to_numpy()
        return np.where(self._air.solid, 0, values).astype(np.float32)

    @property
    def solved(self) -> Solved:
        """What the last projection took and left."""
        return self._air.solved

    @property
    def solid(self) -> Bools:
        """Cells (shape) where obstacles are."""
        return self._air.solid.copy()

    def velocity(self) -> Floats:
        """The velocity on the faces (faces, dimension) [m/s]."""
        return self._air.velocity()

    def divergence(self) -> Floats:
        """What the projection left (shape) [m/s per cell]."""
        return self._air.divergence()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that the next step reads."""
        scalars = {name: self.read(name) for name in self.names}
        air = {"velocity": self.velocity(), "solid": self.solid}
        return air | {"pressures": self._air.pressures.copy()} | scalars

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from `state`, to the bit."""
        self._air.place(state["solid"])
        self._air.restore(state["velocity"])
        self._air.pressures = np.array(state["pressures"], np.float32)
        for name in self.names:
            self._write(name, state[name])

    # ---- one substep

    def _lively(self, gravity: Sequence[float], emissions: Sequence[Emission]) -> float:
        """A speed [m/s] that the air may reach within a substep, and that emitters give it."""
        hottest = max([float(np.abs(self.read(HEAT)).max()), *(abs(e.heat) for e in emissions)])
        pull = float(np.linalg.norm(gravity)) * hottest / AMBIENT
        given = [float(np.abs(e.velocity).max()) for e in emissions]
        return max([math.sqrt(pull * self.domain.spacing), *given])

    def _write(self, name: str, values: Floats) -> None:
        field = self._carried[self.names.index(name)]
        field.from_numpy(np.ascontiguousarray(values, np.float32))

    def _clear(self) -> None:
        """Take away what is in obstacles: what they moved into, and what they shall not uncover."""
        for name in self.names:
            self._write(name, self.read(name))

    def _react(self, dt: float) -> Floats | None:
        """Burn, cool and thin out; return how fast the gas swells (shape) [1/s]."""
        s = self._settings
        smoke, heat, fuel = (self.read(name) for name in SCALARS)
        burnt = fuel * -math.expm1(-s.burning * dt)
        heat = cooled(heat + s.flame * burnt, s, dt)
        kept = math.exp(-s.thinning * dt)
        self._write(SMOKE, smoke * kept + s.soot * burnt)
        self._write(HEAT, heat)
        self._write(FUEL, fuel - burnt)
        for name, part in zip(self.names[len(SCALARS) :], s.soot_color, strict=False):
            self._write(name, self.read(name) * kept + s.soot * part * burnt)
        if s.swelling == 0 or s.burning == 0:
            return None
        return np.asarray(s.swelling * burnt / dt, np.float32)

    def _emit(self, dt: float, emissions: Sequence[Emission]) -> None:
        for e in emissions:
            if np.shape(e.cover) != self.domain.shape:
                expected = self.domain.shape
                raise ValueError(f"expected a cover {expected}, got {np.shape(e.cover)}")
            share = -np.expm1(-e.rate * dt * np.where(self._air.solid, 0, e.cover))
            smoke, heat, fuel = (self.read(name) for name in SCALARS)
            came = share * np.maximum(e.smoke - smoke, 0)
            self._write(SMOKE, smoke + came)
            self._write(HEAT, heat + share * (e.heat - heat))
            self._write(FUEL, fuel + share * np.maximum(e.fuel - fuel, 0))
            for name, part in zip(self.names[len(SCALARS) :], e.color, strict=False):
                self._write(name, self.read(name) + came * part)
            self._air.drive(share, np.asarray(e.velocity, np.float32))

    def _push(self, dt: float, gravity: Floats) -> None:
        settings = self._settings
        heat, smoke = (self._carried[self.names.index(name)] for name in (HEAT, SMOKE))
        self._air.rise(heat, smoke, -dt / AMBIENT * gravity, dt * settings.weight * gravity)
        self._air.whirl(settings.vorticity, dt)
        self._air.thicken(settings.viscosity, dt)


def cooled(heat: Floats, settings: GasSettings, dt: float) -> Floats:
    """What is left of `heat` [K] after dt: exactly, for each of the two laws by itself.

    dT/dt = - cooling T, and dT/dt = - radiating flame (T / flame)^4.
    """
    rest = heat * math.exp(-settings.cooling * dt)
    if settings.radiating == 0:
        return np.asarray(rest, np.float32)
    ratio = np.maximum(rest, 0) / settings.flame
    rest = np.where(rest > 0, rest / np.cbrt(1 + 3 * settings.radiating * dt * ratio**3), rest)
    return np.asarray(rest, np.float32)
