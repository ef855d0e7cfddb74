"""The speed cases by name, each one JSON object on a line; what `build.py bench` starts.

Standard output carries the figures for programs and nothing else; people read the table on
standard error.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.table import Table

from ..contract.errors import ImpetusError
from ..stages.device import start_device


@dataclass(frozen=True)
class Case:
    """One measurement: `run` is called on a started device and returns the value in `unit`."""

    run: Callable[[], float]
    unit: str
    better: str


def cases() -> dict[str, Case]:
    """Import the cases late: Taichi prints its version on import, which must not go to stdout."""
    from .speed.captures import capture_hull, capture_memory, capture_seconds
    from .speed.mpm import LAWS, contact_cost, million_share, mpm_speed, tracer_milliseconds
    from .speed.raster import raster_backward, raster_forward, raster_million
    from .speed.view import view_rate

    return {
        **{
            f"mpm-{law}": Case(partial(mpm_speed, law), "million particle-steps/s", "higher")
            for law in LAWS
        },
        "mpm-million": Case(lambda: 100 * million_share(), "% of the rate of 100,000", "higher"),
        "mpm-tracers": Case(tracer_milliseconds, "ms a frame", "lower"),
        "mpm-ten-bodies": Case(lambda: 100 * contact_cost(), "% over one body", "lower"),
        "raster-forward": Case(raster_forward, "ms", "lower"),
        "raster-backward": Case(raster_backward, "ms", "lower"),
        "raster-million": Case(lambda: raster_million()[0], "s", "lower"),
        "raster-million-memory": Case(lambda: raster_million()[1], "MiB", "lower"),
        "view-coarse": Case(lambda: view_rate(640, 360), "pictures/s", "higher"),
        "view-large": Case(lambda: view_rate(1280, 720), "pictures/s", "higher"),
        "view-fine": Case(lambda: view_rate(1280, 720, fine=True), "pictures/s", "higher"),
        **{
            f"capture-{suffix}": Case(partial(capture_seconds, suffix), "s", "lower")
            for suffix in ("ply", "spz", "splat")
        },
        "capture-ply-memory": Case(partial(capture_memory, "ply"), "MiB", "lower"),
        "capture-hull": Case(capture_hull, "s", "lower"),
    }


def main(names: Sequence[str]) -> int:
    """Run the named cases, all without names; return 2 for a name that is not there."""
    console = Console(stderr=True)
    figures = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        known = cases()
        unknown = [name for name in names if name not in known]
        if unknown:
            console.print(
                f"There is no case {', '.join(unknown)}. Choose from: {', '.join(known)}."
            )
            return 2
        try:
            device = start_device("auto")
        except ImpetusError as error:
            console.print(str(error), markup=False)
            return 1
        table = Table("case", "value", "unit", "better", title=device.description)
        for name in names or known:
            case = known[name]
            value = case.run()
            figure = {"case": name, "value": value, "unit": case.unit, "device": device.name}
            figures.write(json.dumps(figure) + "\n")
            figures.flush()
            table.add_row(name, f"{value:.4g}", case.unit, case.better)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
