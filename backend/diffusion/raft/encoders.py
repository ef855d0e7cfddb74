"""The two convolutional encoders of the flow network; used by flow_network.FlowNetwork.

Source: Z. Teed and J. Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020
(arXiv 2003.12039), section 3.1, and the architecture figures of its appendix. The paper leaves two
things open that its published weights fix: convolutions before a norm have biases, and each
convolution of a block, the last one too, ends in a ReLU before the shortcut is added.
"""

from typing import Literal, cast

import torch
from torch import nn
from torch.nn.functional import relu

NormName = Literal["instance", "batch", "none"]
BlockName = Literal["bottleneck", "basic"]


class Encoder(nn.Module):
    """An image to features at an eighth of its size: (B, 3, H, W) to (B, features, H/8, W/8).

    A 7 x 7 stem at half size, then three stages of two residual blocks of `widths` channels, at a
    half, a quarter and an eighth, then a 1 x 1 convolution.
    """

    def __init__(
        self, block: BlockName, widths: tuple[int, int, int], features: int, norm: NormName
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 7, stride=2, padding=3)
        self.stem_norm = make_norm(norm, widths[0])
        wide = [widths[0], widths[0], widths[0], widths[1], widths[1], widths[2], widths[2]]
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(block, wide[i], wide[i + 1], 2 if i in (2, 4) else 1, norm)
                for i in range(6)
            )
        )
        self.head = nn.Conv2d(widths[2], features, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = relu(self.stem_norm(self.stem(image)))
        return cast(torch.Tensor, self.head(self.blocks(x)))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, or 1 x 1, 3 x 3, 1 x 1 at a quarter of the width, and a shortcut."""

    def __init__(
        self, block: BlockName, channels: int, width: int, stride: int, norm: NormName
    ) -> None:
        super().__init__()
        if block == "bottleneck":
            sizes = [(channels, width // 4, 1), (width // 4, width // 4, 3), (width // 4, width, 1)]
            strided = 1
        else:
            sizes = [(channels, width, 3), (width, width, 3)]
            strided = 0
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, size, stride if i == strided else 1, size // 2)
            for i, (a, b, size) in enumerate(sizes)
        )
        self.norms = nn.ModuleList(make_norm(norm, b) for _, b, _ in sizes)
        narrowing = stride != 1
        self.shortcut = nn.Conv2d(channels, width, 1, stride) if narrowing else nn.Identity()
        self.shortcut_norm = make_norm(norm, width) if narrowing else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = relu(norm(conv(y)))
        return relu(self.shortcut_norm(self.shortcut(x)) + y)


def make_norm(norm: NormName, channels: int) -> nn.Module:
    """Return the norm layer; instance norms have neither weights nor running figures."""
    match norm:
        case "instance":
            return nn.InstanceNorm2d(channels)
        case "batch":
            return nn.BatchNorm2d(channels)
        case "none":
            return nn.Identity()
