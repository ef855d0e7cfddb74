"""Move a latent along a warp: gather whole cells, or blend them with the noise's strength kept.

The cubic blend interpolates by splines (M. Unser, Splines: A Perfect Fit for Signal and Image
Processing, IEEE Signal Processing Magazine, 1999): frame after frame it takes far less from what is
fine than the bilinear one.
"""

from functools import cache

import torch

from .latent_motion import LatentWarp, WarpMode

SMOOTHING = 1.5
"Cells (standard deviation) that part what is picture from what is noise in a blended latent."
SPREAD = 6
"Cells on each side whose share in a spline counts; the next have less than a thousandth."


def warp_latent(
    z: torch.Tensor,
    warp: LatentWarp,
    mode: WarpMode = "nearest",
    *,
    restore_variance: bool = False,
) -> torch.Tensor:
    """Gather `z` (B, C, h, w) at the warp's sources; beyond its edge cells it is mirrored.

    Nearest takes the nearest whole cell. Bilinear blends four, cubic all near ones, and their noise
    cancels out in part: with `restore_variance` what is finer than SMOOTHING is scaled up again by
    as much as white noise loses there. Differentiable in z. ValueError where the sizes differ.
    """
    height, width = z.shape[-2:]
    if warp.source.shape != (height, width, 2):
        raise ValueError(f"expected a warp of {height} x {width} cells, got {warp.source.shape}")
    source = torch.as_tensor(warp.source, device=z.device, dtype=torch.float32)
    x, y = source.unbind(-1)
    if mode == "nearest":
        return _take(z, torch.round(y), torch.round(x))
    blend, gain = (_blend, _gain) if mode == "bilinear" else (_spline, _spline_gain)
    if not restore_variance:
        return blend(z, x, y)
    smooth = _smooth(z)
    return blend(smooth, x, y) + gain(x, y).to(z.dtype) * blend(z - smooth, x, y)


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


def _spline(z: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The cubic spline through all cells, mirrored about the outermost, at (x, y)."""
    down, across = (_coefficients(n).to(z.device, z.dtype) for n in z.shape[-2:])
    coefficients = torch.einsum("ij,bcjk,lk->bcil", down, z, across)
    left, top = x.floor(), y.floor()
    columns, rows = (_weights((at - low).to(z.dtype)) for at, low in ((x, left), (y, top)))
    total = torch.zeros_like(z)
    for j, row in enumerate(rows, -1):
        for i, column in enumerate(columns, -1):
            total = total + row * column * _take(coefficients, top + j, left + i)
    return total


def _weights(part: torch.Tensor) -> list[torch.Tensor]:
    """What the cubic B-splines of the cells at -1, 0, 1 and 2 are worth at `part`, 0..1."""
    rest = 1 - part
    inner = [2 / 3 - t**2 * (2 - t) / 2 for t in (part, rest)]
    return [rest**3 / 6, *inner, part**3 / 6]


@cache
def _coefficients(count: int) -> torch.Tensor:
    """The matrix (count, count) that turns values of cells into coefficients of B-splines."""
    values = torch.zeros(count, count, dtype=torch.float64)
    for i in range(count):
        for step, weight in ((-1, 1 / 6), (0, 2 / 3), (1, 1 / 6)):
            values[i, int(_mirrored(torch.tensor(i + step), count))] += weight
    inverse: torch.Tensor = torch.linalg.inv(values)
    return inverse


def _spline_gain(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """What the spline at (x, y) takes from the standard deviation of white noise."""
    left = [_shares(at - at.floor()).square().sum(0) for at in (x, y)]
    return torch.rsqrt(left[0] * left[1])


def _shares(part: torch.Tensor) -> torch.Tensor:
    """The shares (n, …) of n cells in the spline, `part` of the way between the middle two."""
    count = 2 * SPREAD
    near = _coefficients(count).to(part.device, part.dtype)[SPREAD - 2 : SPREAD + 2]
    return torch.einsum("i...,in->n...", torch.stack(_weights(part)), near)


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
