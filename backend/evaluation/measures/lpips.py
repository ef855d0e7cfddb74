"""LPIPS, the learned perceptual distance, where its weights lie in the models folder.

Zhang et al., The unreasonable effectiveness of deep features, CVPR 2018, equation 1, AlexNet form:
features of five layers, unit length over channels, squared difference, weighted, averaged, summed.
The folder `lpips` holds `lpips.safetensors`: AlexNet's convolutions under torchvision's keys
(`features.0.weight`, …) and the linear weights under the authors' (`lin0.model.1.weight`, …).
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from ...contract.errors import ModelError
from .pictures import Picture

CONVOLUTIONS = {0: (3, 64, 11, 4, 2), 3: (64, 192, 5, 1, 2), 6: (192, 384, 3, 1, 1),
                8: (384, 256, 3, 1, 1), 10: (256, 256, 3, 1, 1)}  # fmt: skip
"Index in AlexNet's features to channels in, channels out, kernel, stride, padding."
POOLS_BEFORE = (3, 6)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"What the authors take from pictures in -1..1, and divide by."


class Lpips(nn.Module):
    """Distance of two pictures, 0 for equal ones."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict(
            {
                str(k): nn.Conv2d(n, m, size, stride, padding)
                for k, (n, m, size, stride, padding) in CONVOLUTIONS.items()
            }
        )
        self.weights = nn.ParameterList(
            [torch.zeros(1, shape[1], 1, 1) for shape in CONVOLUTIONS.values()]
        )

    @torch.no_grad()
    def distance(self, a: Picture, b: Picture) -> float:
        """Return the distance of two pictures u1 (H, W, 3) of one size, 64 px a side or more."""
        if a.shape != b.shape or min(a.shape[:2]) < 64:
            raise ValueError(f"expected two pictures of one size from 64 px, got {a.shape}")
        total = torch.zeros(())
        for weight, x, y in zip(self.weights, self._maps(a), self._maps(b), strict=True):
            total += ((x - y) ** 2 * weight).sum(1).mean()
        return float(total)

    def _maps(self, picture: Picture) -> list[torch.Tensor]:
        x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        x = (x - torch.tensor(SHIFT).view(1, 3, 1, 1)) / torch.tensor(SCALE).view(1, 3, 1, 1)
        maps = []
        for k in CONVOLUTIONS:
            x = F.max_pool2d(x, 3, 2) if k in POOLS_BEFORE else x
            x = F.relu(self.features[str(k)](x))
            maps.append(F.normalize(x, dim=1, eps=1e-10))
        return maps


def load_lpips(folder: Path) -> Lpips:
    """Open `lpips.safetensors` in a folder. Raises ModelError where it is not what it should be."""
    try:
        found = load_file(folder / "lpips.safetensors")
        network = Lpips()
        named = {key: value for key, value in found.items() if key.startswith("features.")}
        named |= {f"weights.{k}": found[f"lin{k}.model.1.weight"] for k in range(len(CONVOLUTIONS))}
        network.load_state_dict(named)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"Expected LPIPS weights (AlexNet) in {folder.name}, got a folder that does not open.",
            "Put lpips.safetensors with AlexNet's features and lin0 to lin4 there.",
        ) from error
    return network.eval()
