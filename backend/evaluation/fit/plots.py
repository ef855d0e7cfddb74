"""The suite's picture: what Cycles shows, the fit, the surface's splats, and all of it twisted."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...stages.fits.losses import psnr
from ...stages.fits.targets import Targets

if TYPE_CHECKING:
    from .suite import Splats

VIEWS = 4


def plot(
    path: Path, targets: Targets, kinds: "Mapping[str, Splats]", bent: "Mapping[str, Splats]"
) -> None:
    """One row per view: Cycles, each kind of splats with its PSNR, and each twisted."""
    from matplotlib.figure import Figure

    from .suite import draw

    rows = range(0, len(targets), max(len(targets) // VIEWS, 1))
    columns = 1 + len(kinds) + len(bent)
    figure = Figure(figsize=(2.6 * columns, 2.8 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, index in zip(grid, rows, strict=True):
        truth = targets[index].color
        pictures = [("Cycles, a view not fitted to", truth)]
        for name, splats in kinds.items():
            color = draw(splats, targets, index)[0]
            pictures.append((f"{name}: {psnr(color, truth):.1f} dB", color))
        pictures += [(f"{name}, twisted", draw(s, targets, index)[0]) for name, s in bent.items()]
        for axis, (title, picture) in zip(axes, pictures, strict=True):
            axis.imshow(picture.clamp(0, 1).numpy())
            axis.set_title(title, fontsize=9)
            axis.set_axis_off()
    figure.savefig(path, dpi=100)
