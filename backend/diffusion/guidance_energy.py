"""The energy of Motion Guidance: how far an edit is from having moved the source as wanted.

Source: Geng and Owens, ICLR 2024, arXiv 2401.18085, section 3: E = l_f |f - F| + l_c |M (src -
warp(pred, F))|, F the flow that a network finds from source to edit, both as means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as functional

from ..contract.methods import GuidanceTerms

FARTHEST = 1e4
"Pixels beyond which a flow means nothing."


SMALLEST = 256
"Pixels of the longer side that flow networks are trained on; smaller pictures are enlarged."


class DivergedError(ArithmeticError):
    """Raised for a picture, or the flow to it, that has left all bounds: it has no energy."""


class FlowEstimate(Protocol):
    """What the energy asks of a flow network: (B, 2, H, W) px from first to second picture."""

    def estimate(
        self, first: torch.Tensor, second: torch.Tensor, iterations: int
    ) -> torch.Tensor: ...


@dataclass(frozen=True)
class Energy:
    """An energy and its unweighted terms, tensors of no dimension."""

    total: torch.Tensor
    flow: torch.Tensor
    "Mean of |f - F| over all pixels and both directions, px."
    color: torch.Tensor
    "Mean of |M (src - warp(pred))| over all pixels and channels, of colours in [0, 1]."


class GuidanceEnergy:
    """The energy of pictures made of one source, for one wanted flow.

    `source` (1, 3, H, W) in [-1, 1]; `flow` (1, 2, H, W) px, where each source pixel goes; `seen`
    (1, 1, H, W), 0 where the edit hides the source.
    """

    def __init__(
        self,
        network: FlowEstimate,
        terms: GuidanceTerms,
        source: torch.Tensor,
        flow: torch.Tensor,
        seen: torch.Tensor,
    ) -> None:
        self.network = network
        self.terms = terms
        self.source, self.flow, self.seen = source, flow, seen
        self._zoom = zoom_of(source)
        self._seen_large = enlarge(source, self._zoom)
        self.low_memory = False

    def __call__(self, picture: torch.Tensor) -> Energy:
        """Return the energy of a picture (1, 3, H, W) in about [-1, 1]; gradients reach it.

        Raises DivergedError.
        """
        # Values are not clamped: outside the range a clamp's gradient is none. What is no number
        # must not reach grid_sample, whose gradient would write where it has no memory.
        _require_bounded(picture)
        found = self._estimate(picture)
        _require_bounded(found)
        flow = flow_difference(self.flow, found)
        by = self.flow if self.terms.target_flow_warp else found
        color = color_difference(self.source, picture, by, self.seen)
        total = self.terms.flow_weight * flow + self.terms.color_weight * color
        return Energy(total, flow, color)

    def _estimate(self, picture: torch.Tensor) -> torch.Tensor:
        def estimate(edit: torch.Tensor) -> torch.Tensor:
            large = enlarge(edit, self._zoom)
            flow = self.network.estimate(self._seen_large, large, self.terms.flow_iterations)
            return functional.avg_pool2d(flow, self._zoom) / self._zoom

        return recompute(estimate, picture) if self.low_memory else estimate(picture)


def zoom_of(picture: torch.Tensor) -> int:
    """Return by how much to enlarge pictures (B, C, H, W) before flow is estimated."""
    return max(1, -(-SMALLEST // max(picture.shape[-2:])))


def enlarge(picture: torch.Tensor, zoom: int) -> torch.Tensor:
    """Return pictures (B, C, H, W) `zoom` times as large; what is seen keeps its place."""
    if zoom == 1:
        return picture
    return functional.interpolate(picture, scale_factor=zoom, mode="bicubic")


def _require_bounded(values: torch.Tensor) -> None:
    with torch.no_grad():
        if not bool((values.abs() < FARTHEST).all()):
            raise DivergedError("expected finite numbers in bounds")


def flow_difference(wanted: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """Return the mean of |f - F|, px; both (B, 2, H, W)."""
    return (wanted - found).abs().mean()


def color_difference(
    source: torch.Tensor, picture: torch.Tensor, flow: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """Return the mean of |M (src - warp(pred))| on the scale of colours in [0, 1].

    Pictures (B, 3, H, W) in [-1, 1]; the mean is over all pixels, not over those of M alone.
    """
    return (seen * (source - look_along(picture, flow))).abs().mean() / 2


def look_along(picture: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return `picture` (B, C, H, W) at x + flow(x), bilinear, mirrored beyond its border.

    Differentiable with respect to both. `flow` (B, 2, H, W), px.
    """
    height, width = picture.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device, dtype=flow.dtype),
        torch.arange(width, device=flow.device, dtype=flow.dtype),
        indexing="ij",
    )
    grid_x = 2 * (x + flow[:, 0]) / max(width - 1, 1) - 1
    grid_y = 2 * (y + flow[:, 1]) / max(height - 1, 1) - 1
    grid = torch.stack([grid_x, grid_y], dim=-1)
    return functional.grid_sample(
        picture, grid, mode="bilinear", padding_mode="reflection", align_corners=True
    )


def recompute(
    function: Callable[[torch.Tensor], torch.Tensor], given: torch.Tensor
) -> torch.Tensor:
    """Apply `function`, whose inner values are computed again for the gradient and not kept."""
    if not (torch.is_grad_enabled() and given.requires_grad):
        return function(given)
    from torch.utils.checkpoint import checkpoint

    result: torch.Tensor = checkpoint(function, given, use_reentrant=False)
    return result
