"""What a person looks at while a training runs: curves of the log, sheets of pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .run_state import RunState

Picture = NDArray[np.uint8]  # (h, w, 3) sRGB
_LINE = 11  # px, height of a line of text
_LETTER = 6  # px, width of a letter


def plot_losses(state: RunState, path: Path) -> None:
    """Draw every logged value over the steps, each in its own panel."""
    from matplotlib.figure import Figure

    entries = list(state.entries())
    names = [name for name in (entries[0] if entries else {}) if name not in ("step", "seconds")]
    if not names:
        return
    figure = Figure(figsize=(9, 1.8 * len(names)), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(len(names), 1)), names, strict=True):
        steps, values = zip(*((e["step"], e[name]) for e in entries), strict=True)
        axes.plot(steps, values, lw=0.4, color="0.7")
        axes.plot(steps, _smooth(np.array(values)), lw=1.2)
        axes.set(ylabel=name, yscale="log" if min(values) > 0 else "linear")
    axes.set_xlabel("step")
    figure.savefig(path, dpi=90)


def write_sheet(path: Path, rows: Sequence[Sequence[Picture]], captions: Sequence[str]) -> None:
    """Write pictures as a table, one caption under each row's first or each picture.

    As many captions as rows are written under the rows, as many as pictures under each.
    """
    cell_width = max(picture.shape[1] for row in rows for picture in row)
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    each = len(captions) == sum(map(len, rows)) and len(captions) != len(rows)
    room = cell_width if each else cell_width * max(map(len, rows))
    letters = max(8, room // _LETTER)
    lines = max((len(_wrapped(text, letters)) for text in captions), default=0)
    gap = 4 + lines * _LINE
    width = cell_width * max(map(len, rows)) + 4 * (max(map(len, rows)) - 1)
    sheet = Image.new("RGB", (width, sum(heights) + gap * len(rows)), "white")
    draw, top, number = ImageDraw.Draw(sheet), 0, 0
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            left = column * (cell_width + 4)
            sheet.paste(Image.fromarray(picture), (left, top))
            if (each or column == 0) and number < len(captions):
                text = "\n".join(_wrapped(captions[number], letters))
                draw.multiline_text((left + 1, top + height), text, fill="black", spacing=1)
                number += 1
        top += height + gap
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def as_picture(color: torch.Tensor) -> Picture:
    """Return (h, w, 3) of the first of colours (B, 3, h, w) in -1..1."""
    values = ((color[0].float().cpu().clamp(-1, 1) + 1) * 127.5).round()
    return values.permute(1, 2, 0).to(torch.uint8).numpy()


def _wrapped(text: str, letters: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, letters)


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    width = max(1, len(values) // 50)
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")
