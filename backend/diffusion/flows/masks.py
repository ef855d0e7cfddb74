"""Masks of the picture on the cells of a solver in its plane, and back; lengths in film heights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..motion import Floats
from .step import pixel_centres


@dataclass(frozen=True)
class PlaneGrid:
    """Square cells over the film; arrays of cells are (columns, rows), y down as in the picture."""

    size: tuple[int, int]
    "Width and height of the film in pixels."
    resolution: int
    "Cells along the longer side."

    @property
    def spacing(self) -> float:
        """Of the cells, in film heights."""
        return max(self.size) / self.size[1] / self.resolution

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows; the last ones may reach beyond the film."""
        cell = max(self.size) / self.resolution
        columns, rows = (max(2, int(np.ceil(side / cell - 1e-6))) for side in self.size)
        return columns, rows

    def share(self, mask: NDArray[Any]) -> Floats:
        """How much of each cell the mask (H, W) covers, 0..1; what is beyond the film has none."""
        cell = self.spacing * self.size[1]
        at = np.floor(pixel_centres(self.size) / cell).astype(np.int64)
        flat = (at[..., 0] * self.shape[1] + at[..., 1]).ravel()
        count = np.bincount(flat, minlength=self.shape[0] * self.shape[1])
        covered = np.bincount(flat, (np.asarray(mask) != 0).ravel(), len(count))
        share = covered / np.maximum(count, 1)
        if cell < 1:  # cells without a pixel centre take the pixel that they lie in
            middle = (np.indices(self.shape) + 0.5) * cell
            column, row = (
                np.minimum(middle[d].astype(int), self.size[d] - 1).ravel() for d in range(2)
            )
            share = np.where(count > 0, share, np.asarray(mask)[row, column] != 0)
        return share.reshape(self.shape).astype(np.float32)

    def places(self) -> NDArray[np.float64]:
        """(H W, 2) pixel centres in film heights."""
        return pixel_centres(self.size).reshape(-1, 2) / self.size[1]

    def on_pixels(self, cells: NDArray[Any]) -> Floats:
        """Numbers of cells, interpolated at the pixel centres: (H, W)."""
        from ....kernels.warp import sample_bilinear

        xy = pixel_centres(self.size) / (self.spacing * self.size[1])
        return sample_bilinear(np.asarray(cells, np.float32).T, xy.astype(np.float32))


def disc(size: tuple[int, int], center: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    """A disc as a mask (H, W); centre as shares of width and height, radius in film heights."""
    away = pixel_centres(size) - np.multiply(center, size)
    return np.asarray((away**2).sum(-1) <= (radius * size[1]) ** 2)
