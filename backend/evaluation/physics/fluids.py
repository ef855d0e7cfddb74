"""Cases of the suite `physics` for smoke, liquid and flocks: known flows, experiments, bounds."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ....kernels.flock import DistanceField, Flock, FlockSettings
from ....kernels.fluids.gas import Gas, GasSettings
from ....kernels.fluids.grid import FluidDomain
from ....kernels.fluids.liquid import Liquid, LiquidSettings
from ....kernels.fluids.smoke import Smoke, SmokeSettings
from .cases import EARTH, Result

MARTIN_MOYCE = (
    (0.41, 1.11), (0.84, 1.22), (1.19, 1.44), (1.43, 1.67), (1.63, 1.89), (1.83, 2.11),
    (1.98, 2.33), (2.20, 2.56), (2.32, 2.78), (2.51, 3.00), (2.65, 3.22), (2.83, 3.44),
)  # fmt: skip
"Front of a dam twice as high as wide: t sqrt(2 g / a), z / a. Martin and Moyce 1952, as quoted."


def swirl(cells: tuple[int, ...] = (12, 24, 48), seconds: float = 0.5) -> Result:
    """A Taylor-Green swirl in a box without friction stays; the error falls with the cells."""
    errors = []
    for n in cells:
        smoke = Smoke(FluidDomain.closed((n, n), 1 / n), SmokeSettings((0.0, 1.0), lift=0.0))
        exact = taylor_green(n)
        smoke.restore(smoke.state() | {"velocity": exact})
        smoke.advance(seconds)
        errors.append(float(np.abs(smoke.velocity() - exact)[1:n, 1:n].mean()))
    sides, found = np.log2(np.array(cells, float)), np.log2(np.array(errors))
    order = -float(np.polyfit(sides, found, 1)[0])
    return Result(
        {"mean_error_finest": errors[-1], "order": order},
        ("log2 cells", "log2 mean error"),
        [
            ("found", sides, found),
            ("order 2", sides, found[0] - 2 * (sides - sides[0])),
        ],
    )


def taylor_green(n: int) -> NDArray[np.float32]:
    """The swirl (sin cos, -cos sin) of pi x, pi y on the faces of a unit box of n x n cells."""
    x, y = np.mgrid[0 : n + 1, 0 : n + 1] / n
    u = np.sin(np.pi * x) * np.cos(np.pi * (y + 0.5 / n))
    v = -np.cos(np.pi * (x + 0.5 / n)) * np.sin(np.pi * y)
    return np.stack([u, v], -1).astype(np.float32)


def decay(cells: int = 24, viscosity: float = 0.02, seconds: float = 1.0) -> Result:
    """A Taylor-Green swirl in thick air dies as exp(-2 nu pi^2 t); what each projection leaves."""
    gas = Gas(FluidDomain.closed((cells, cells), 1 / cells), GasSettings(viscosity=viscosity))
    start, inside = taylor_green(cells), np.s_[1:cells, 1:cells]
    gas.restore(gas.state() | {"velocity": start})
    time, strength, left = [0.0], [1.0], []
    for _ in range(20):
        gas.advance(seconds / 20, (0.0, 0.0))
        now = gas.velocity()
        time.append(time[-1] + seconds / 20)
        strength.append(float(np.sqrt((now[inside] ** 2).sum() / (start[inside] ** 2).sum())))
        left.append(float(np.abs(gas.divergence()).max() / np.abs(now).max()))
    t, found = np.array(time), np.array(strength)
    theory = np.exp(-2 * viscosity * np.pi**2 * t)
    return Result(
        {
            "strength_over_theory_at_the_end": float(found[-1] / theory[-1]),
            "divergence_over_speed": max(left),
        },
        ("time [s]", "speed of the swirl"),
        [("found", t, found), ("exp(-2 nu pi^2 t)", t, theory)],
    )


def plume(cells: int = 32, frames: int = 24) -> Result:
    """A puff of hot smoke in a closed box rises evenly on both sides; how much of it is lost."""
    smoke = Smoke(
        FluidDomain.closed((cells, cells), 1 / cells),
        SmokeSettings((0.0, 1.0), lift=4.0, vorticity=3.0),
    )
    x, y = (np.mgrid[0:cells, 0:cells] + 0.5) / cells
    puff = np.exp(-((x - 0.5) ** 2 + (y - 0.25) ** 2) / 0.01).astype(np.float32)
    smoke.restore(smoke.state() | {"density": puff, "heat": puff})
    height, left = [], []
    for _ in range(frames):
        smoke.advance(1 / 24)
        rows = smoke.density().sum(0)
        height.append(float((rows * y[0]).sum() / rows.sum()))
        left.append(smoke.solved.residual)
    density, time = smoke.density(), np.arange(1, frames + 1) / 24
    return Result(
        {
            "mass_kept": float(density.sum() / puff.sum()),
            "divergence_left": max(left),
            "asymmetry": float(np.abs(density - density[::-1]).max()),
            "rose": height[-1] - 0.25,
        },
        ("time [s]", "height of the smoke's middle [m]"),
        [("found", time, np.array(height))],
    )


def dam(wide: int = 12, frames: int = 20) -> Result:
    """A column of water twice as high as wide collapses as Martin and Moyce measured.

    No front is faster than Ritter's 2 sqrt(g h).
    """
    shape, side = (4 * wide, 2 * wide + 4), 0.1
    column = np.zeros(shape, bool)
    column[:wide, : 2 * wide] = True
    settings = LiquidSettings((0.0, -EARTH))
    liquid = Liquid(FluidDomain.closed(shape, side / wide), settings, column)
    time, front = [0.0], [1.0]
    for _ in range(frames):
        liquid.advance(0.01)
        time.append(time[-1] + 0.01)
        front.append(float(liquid.position[:, 0].max()) / side)
    t, z = np.array(time) * np.sqrt(2 * EARTH / side), np.array(front)
    measured = np.array(MARTIN_MOYCE)
    ratio = np.interp(measured[:, 0], t, z) / measured[:, 1]
    ritter = 2 * np.sqrt(EARTH * 2 * side)
    return Result(
        {
            "front_over_measured": float(ratio.mean()),
            "worst_front_over_measured": float(ratio[np.abs(ratio - 1).argmax()]),
            "fastest_over_ritter": float((np.diff(z) * side / 0.01).max() / ritter),
        },
        ("t sqrt(2 g / a)", "front / a"),
        [("found", t, z), ("Martin and Moyce 1952", measured[:, 0], measured[:, 1])],
    )


def volume(cells: int = 24, seconds: float = 4.0) -> Result:
    """A column that collapsed in a tank and runs to and fro is neither denser nor thinner for it.

    How full the cells within the liquid are: their volume against that of their particles.
    """
    shape = (cells, 2 * cells // 3)
    column = np.zeros(shape, bool)
    column[: cells // 3, : cells // 2] = True
    settings = LiquidSettings((0.0, -EARTH))
    liquid = Liquid(FluidDomain.closed(shape, 0.05), settings, column)
    count, full = len(liquid.position), []
    for _ in range(round(24 * seconds)):
        liquid.advance(1 / 24)
        full.append(float(liquid.crowding()[liquid.within()].mean()))
    time = np.arange(1, len(full) + 1) / 24
    last = full[-24:]
    return Result(
        {
            "particles_kept": len(liquid.position) == count,
            "fullness_in_the_last_second": float(np.mean(last)),
            "worst_fullness": float(max(full, key=lambda value: abs(value - 1))),
        },
        ("time [s]", "how full the cells within are"),
        [("found", time, np.array(full)), ("exact", time, np.ones_like(time))],
    )


def flock(count: int = 200, seconds: float = 8.0) -> Result:
    """Agents that start anyhow come to fly one way, in the plane and in space."""
    figures: dict[str, float | bool] = {}
    curves: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []
    for dimension in (2, 3):
        rng = np.random.default_rng(0)
        settings = FlockSettings(1.0, 0.2, 1.0, 2.0, 0.2, 4.0)
        start = rng.uniform(0, 2, (count, dimension)), rng.normal(0, 0.7, (count, dimension))
        agents, order = Flock(settings, *start), []
        for _ in range(round(20 * seconds)):
            agents.advance(0.05)
            order.append(agents.order())
        figures[f"order_at_start_{dimension}d"] = order[0]
        figures[f"order_at_end_{dimension}d"] = order[-1]
        time = np.asarray(0.05 * np.arange(1, len(order) + 1), np.float64)
        curves.append((f"{dimension} dimensions", time, np.array(order)))
    return Result(figures, ("time [s]", "length of the mean direction"), curves)


def obstacle(count: int = 80, seconds: float = 6.0) -> Result:
    """Agents whose goal is in the middle of a ball: how near they come to its surface."""
    figures: dict[str, float | bool] = {}
    curves: list[tuple[str, NDArray[np.float64], NDArray[np.float64]]] = []
    for dimension in (2, 3):
        shape, radius = (48,) * dimension, 0.6
        middles = (np.moveaxis(np.indices(shape), 0, -1) + 0.5) * 0.1 - 1.4
        distance = (np.linalg.norm(middles - 1.0, axis=-1) - radius).astype(np.float32)
        ball = DistanceField(distance, (-1.4,) * dimension, 0.1)
        rng = np.random.default_rng(1)
        way = rng.normal(size=(count, dimension))
        start = 1 + way / np.linalg.norm(way, axis=1, keepdims=True) * rng.uniform(1, 2, (count, 1))
        settings = FlockSettings(1.0, 0.2, 1.0, 2.0, 0.2, 4.0, attraction=2.0, clearance=0.05)
        agents, nearest = Flock(settings, start, rng.normal(0, 0.7, start.shape), [ball]), []
        for _ in range(round(20 * seconds)):
            agents.advance(0.05, (1.0,) * dimension)
            nearest.append(float(np.linalg.norm(agents.position - 1, axis=1).min()) - radius)
        figures[f"nearest_to_the_surface_{dimension}d"] = min(nearest)
        time = np.asarray(0.05 * np.arange(1, len(nearest) + 1), np.float64)
        curves.append((f"{dimension} dimensions", time, np.array(nearest)))
    return Result(figures, ("time [s]", "from the nearest agent's middle to the ball [m]"), curves)


FLUID_CASES: dict[str, Callable[[], Result]] = {
    "smoke: a swirl stays": swirl,
    "gas: a swirl dies": decay,
    "smoke: a puff rises": plume,
    "liquid: a dam breaks": dam,
    "liquid: its volume": volume,
    "flock: one direction": flock,
    "flock: round a ball": obstacle,
}
