"""Plots of the suite motion-guidance: fronts, sweeps, and a sheet of the pictures themselves."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from .cases import EditCase
from .results import Result, warped

FAMILIES = {
    "sdedit_": "forward warp + SDEdit, by strength",
    "guided_": "Motion Guidance, by start",
    "start_": "its starts, sampled without guidance",
}
GAP = 4


def plot_fronts(results: Sequence[Result], path: Path) -> None:
    """Draw mean flow error against mean similarity to the source, one line for each family."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    for axis, key, title in zip(
        figure.subplots(1, 2), ("moving", "flow_dis"), ("by the network", "by DIS"), strict=True
    ):
        for prefix, label in FAMILIES.items():
            points = means_of(results, prefix, key)
            axis.plot([p[1] for p in points], [p[2] for p in points], "o-", label=label)
            for value, similarity, error in points:
                axis.annotate(f"{value:g}", (similarity, error), fontsize=7)
        for method, mark in (("fast", "*"), ("hard_warp", "s"), ("unguided", "x")):
            chosen = [result.figures for result in results if result.method == method]
            place = [fmean(f.similarity for f in chosen)], [fmean(getattr(f, key) for f in chosen)]
            axis.plot(*place, mark, markersize=11, label=method.replace("_", " "))
        axis.set_xlabel("similarity to the source")
        axis.set_ylabel(f"flow error where things move, {title} [px]")
        axis.legend(fontsize=7)
    figure.savefig(path, dpi=90)


def plot_sweeps(results: Sequence[Result], path: Path) -> None:
    """Draw flow error over recursions and over the weight, one line for each edit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    names = {"recursions_": "recursions", "weight_": "weight, of the preset's"}
    for axis, (prefix, label) in zip(figure.subplots(1, 2), names.items(), strict=True):
        for case in dict.fromkeys(result.case for result in results):
            mine = [result for result in results if result.case == case]
            points = means_of(mine, prefix, "moving")
            axis.plot([p[0] for p in points], [p[2] for p in points], "o-", label=case)
        axis.set_xscale("log")
        axis.set_xlabel(label)
        axis.set_ylabel("flow error where things move [px]")
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=90)


def means_of(results: Sequence[Result], prefix: str, key: str) -> list[tuple[float, float, float]]:
    """Return (parameter, mean similarity, mean error) of a family of methods, in order."""
    values = sorted({float(r.method.removeprefix(prefix)) for r in results
                     if r.method.startswith(prefix)})  # fmt: skip
    rows = []
    for value in values:
        chosen = [
            r.figures
            for r in results
            if r.method.startswith(prefix) and float(r.method.removeprefix(prefix)) == value
        ]
        rows.append(
            (value, fmean(f.similarity for f in chosen), fmean(getattr(f, key) for f in chosen))
        )
    return rows


def plot_sheet(
    cases: Sequence[EditCase], results: Sequence[Result], methods: Sequence[str], path: Path
) -> None:
    """Write a row for each edit: source, target, then the edit by each method that there is."""
    import imageio.v3 as imageio

    names = [*methods, "paper"]
    made = {(result.case, result.method): result.image for result in results}
    names = [name for name in names if any(method == name for _, method in made)]
    rows = []
    for case in cases:
        empty = np.full_like(case.image, 255)
        row = [case.image, _target(case)]
        row += [made.get((case.name, name), empty) for name in names]
        rows.append(np.hstack([np.pad(image, ((0, GAP), (0, GAP), (0, 0))) for image in row]))
    imageio.imwrite(path, np.vstack(rows))


def _target(case: EditCase) -> NDArray[np.uint8]:
    """Return the warped source with what moves tinted where it lands."""
    from ...diffusion.edit_masks import landing

    picture = warped(case).astype(np.float32)
    there = landing(case.field.flow, case.field.moving)
    picture[there] = 0.6 * picture[there] + 0.4 * np.array([255, 40, 40], np.float32)
    return picture.astype(np.uint8)
