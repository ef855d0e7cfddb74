"""What the autoencoder loses of a source, carried along the motion into the edit of it.

Not of the paper: its autoencoder loses little at 512 px. A small one, or a small picture, loses
much, and an edit would stand out as a soft patch in a sharp picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

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
    difference = ((edit.astype(np.float64) - there) ** 2).mean(axis=-1)
    known = (~hole).astype(np.float64)
    around = gaussian_filter(difference * known, REACH) / (gaussian_filter(known, REACH) + 1e-9)
    share = known * np.exp(-around / TOLERANCE**2)
    return np.asarray(edit + share[..., None] * lost)
