"""Write what a take's simulation was like into a folder: plots, a text, and numbers; for people."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ...contract.simulation_record import SimulationRecord, read_simulation
from ...training.packages import RESEARCH, require
from .curves import Curves, all_together, curves_of

PLOT, TEXT, NUMBERS = "inspection.png", "inspection.txt", "inspection.json"


def inspect_take(take: Path, out: Path) -> str:
    """Write inspection.png, .txt and .json of a take's folder to `out`; return the text.

    Raises ShotError where the take has no record of its simulation, PackagesMissingError.
    """
    require({"matplotlib": RESEARCH["matplotlib"]})
    record = read_simulation(take)
    bodies = curves_of(record)
    from .plots import plot

    out.mkdir(parents=True, exist_ok=True)
    plot(record, bodies, out / PLOT)
    summary = summary_of(record, bodies)
    text = msgspec.json.format(msgspec.json.encode(summary | {"record": record}), indent=1)
    (out / NUMBERS).write_bytes(text)
    words = told(record, summary)
    (out / TEXT).write_text(words, encoding="utf-8")
    return words


def summary_of(record: SimulationRecord, bodies: tuple[Curves, ...]) -> dict[str, Any]:
    """Return the figures that tell most: steps, speed, and of each body what it kept and lost."""
    made = [frame for frame in record.frames if frame.substeps]
    steps = [frame.substeps for frame in made]
    return {
        "name": record.name,
        "frames": [record.frames[0].frame, record.frames[-1].frame],
        "particles": record.frames[0].particles,
        "left": max(frame.left for frame in record.frames),
        "domain": _sizes(record),
        "substeps": {
            "least": min(steps, default=0),
            "median": float(np.median(steps)) if steps else 0.0,
            "most": max(steps, default=0),
        },
        "smallest_step": min((frame.smallest_step for frame in made), default=0.0),
        "top_speed": max(frame.top_speed for frame in record.frames),
        "seconds": record.seconds,
        "particle_steps_per_second": record.particle_steps / max(record.seconds, 1e-9),
        "bodies": [_figures(body) for body in bodies],
        "all": _figures(all_together(bodies)),
    }


def _sizes(record: SimulationRecord) -> list[list[float]]:
    """Return the size [m] of the domain in the first frame and in the last, where it is known."""
    known = [frame.domain for frame in (record.frames[0], record.frames[-1]) if frame.domain]
    return [np.subtract(high, low).tolist() for low, high in known]


def _figures(body: Curves) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "name": body.name,
        "material": body.material,
        "mass": float(body.mass[0]),
        "mass_left": float(body.mass[-1] / max(body.mass[0], 1e-300)),
        "least_volume": float(body.volume_ratio[body.mass > 0].min(initial=1.0)),
        "most_volume": float(body.volume_ratio[body.mass > 0].max(initial=1.0)),
        "most_kinetic": float(body.kinetic.max()),
        "most_elastic": float(body.elastic.max()),
        "last_momentum": body.momentum[-1].tolist(),
    }
    if (energy := body.energy) is not None:
        figures["energy_change"] = float(energy[-1] - energy[0])
        figures["most_energy_gain"] = float((energy - energy[0]).max())
    return figures


def _grown(sizes: list[list[float]]) -> list[str]:
    """Say how the domain has grown, if it has."""
    said = [" x ".join(f"{length:.3g}" for length in size) for size in sizes]
    return [f"the domain grew from {said[0]} m to {said[-1]} m"] if len(set(said)) > 1 else []


def told(record: SimulationRecord, summary: dict[str, Any]) -> str:
    """Say the summary in lines of plain text."""
    first, last = summary["frames"]
    steps = summary["substeps"]
    lines = [
        f"{record.name}: frames {first} to {last}, {summary['particles']:,} particles, cells of "
        f"{record.spacing:.3g} m",
        f"substeps a frame: {steps['least']} to {steps['most']}, median {steps['median']:.0f}; "
        f"shortest {summary['smallest_step']:.3g} s",
        f"fastest {summary['top_speed']:.3g} m/s; {summary['left']:,} particles left the domain",
        *_grown(summary["domain"]),
        f"made in {summary['seconds']:.1f} s: "
        f"{summary['particle_steps_per_second'] / 1e6:.2f} million particle-steps a second",
        "",
        f"{'body':24}{'material':12}{'mass kg':>10}{'volume':>16}{'kinetic J':>12}"
        f"{'elastic J':>12}{'energy change J':>17}",
    ]
    for body in [*summary["bodies"], summary["all"]]:
        volume = f"{body['least_volume']:.3f} to {body['most_volume']:.3f}"
        change = f"{body['energy_change']:.4g}" if "energy_change" in body else "-"
        lines.append(
            f"{body['name'][:23]:24}{body['material']:12}{body['mass']:>10.4g}{volume:>16}"
            f"{body['most_kinetic']:>12.4g}{body['most_elastic']:>12.4g}{change:>17}"
        )
    lines += [
        "",
        "volume: over that of the first frame. kinetic, elastic: the most of any frame. energy "
        "change: kinetic,",
        "elastic and gravity's, last frame less first; what rubs, flows and strikes turns it into "
        "heat.",
    ]
    if not record.has_steady_gravity:
        lines.append("Gravity changes over time, so its energy is not defined.")
    return "\n".join(lines) + "\n"
