"""Move a latent along a warp: gather whole cells, or blend four with the noise's strength kept."""

import torch

from .latent_motion import LatentWarp, WarpMode

SMOOTHING = 1.5
"Cells (standard deviation) that part what is picture from what is noise in a blended latent."


def warp_latent(
    z: torch.Tensor,
    warp: LatentWarp,
    mode: WarpMode = "nearest",
    *,
    restore_variance: bool = False,
) -> torch.Tensor:
    """Gather `z` (B, C, h, w) at the warp's sources; beyond its edge cells it is mirrored.

    Nearest takes the nearest whole cell. Bilinear blends four, and noise of four cells cancels out
    in part: with `restore_variance` what is finer than SMOOTHING is scaled up again by as much as
    white noise loses there. Differentiable in z. ValueError where the sizes differ.
    """
    height, width = z.shape[-2:]
    if warp.source.shape != (height, width, 2):
        raise ValueError(f"expected a warp of {height} x {width} cells, got {warp.source.shape}")
    source = torch.as_tensor(warp.source, device=z.device, dtype=torch.float32)
    x, y = source.unbind(-1)
    if mode == "nearest":
        return _take(z, torch.round(y), torch.round(x))
    if not restore_variance:
        return _blend(z, x, y)
    smooth = _smooth(z)
    return _blend(smooth, x, y) + _gain(x, y).to(z.dtype) * _blend(z - smooth, x, y)


def _take(z: torch.Tensor, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    return z[..., _mirrored(row.long(), z.shape[-2]), _mirrored(column.long(), z.shape[-1])]


def _mirrored(index: torch.Tensor, count: int) -> torch.Tensor:
    """Reflect indices about the centres of the first and the last cell."""
    if count == 1:
        return torch.zeros_like(index)
    around = index.remainder(2 * (count - 1))
    return torch.minimum(around, 2 * (count - 1) - around)


def _blend(z: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    left, top = x.floor(), y.floor()
    a, b = (x - left).to(z.dtype), (y - top).to(z.dtype)
    above = _take(z, top, left) * (1 - a) + _take(z, top, left + 1) * a
    below = _take(z, top + 1, left) * (1 - a) + _take(z, top + 1, left + 1) * a
    return above * (1 - b) + below * b


def _kernel() -> torch.Tensor:
    reach = round(3 * SMOOTHING)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-((steps / SMOOTHING) ** 2) / 2)
    return weights / weights.sum()


def _smooth(z: torch.Tensor) -> torch.Tensor:
    """Gaussian blur, mirrored at the edges."""
    weights = _kernel().tolist()
    reach = len(weights) // 2
    for axis in (-2, -1):
        count = z.shape[axis]
        cells = torch.arange(count, device=z.device)
        total = torch.zeros_like(z)
        for step, weight in enumerate(weights, -reach):
            total = total + weight * z.index_select(axis, _mirrored(cells + step, count))
        z = total
    return z


def _gain(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """What blending at (x, y) takes from the standard deviation of white noise less its blur.

    That noise is correlated: by c(i, j) = [i = j = 0] - 2 k(i) k(j) + (k * k)(i) (k * k)(j).
    """
    k = _kernel()
    middle = len(k) // 2
    blurred = [float(k[middle]), float(k[middle + 1])]
    twice = [float((k * k).sum()), float((k[1:] * k[:-1]).sum())]
    total = torch.zeros_like(x)
    a, b = x - x.floor(), y - y.floor()
    across, down = ((a**2 + (1 - a) ** 2, 2 * a * (1 - a)), (b**2 + (1 - b) ** 2, 2 * b * (1 - b)))
    whole = 1 - 2 * blurred[0] ** 2 + twice[0] ** 2
    for i in range(2):
        for j in range(2):
            c = float(i + j == 0) - 2 * blurred[i] * blurred[j] + twice[i] * twice[j]
            total = total + across[i] * down[j] * c
    return torch.sqrt(whole / total)
