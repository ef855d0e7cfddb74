"""Pictures of the suite `lift`: what was given, what was made, and floaters side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .floaters import Refined
    from .suite import Look

Floats = NDArray[np.float32]


def draw_lifts(looks: "Sequence[Look]", path: Path) -> None:
    """One column per lift: picture, front view, from 30 degrees, and the truth from there."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.9 * len(looks), 7.9), layout="constrained")
    grid = figure.subplots(4, len(looks), squeeze=False)
    for column, look in zip(grid.T, looks, strict=True):
        images = (look.picture, look.front, look.side, look.truth)
        words = (look.name, "front view", "from 30°", "truth from 30°")
        for axis, image, text in zip(column, images, words, strict=True):
            if image is not None:
                axis.imshow(np.clip(image, 0, 1))
                axis.set_title(text, fontsize=9)
    _save(figure, grid, path)


def draw_ablation(rows: "Mapping[str, tuple[Floats, dict[str, Refined]]]", path: Path) -> None:
    """One row per picture: it, then coarse and refined splats, from the front and 30 degrees."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 2.2 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 7, squeeze=False)
    for line, (name, (picture, found)) in zip(grid, rows.items(), strict=True):
        line[0].imshow(picture)
        line[0].set_title(name, fontsize=9)
        for k, (way, one) in enumerate(found.items()):
            front, side = line[1 + 2 * k], line[2 + 2 * k]
            front.imshow(one.front)
            front.set_title(f"{way}: {one.match:.1f} dB", fontsize=9)
            side.imshow(one.side)
            side.set_title(f"from 30°: {one.floaters:.1%} beside it", fontsize=9)
    _save(figure, grid, path)


def _save(figure: "object", grid: NDArray[np.object_], path: Path) -> None:
    for axis in grid.ravel():
        axis.set_axis_off()
    figure.savefig(path, dpi=80)  # type: ignore[attr-defined]
