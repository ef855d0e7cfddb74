"""What a picture's own view must look like: L1 and D-SSIM (PhysMotion, equation 10)."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def color_loss(shown: Tensor, picture: Tensor, *, structure: float) -> Tensor:
    """Return L1 + `structure` D-SSIM (0-d) of images (h, w, 3) in sRGB."""
    apart = (shown - picture).abs().mean()
    return apart + structure * (1 - ssim(shown, picture)) / 2


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean structural similarity (0-d) of images (h, w, c) in 0..1.

    Wang et al., Image Quality Assessment, 2004, equation 13, in Gaussian windows of 11 pixels.
    """
    x, y = first.movedim(-1, 0), second.movedim(-1, 0)
    offset = torch.arange(WINDOW, dtype=x.dtype) - WINDOW // 2
    weight = torch.exp(-(offset**2) / (2 * SIGMA**2))
    weight = weight / weight.sum()
    planes = torch.cat([x, y, x * x, y * y, x * y])[:, None]
    rows = conv2d(planes, weight.reshape(1, 1, 1, -1), padding=(0, WINDOW // 2))
    means = conv2d(rows, weight.reshape(1, 1, -1, 1), padding=(WINDOW // 2, 0))[:, 0]
    mean_x, mean_y, xx, yy, xy = means.chunk(5)
    both, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    alike = (2 * both + C1) * (2 * (xy - both) + C2) / ((squares + C1) * (xx + yy - squares + C2))
    return alike.mean()


def encoded(linear: Tensor) -> Tensor:
    """Return linear light as a screen shows it (sRGB, IEC 61966-2-1), beyond 1 too."""
    light = linear.clamp(min=0)
    curved = 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, curved)
