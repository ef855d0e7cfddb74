"""The plot of `impetus inspect`: energies, momentum, volume, substeps; and each body's energies."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...contract.simulation_record import SimulationRecord
from .curves import Curves, all_together

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 3
MOST_BODIES = 12
"Bodies with a plot of their own."
KINETIC, ELASTIC, GRAVITY, TOTAL = "#2a78c8", "#e07b28", "#4f9d5c", "#333333"
AXES = (("x", "#c8443c"), ("y", "#4f9d5c"), ("z", "#2a78c8"))
LONG_NAME = 24


def plot(record: SimulationRecord, bodies: tuple[Curves, ...], path: Path) -> None:
    """Draw a simulation's curves over its seconds into a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    own = bodies[:MOST_BODIES] if len(bodies) > 1 else ()
    rows = -(-(6 + len(own)) // COLUMNS)
    figure = Figure(figsize=(13, 3.1 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    places = [figure.add_subplot(rows, COLUMNS, n + 1) for n in range(6 + len(own))]
    time = np.array([record.seconds_at(frame.frame) for frame in record.frames])
    whole = all_together(bodies)
    _energies(places[0], time, whole, "Energy of all")
    _momentum(places[1], time, whole.momentum, "Momentum of all", "kg m/s")
    _momentum(places[2], time, whole.angular_momentum, "Angular momentum of all", "kg m²/s")
    _volumes(places[3], time, bodies)
    _steps(places[4], time, record)
    _speed(places[5], time, record)
    for axes, body in zip(places[6:], own, strict=True):
        _energies(axes, time, body, f"Energy of {body.name[:LONG_NAME]}")
    figure.suptitle(f"{record.name}: {record.frames[0].particles:,} particles")
    figure.savefig(path, dpi=100)


def _energies(axes: "Axes", time: np.ndarray, body: Curves, title: str) -> None:
    axes.plot(time, body.kinetic, color=KINETIC, label="kinetic")
    axes.plot(time, body.elastic, color=ELASTIC, label="elastic")
    if body.gravity is not None and body.energy is not None:
        axes.plot(time, body.gravity, color=GRAVITY, label="gravity, from the start")
        axes.plot(time, body.energy, color=TOTAL, linestyle="--", label="sum")
    _finish(axes, title, "J")


def _momentum(axes: "Axes", time: np.ndarray, values: np.ndarray, title: str, unit: str) -> None:
    for n, (name, color) in enumerate(AXES):
        axes.plot(time, values[:, n], color=color, label=name)
    _finish(axes, title, unit)


def _volumes(axes: "Axes", time: np.ndarray, bodies: tuple[Curves, ...]) -> None:
    for body in bodies:
        there = body.mass > 0
        axes.plot(time[there], body.volume_ratio[there], label=body.name[:LONG_NAME])
    axes.ticklabel_format(axis="y", useOffset=False)
    _finish(axes, "Volume over that of the start", "")


def _steps(axes: "Axes", time: np.ndarray, record: SimulationRecord) -> None:
    steps = np.array([frame.substeps for frame in record.frames])
    axes.step(time[1:], steps[1:], where="mid", color=KINETIC, label="substeps")
    axes.set_ylim(bottom=0)
    _finish(axes, "Substeps of each frame", "")


def _speed(axes: "Axes", time: np.ndarray, record: SimulationRecord) -> None:
    speed = np.array([frame.top_speed for frame in record.frames])
    axes.plot(time[1:], speed[1:], color=ELASTIC, label="fastest, m/s")
    seconds = np.array([frame.seconds for frame in record.frames])
    # the first frame may compile, a thousand times as long as others take
    other = axes.twinx()
    other.semilogy(time[1:], seconds[1:], color=TOTAL, alpha=0.4)
    other.set_ylabel("made in [s], grey")
    axes.set_ylim(bottom=0)
    _finish(axes, "Fastest, and seconds to make a frame", "m/s")


def _finish(axes: "Axes", title: str, unit: str) -> None:
    axes.set(title=title, xlabel="time [s]", ylabel=unit)
    axes.grid(alpha=0.3)
    axes.margins(x=0)
    axes.legend(fontsize="small")
