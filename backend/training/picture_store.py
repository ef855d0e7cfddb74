"""The pictures that the model learns from, in memory; cut into crops and batches."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from .data_set import DataSet


@dataclass(frozen=True)
class Shown:
    """One picture in memory."""

    color: NDArray[np.uint8]  # (h, w, 3) sRGB
    foreground: NDArray[np.bool_]  # (h, w), an object is seen there
    caption: str


class PictureStore:
    """All pictures of a data set, read once; `refresh` reads what was added meanwhile."""

    def __init__(self, data: DataSet, *, held_out: bool = False, limit: int | None = None) -> None:
        self.data, self.held_out, self.limit = data, held_out, limit
        self.shown: list[Shown] = []
        self._seen: set[str] = set()
        self.refresh()

    def refresh(self) -> int:
        """Read the pictures that are new, and return how many there are now."""
        for picture in self.data.stills(held_out=self.held_out):
            if self.limit is not None and len(self.shown) >= self.limit:
                break
            key = str(picture.folder)
            if key not in self._seen:
                self._seen.add(key)
                index = picture.geometry(1).index
                self.shown.append(Shown(picture.color(1), index > 0, picture.caption))
        return len(self.shown)

    def crops(self, generator: torch.Generator, *, count: int, side: int) -> torch.Tensor:
        """Return random square crops (count, 4, side, side): colour in -1..1, then foreground.

        A third of them are seen from half again as far, which the model meets too; half of them
        are mirrored.
        """
        found = []
        for _ in range(count):
            which, x, y, far, flip = torch.rand(5, generator=generator).tolist()
            one = self.shown[int(which * len(self.shown))]
            height, width = one.foreground.shape
            cut = min(side * 3 // 2, height, width) if far < 1 / 3 else min(side, height, width)
            top, left = int(y * (height - cut + 1)), int(x * (width - cut + 1))
            part = np.s_[top : top + cut, left : left + cut]
            crop = as_tensor(one.color[part], one.foreground[part])
            if cut != side:
                crop = F.interpolate(crop, (side, side), mode="area" if cut > side else "bilinear")
            found.append(crop.flip(3) if flip < 0.5 else crop)
        return torch.cat(found)


def as_tensor(color: NDArray[np.uint8], foreground: NDArray[np.bool_]) -> torch.Tensor:
    """Return (1, 4, h, w): colour in -1..1, and 1 where an object is seen."""
    colored = torch.from_numpy(np.ascontiguousarray(color)).float().permute(2, 0, 1) / 127.5 - 1
    covered = torch.from_numpy(np.ascontiguousarray(foreground)).float()[None]
    return torch.cat([colored, covered])[None]


def held_out_tensors(store: PictureStore, side: int) -> Iterable[torch.Tensor]:
    """Yield the middle of each picture as (1, 4, side, side)."""
    for one in store.shown:
        height, width = one.foreground.shape
        top, left = (height - side) // 2, (width - side) // 2
        part = np.s_[top : top + side, left : left + side]
        yield as_tensor(one.color[part], one.foreground[part])
