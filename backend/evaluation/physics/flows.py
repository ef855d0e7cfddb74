"""Cases of the suite `physics` for sand and water as material points: columns, slopes, a dam."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....kernels.mpm.colliders import Plane
from ....kernels.mpm.solver import MpmSolver
from .cases import EARTH, FPS, SAND, WATER, Lump, Result, make, push
from .fluids import MARTIN_MOYCE

Floats = NDArray[np.float64]
Bed = Literal["slip", "stick"]

FALL = push((0.0, 0.0, -EARTH))
GRAINS = replace(SAND, young_modulus=1e5, friction_angle=math.radians(31))
"Dry sand whose heaps lie at 31 degrees."


def column(aspect: float = 2.5, cells: int = 96, seconds: float = 0.9) -> Result:
    """A column of sand runs out as far as real ones do, within 15 %; it lies as dense as before.

    Lube et al. 2004 (J. Fluid Mech. 508): to r0 (1 + 1.24 a) for aspects h0 / r0 under 1.7, to
    r0 (1 + 1.6 sqrt(a)) above, whatever the grains. A quarter of it, between walls that slip.
    The run-out is where the mean depth falls under half a particle's.
    """
    radius = 0.1
    height = aspect * radius
    reach = radius * (1 + (1.24 * aspect if aspect < 1.7 else 1.6 * math.sqrt(aspect)))
    floor = 2 / cells
    lump = Lump(
        (0, 0, floor),
        (radius, radius, floor + height),
        GRAINS,
        within=lambda x: np.asarray(np.linalg.norm(x[:, :2], axis=1) < radius),
    )
    wide, tall = round(1.3 * reach * cells), round((height + 2 * floor) * cells) + 2
    solver = make(lump, cells, shape=(wide, wide, tall), ground=Plane(floor, "stick", 0.0))
    speed = []
    for _ in range(round(seconds * FPS)):
        solver.advance(1 / FPS, FALL)
        speed.append(float(np.linalg.norm(solver.velocity(), axis=1).mean()))
    x = solver.position().astype(float)
    r = np.linalg.norm(x[:, :2], axis=1)
    step = 1.0 / cells
    edges = np.arange(0.0, r.max() + step, step)
    volume = np.histogram(r, edges)[0] * (step / 2) ** 3
    depth = volume / (np.pi / 4 * np.diff(edges**2))
    out = float(edges[1:][depth > step / 4].max())
    core = (r < 0.6 * radius) & (x[:, 2] < floor + 0.3 * depth[0])
    packing = core.sum() * (step / 2) ** 3 / (np.pi / 4 * (0.6 * radius) ** 2 * 0.3 * depth[0])
    middle = (edges[:-1] + edges[1:]) / 2
    return Result(
        {
            "runout_over_lube": out / reach,
            "height_over_depth": float(np.quantile(x[r < radius / 4, 2], 0.98) - floor) / radius,
            "packing": float(packing),
            "speed_at_end": speed[-1],
        },
        ("radius [m]", "mean depth [m]"),
        [("found", middle, depth), ("run-out of Lube et al.", np.full(2, reach), depth[[-1, 0]])],
    )


def repose(degrees: tuple[float, ...] = (20.0, 30.0, 40.0), cells: int = 32) -> Result:
    """Sand in a box that tilts slowly gets as steep as its friction angle, within 3 degrees.

    That is where an infinite slope without cohesion fails (Mohr and Coulomb), and how repose is
    measured in a tilting box (Beakawi Al-Hashemi and Baghabra Al-Amoudi 2018, Powder Technology
    330). Tilted fast, or built steeper and let go, sand comes to rest lower by what it gained on
    the way, the steepest most; so columns that collapse lie flatter (Lube et al. 2004).
    """
    figures: dict[str, float | bool] = {}
    curves = []
    for angle in degrees:
        tilt, found = _tilted(angle, cells)
        figures[f"steepest_{angle:g}"] = float(found.max())
        curves.append((f"{angle:g} degrees", tilt, found))
    return Result(figures, ("tilt of the box [degrees]", "slope of the sand [degrees]"), curves)


def _tilted(friction: float, cells: int) -> tuple[Floats, Floats]:
    """Tilt a box to 5 degrees over the friction angle; return tilts, and slopes of the sand.

    Plane strain, 4 cells thick; quickly up to 6 degrees below, then by 5 degrees a second.
    """
    length, depth, floor = 0.75, 0.2, 2 / cells
    law = replace(GRAINS, friction_angle=math.radians(friction))
    lump = Lump((0, 0, floor), (length, 4 / cells, floor + depth), law)
    shape = (round(length * cells), 4, round((2 * depth + 0.1) * cells))
    solver = make(lump, cells, shape=shape, ground=Plane(floor, "stick", 0.0))
    settling, quick = [0.0] * (FPS // 4), np.arange(0.5, friction - 6, 30 / FPS)
    tilts, found = [], []
    for tilt in (*settling, *quick, *np.arange(friction - 6, friction + 5, 5 / FPS)):
        pull = math.radians(tilt)
        solver.advance(1 / FPS, push((-EARTH * math.sin(pull), 0, -EARTH * math.cos(pull))))
        way, top = surface(solver, 1 / cells)
        middle = (way > 0.2 * length) & (way < 0.8 * length)
        raised = math.degrees(math.atan(np.polyfit(way[middle], top[middle], 1)[0]))
        tilts.append(tilt)
        found.append(tilt + raised)
    return np.array(tilts), np.array(found)


def steep(degrees: tuple[float, ...] = (20.0, 30.0, 40.0), cells: int = 64) -> Result:
    """A slope of sand that is built three degrees under its friction angle stands.

    It starts without stress and sinks a little under its own weight. Plane strain, 4 cells.
    """
    figures: dict[str, float | bool] = {}
    curves = []
    for angle in degrees:
        found, way, top = _settled_slope(angle, angle - 3.0, cells)
        figures[f"lost_{angle:g}"] = angle - 3.0 - found
        curves.append((f"{angle:g} degrees", way, top))
    return Result(figures, ("way [m]", "height [m]"), curves)


def _settled_slope(friction: float, angle: float, cells: int) -> tuple[float, Floats, Floats]:
    """Return the angle [degrees] that a slope of sand ends with, and its surface."""
    high, floor, wide = 0.35, 2 / cells, 4 / cells
    steep = math.tan(math.radians(angle))
    law = replace(GRAINS, friction_angle=math.radians(friction))
    lump = Lump(
        (0, 0, floor),
        (high / steep, wide, floor + high),
        law,
        within=lambda x: np.asarray(x[:, 2] - floor < high - steep * x[:, 0]),
    )
    shape = (round((high / steep + 0.4) * cells), 4, round(high * cells) + 6)
    solver = make(lump, cells, shape=shape, ground=Plane(floor, "stick", 0.0))
    for _ in range(round(1.5 * FPS)):
        solver.advance(1 / FPS, FALL)
    way, top = surface(solver, 1 / cells)
    top -= floor
    flank = (top > 0.2 * top.max()) & (top < 0.8 * top.max())
    found = math.degrees(math.atan(-np.polyfit(way[flank], top[flank], 1)[0]))
    return found, way, top


def surface(solver: MpmSolver, step: float) -> tuple[Floats, Floats]:
    """Return the middles of columns along x that hold matter, and the height of its surface."""
    x = solver.position().astype(float)
    place = (x[:, 0] / step).astype(int)
    filled = np.flatnonzero(np.bincount(place) >= 4)
    tops = [np.quantile(x[place == k, 2], 0.97) for k in filled]
    return np.asarray((filled + 0.5) * step, np.float64), np.array(tops)


def dam(cells: int = 80, seconds: float = 2.0, bed: Bed = "stick") -> Result:
    """A column of water collapses as Martin and Moyce measured, within 10 %, and keeps its volume.

    Twice as high as wide, a = 0.2 m, 4 cells thick between walls that slip, on a bed that water
    sticks to; on one that slips the front is a tenth ahead. The front is where it is half a cell
    deep. Afterwards it runs to and fro in a tank of 4 a: its volume then is that of the cells that
    it fills.
    """
    side, wide, floor = 0.2, 4 / cells, 2 / cells
    law = replace(WATER, bulk_modulus=4e5)
    lump = Lump((0, 0, floor), (side, wide, floor + 2 * side), law)
    shape = (round(4 * side * cells), 4, round(3 * side * cells))
    solver = make(lump, cells, shape=shape, ground=Plane(floor, bed, 0.0))
    time, front = [0.0], [1.0]
    step, limit = 0.01, 2.9 / math.sqrt(2 * EARTH / side)
    while time[-1] < limit:
        solver.advance(step, FALL)
        time.append(time[-1] + step)
        front.append(_front(solver, cells) / side)
    while time[-1] < seconds:
        solver.advance(1 / FPS, FALL)
        time.append(time[-1] + 1 / FPS)
    t, z = np.array(time[: len(front)]) * math.sqrt(2 * EARTH / side), np.array(front)
    measured = np.array(MARTIN_MOYCE)
    ratio = np.interp(measured[:, 0], t, z) / measured[:, 1]
    return Result(
        {
            "front_over_measured": float(ratio.mean()),
            "worst_front_over_measured": float(ratio[np.abs(ratio - 1).argmax()]),
            "volume": fullness(solver, cells),
        },
        ("t sqrt(2 g / a)", "front / a"),
        [("found", t, z), ("Martin and Moyce 1952", measured[:, 0], measured[:, 1])],
    )


def _front(solver: MpmSolver, cells: int) -> float:
    """Return how far [m] a liquid in a slab of 4 cells stands half a cell deep or more."""
    count = np.bincount((solver.position()[:, 0] * 4 * cells).astype(int))
    deep = np.flatnonzero(count >= 8)  # of 16 in a quarter of a cell's length, were it a cell deep
    return float(deep[-1] + 1) / (4 * cells)


def fullness(solver: MpmSolver, cells: int) -> float:
    """Return the volume that a liquid takes against that of its particles: 1 where it kept it.

    By the particles in each cell that matter surrounds on all sides.
    """
    at = np.floor(solver.position() * cells).astype(int)
    count = np.zeros(at.max(axis=0) + 3, int)
    np.add.at(count, tuple((at + 1).T), 1)
    held = count > 0
    inside = held.copy()
    for axis in (0, 2):
        for way in (-1, 1):
            inside &= np.roll(held, way, axis)
    return float(8 / count[inside].mean())


FLOW_CASES: dict[str, Callable[[], Result]] = {
    "sand: a tall column": column,
    "sand: a low column": lambda: column(1.0),
    "sand: a box tilts": repose,
    "sand: a slope stands": steep,
    "water: a dam breaks": dam,
}
