"""The suite `raster-speed`: how the rasteriser's time grows with splats, and with pixels.

The scene is that of the bench cases `raster-…` (`raster.py`): there splats lie in a box of fixed
size, so that more of them overlap more; seen in more pixels each covers more of these, and the
focal length grows along. Times are the process's on all cores together, best of nine, which other
programs change little.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....kernels.splats.project import Projected, project
from ....kernels.splats.raster import rasterise_kept, rasterise_plain
from ....kernels.splats.raster_gradient import record_gradient
from .raster import splats_in, view_of

COUNTS = (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SIDES = (200, 400, 800, 1600)
SIDE, COUNT = 800, 100_000
REPEATS = 9


@dataclass(frozen=True)
class Timed:
    """Seconds of processor time for an image of `side` by `side` pixels."""

    splats: int
    side: int
    projection: float
    forward: float  # sorting and binning included
    kept: float  # the same, keeping what gradients need
    backward: float  # from gradients of colour, alpha and depth to those of the records


def run(
    out: Path, *, counts: tuple[int, ...] = COUNTS, sides: tuple[int, ...] = SIDES
) -> dict[str, Any]:
    """Measure, write scaling.png and scaling.txt into `out`, return the figures.

    Taichi must have been started.
    """
    measure(min(counts), min(sides))  # compiles
    by_count = [measure(count, SIDE) for count in counts]
    by_side = [measure(COUNT, side) for side in sides]
    results = {
        "by_splats": [asdict(one) for one in by_count],
        "by_pixels": [asdict(one) for one in by_side],
    }
    (out / "scaling.txt").write_text(table([*by_count, *by_side]), encoding="utf-8")
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _plot(by_count, by_side, out / "scaling.png")
    return results


def measure(count: int, side: int) -> Timed:
    """Time all passes of one scene."""
    view = view_of(side)
    pose, color, opacity = splats_in(count, np.ones(3))

    def projected() -> Projected:
        return project(pose, view, color=color, opacity=opacity)

    records = projected()
    planes, lists = rasterise_kept(records, view)
    random = np.random.default_rng(1)
    wanted = random.normal(size=(5, side, side)).astype(np.float32)
    return Timed(
        count,
        side,
        _best(projected),
        _best(lambda: rasterise_plain(records, view)),
        _best(lambda: rasterise_kept(records, view)),
        _best(
            lambda: record_gradient(
                records, lists, planes, view, color=wanted[:3], alpha=wanted[3], depth=wanted[4]
            )
        ),
    )


def table(rows: list[Timed]) -> str:
    """Return the figures as text, milliseconds."""
    lines = [
        f"{'splats':>9} {'pixels':>12} {'project':>9} {'forward':>9} {'kept':>9} {'backward':>9}"
    ]
    for row in rows:
        times = (row.projection, row.forward, row.kept, row.backward)
        lines.append(
            f"{row.splats:9,} {f'{row.side} x {row.side}':>12}"
            + "".join(f"{1e3 * seconds:10.1f}" for seconds in times)
        )
    return "\n".join(lines) + "\n"


def _best(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def _plot(by_count: list[Timed], by_side: list[Timed], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, rows, x in (
        (left, by_count, [row.splats for row in by_count]),
        (right, by_side, [row.side**2 / 1e6 for row in by_side]),
    ):
        for name in ("projection", "forward", "backward"):
            axes.plot(x, [1e3 * getattr(row, name) for row in rows], "o-", label=name)
        axes.set(xscale="log", yscale="log")
        axes.grid(alpha=0.3, which="both")
    left.set(
        xlabel=f"splats, in {SIDE} x {SIDE} pixels",
        ylabel="milliseconds of processor time, all cores",
    )
    right.set(xlabel=f"million pixels, {COUNT:,} splats")
    left.legend()
    figure.savefig(path, dpi=110)
