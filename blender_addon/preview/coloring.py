"""Numbers as colours: dark blue for nothing, over green and yellow, to red for much."""

import numpy as np
from numpy.typing import NDArray

STOPS = np.array(
    [
        (0.16, 0.20, 0.55), (0.11, 0.47, 0.75), (0.18, 0.72, 0.62),
        (0.62, 0.83, 0.30), (0.97, 0.72, 0.20), (0.90, 0.24, 0.16),
    ],
    np.float32,
)  # fmt: skip
UPPER = {"STRAIN": 0.5, "DAMAGE": 1.0}
"What counts as much; a speed is measured by the fastest that was seen."


def colors(values: NDArray[np.float32], upper: float) -> NDArray[np.float32]:
    """Return a colour (n, 4) for each value (n,) between 0 and `upper`."""
    place = np.clip(values / max(upper, 1e-9), 0, 1) * (len(STOPS) - 1)
    index = np.minimum(place.astype(np.int32), len(STOPS) - 2)
    share = (place - index)[:, None]
    mixed = STOPS[index] * (1 - share) + STOPS[index + 1] * share
    return np.concatenate([mixed, np.ones((len(values), 1))], axis=1).astype(np.float32)
