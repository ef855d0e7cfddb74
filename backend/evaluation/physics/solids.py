"""Cases of the suite `physics` for elastic solids: beams, waves, a ball, and how errors fall."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from ....kernels.mpm.colliders import Plane
from ....kernels.mpm.materials.laws import ElasticLaw, lame
from ....kernels.mpm.solver import MpmSolver
from .cases import EARTH, FPS, JELLY, Lump, Result, make, push

Floats = NDArray[np.float64]

STILL = push((0.0, 0.0, 0.0))
SQUEEZED = 0.004
"Strain that keeps matter pressed against walls while a wave passes."
BEAM = ElasticLaw(density=1000, young_modulus=1e6, poisson_ratio=0.3)


def bar(cells: int = 40, seconds: float = 0.5) -> Result:
    """A free bar rings at sqrt(E / rho) / 2 L within 3 %.

    Slender, one metre long; Rayleigh's correction for the motion across is under 0.1 %.
    """
    lump = Lump((0.5, 0.45, 0.45), (1.5, 0.55, 0.55), JELLY)
    solver = make(lump, cells, walls="open", shape=(2 * cells, cells, cells))
    along = solver.position().astype(float)[:, 0] - 0.5
    mode = np.cos(np.pi * along)
    stir(solver, lambda x: 0.05 * np.cos(np.pi * (x - 0.5)),
         lambda x: -0.05 * np.pi * np.sin(np.pi * (x - 0.5)))  # fmt: skip
    time, found = [], []
    step = 0.005
    for k in range(1, round(seconds / step) + 1):
        solver.advance(step, STILL)
        time.append(k * step)
        found.append(float(mode @ solver.velocity()[:, 0] / (mode @ mode)))
    t, v = np.array(time), np.array(found)
    across = 2 * 0.1**2 / 12
    sideways = (JELLY.poisson_ratio * np.pi) ** 2 * across / 2
    exact = np.sqrt(JELLY.young_modulus / JELLY.density) / 2 * (1 - sideways)
    zeros = crossings(t, v)
    frequency = float((len(zeros) - 1) / 2 / (zeros[-1] - zeros[0]))
    return Result(
        {
            "frequency_error": abs(frequency / exact - 1),
            "amplitude_kept_a_period": float(_decay(t, v, frequency)),
        },
        ("time [s]", "speed of the first mode [m/s]"),
        [("found", t, v), ("sqrt(E / rho) / 2 L", t, 0.05 * np.cos(2 * np.pi * exact * t))],
    )


def cantilever(cells: int = 80, periods: float = 1.0) -> Result:
    """A beam that a small weight pulls swings about Timoshenko's deflection, within 5 %.

    Suddenly loaded it swings between none and twice the static deflection: the middle of its first
    swing is compared. Clamped into a wall that sticks.
    """
    length, side, gravity = 0.6, 0.1, 1.0
    low = (0.0, 0.25, 0.25)
    lump = Lump(low, (length, low[1] + side, low[2] + side), BEAM)
    solver = make(
        lump, cells, walls="stick", shape=(round(0.8 * cells), *(round(0.6 * cells),) * 2)
    )
    start = solver.position().astype(float)
    tip = start[:, 0] > length - side / 2
    weight = BEAM.density * gravity * side**2
    bending = weight * length**4 / (8 * BEAM.young_modulus * side**4 / 12)
    shear = BEAM.young_modulus / 2 / (1 + BEAM.poisson_ratio)
    sheared = weight * length**2 / (2 * 5 / 6 * shear * side**2)
    inertia = np.sqrt(BEAM.young_modulus * side**2 / 12 / BEAM.density)
    period = 2 * np.pi * length**2 / 1.8751**2 / inertia
    time, sunk = [0.0], [0.0]
    step = period / 32
    for k in range(1, round(32 * periods) + 1):
        solver.advance(step, push((0.0, 0.0, -gravity)))
        time.append(k * step)
        sunk.append(float((start - solver.position())[tip, 2].mean()))
    # The tip's mean lies a quarter of the side before the end: less by the slope there.
    exact = (
        bending + sheared - side / 4 * weight * length**3 / (6 * BEAM.young_modulus * side**4 / 12)
    )
    t, w = np.array(time), np.array(sunk)
    mean = float(_mean_of_swing(w))
    return Result(
        {"deflection_error": abs(mean / exact - 1), "deflection": mean, "exact": float(exact)},
        ("time [s]", "tip sunk [m]"),
        [("found", t, w), ("static", t, np.full(len(t), exact))],
    )


def wave(cells: int = 40) -> Result:
    """A pulse in a tube runs with sqrt((lambda + 2 mu) / rho), within 3 %."""
    length = 4.0
    lump = Lump((0, 0, 0), (length, 4 / cells, 4 / cells), JELLY)
    solver = make(lump, cells, shape=(round(length * cells), 4, 4))
    width, middle, height = 6 / cells, length / 4, 0.02
    _pulse(solver, middle, width, height, SQUEEZED)
    x = solver.position().astype(float)[:, 0]
    bins = np.linspace(middle, length, round((length - middle) * cells) + 1)
    time, place = [], []
    for k in range(1, 10):
        solver.advance(0.02, STILL)
        v = solver.velocity()[:, 0]
        profile = np.histogram(x, bins, weights=v)[0] / np.maximum(np.histogram(x, bins)[0], 1)
        top = profile > 0.5 * profile.max()
        if k >= 3:  # by now the half that runs the other way is clear of it
            centre = (bins[:-1] + bins[1:]) / 2
            time.append(0.02 * k)
            place.append(float((centre * profile)[top].sum() / profile[top].sum()))
    t, at = np.array(time), np.array(place)
    exact = sound(SQUEEZED)
    speed = float(np.polyfit(t, at, 1)[0])
    return Result(
        {"speed_error": abs(speed / exact - 1)},
        ("time [s]", "place of the pulse [m]"),
        [("found", t, at), ("sqrt((lambda + 2 mu) / rho)", t, at[0] + exact * (t - t[0]))],
    )


def refinement(cells: tuple[int, ...] = (16, 32, 64)) -> Result:
    """A pulse that parts in two in a tube: the error falls faster than the cells' size.

    Against d'Alembert's solution, before either half reaches an end: what walls and surfaces do,
    half a cell from where they should be, is of first order. Poisson's ratio is 0: nothing moves
    across, so the tube's walls take no part.
    """
    law = replace(JELLY, poisson_ratio=0.0)
    c = np.sqrt(law.young_modulus / law.density)
    seconds, height, width, middle, length = 0.05, 0.01, 0.12, 1.0, 2.0
    errors = []
    for n in cells:
        lump = Lump((0, 0, 0), (length, 4 / n, 4 / n), law)
        solver = make(lump, n, shape=(round(length * n), 4, 4))
        start = solver.position().astype(float)[:, 0]
        _pulse(solver, middle, width, height)
        solver.advance(seconds, STILL)
        moved = solver.position().astype(float)[:, 0] - start
        ahead, behind = (
            erf((start - middle + way) / (np.sqrt(2) * width))
            for way in (c * seconds, -c * seconds)
        )
        exact = height * width * np.sqrt(np.pi / 2) / (2 * c) * (ahead - behind)
        errors.append(float(np.sqrt(((moved - exact) ** 2).mean() / (exact**2).mean())))
    sides, found = np.log2(np.array(cells, float)), np.log2(np.array(errors))
    return Result(
        {"order": -float(np.polyfit(sides, found, 1)[0]), "error_finest": errors[-1]},
        ("log2 cells", "log2 error"),
        [("found", sides, found), ("order 2", sides, found[0] - 2 * (sides - sides[0]))],
    )


def _pulse(
    solver: MpmSolver, middle: float, width: float, height: float, squeezed: float = 0.0
) -> None:
    """Stir a Gaussian of a speed [m/s] at a place along x."""

    def speed(x: Floats) -> Floats:
        return np.asarray(height * np.exp(-(((x - middle) / width) ** 2) / 2))

    stir(solver, speed, lambda x: -(x - middle) / width**2 * speed(x), squeezed=squeezed)


def ball(cells: int = 64, seconds: float = 0.5) -> Result:
    """An elastic ball that falls by its own size bounces once; what energy the transfers keep.

    Kinetic, elastic and of height; the rebound is less, since some goes on as ringing.
    """
    radius, drop = 0.125, 0.25
    middle = np.array([0.5, 0.5, 0.1 + drop + radius])
    lump = Lump(
        middle - radius, middle + radius, JELLY, within=lambda x: _in_ball(x, middle, radius)
    )
    solver = make(lump, cells, ground=Plane(0.1, "separate", 0.0))
    first = solver.position()[:, 2].mean()
    time, energy, height = [], [], []
    for k in range(1, round(seconds * 4 * FPS) + 1):
        solver.advance(0.25 / FPS, push((0, 0, -EARTH)))
        totals = solver.totals()
        at = float(solver.position()[:, 2].mean() - first)
        time.append(0.25 * k / FPS)
        height.append(at + drop)
        energy.append((totals.kinetic + totals.elastic) / totals.mass + EARTH * (at + drop))
    t, h, e = np.array(time), np.array(height), np.array(energy)
    hit = int(np.flatnonzero(np.diff(h) > 0)[0])
    return Result(
        {
            "energy_kept": float(e[-1] / (EARTH * drop)),
            "rebound": float(h[hit:].max() / drop),
        },
        ("time [s]", "height of the middle [m], energy [of the drop]"),
        [("height", t, h), ("energy", t, e / (EARTH * drop))],
    )


def stir(
    solver: MpmSolver,
    speed: Callable[[Floats], Floats],
    slope: Callable[[Floats], Floats],
    *,
    squeezed: float = 0.0,
) -> None:
    """Give all particles the velocity speed(x) along x, and its slope to their affine part.

    `squeezed` is the strain that presses them together at first: walls hold matter while it
    presses against them, and let it go where it pulls.
    """
    saved = solver.checkpoint()
    x = solver.position().astype(float)[saved["particle_index"], 0]
    saved["particle_velocity"] = np.zeros((len(x), 3), np.float32)
    saved["particle_velocity"][:, 0] = speed(x)
    saved["particle_gradient"] = np.zeros((len(x), 3, 3), np.float32)
    saved["particle_gradient"][:, 0, 0] = slope(x)
    saved["particle_deformation"] = saved["particle_deformation"] * np.float32(1 - squeezed)
    saved["state"][0] = np.abs(saved["particle_velocity"]).max()
    solver.restore(saved)


def sound(squeezed: float) -> float:
    """Return the speed [m/s] of plane waves in jelly that a strain presses together.

    Fixed corotated, linearised at F = s I: in the lattice's lengths, whose volume is the rest's.
    """
    mu, lam = lame(JELLY.young_modulus, JELLY.poisson_ratio)
    s, j = 1 - squeezed, (1 - squeezed) ** 3
    pressed = 2 * mu * (s - 1) * s + lam * (j - 1) * j
    modulus = 2 * mu * (2 * s - 1) * s + lam * (2 * j - 1) * j - pressed
    return float(np.sqrt(modulus / JELLY.density))


def crossings(time: Floats, value: Floats) -> Floats:
    """Return the times at which a sampled curve goes through zero."""
    k = np.flatnonzero(value[:-1] * value[1:] < 0)
    return time[k] - value[k] * (time[k + 1] - time[k]) / (value[k + 1] - value[k])


def _decay(time: Floats, value: Floats, frequency: float) -> float:
    """Return by what factor the swings of a curve shrink in a period."""
    periods = np.floor(time * frequency)
    tops = np.array([np.abs(value[periods == p]).max() for p in range(int(periods[-1]))])
    return (
        float(np.exp(np.polyfit(np.arange(len(tops)), np.log(tops), 1)[0]))
        if len(tops) > 1
        else 1.0
    )


def _mean_of_swing(value: Floats) -> float:
    """Return the middle of the first swing: half way between its start and its turning point."""
    return float((value[0] + value.max()) / 2)


def _in_ball(x: Floats, middle: Floats, radius: float) -> NDArray[np.bool_]:
    return np.asarray(np.linalg.norm(x - middle, axis=1) < radius)


SOLID_CASES: dict[str, Callable[[], Result]] = {
    "elastic: a bar rings": bar,
    "elastic: a beam bends": cantilever,
    "elastic: a pulse runs": wave,
    "elastic: finer cells": refinement,
    "elastic: a ball bounces": ball,
}
