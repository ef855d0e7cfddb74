"""How alike two pictures are: PSNR, SSIM and its map, gradient energy; all over an optional mask.

Pictures are u1 (H, W, 3) sRGB; masks bool (H, W), true where it counts.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

LUMA = (0.299, 0.587, 0.114)
"Rec. 601 weights: SSIM is of brightness, as its authors measure it."
SSIM_SIGMA, SSIM_TRUNCATE = 1.5, 3.5
"A Gaussian window of 11 x 11."
SSIM_K1, SSIM_K2 = 0.01, 0.03


def psnr(a: Picture, b: Picture, mask: Mask | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB, +inf where equal.

    ValueError where sizes differ or the mask leaves nothing.
    """
    difference = _as_float(a) - _as_float(b)
    error = float(np.mean(_masked(difference**2, mask)))
    return float("inf") if error == 0 else -10.0 * float(np.log10(error))


def ssim_map(a: Picture, b: Picture) -> Floats:
    """Return the structural similarity (H, W) about each pixel, of brightness.

    Wang et al., Image quality assessment, IEEE TIP 2004, equation 13, Gaussian window, K1 = 0.01,
    K2 = 0.03. ValueError where sizes differ.
    """
    x, y = (_as_float(p) @ np.array(LUMA) for p in (a, b))
    if x.shape != y.shape:
        raise ValueError(f"expected pictures of one size, got {x.shape} and {y.shape}")

    def mean(z: Floats) -> Floats:
        found: Floats = gaussian_filter(z, SSIM_SIGMA, truncate=SSIM_TRUNCATE, mode="reflect")
        return found

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = SSIM_K1**2, SSIM_K2**2
    found: Floats = ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return found


def ssim(a: Picture, b: Picture, mask: Mask | None = None) -> float:
    """Return the mean of `ssim_map` where the mask counts."""
    return float(np.mean(_masked(ssim_map(a, b), mask)))


def gradient_energy(a: Picture, mask: Mask | None = None) -> float:
    """Return the mean squared difference to the right and lower neighbour: the detail there is.

    A pixel counts where both it and the neighbour are in the mask. ValueError where none is.
    """
    z = _as_float(a)
    inside = np.ones(z.shape[:2], bool) if mask is None else mask
    across, down = inside[:, 1:] & inside[:, :-1], inside[1:] & inside[:-1]
    if not across.any() or not down.any():
        raise ValueError("expected a mask with neighbours in it, got none")
    return float(
        np.mean(((z[:, 1:] - z[:, :-1]) ** 2)[across]) + np.mean(((z[1:] - z[:-1]) ** 2)[down])
    )


def _as_float(picture: Picture) -> Floats:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"expected u1 (H, W, 3), got {picture.dtype} {picture.shape}")
    return picture.astype(np.float64) / 255.0


def _masked(values: Floats, mask: Mask | None) -> Floats:
    if mask is None:
        return values
    if mask.shape != values.shape[:2] or not mask.any():
        raise ValueError(f"expected a mask {values.shape[:2]} with something in it")
    return values[mask]
