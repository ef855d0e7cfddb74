"""Plots of the suite `flow-network`: motion as colour, errors by speed and by iterations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...training.flow_pairs import FlowPair


@dataclass(frozen=True)
class Shown:
    """A pair with what was estimated for it."""

    name: str
    pair: FlowPair
    flows: Mapping[str, NDArray[np.float32]]  # by method


def flow_colors(flow: NDArray[np.float32], largest: float) -> NDArray[np.float64]:
    """Color a flow (H, W, 2): hue is its direction, saturation its length up to `largest` px."""
    turn = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) % 1
    length = np.clip(np.linalg.norm(flow, axis=2) / largest, 0, 1)
    return np.asarray(hsv_to_rgb(np.stack([turn, length, np.ones_like(turn)], axis=2)))


def plot_pairs(rows: Sequence[Shown], path: Path) -> None:
    """One row a pair: first, second, true motion, then each method's motion and its error."""
    methods = list(rows[0].flows)
    columns = 3 + 2 * len(methods)
    figure = Figure(figsize=(2.6 * columns, 2.5 * len(rows) + 2.2), layout="constrained")
    grid = figure.subplots(len(rows) + 1, columns, squeeze=False)
    for axes, shown in zip(grid, rows, strict=False):
        pair = shown.pair
        largest = float(np.percentile(np.linalg.norm(pair.flow, axis=2), 99)) + 1e-6
        axes[0].imshow(pair.first)
        axes[0].set_title(shown.name, fontsize=8)
        axes[1].imshow(pair.second)
        axes[2].imshow(flow_colors(pair.flow, largest))
        axes[2].set_title(f"true motion, to {largest:.0f} px", fontsize=8)
        for number, method in enumerate(methods):
            flow = shown.flows[method]
            error = np.where(pair.known, np.linalg.norm(flow - pair.flow, axis=2), 0)
            axes[3 + 2 * number].imshow(flow_colors(flow, largest))
            axes[3 + 2 * number].set_title(method, fontsize=8)
            bar = axes[4 + 2 * number].imshow(error, cmap="magma", vmin=0, vmax=10)
            mean = error[pair.known].mean()
            axes[4 + 2 * number].set_title(f"error, mean {mean:.2f} px", fontsize=8)
    figure.colorbar(bar, ax=grid[:-1, -1], label="px", shrink=0.5)
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    wheel = flow_colors(np.stack([x, y], axis=2).astype(np.float32), 1)
    wheel[np.hypot(x, y) > 1] = 1
    grid[-1, 0].imshow(wheel)
    grid[-1, 0].set_title("colours of directions", fontsize=8)
    for axes in grid.ravel():
        axes.set_axis_off()
    figure.savefig(path, dpi=70)


def plot_bars(table: Mapping[str, Mapping[str, Any]], speeds: list[str], path: Path) -> None:
    """Errors of each method: all, visible, hidden, and by how fast a pixel moves."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    groups = ["all", "visible", "hidden", *(f"{speed} px" for speed in speeds)]
    width = 0.8 / len(table)
    for number, (method, row) in enumerate(table.items()):
        values = [row["error"], row["visible"], row["hidden"], *row["by_speed"]]
        heights = [np.nan if value is None else value for value in values]
        axes.bar(np.arange(len(groups)) + number * width, heights, width, label=method)
    axes.set_xticks(np.arange(len(groups)) + 0.4 - width / 2, groups)
    axes.set(ylabel="end-point error [px]", yscale="log")
    axes.legend()
    figure.savefig(path, dpi=90)


def plot_iterations(curve: Mapping[int, float], bar: float, path: Path) -> None:
    """Error over iterations, with the classical method's as a line."""
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(curve), list(curve.values()), "o-", label="flow network")
    axes.axhline(bar, color="0.5", ls="--", label="DIS, medium")
    axes.set(xlabel="iterations", ylabel="end-point error [px]", ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=90)
