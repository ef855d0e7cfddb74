"""Splats that were fitted to pictures of one body: what they are, and whether they can be shown."""

import numpy as np

from ..arrays import ArrayRef, ArraySet, require_finite
from ..errors import ShotError
from ..part import Part

MOST_SPLATS = 20_000_000


class Fitted(Part, frozen=True):
    """Fitted splats of a body, in its space; n of them."""

    mean: ArrayRef
    "f4 (n, 3), metres."
    scale: ArrayRef
    "f4 (n, 3): standard deviations along the splat's own axes, metres."
    turn: ArrayRef
    "f4 (n, 4): quaternions wxyz from the splat's own axes to the body's."
    color: ArrayRef
    "f4 (n, 3), linear."
    opacity: ArrayRef
    "f4 (n,), 0 to 1."
    lit: bool = True
    "Whether the colours already hold the light; else they are what surfaces reflect of it."
    match: float = 0.0
    "PSNR in dB against the pictures that they were fitted to."


def check_fitted(where: str, fitted: Fitted, arrays: ArraySet) -> None:
    """Raise ShotError on the first thing in fitted splats that cannot be shown."""
    count = arrays.of(fitted.mean).shape[0] if arrays.of(fitted.mean).ndim else 0
    if not 0 < count <= MOST_SPLATS:
        raise ShotError(where, f"expected 1 to {MOST_SPLATS:,} splats, got {count:,}.", "Fit it.")
    shapes = {"mean": (count, 3), "scale": (count, 3), "turn": (count, 4), "color": (count, 3),
              "opacity": (count,)}  # fmt: skip
    for name, shape in shapes.items():
        array = arrays.of(getattr(fitted, name))
        if array.shape != shape or array.dtype.kind != "f":
            text = f"expected {name} f4 {shape}, got {array.dtype.str[1:]} {array.shape}."
            raise ShotError(where, text, "Fit it again.")
        require_finite(f"{where}, {name}", array, "Fit it again.")
    scale, opacity = arrays.of(fitted.scale), arrays.of(fitted.opacity)
    wrong = {
        "sizes above zero": scale.min() <= 0,
        "turns with a length": np.linalg.norm(arrays.of(fitted.turn), axis=1).min() < 1e-6,
        "colours from zero up": arrays.of(fitted.color).min() < 0,
        "opacities of 0 to 1": opacity.min() < 0 or opacity.max() > 1,
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise ShotError(where, f"expected {what}, got others.", "Fit it again.")
