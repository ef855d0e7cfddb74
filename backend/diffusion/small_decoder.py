"""A small decoder of latents, fitted to one model and one picture: for energies in fast presets.

One linear 3 x 3 convolution from latents to the pixels of each cell, by least squares on what the
model's own encoder makes of the picture and of variants of it. Any model has one, without further
weights; it takes a thousandth of the decoder's time. It is exact enough to see where things are,
not to be looked at.
"""

import torch
import torch.nn.functional as functional

from .models import DiffusionModel

RIDGE = 1e-4
"Share of the features' mean square that keeps weights small where latents say nothing."


class SmallDecoder:
    """Decodes (B, C, h, w) to (B, 3, h * factor, w * factor), differentiably."""

    def __init__(self, weights: torch.Tensor, bias: torch.Tensor, factor: int) -> None:
        self.weights = weights  # (3 * factor^2, C, 3, 3)
        self.bias = bias  # (3 * factor^2,)
        self.factor = factor

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(latents, (1, 1, 1, 1), mode="replicate")
        patches = functional.conv2d(padded, self.weights, self.bias)
        return functional.pixel_shuffle(patches, self.factor)


@torch.no_grad()
def fit_small_decoder(model: DiffusionModel, picture: torch.Tensor) -> SmallDecoder:
    """Fit one to a picture (1, 3, H, W) in [-1, 1], height and width multiples of the factor."""
    factor, device = model.vae_factor, model.precision.device
    # One at a time: memory is that of one encoding. Colours beyond the picture's own keep an edit
    # that leaves its palette readable.
    pairs = [(model.encode(one), one.to(device)) for one in _variants(picture, factor)]
    return fit_pairs(pairs, factor)


def fit_pairs(pairs: list[tuple[torch.Tensor, torch.Tensor]], factor: int) -> SmallDecoder:
    """Fit one to latents (1, C, h, w) and their pictures (1, 3, h * factor, w * factor)."""
    device = pairs[0][0].device
    features = torch.cat([_neighbourhoods(latent) for latent, _ in pairs]).double().cpu()
    targets = torch.cat([_cells(picture, factor) for _, picture in pairs]).double().cpu()
    count = features.shape[1]
    normal = features.T @ features
    normal += RIDGE * normal.diagonal().mean() * torch.eye(count, dtype=torch.float64)
    solved = torch.linalg.solve(normal, features.T @ targets).float().to(device)
    channels = (count - 1) // 9
    weights = solved[:-1].T.reshape(-1, channels, 3, 3)
    return SmallDecoder(weights.contiguous(), solved[-1].contiguous(), factor)


def _variants(picture: torch.Tensor, factor: int) -> list[torch.Tensor]:
    half = factor // 2
    return [
        picture,
        picture.flip(-1),
        picture.flip(-2),
        picture.roll((half, half), (-2, -1)),
        -picture,
        picture.roll(1, 1),
    ]


def _neighbourhoods(latents: torch.Tensor) -> torch.Tensor:
    """Return (cells, C * 9 + 1): each cell with its neighbours, and a one."""
    padded = functional.pad(latents, (1, 1, 1, 1), mode="replicate")
    rows = functional.unfold(padded, 3)[0].T
    return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)


def _cells(picture: torch.Tensor, factor: int) -> torch.Tensor:
    """Return (cells, 3 * factor^2): the pixels of each cell, in pixel_shuffle's order."""
    return functional.pixel_unshuffle(picture, factor)[0].flatten(1).T
