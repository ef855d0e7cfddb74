"""How many time steps a frame will take: from waves, viscosity, and how fast things will be.

Mirrors kernels/mpm (materials/table, solver) and kernels/rigid; tests hold the two together.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..materials import Material, Rigid, Snow, Water
from .standing import Standing

Floats = NDArray[np.float64]

COURANT, STRIDE = 0.4, 0.25
"Cells that the fastest wave may run, and the fastest particle may move, in a substep."
MOST_PACKED = 0.4
"Share of its volume that snow loses at most before it hardens no further."
RIGID_STEP = 1 / 480
"Seconds of a substep at most where all that moves is rigid."


def wave_speed(material: Material) -> float:
    """Return the speed [m/s] of the fastest wave in a material at rest; 0 for a rigid one."""
    match material:
        case Rigid():
            return 0.0
        case Water():
            return math.sqrt(material.bulk_modulus / material.density)
    nu = material.poisson_ratio
    pressed = material.young_modulus * (1 - nu) / ((1 + nu) * (1 - 2 * nu))
    return math.sqrt(pressed / material.density)


def stiffening(material: Material, speed: float) -> float:
    """Return by how much waves run faster in what is stopped by something of `speed` [m/s].

    What is stopped at once is squeezed by about speed over wave speed. A liquid's wave is then
    c + (gamma - 1) / 2 u (the Riemann invariant of Tait's equation), snow hardens, and others
    stiffen little more than they move.
    """
    share = speed / max(wave_speed(material), 1e-12)
    match material:
        case Water():
            return 1 + (material.gamma - 1) / 2 * share
        case Snow():
            return math.exp(material.hardening_coefficient * min(share, MOST_PACKED) / 2)
    return 1 + share


def longest_step(material: Material, spacing: float, speed: float = 0.0) -> float:
    """Return the longest substep [s] that a material bears on a grid of `spacing` m.

    At rest, or where it is struck with `speed` [m/s].
    """
    wave = wave_speed(material) * stiffening(material, speed)
    step = COURANT * spacing / wave if wave > 0 else math.inf
    if isinstance(material, Water) and material.viscosity > 0:
        return min(step, spacing**2 * material.density / (6 * material.viscosity))
    return step


def top_speed(body: Standing, gravity: Floats, bottom: float, seconds: float) -> float:
    """Return the speed [m/s] that a body will have along the fastest axis, by falling freely.

    It falls to the height `bottom`, or for `seconds`, whichever comes first.
    """
    reach = float(np.linalg.norm(body.high - body.low)) / 2
    start = np.abs(body.velocity) + reach * float(np.linalg.norm(body.spin))
    pull = np.abs(gravity)
    drop = max(float(body.low[2]) - bottom, 0.0)
    fallen = np.minimum(pull * seconds, np.sqrt(2 * pull * drop))
    return float(np.hypot(start, fallen).max())


def substeps(bodies: Sequence[Standing], spacing: float, frame_seconds: float, speed: float) -> int:
    """Return the substeps of a frame in which the fastest body, of `speed` [m/s], strikes."""
    soft = [b.material for b in bodies if b.material is not None and not b.is_rigid]
    if soft:
        step = min(longest_step(material, spacing, speed) for material in soft)
        step = min(step, STRIDE * spacing / max(speed, 1e-9))
    else:
        sizes = [float((b.high - b.low).max()) / 2 for b in bodies if b.is_rigid]
        step = min(RIGID_STEP, STRIDE * min(sizes, default=math.inf) / max(speed, 1e-9))
    return max(1, math.ceil(frame_seconds / step - 1e-6))
