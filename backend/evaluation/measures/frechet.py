"""A small Fréchet distance between two sets of pictures, in a stated embedding without weights.

The formula is that of FID (Heusel et al. 2017, arXiv 1706.08500, equation 6); the embedding is not
Inception's, so figures compare with each other alone. A picture's embedding: three convolutions of
3 x 3 with stride 2 and 16, 32 and 64 channels, weights normal with variance 2 / fan-in from seed 0,
each followed by a rectifier; mean and deviation of every channel over the picture (224 numbers);
each number standardised by the reference set; a normal projection to 24 numbers from seed 1. Few
numbers, since covariances come from a hundred pictures.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.linalg import sqrtm

Floats = NDArray[np.float64]

CHANNELS = (3, 16, 32, 64)
NUMBERS = 24


def frechet_distance(reference: Floats, others: Floats) -> float:
    """Return |m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2)) of two sets of embeddings (N, d)."""
    (first, first_spread), (second, second_spread) = (
        (found.mean(axis=0), np.cov(found, rowvar=False)) for found in (reference, others)
    )
    root = np.real(sqrtm(first_spread @ second_spread))
    apart = float(np.sum((first - second) ** 2))
    return apart + float(np.trace(first_spread + second_spread - 2 * root))


def picture_distance(
    reference: Sequence[NDArray[np.uint8]], others: Sequence[NDArray[np.uint8]]
) -> float:
    """Return the distance of pictures (h, w, 3) from reference pictures, embedded as said above."""
    known, found = (np.stack([features(p) for p in pictures]) for pictures in (reference, others))
    middle, spread = known.mean(axis=0), known.std(axis=0) + 1e-6
    projection = np.random.default_rng(1).normal(size=(known.shape[1], NUMBERS))
    projection /= np.sqrt(known.shape[1])
    return frechet_distance(
        (known - middle) / spread @ projection, (found - middle) / spread @ projection
    )


@torch.no_grad()
def features(picture: NDArray[np.uint8]) -> Floats:
    """Return the 224 numbers of one picture, before they are standardised and projected."""
    generator = torch.Generator().manual_seed(0)
    layer = torch.from_numpy(np.ascontiguousarray(picture)).float().permute(2, 0, 1)[None]
    layer = layer / 127.5 - 1
    found = []
    for before, after in pairwise(CHANNELS):
        weights = torch.randn(after, before, 3, 3, generator=generator) * (2 / (9 * before)) ** 0.5
        layer = F.relu(F.conv2d(layer, weights, stride=2, padding=1))
        found += [layer.mean((2, 3)), layer.std((2, 3))]
    return torch.cat(found, dim=1)[0].double().numpy()
