"""What every source of motion in the image plane gives: one step from a frame to the next."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..motion import Bools, Floats, to_backward


@dataclass(frozen=True)
class FlowStep:
    """The motion between two frames; arrays are (H, W, …), pixels, x right, y down."""

    forward: Floats
    "(H, W, 2) on the earlier frame's pixels: where each one goes."
    active: Bools
    "(H, W) on the later frame's pixels: matter whose look the earlier frame does not tell."
    visible: Bools | None = None
    "(H, W) whether each pixel is still seen where it goes; all that lands in the frame if None."
    nearness: Floats | None = None
    "(H, W) depth after the motion, in any unit: what is smaller hides what is larger."
    exact: tuple[Floats, Bools] | None = None
    "Backward field and what is covered, where the source knows them better than by inversion."

    def backward(self) -> tuple[Floats, Bools]:
        """The backward field (H, W, 2) on the later frame's pixels, and what is covered (H, W)."""
        if self.exact is not None:
            return self.exact
        return to_backward(self.forward, self.visible, self.nearness)


class FlowSource(Protocol):
    """Steps in order, the first one from the first frame to the second."""

    def advance(self) -> FlowStep:
        """Return the next step."""


def pixel_centres(size: tuple[int, int]) -> NDArray[np.float64]:
    """(H, W, 2) x, y of the pixels of a film of `size` (W, H)."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    return np.stack([columns, rows], -1)


def nothing_active(size: tuple[int, int]) -> Bools:
    return np.zeros((size[1], size[0]), bool)


def as_floats(values: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values, np.float32)
