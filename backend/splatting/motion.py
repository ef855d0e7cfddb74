"""Motion inside splats as numbers that any engine can blend; for engines without a motion pass.

A pixel q of a splat moves to the conditional mean mu' + M (q - mu), M = A' S A^T (A S A^T)^-1, with
A and A' the maps from the splat's rest space to the screen at both times and S its covariance.
With half axes these are B = A sqrt(S): M = B' B^T (B B^T + e)^-1, B without the pixel's dilation.
"""

import torch
from torch import Tensor

from .gradients import Camera

FLATNESS = 1e-4
"Variance [px^2] added before the regression: a splat seen edge-on then moves with its centre."


def motion_numbers(
    mean: Tensor,
    axes: Tensor,
    camera: Camera,
    mean_there: Tensor,
    axes_there: Tensor,
    there: Camera,
) -> Tensor:
    """Return (n, 6): b (2) and M (4, by rows), so that q moves by b + M q - q pixels.

    Both times' means (n, 3) [m] and half axes (n, 3, 3) [m], x right and y down. What lies behind
    a camera gets numbers without a meaning.
    """
    here, b = _screen(mean, axes, camera)
    target, b_there = _screen(mean_there, axes_there, there)
    spread = b @ b.mT
    extra = FLATNESS + 1e-7 * spread.diagonal(dim1=-2, dim2=-1).sum(-1)
    spread = spread + extra[:, None, None] * torch.eye(2).to(spread)
    # Of the change alone: what stands still stays, however flat it is seen.
    turn = torch.eye(2).to(spread) + (b_there - b) @ b.mT @ torch.linalg.inv(spread)
    offset = target - (turn @ here[..., None])[..., 0]
    return torch.cat([offset, turn.reshape(-1, 4)], -1)


def motion_field(numbers: Tensor) -> Tensor:
    """Return the field (h, w, 2) [px] of blended and alpha-normalised numbers (h, w, 6)."""
    height, width = numbers.shape[:2]
    x = torch.arange(width).to(numbers) + 0.5
    y = torch.arange(height).to(numbers) + 0.5
    q = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    turn = numbers[..., 2:].reshape(height, width, 2, 2)
    return numbers[..., :2] + (turn @ q[..., None])[..., 0] - q


def _screen(mean: Tensor, axes: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Pixels (n, 2) of the means, and B (n, 2, 3)."""
    pose, lens = camera.camera_to_world.to(mean), camera.intrinsics.to(mean)
    local = (mean - pose[:3, 3]) @ pose[:3, :3]
    own = pose[:3, :3].T @ axes
    if camera.orthographic:
        return local[:, :2] * lens[:2] + lens[2:], lens[:2, None] * own[:, :2]
    ray = local[:, :2] / local[:, 2:]
    scale = lens[:2] / local[:, 2:]
    across = own[:, :2] - ray[..., None] * own[:, 2:]
    return ray * lens[:2] + lens[2:], scale[..., None] * across
