"""Plots of the suite motioncraft: consistency by method, and sheets of the frames themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..measures.pictures import Picture
from .shots import TrueShot

SHOWN = ("still", "pixel warp", "inpainted warp", "img2img", "Text2Video-Zero", "MotionCraft")
COLUMNS = 5
LABEL = 14


def plot_table(results: dict[str, Any], path: Path) -> None:
    """Draw motion consistency against frame consistency: a point for each method and its mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    means = results["means"]
    for method, row in means.items():
        left.plot(row["frames"], row["motion"], "o")
        left.annotate(method, (row["frames"], row["motion"]), fontsize=8)
    left.set_xlabel("frame consistency")
    left.set_ylabel("motion consistency")
    known = {name: row for name, row in means.items() if row["new_error"] is not None}
    at = np.arange(len(known))
    right.barh(at, [row["new_error"] for row in known.values()])
    right.set_yticks(at, list(known), fontsize=8)
    right.set_xlabel("error in regions that are new, of 1")
    figure.savefig(path, dpi=90)


def plot_sheets(
    shots: Sequence[TrueShot], videos: Mapping[str, Mapping[str, Sequence[Picture]]], out: Path
) -> None:
    """Write one sheet for each shot: methods downwards, frames across, the truth at the top."""
    for shot in shots:
        rows: dict[str, Sequence[Picture]] = {}
        if shot.frames is not None:
            rows["the true frames"] = shot.frames
        rows |= {name: videos[shot.name][name] for name in SHOWN if name in videos[shot.name]}
        _sheet(rows).save(out / f"{shot.name}.png")


def _sheet(rows: Mapping[str, Sequence[Picture]]) -> Image.Image:
    height, width = next(iter(rows.values()))[0].shape[:2]
    sheet = Image.new("RGB", (COLUMNS * width, len(rows) * (height + LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (name, video) in enumerate(rows.items()):
        top = k * (height + LABEL)
        draw.text((2, top + 1), name, fill="black")
        for column, frame in enumerate(np.linspace(0, len(video) - 1, COLUMNS).round()):
            sheet.paste(Image.fromarray(video[int(frame)]), (column * width, top + LABEL))
    return sheet
