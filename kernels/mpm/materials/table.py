"""The laws as rows of numbers for the kernels, and how long a time step they bear."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .laws import (
    BrittleLaw,
    CreamLaw,
    ElasticLaw,
    Law,
    MetalLaw,
    PlasticineLaw,
    RubberLaw,
    SandLaw,
    SnowLaw,
    WaterLaw,
    lame,
)

ELASTIC, SAND, WATER, RUBBER, METAL, SNOW, PLASTICINE, BRITTLE, CREAM = (1 << i for i in range(9))
FLUID = SAND | CREAM | WATER
"""Kinds that fill the room they are in; the others stand a little above what bears them."""

KIND, MU, LAMBDA, WAVE2, DENSITY = 0, 1, 2, 3, 4
SLOPE, COHESION, TIP = 5, 6, 7
BULK, GAMMA, VISCOSITY = 5, 6, 7
COMPRESSION, STRETCH, PACKING = 5, 6, 7
YIELD, HARDENING = 5, 6
STRENGTH, TEAR, YOUNG = 5, 6, 7
CONSISTENCY, FLOW_INDEX = 6, 7
PARAMETERS = 8

COURANT = 0.4
"""Cells that the fastest wave may run in a substep."""
TENSILE_STRAIN = 0.02
"""Volumetric strain at which even cohesive sand comes apart."""


def law_table(laws: Sequence[Law]) -> NDArray[np.float32]:
    """Write each law's numbers into a row, (laws, PARAMETERS)."""
    table = np.zeros((len(laws), PARAMETERS))
    for row, law in zip(table, laws, strict=True):
        row[DENSITY] = law.density
        match law:
            case WaterLaw():
                row[KIND] = WATER
                row[BULK : VISCOSITY + 1] = law.bulk_modulus, law.gamma, law.viscosity
                row[WAVE2] = law.bulk_modulus / law.density
                continue
            case ElasticLaw():
                row[KIND] = ELASTIC
            case RubberLaw():
                row[KIND] = RUBBER
            case SandLaw():
                row[KIND] = SAND
                row[SLOPE : TIP + 1] = _yield_cone(law)
            case SnowLaw():
                row[KIND] = SNOW
                row[COMPRESSION], row[STRETCH] = law.critical_compression, law.critical_stretch
                row[PACKING] = law.hardening_coefficient
            case MetalLaw():
                row[KIND] = METAL
                row[YIELD], row[HARDENING] = law.yield_stress, law.hardening_modulus
            case PlasticineLaw():
                row[KIND] = PLASTICINE
                row[YIELD], row[TEAR] = law.yield_stress, law.tear_strain
            case BrittleLaw():
                row[KIND] = BRITTLE
                row[STRENGTH : YOUNG + 1] = law.strength, law.tear_strain, law.young_modulus
            case CreamLaw():
                row[KIND] = CREAM
                row[YIELD], row[FLOW_INDEX] = law.yield_stress, law.flow_index
                # |dev tau| is sqrt(2) times the shear stress, the shear rate sqrt(2) times |D|.
                row[CONSISTENCY] = law.consistency * 2 ** ((1 + law.flow_index) / 2)
        row[MU], row[LAMBDA] = lame(law.young_modulus, law.poisson_ratio)
        row[WAVE2] = (row[LAMBDA] + 2 * row[MU]) / law.density
    return table.astype(np.float32)


def law_kinds(laws: Sequence[Law]) -> int:
    """Say which kinds are present, as a sum of ELASTIC, SAND, ..."""
    return int(np.bitwise_or.reduce(law_table(laws)[:, KIND].astype(np.int64), initial=0))


def wave_step(wave: float, spacing: float) -> float:
    """Longest step [s] for waves of a speed [m/s]: they run COURANT of a cell."""
    return COURANT * spacing / wave


def viscous_step(laws: Sequence[Law], spacing: float) -> float:
    """Longest stable step [s] of explicit viscosity: h^2 rho / (6 eta)."""
    rates = [getattr(law, "viscosity", 0.0) / law.density for law in laws]
    return spacing**2 / (6 * max(rates)) if max(rates, default=0) > 0 else math.inf


def longest_step(law: Law, spacing: float) -> float:
    """Longest step [s] that a law bears at rest."""
    wave = math.sqrt(law_table([law])[0, WAVE2])
    return min(wave_step(wave, spacing), viscous_step([law], spacing))


def _yield_cone(law: SandLaw) -> tuple[float, float, float]:
    """Return the yield cone |dev eps| <= COHESION - SLOPE tr eps and its tip's tr eps.

    The cone is Drucker and Prager's (1952) with the constants that make it Mohr-Coulomb in plane
    strain, where sand neither dilates nor shrinks: sqrt(J2) = p sin phi + c cos phi. Slopes and
    heaps flow so. The cone through the compressive corners, which Klár et al. 2016 (27) take, is
    that of 55 degrees there when 35 are asked for, and columns of it run out two thirds as far as
    real ones.
    """
    mu, lam = lame(law.young_modulus, law.poisson_ratio)
    slope = math.sqrt(2) * math.sin(law.friction_angle) * (lam + 2 / 3 * mu) / (2 * mu)
    cohesion = math.sqrt(2) * law.cohesion * math.cos(law.friction_angle) / (2 * mu)
    tip = min(cohesion / slope, TENSILE_STRAIN) if slope > 0 else TENSILE_STRAIN
    return slope, cohesion, tip if law.cohesion > 0 else 0.0
