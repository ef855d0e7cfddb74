"""What a fit makes small: L1 and D-SSIM of the colours, L1 of the silhouette.

Kerbl et al., 3D Gaussian Splatting, 2023, equation 7; SSIM of Wang et al., Image Quality
Assessment, 2004, equation 13, in Gaussian windows of 11 pixels, sigma 1.5.
"""

from functools import lru_cache

import torch
from torch import Tensor

from ...splatting.gradients import Images
from .targets import Target, encoded

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def fit_loss(images: Images, target: Target, *, structure: float, silhouette: float) -> Tensor:
    """Return the loss of one view; weights of D-SSIM (against L1) and of alpha's L1."""
    color = encoded(images.color)
    plain = (color - target.color).abs().mean()
    shaped = 1 - ssim(color, target.color)
    outline = (images.alpha - target.alpha).abs().mean()
    total: Tensor = (1 - structure) * plain + structure * shaped + silhouette * outline
    return total


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean structural similarity (0-d) of images (h, w, c) in 0..1.

    Windows that reach over the border see black there.
    """
    x, y = first.movedim(-1, 0), second.movedim(-1, 0)
    stacked = torch.cat([x, y, x * x, y * y, x * y])
    mean_x, mean_y, xx, yy, xy = _windowed(stacked).chunk(5)
    both = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    spread = xx + yy - squares
    similar = (2 * both + C1) * (2 * (xy - both) + C2) / ((squares + C1) * (spread + C2))
    return similar.mean()


def psnr(first: Tensor, second: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of images in 0..1; brighter counts as 1."""
    error = (first.clamp(0, 1) - second.clamp(0, 1)).square().mean()
    return float(-10 * torch.log10(error + 1e-12))


def _windowed(planes: Tensor) -> Tensor:
    """Return Gaussian means around each pixel of planes (k, h, w)."""
    height, width = planes.shape[1:]
    like = (planes.dtype, planes.device)
    return _window(height, *like) @ planes @ _window(width, *like)


@lru_cache(maxsize=8)
def _window(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the symmetric matrix (size, size) that takes a row's means.

    Products of matrices are ten times as fast as convolving planes one by one.
    """
    at = torch.arange(size, dtype=dtype, device=device)
    away = at[:, None] - at[None, :]
    weight = torch.exp(-(away**2) / (2 * SIGMA**2)) * (away.abs() <= WINDOW // 2)
    offset = torch.arange(WINDOW, dtype=dtype, device=device) - WINDOW // 2
    whole: Tensor = weight / torch.exp(-(offset**2) / (2 * SIGMA**2)).sum()
    return whole
