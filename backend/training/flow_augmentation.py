"""What is done to pairs of pictures before the flow network sees them: cuts, mirrors, light, noise.

Source of the kinds of changes: RAFT (arXiv 2003.12039), section 4 and its appendix; amounts ours.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from .flow_pairs import Field, FlowPair, Image, stays_inside

Random = np.random.Generator
Colors = NDArray[np.float32]  # (H, W, 3), 0 to 1
GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class FlowBatch:
    """Pairs on their way into the network."""

    first: torch.Tensor  # (B, 3, H, W) in [-1, 1]
    second: torch.Tensor  # (B, 3, H, W) in [-1, 1]
    flow: torch.Tensor  # (B, 2, H, W) pixels
    known: torch.Tensor  # (B, 1, H, W) 1 where the flow is known


def as_batch(pairs: list[FlowPair], random: Random | None = None) -> FlowBatch:
    """Stack pairs of one size; with `random`, their light changes and they get noise."""
    firsts, seconds = [], []
    for pair in pairs:
        first, second = as_colors(pair.first), as_colors(pair.second)
        if random is not None:
            first, second = relight(first, second, random)
        firsts.append(first)
        seconds.append(second)
    return FlowBatch(
        _stack(firsts) * 2 - 1,
        _stack(seconds) * 2 - 1,
        _stack([pair.flow for pair in pairs]),
        _stack([pair.known[..., None].astype(np.float32) for pair in pairs]),
    )


def as_colors(image: Image) -> Colors:
    """Return an 8-bit picture as numbers from 0 to 1."""
    return np.asarray(image * np.float32(1 / 255), np.float32)


def _stack(maps: list[NDArray[np.float32]]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(maps).transpose(0, 3, 1, 2)))


def cut(pair: FlowPair, size: tuple[int, int], random: Random) -> FlowPair:
    """Scale, mirror, turn by a quarter, and cut to `size` (H, W)."""
    if random.random() < 0.3 and size[0] == size[1]:
        pair = transposed(pair)
    for axis in (0, 1):
        if random.random() < (0.1, 0.5)[axis]:
            pair = mirrored(pair, axis)
    height, width = pair.known.shape
    least = max(size[0] / height, size[1] / width)
    scale = max(least, 2 ** random.uniform(-0.3, 0.5))
    pair = scaled(pair, max(size[0], round(height * scale)), max(size[1], round(width * scale)))
    top = int(random.integers(pair.known.shape[0] - size[0] + 1))
    left = int(random.integers(pair.known.shape[1] - size[1] + 1))
    part = np.s_[top : top + size[0], left : left + size[1]]
    flow = pair.flow[part]
    visible = pair.visible[part] & stays_inside(flow)
    return FlowPair(pair.first[part], pair.second[part], flow, pair.known[part], visible)


def scaled(pair: FlowPair, height: int, width: int) -> FlowPair:
    """Resize pictures and motion; at outlines the motion stays that of one side."""
    if pair.known.shape == (height, width):
        return pair

    def picture(image: Image) -> Image:
        smaller = height < image.shape[0]
        way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(image, (width, height), interpolation=way), np.uint8)

    rows = ((np.arange(height) + 0.5) * pair.known.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * pair.known.shape[1] / width).astype(int)
    nearest = np.ix_(rows, columns)
    factor = np.array([width / pair.known.shape[1], height / pair.known.shape[0]], dtype=np.float32)
    return FlowPair(
        picture(pair.first),
        picture(pair.second),
        pair.flow[nearest] * factor,
        pair.known[nearest],
        pair.visible[nearest],
    )


def mirrored(pair: FlowPair, axis: int) -> FlowPair:
    """Mirror top to bottom (axis 0) or left to right (axis 1)."""
    flow: Field = np.flip(pair.flow, axis).copy()
    flow[..., 1 - axis] *= -1
    return FlowPair(
        np.flip(pair.first, axis),
        np.flip(pair.second, axis),
        flow,
        np.flip(pair.known, axis),
        np.flip(pair.visible, axis),
    )


def transposed(pair: FlowPair) -> FlowPair:
    """Swap rows and columns."""
    return FlowPair(
        pair.first.transpose(1, 0, 2),
        pair.second.transpose(1, 0, 2),
        pair.flow.transpose(1, 0, 2)[..., ::-1],
        pair.known.T,
        pair.visible.T,
    )


def relight(first: Colors, second: Colors, random: Random) -> tuple[Colors, Colors]:
    """Change colours of both, differently by a little; blur and add noise. Stays within 0 to 1."""
    if random.random() < 0.2:
        order = random.permutation(3)
        first, second = first[..., order], second[..., order]
    strong, weak = _light(random, 1.0), _light(random, 0.2)
    first = _lit(first, strong)
    second = _lit(second, strong * weak if random.random() < 0.5 else strong)
    blurred = random.random()
    sigma = random.uniform(0.3, 1.2)
    if blurred < 0.2:
        second = np.asarray(cv2.GaussianBlur(second, (0, 0), sigma), np.float32)
    if 0.1 < blurred < 0.2:
        first = np.asarray(cv2.GaussianBlur(first, (0, 0), sigma), np.float32)
    grain = np.float32(random.uniform(0, 0.02) if random.random() < 0.5 else 0)
    first, second = (
        image + grain * random.standard_normal(image.shape, np.float32) for image in (first, second)
    )
    return np.clip(first, 0, 1), np.clip(second, 0, 1)


def _light(random: Random, amount: float) -> NDArray[np.float32]:
    """Return factors: of brightness, contrast, saturation and gamma, then of each channel."""
    spread = np.array([0.25, 0.25, 0.35, 0.25, 0.08, 0.08, 0.08]) * amount
    return np.exp(random.uniform(-1, 1, 7) * spread).astype(np.float32)


def _lit(image: Colors, light: NDArray[np.float32]) -> Colors:
    grey = (image @ GREY)[..., None]
    lit = grey + (image - grey) * light[2]
    mean = grey.mean()
    lit = mean + (lit - mean) * light[1]
    lit = np.clip(lit * light[0] * light[4:], 0, 1)
    return np.asarray(lit ** light[3], np.float32)
