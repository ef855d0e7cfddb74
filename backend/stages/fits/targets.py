"""The pictures that splats are fitted to, one at a time, as the losses compare them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...contract.arrays import ArraySet
from ...contract.fits.views import Views
from ...splatting.gradients import Camera

BRIGHTEST = 4.0
"Linear light beyond which a picture is not followed: glints and fireflies."
NEAREST, FARTHEST = 0.02, 10.0
"Clipping in distances of the nearest and of the farthest camera."


@dataclass(frozen=True)
class Target:
    """One view: `color` (h, w, 3) premultiplied, as a screen shows it; `alpha` (h, w)."""

    color: Tensor
    alpha: Tensor
    camera: Camera


class Targets:
    """N views of a body, kept in half precision; one in float32 when it is asked for."""

    def __init__(self, views: Views, arrays: ArraySet, device: str = "cpu") -> None:
        self._device = device
        self._pictures = arrays.of(views.pictures)
        self._poses, self._lens = arrays.of(views.camera_to_body), arrays.of(views.intrinsics)
        vertices = arrays.of(views.body.mesh.vertices).astype(np.float64)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        self.extent = float(np.linalg.norm(high - low) / 2)
        away = np.linalg.norm(self._poses[:, :3, 3] - (low + high) / 2, axis=1)
        self._clip = (NEAREST * float(away.min()), FARTHEST * float(away.max()))

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Target:
        if not 0 <= index < len(self):  # else a loop over it would never end
            raise IndexError(index)
        picture = self.linear(index)
        return Target(encoded(picture[..., :3]), picture[..., 3].clamp(0, 1), self.camera(index))

    def linear(self, index: int) -> Tensor:
        """Return a picture (h, w, 4), linear and premultiplied, as it came."""
        return torch.from_numpy(self._pictures[index].astype(np.float32)).to(self._device)

    def camera(self, index: int) -> Camera:
        """Return the camera of a view, in the body's space."""
        height, width = self._pictures.shape[1:3]
        pose, lens = (torch.from_numpy(np.array(a[index])) for a in (self._poses, self._lens))
        return Camera(pose, lens, int(width), int(height), *self._clip)


def encoded(linear: Tensor) -> Tensor:
    """Return linear light as a screen shows it: the curve of sRGB (IEC 61966-2-1), beyond 1 too."""
    light = linear.clamp(0, BRIGHTEST)
    curved = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, curved)
