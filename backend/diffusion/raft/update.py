"""The recurrent update of the flow network; used by flow_network.FlowNetwork.

Source: RAFT (arXiv 2003.12039), section 3.3 and the architecture figures of its appendix.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import interpolate, relu, unfold

from .correlation import LEVELS
from .encoders import BlockName, NormName

FACTOR = 8
"Pixels of the image for one cell of the network's grid, each way."


@dataclass(frozen=True)
class Form:
    """The sizes that make one of the paper's two networks."""

    block: BlockName
    widths: tuple[int, int, int]
    features: int
    hidden: int
    context: int
    context_norm: NormName
    radius: int
    correlation: tuple[int, ...]  # widths of the convolutions over the correlations
    flow: tuple[int, int]  # and over the flow
    merged: int  # and over both; the flow itself is added to it
    kernels: tuple[tuple[int, int], ...]  # (rows, columns) of the recurrent units, in order
    head: int
    learned_upsampling: bool

    @property
    def looked_up(self) -> int:
        return LEVELS * (2 * self.radius + 1) ** 2


FORMS = {
    "small": Form(
        block="bottleneck",
        widths=(32, 64, 96),
        features=128,
        hidden=96,
        context=64,
        context_norm="none",
        radius=3,
        correlation=(96,),
        flow=(64, 32),
        merged=80,
        kernels=((3, 3),),
        head=128,
        learned_upsampling=False,
    ),
    "large": Form(
        block="basic",
        widths=(64, 96, 128),
        features=256,
        hidden=128,
        context=128,
        context_norm="batch",
        radius=4,
        correlation=(256, 192),
        flow=(128, 64),
        merged=126,
        kernels=((1, 5), (5, 1)),
        head=256,
        learned_upsampling=True,
    ),
}


class Update(nn.Module):
    """From what is seen where the flow points now, the next state and a correction of the flow."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        sizes = (1, 3)
        inputs = (form.looked_up, *form.correlation)
        self.correlation = nn.ModuleList(
            nn.Conv2d(inputs[i], width, sizes[i], padding=sizes[i] // 2)
            for i, width in enumerate(form.correlation)
        )
        self.flow = nn.ModuleList(
            [
                nn.Conv2d(2, form.flow[0], 7, padding=3),
                nn.Conv2d(form.flow[0], form.flow[1], 3, padding=1),
            ]
        )
        self.merge = nn.Conv2d(form.correlation[-1] + form.flow[1], form.merged, 3, padding=1)
        seen = form.context + form.merged + 2
        self.units = nn.ModuleList(GatedUnit(form.hidden, seen, size) for size in form.kernels)
        self.head = nn.ModuleList(
            [nn.Conv2d(form.hidden, form.head, 3, padding=1), nn.Conv2d(form.head, 2, 3, padding=1)]
        )

    def forward(
        self,
        hidden: torch.Tensor,  # (B, hidden, h, w)
        context: torch.Tensor,  # (B, context, h, w)
        correlation: torch.Tensor,  # (B, looked_up, h, w)
        flow: torch.Tensor,  # (B, 2, h, w), cells
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the next hidden state and what to add to the flow, (B, 2, h, w) in cells."""
        c, f = correlation, flow
        for conv in self.correlation:
            c = relu(conv(c))
        for conv in self.flow:
            f = relu(conv(f))
        motion = relu(self.merge(torch.cat([c, f], dim=1)))
        seen = torch.cat([context, motion, flow.to(motion.dtype)], dim=1)
        for unit in self.units:
            hidden = unit(hidden, seen)
        return hidden, self.head[1](relu(self.head[0](hidden)))


class GatedUnit(nn.Module):
    """A gated recurrent unit made of convolutions of `size` (rows, columns): equations 3 to 6."""

    def __init__(self, hidden: int, seen: int, size: tuple[int, int]) -> None:
        super().__init__()

        def conv() -> nn.Conv2d:
            return nn.Conv2d(hidden + seen, hidden, size, padding=(size[0] // 2, size[1] // 2))

        self.update = conv()
        self.reset = conv()
        self.candidate = conv()

    def forward(self, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([h, x], dim=1)
        z = torch.sigmoid(self.update(both))
        r = torch.sigmoid(self.reset(both))
        q = torch.tanh(self.candidate(torch.cat([r * h, x], dim=1)))
        return (1 - z) * h + z * q


class ConvexUpsampling(nn.Module):
    """Each pixel's flow as a learned convex combination of the 3 x 3 cells around it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weigh = nn.ModuleList(
            [nn.Conv2d(hidden, 256, 3, padding=1), nn.Conv2d(256, 9 * FACTOR**2, 1)]
        )

    def forward(self, flow: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = flow.shape
        # A quarter balances the gradients: the published weights are trained with it.
        weights = 0.25 * self.weigh[1](relu(self.weigh[0](hidden))).float()
        weights = weights.reshape(batch, 1, 9, FACTOR, FACTOR, height, width).softmax(dim=2)
        around = unfold(FACTOR * flow, 3, padding=1).reshape(batch, 2, 9, 1, 1, height, width)
        fine: torch.Tensor = (weights * around).sum(dim=2)  # (B, 2, 8, 8, h, w)
        fine = fine.permute(0, 1, 4, 2, 5, 3)
        return fine.reshape(batch, 2, FACTOR * height, FACTOR * width)


class BilinearUpsampling(nn.Module):
    """Each pixel's flow between the cells; corners on corners, as the published weights have it."""

    def forward(self, flow: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        fine: torch.Tensor = FACTOR * interpolate(
            flow, scale_factor=FACTOR, mode="bilinear", align_corners=True
        )
        return fine
