"""The optical flow network: where each pixel of one picture is in the next.

Source: Z. Teed and J. Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020
(arXiv 2003.12039), its small and its large form. Used by motion guidance, by flow estimated from
videos, and by the measures of evaluation. raft/published.py opens weight files.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate, pad, relu

from ..contract.errors import ShotError
from ..contract.keys import user_folder
from .raft.correlation import VOLUME_LIMIT, Correlation
from .raft.encoders import Encoder
from .raft.published import check_weights, find_weights, read_weights
from .raft.update import FACTOR, FORMS, BilinearUpsampling, ConvexUpsampling, Update

FormName = Literal["small", "large"]
ITERATIONS = 12
SMALLEST = 64
"Pixels each way below which the coarsest correlation would have no cell; less is padded to it."


class FlowNetwork(nn.Module):
    """RAFT: 990,162 weights in the small form, 5,257,536 in the large one.

    A new network has random weights; `load_flow_network` gives a trained one. Batches are of pairs
    of one size, of any size. Above `volume_limit` bytes the correlation volume is not kept but
    computed again, piece by piece, in every iteration: slower, the same numbers (raft/correlation).
    """

    def __init__(self, form: FormName = "small", *, volume_limit: int = VOLUME_LIMIT) -> None:
        super().__init__()
        sizes = FORMS[form]
        self.form = form
        self.volume_limit = volume_limit
        self.radius = sizes.radius
        self.split = (sizes.hidden, sizes.context)
        both = sizes.hidden + sizes.context
        self.features = Encoder(sizes.block, sizes.widths, sizes.features, "instance")
        self.context = Encoder(sizes.block, sizes.widths, both, sizes.context_norm)
        self.update = Update(sizes)
        self.upsample = (
            ConvexUpsampling(sizes.hidden) if sizes.learned_upsampling else BilinearUpsampling()
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module not in self.update.modules():
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        iterations: int = ITERATIONS,
        start: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Flow from `first` to `second` after each iteration, (B, 2, H, W) pixels, best last.

        Pictures are (B, 3, H, W) in [-1, 1]; flow is x right, y down. `start` (B, 2, H, W) is a
        flow to start from, such as the one before in a video. Gradients reach both pictures: by
        their features and the context in each iteration, not from one iteration's flow through the
        place of the next one's lookup (section 3.3).
        """
        padding, refined = self._refine(first, second, iterations, start)
        return [crop(self.upsample(flow, hidden), padding) for flow, hidden in refined]

    def estimate(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        iterations: int = ITERATIONS,
        start: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `forward`, the last iteration's flow alone: (B, 2, H, W)."""
        padding, refined = self._refine(first, second, iterations, start)
        for flow, hidden in refined:
            last = flow, hidden
        return crop(self.upsample(*last), padding)

    def _refine(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        iterations: int,
        start: torch.Tensor | None,
    ) -> tuple[tuple[int, int, int, int], Iterator[tuple[torch.Tensor, torch.Tensor]]]:
        if first.shape != second.shape or first.ndim != 4 or first.shape[1] != 3:
            raise ShotError(
                "Optical flow",
                f"expected two pictures (B, 3, H, W) of one size, got {tuple(first.shape)} and "
                f"{tuple(second.shape)}.",
            )
        if iterations < 1:
            raise ShotError("Optical flow", f"expected 1 iteration or more, got {iterations}.")
        padding = padding_of(*first.shape[2:])
        first, second = (pad(image, padding, mode="replicate") for image in (first, second))
        if start is not None:
            start = avg_pool2d(pad(start, padding, mode="replicate"), FACTOR) / FACTOR
        return padding, self._iterate(first, second, iterations, start)

    def _iterate(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        iterations: int,
        flow: torch.Tensor | None,  # (B, 2, h, w), cells
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield flow in cells and hidden state, after each iteration."""
        features = self.features(torch.cat([first, second]))
        one, other = features.chunk(2)
        correlation = Correlation(one, other, self.radius, volume_limit=self.volume_limit)
        hidden, context = self.context(first).split(self.split, dim=1)
        hidden, context = torch.tanh(hidden), relu(context)
        here = cells_of(one)
        there = here if flow is None else here + flow
        for _ in range(iterations):
            there = there.detach()
            seen = correlation.lookup(there)
            hidden, step = self.update(hidden, context, seen, there - here)
            there = there + step.float()
            yield there - here, hidden


def cells_of(maps: torch.Tensor) -> torch.Tensor:
    """Return (B, 2, h, w): each cell's own x and y."""
    batch, _, height, width = maps.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=maps.device, dtype=torch.float32),
        torch.arange(width, device=maps.device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y]).expand(batch, 2, height, width)


def padding_of(height: int, width: int) -> tuple[int, int, int, int]:
    """Pixels to add left, right, top and bottom, for whole cells and for enough of them."""
    wide, high = (max(SMALLEST, -(-side // FACTOR) * FACTOR) - side for side in (width, height))
    return wide // 2, wide - wide // 2, high // 2, high - high // 2


def crop(flow: torch.Tensor, padding: tuple[int, int, int, int]) -> torch.Tensor:
    left, right, top, bottom = padding
    return flow[..., top : flow.shape[-2] - bottom, left : flow.shape[-1] - right]


def load_flow_network(
    name: str = "flow", models_folder: Path | None = None, device: str | torch.device = "auto"
) -> FlowNetwork:
    """Return a trained network, frozen, by the name of a preset or of the user's models folder.

    "flow" is the built-in one. In the models folder NAME.safetensors or a folder NAME with one such
    file may hold our layout, torchvision's raft_small and raft_large, or the RAFT authors'
    raft-small and raft-things. Raises ModelError.
    """
    return open_flow_network(find_weights(name, models_folder or user_folder() / "models"), device)


def open_flow_network(path: Path, device: str | torch.device = "auto") -> FlowNetwork:
    """Return the network of a safetensors file, frozen. Raises ModelError."""
    form, state = read_weights(path)
    network = FlowNetwork(cast(FormName, form))
    check_weights(network.state_dict(), state, path)
    network.load_state_dict(state)
    network.requires_grad_(False)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return network.eval().to(device)


def careful_estimate(
    network: FlowNetwork,
    first: torch.Tensor,
    second: torch.Tensor,
    iterations: int = ITERATIONS,
) -> torch.Tensor:
    """As `FlowNetwork.estimate`, nearer to the truth, in some 1.6 times its time: (B, 2, H, W).

    Half of the iterations are done at half the size, where large motion is within a lookup's reach,
    and give the others their start. The flow is the mean of the pair's and of its mirror image's.
    """
    one, other = (torch.cat([image, image.flip(3)]) for image in (first, second))
    height, width = one.shape[2:]
    coarse = iterations // 2 if min(height, width) >= 2 * SMALLEST else 0
    start = None
    if coarse:
        half, other_half = (avg_pool2d(image, 2, ceil_mode=True) for image in (one, other))
        small = network.estimate(half, other_half, coarse)
        start = 2 * interpolate(small, scale_factor=2, mode="bilinear")[..., :height, :width]
    plain, mirrored = network.estimate(one, other, iterations - coarse, start).chunk(2)
    return (plain + mirrored.flip(3) * plain.new_tensor([[[-1.0]], [[1.0]]])) / 2


def estimate_flow(
    network: FlowNetwork,
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    iterations: int = ITERATIONS,
) -> NDArray[np.float32]:
    """Flow from `first` to `second`, sRGB pictures (H, W, 3): (H, W, 2) pixels, x right, y down.

    Raises ShotError for other pictures. See `careful_estimate`.
    """
    device = next(network.parameters()).device
    for picture in (first, second):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ShotError(
                "Optical flow",
                f"expected pictures (H, W, 3) of 8 bit, got {picture.shape} of {picture.dtype}.",
            )
    with torch.inference_mode():
        pair = [
            torch.from_numpy(np.ascontiguousarray(picture)).to(device).permute(2, 0, 1)[None]
            for picture in (first, second)
        ]
        one, other = (picture.float() / 127.5 - 1 for picture in pair)
        flow = careful_estimate(network, one, other, iterations)
    return cast(NDArray[np.float32], flow[0].permute(1, 2, 0).contiguous().cpu().numpy())
