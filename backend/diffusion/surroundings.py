"""What came into a frame or was hidden begins from its own surface beside it, not from what hid it.

Not of MotionCraft's paper, whose warp brings to an uncovered place what had covered it; noise up to
tau 400 leaves much of that standing. Which surface a place belongs to, its motion tells.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, map_coordinates

from .inpainting import fill, origins
from .motion import Bools, FrameMotion

MARGIN = 2
"Pixels of its surface round the hidden that are made anew, too: what hid it blends into them."
ALIKE = 0.3, 0.03
"Difference of motion within one surface: pixels, and a share of the motion."


def continued(picture: NDArray[np.uint8], motion: FrameMotion, hidden: Bools) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) moved on, what was `hidden` (H, W) made of its own surface.

    Pieces of what moves as the hidden does are put there; of anything where nothing does.
    """
    rows, columns = np.mgrid[0 : hidden.shape[0], 0 : hidden.shape[1]]
    at = np.stack([rows + motion.backward[..., 1], columns + motion.backward[..., 0]])
    moved = np.stack(
        [
            map_coordinates(picture[..., k].astype(np.float64), at, order=3, mode="nearest")
            for k in range(3)
        ],
        -1,
    )
    if hidden.any() and not hidden.all():
        beside = surface(motion.backward, hidden)
        hole = hidden | (beside & binary_dilation(hidden, iterations=MARGIN))
        known = beside & ~hole
        known = known if known.any() else ~hole
        moved = fill(moved, hole, known, origins(moved, hole, known))
    return np.asarray(np.clip(np.rint(moved), 0, 255), np.uint8)


def surface(backward: NDArray[Any], hidden: Bools) -> Bools:
    """Return (H, W): what is not hidden and moves as the hidden that is nearest to it."""
    nearest = distance_transform_edt(~hidden, return_distances=False, return_indices=True)
    own = backward[tuple(nearest)]
    apart = np.linalg.norm(backward - own, axis=-1)
    alike = apart <= ALIKE[0] + ALIKE[1] * np.linalg.norm(own, axis=-1)
    return np.asarray(alike & ~hidden)
