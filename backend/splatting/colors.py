"""Colours of splats by direction of view, as a torch function; see kernels/splats/harmonics.py."""

from typing import Any

import torch
from torch import Tensor

from ...kernels.splats.harmonics import harmonic_colors, harmonic_gradient


def colors_seen(
    coefficients: Tensor, mean: Tensor, eye: Tensor, turn: Tensor | None = None
) -> Tensor:
    """Return colours (n, 3) that `eye` (3,) sees; gradients flow to every tensor given.

    `coefficients` (n, 1, 4, 9 or 16, 3) in the space the capture was trained in (sRGB, mostly);
    `mean` (n, 3) metres; `turn` (n, 3, 3) rotations since the coefficients were made, such as the
    deformation's. ValueError where shapes do not fit.
    """
    away = mean - eye
    if turn is not None:
        away = torch.einsum("nji,nj->ni", turn, away)
    # Normalised last: on the sphere alone the gradient does not hang on how the harmonics go on.
    direction = torch.nn.functional.normalize(away, dim=-1)
    color: Tensor = _Evaluate.apply(coefficients, direction)  # type: ignore[no-untyped-call]
    return color


class _Evaluate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, direction: Tensor) -> Tensor:
        ctx.save_for_backward(coefficients, direction)
        color = harmonic_colors(coefficients.detach().cpu().numpy(), direction.cpu().numpy())
        return torch.from_numpy(color).to(coefficients)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        coefficients, direction = ctx.saved_tensors
        arrays = (tensor.detach().cpu().numpy() for tensor in (coefficients, direction, given[0]))
        owed, turned = harmonic_gradient(*arrays)
        return torch.from_numpy(owed).to(coefficients), torch.from_numpy(turned).to(direction)
