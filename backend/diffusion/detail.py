"""What the autoencoder loses of a picture, given back to an edit, or a frame of a video, of it.

Not of the papers: their autoencoder loses little at 512 px. A small one, or a small picture, loses
much: an edit would stand out as a soft patch in a sharp picture, a video be soft throughout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .edit_masks import Mask

REACH = 2.0
"Standard deviation, px, of the neighbourhood in which what was made and what moved are compared."
TOLERANCE = 20.0
"Levels of 255 by which they may differ there before detail is held back."


def add_detail(
    made: NDArray[Any], moved: NDArray[np.uint8], there: NDArray[np.uint8], known: Mask
) -> NDArray[np.float64]:
    """Return a picture (H, W, 3), 0..255, as `made`, with the detail of the `moved` source.

    `there` is the moved source's own round trip through the autoencoder; it is soft at the edges
    that are there now, as what was made is. Detail goes only where both show the same, and where
    what moved is `known` (H, W); where the model made something else, the picture stays as it is.
    """
    difference = ((made.astype(np.float64) - there) ** 2).mean(axis=-1)
    counted = known.astype(np.float64)
    around = gaussian_filter(difference * counted, REACH) / (gaussian_filter(counted, REACH) + 1e-9)
    share = counted * np.exp(-around / TOLERANCE**2)
    return np.asarray(made + share[..., None] * (moved.astype(np.float64) - there))
