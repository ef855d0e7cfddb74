"""The half axes of splats from what captures and fits hold: scales and turns, or covariances."""

import torch
from torch import Tensor


def rotations(quaternion: Tensor) -> Tensor:
    """Return rotation matrices (n, 3, 3) of quaternions (n, 4) wxyz of any length but zero."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).reshape(*quaternion.shape[:-1], 3, 3)


def axes_of_turns(scale: Tensor, quaternion: Tensor) -> Tensor:
    """Return half axes (n, 3, 3) as columns, of sigmas (n, 3) in metres and quaternions (n, 4)."""
    return rotations(quaternion) * scale[..., None, :]


def axes_of_covariances(covariance: Tensor) -> Tensor:
    """Return half axes (n, 3, 3) whose product with their transpose is `covariance` (n, 3, 3).

    LinAlgError where one is not positive definite.
    """
    lower: Tensor = torch.linalg.cholesky(covariance)
    return lower
