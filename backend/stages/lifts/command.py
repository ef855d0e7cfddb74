"""What `impetus lift` does: options as they are typed, to a folder that holds the body."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...contract.errors import LiftError
from ..device import DeviceName, start_device
from .lift import LiftOptions, lift
from .lift_files import write_lift
from .picture import read_picture

if TYPE_CHECKING:
    from .refinement.refine import RefineListener


def lift_picture(
    picture: Path,
    out: Path,
    options: Mapping[str, Any],
    *,
    device: str,
    cache: Path | None = None,
    listener: "RefineListener | None" = None,
) -> str:
    """Make the body and write it; return what it is, in a sentence or more.

    `options` are those of LiftOptions by name, the box as text. Refinements are kept in `cache`,
    and told to `listener`. Raises LiftError, CaptureError, ModelError, CancelledError.
    """
    chosen = {**options, "box": _box(options.get("box"), picture)}
    found = start_device(cast(DeviceName, device))
    work = None
    if chosen.get("epochs"):
        from ...splatting.engines import choose_engine
        from .refinement.lifts import Work

        work = Work(cache, choose_engine(found.name).name, listener)
    made = lift(picture, LiftOptions(**chosen), work)
    write_lift(out, made)
    size = np.ptp(made.splats.mean, axis=0)
    told = [
        f"{len(made.splats):,} splats, {size[0]:.3g} x {size[1]:.3g} x {size[2]:.3g} m, "
        f"in {out}. Its front view matches the picture by {made.match:.1f} dB.",
        *made.notes,
    ]
    return "\n".join(told)


def _box(text: str | None, picture: Path) -> tuple[int, int, int, int] | None:
    """Read a box in pixels of the file, or in percent of its width and height."""
    if text is None:
        return None
    size = read_picture(picture, longest=1 << 16).size if "%" in text else (100, 100)
    try:
        left, top, right, bottom = (
            round(float(edge.rstrip("%")) * (size[k % 2] / 100 if edge.endswith("%") else 1))
            for k, edge in enumerate(part.strip() for part in text.split(","))
        )
    except (ValueError, OverflowError) as err:
        raise LiftError(
            f"Expected a box as LEFT,TOP,RIGHT,BOTTOM in pixels or percent, got {text!r}.",
            "Such as --box 20,40,300,500.",
        ) from err
    return left, top, right, bottom
