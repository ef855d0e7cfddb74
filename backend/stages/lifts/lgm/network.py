"""LGM's U-Net: four views and their rays in, fourteen numbers for each pixel out.

Tang et al., LGM: Large Multi-View Gaussian Model for High-Resolution 3D Content Creation, 2024,
section 3.2 and appendix. Names of modules are those of its published weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention, silu

VIEWS = 4
INPUTS, OUTPUTS = 9, 14
"Channels: colour and Plücker rays; place, opacity, scale, turn, colour."
LAYERS, GROUPS, HEADS, EPSILON = 2, 32, 16, 1e-5
HALF = 0.5**0.5
"Sums of two branches are scaled back by it."


@dataclass(frozen=True)
class Layout:
    """Channels of the levels down and up, and which of them attend across views."""

    down: tuple[int, ...]
    down_attention: tuple[bool, ...]
    up: tuple[int, ...]
    up_attention: tuple[bool, ...]
    mid_attention: bool = True

    @property
    def shrinks(self) -> int:
        """How many times the output is smaller than the input."""
        return int(2 ** (len(self.down) - len(self.up)))


BIG = Layout(
    (64, 128, 256, 512, 1024, 1024), (False, False, False, True, True, True),
    (1024, 1024, 512, 256, 128), (True, True, True, False, False),
)  # fmt: skip
SMALL = Layout(BIG.down, BIG.down_attention, (1024, 1024, 512, 256), (True, True, True, False))


class Network(nn.Module):
    """The whole network; `conv` mixes the channels that the U-Net gives."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.unet = UNet(layout)
        self.conv = nn.Conv2d(OUTPUTS, OUTPUTS, 1)

    def forward(self, views: Tensor) -> Tensor:
        """Return (VIEWS, OUTPUTS, h', w') of views (VIEWS, INPUTS, h, w)."""
        found: Tensor = self.conv(self.unet(views))
        return found


class UNet(nn.Module):
    def __init__(self, layout: Layout) -> None:
        super().__init__()
        first, last = layout.down[0], len(layout.down) - 1
        self.conv_in = nn.Conv2d(INPUTS, first, 3, padding=1)
        kept, width = [first], first
        self.down_blocks = nn.ModuleList()
        for level, (channels, attends) in enumerate(
            zip(layout.down, layout.down_attention, strict=True)
        ):
            inputs = [width, *[channels] * (LAYERS - 1)]
            level_block = Level(inputs, channels, attends)
            if level < last:
                level_block.downsample = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
            self.down_blocks.append(level_block)
            kept += [channels] * (LAYERS + (level < last))
            width = channels
        self.mid_block = Middle(width, layout.mid_attention)
        self.up_blocks = nn.ModuleList()
        for level, (channels, attends) in enumerate(
            zip(layout.up, layout.up_attention, strict=True)
        ):
            inputs = [(width if k == 0 else channels) + kept.pop() for k in range(LAYERS + 1)]
            level_block = Level(inputs, channels, attends)
            if level < len(layout.up) - 1:
                level_block.upsample = nn.Conv2d(channels, channels, 3, padding=1)
            self.up_blocks.append(level_block)
            width = channels
        self.norm_out = nn.GroupNorm(GROUPS, width, EPSILON)
        self.conv_out = nn.Conv2d(width, OUTPUTS, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        kept = [x]
        for level in _levels(self.down_blocks):
            for k in range(LAYERS):
                x = level.layer(k, x)
                kept.append(x)
            if level.downsample is not None:
                x = level.downsample(x)
                kept.append(x)
        x = self.mid_block(x)
        for level in _levels(self.up_blocks):
            for k in range(LAYERS + 1):
                x = level.layer(k, torch.cat([x, kept.pop()], dim=1))
            if level.upsample is not None:
                x = level.upsample(interpolate(x, scale_factor=2.0, mode="nearest"))
        found: Tensor = self.conv_out(silu(self.norm_out(x)))
        return found


class Level(nn.Module):
    """Residual blocks of one resolution, each with attention behind it where the level attends."""

    downsample: nn.Conv2d | None
    upsample: nn.Conv2d | None

    def __init__(self, inputs: list[int], channels: int, attends: bool) -> None:
        super().__init__()
        self.nets = nn.ModuleList(Residual(width, channels) for width in inputs)
        self.attns = nn.ModuleList(CrossView(channels) for _ in inputs if attends)
        self.downsample = self.upsample = None

    def layer(self, index: int, x: Tensor) -> Tensor:
        x = self.nets[index](x)
        found: Tensor = self.attns[index](x) if len(self.attns) else x
        return found


def _levels(blocks: nn.ModuleList) -> Iterator[Level]:
    for block in blocks:
        assert isinstance(block, Level)
        yield block


class Middle(nn.Module):
    def __init__(self, channels: int, attends: bool) -> None:
        super().__init__()
        self.nets = nn.ModuleList(Residual(channels, channels) for _ in range(2))
        self.attns = nn.ModuleList(CrossView(channels) for _ in range(int(attends)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.nets[0](x)
        for attention in self.attns:
            x = attention(x)
        found: Tensor = self.nets[1](x)
        return found


class Residual(nn.Module):
    """Two convolutions, each behind a norm and SiLU, beside a shortcut."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs, EPSILON)
        self.conv1 = nn.Conv2d(inputs, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, channels, EPSILON)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        same = inputs == channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        changed = self.conv1(silu(self.norm1(x)))
        changed = self.conv2(silu(self.norm2(changed)))
        found: Tensor = (self.shortcut(x) + changed) * HALF
        return found


class CrossView(nn.Module):
    """Self-attention over the pixels of all views together."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, EPSILON)
        qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.attn = nn.ModuleDict({"qkv": qkv, "proj": nn.Linear(channels, channels)})

    def forward(self, x: Tensor) -> Tensor:
        rows, channels, height, width = x.shape  # (B VIEWS, C, h, w)
        tokens = self.norm(x).reshape(-1, VIEWS, channels, height * width)
        tokens = tokens.permute(0, 1, 3, 2).reshape(rows // VIEWS, -1, channels)  # (B, N, C)
        split = self.attn["qkv"](tokens).unflatten(-1, (3, HEADS, -1))  # (B, N, 3, H, C / H)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value)  # (B, H, N, C / H)
        mixed = self.attn["proj"](seen.transpose(1, 2).flatten(2))
        back = mixed.reshape(rows, height * width, channels).transpose(1, 2).reshape(x.shape)
        found: Tensor = (back + x) * HALF
        return found
