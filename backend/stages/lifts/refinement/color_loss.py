"""What a picture's own view must look like: L1 and D-SSIM (PhysMotion, equation 10)."""

from torch import Tensor

from ...fits.losses import ssim


def color_loss(shown: Tensor, picture: Tensor, *, structure: float) -> Tensor:
    """Return L1 + `structure` D-SSIM (0-d) of images (h, w, 3) in sRGB."""
    apart = (shown - picture).abs().mean()
    return apart + structure * (1 - ssim(shown, picture)) / 2
