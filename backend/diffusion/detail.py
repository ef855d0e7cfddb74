"""What the autoencoder loses of a source, carried along the motion into an edit, or a video, of it.

Not of the papers: their autoencoder loses little at 512 px. A small one, or a small picture, loses
much: an edit would stand out as a soft patch in a sharp picture, a video be soft throughout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .carried_picture import CarriedPicture
from .edit_masks import Mask
from .hard_warp import move

REACH = 2.0
"Standard deviation, px, of the neighbourhood in which edit and moved source are compared."
TOLERANCE = 20.0
"Levels of 255 by which they may differ there before detail is held back."


def add_detail(
    edit: NDArray[Any],
    source: NDArray[np.uint8],
    decoded: NDArray[Any],
    flow: NDArray[Any],
    moving: Mask,
    visible: Mask | None,
) -> NDArray[np.float64]:
    """Return an edit (H, W, 3), 0..255, with the detail that its source lost when `decoded`.

    `decoded` (H, W, 3) is the source's own round trip through the autoencoder, `flow` (H, W, 2)
    where its pixels went. Detail goes only where the edit shows there what the moved round trip
    shows; where the model made something else, and in holes, the edit stays as it is. Taichi must
    have been started.
    """
    there, hole, _ = move(decoded, flow, moving, visible)
    lost = move(source, flow, moving, visible)[0] - there
    return _added(edit, there, lost, ~hole)


class CarriedDetail:
    """What a start picture lost when encoded, carried along a video's motion into its frames.

    `decoded` is the start picture's round trip, u1 (H, W, 3). What a frame shows anew stays as the
    model made it, unless `carried` fills it.
    """

    def __init__(self, carried: CarriedPicture, decoded: NDArray[np.uint8]) -> None:
        self._carried, self.decoded = carried, decoded

    def add(self, frame: NDArray[Any]) -> NDArray[np.float64]:
        """Return the newest frame (H, W, 3) as made, 0..255, with the detail; as `add_detail`."""
        source, there = (self._carried.shown(p) for p in (self._carried.start, self.decoded))
        return _added(frame, there, source - there, self._carried.known)


def _added(
    frame: NDArray[Any], there: NDArray[Any], lost: NDArray[Any], known: Mask
) -> NDArray[np.float64]:
    """Add what was lost where a frame shows what the moved round trip shows."""
    difference = ((frame.astype(np.float64) - there) ** 2).mean(axis=-1)
    counted = known.astype(np.float64)
    around = gaussian_filter(difference * counted, REACH) / (gaussian_filter(counted, REACH) + 1e-9)
    share = counted * np.exp(-around / TOLERANCE**2)
    return np.asarray(frame + share[..., None] * lost)
