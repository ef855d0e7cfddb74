"""The suite `physics`: the solver against analytic motion and conservation, with plots.

Every case returns figures that are comparable with what its docstring promises, and the curves
behind them. Short instances of the same cases run as tests.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....kernels.mpm.colliders import Plane
from ....kernels.mpm.materials.laws import Law
from .cases import (
    EARTH,
    FPS,
    JELLY,
    RUBBER,
    SAND,
    WATER,
    Lump,
    Result,
    make,
    push,
    spin_up,
)
from .flows import FLOW_CASES
from .fluids import FLUID_CASES
from .forces import FORCE_CASES
from .solids import SOLID_CASES

Floats = NDArray[np.float64]


def run(out: Path) -> dict[str, Any]:
    """Run all cases, write physics.png and results.json into `out`, return the figures by case.

    Taichi must have been started. Takes some minutes on two cores.
    """
    out.mkdir(parents=True, exist_ok=True)
    results = {name: case() for name, case in CASES.items()}
    figures = {name: result.figures for name, result in results.items()}
    (out / "results.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _plot(results, out / "physics.png")
    return figures


def free_fall(law: Law = JELLY, cells: int = 48) -> Result:
    """A lump falls by g t^2 / 2 within 0.1 %, whatever it is made of."""
    solver = make(Lump((0.4, 0.4, 0.7), (0.6, 0.6, 0.9), law), cells)
    start, time, fallen = solver.position().mean(axis=0), [], []
    for frame in range(1, 9):
        solver.advance(1 / FPS, push((0, 0, -EARTH)))
        time.append(frame / FPS)
        fallen.append(float((start - solver.position().mean(axis=0))[2]))
    t, found = np.array(time), np.array(fallen)
    exact = EARTH * t**2 / 2
    return Result(
        {"worst_relative_error": float(np.abs(found / exact - 1).max())},
        ("time [s]", "fallen [m]"),
        [("found", t, found), ("g t^2 / 2", t, exact)],
    )


def conservation(seconds: float = 2.0, cells: int = 48) -> Result:
    """A spinning, ringing block without walls or gravity keeps mass, momentum, angular momentum."""
    lump = Lump((0.375,) * 3, (0.625,) * 3, JELLY, (0.02, -0.01, 0.03))
    solver = make(lump, cells, walls="open")
    spin_up(solver, (2.0, -3.0, 5.0), -2.0)
    first, speed = solver.totals(), float(np.abs(solver.velocity()).max())
    time, kinetic, elastic, turned, drift = [0.0], [first.kinetic], [first.elastic], [0.0], [0.0]
    for frame in range(1, round(seconds * FPS) + 1):
        solver.advance(1 / FPS, push((0, 0, 0)))
        now = solver.totals()
        time.append(frame / FPS)
        kinetic.append(now.kinetic)
        elastic.append(now.elastic)
        drift.append(float(np.linalg.norm(now.momentum - first.momentum)) / (first.mass * speed))
        lost = np.linalg.norm(now.angular_momentum - first.angular_momentum)
        turned.append(float(lost / np.linalg.norm(first.angular_momentum)))
    total = np.array(kinetic) + np.array(elastic)
    t = np.array(time)
    return Result(
        {
            "mass_is_exact": solver.totals().mass == first.mass,
            "momentum_drift": max(drift),
            "angular_momentum_drift": max(turned),
            "energy_gained": float(max(0.0, np.diff(total).max()) / total[0]),
            "energy_kept": float(total[-1] / total[0]),
        },
        ("time [s]", "energy [J]"),
        [("kinetic", t, np.array(kinetic)), ("elastic", t, np.array(elastic)), ("sum", t, total)],
    )


def slope(cells: int = 32) -> Result:
    """On a slope of 1 : 2 a block slides with g (sin - mu cos), and rests where mu > 1/2."""
    angle = float(np.arctan(0.5))
    gravity = (EARTH * np.sin(angle), 0.0, -EARTH * np.cos(angle))
    figures: dict[str, float | bool] = {}
    curves = []
    time = np.arange(1, 25) / FPS
    for friction in (0.0, 0.2, 0.4, 0.6):
        lump = Lump((0.125, 0.375, 0.25), (0.375, 0.5625, 0.375), RUBBER)
        ground = Plane(0.25, "separate", friction)
        solver = make(lump, cells, shape=(4 * cells, cells, cells), ground=ground)
        start, way = solver.position()[:, 0].mean(), []
        for _ in time:
            solver.advance(1 / FPS, push(gravity))
            way.append(float(solver.position()[:, 0].mean() - start))
        along = np.array(way)
        curves.append((f"mu = {friction}", time, along))
        if friction < 0.5:
            exact = EARTH * (np.sin(angle) - friction * np.cos(angle))
            found = 2 * np.polyfit(time[2:], along[2:], 2)[0]
            figures[f"acceleration_error_mu_{friction}"] = float(abs(found / exact - 1))
        else:
            figures["creep_at_rest"] = float(along[-1] - along[-7])
    return Result(figures, ("time [s]", "way [m]"), curves)


def tank(seconds: float = 4.0, cells: int = 32) -> Result:
    """A column of water presses on its bottom with its weight, on the mean over its swings."""
    lump = Lump((0, 0, 0), (0.125, 0.125, 0.5), WATER)
    solver = make(lump, cells, shape=(cells // 8, cells // 8, cells))
    low = solver.position()[:, 2] < 2.0 / cells
    height = float(0.5 - solver.position()[low, 2].mean())
    pressure, top = [], []
    for _ in range(round(seconds * FPS)):
        solver.advance(1 / FPS, push((0, 0, -EARTH)))
        j = np.linalg.det(solver.deformation()[low].astype(float))
        pressure.append(float((1e5 / 7 * (j**-7 - 1)).mean()))
        top.append(float(np.quantile(solver.position()[:, 2], 0.99)))
    t = np.arange(1, len(pressure) + 1) / FPS
    exact = 1000 * EARTH * height
    mean = float(np.mean(pressure[len(pressure) // 4 :]))
    return Result(
        {
            "pressure_error": abs(mean / exact - 1),
            "highest_surface": max(top),
            "last_surface": float(np.mean(top[-FPS // 2 :])),
        },
        ("time [s]", "pressure at the bottom [Pa]"),
        [("found", t, np.array(pressure)), ("weight", t, np.full(len(t), exact))],
    )


def tracers(turns: float = 2.0, cells: int = 32) -> Result:
    """Tracers put onto the particles of a spinning block stay beside them."""
    lump = Lump((0.375,) * 3, (0.625,) * 3, JELLY)
    start = make(lump, cells).position().astype(float)
    solver = make(lump, cells, tracers=start)
    spin_up(solver, (0.0, 0.0, 2 * np.pi))
    away = []
    for _ in range(round(turns * FPS)):
        solver.advance(1 / FPS, push((0, 0, 0)))
        gap = np.linalg.norm(solver.position() - solver.tracer_position(), axis=1)
        away.append(float(gap.mean() * cells))
    t = np.arange(1, len(away) + 1) / FPS
    f = solver.tracer_deformation().astype(float)
    return Result(
        {"mean_gap_cells": away[-1], "mean_volume": float(np.linalg.det(f).mean())},
        ("time [s], one turn each", "gap to the particle [cells]"),
        [("mean", t, np.array(away))],
    )


def same_bits(frames: int = 4) -> Result:
    """Two runs of one input, and a run that goes on from a checkpoint, end with the same bits."""

    def state(stop: int | None) -> dict[str, bytes]:
        lump = Lump((0.3, 0.3, 0.3), (0.6, 0.6, 0.6), WATER, (1.0, 0.4, 0.0))
        solver = make(lump, 32, ground=Plane(0.25, "separate", 0.3))
        for frame in range(frames):
            if frame == stop:
                saved = solver.checkpoint()
                solver = make(lump, 32, ground=Plane(0.25, "separate", 0.3))
                solver.restore(saved)
            solver.advance(1 / FPS, push((0, 0, -EARTH)))
        return {name: value.tobytes() for name, value in solver.checkpoint().items()}

    once = state(None)
    return Result({"repeated": once == state(None), "resumed": once == state(frames // 2)})


CASES: dict[str, Callable[[], Result]] = {
    "free fall, elastic": lambda: free_fall(JELLY),
    "free fall, sand": lambda: free_fall(SAND),
    "free fall, water": lambda: free_fall(WATER),
    "conservation": conservation,
    "slope": slope,
    "tank": tank,
    "tracers": tracers,
    "same bits": same_bits,
    **SOLID_CASES,
    **FLOW_CASES,
    **FORCE_CASES,
    **FLUID_CASES,
}


def _plot(results: dict[str, Result], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {name: result for name, result in results.items() if result.curves}
    figure = Figure(figsize=(12, 3.2 * -(-len(shown) // 3)), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (name, result) in enumerate(shown.items(), 1):
        axes = figure.add_subplot(-(-len(shown) // 3), 3, place)
        for label, x, y in result.curves:
            axes.plot(x, y, label=label)
        axes.set(title=name, xlabel=result.axes[0], ylabel=result.axes[1])
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
