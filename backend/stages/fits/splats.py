"""Splats under fit: their free numbers, and Adam's moments of each, as rows that come and go.

Flat discs, as all splats of surfaces are: a thick one would blur the motion inside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...contract.arrays import Array
from ...splatting.drawing import draw
from ...splatting.engines import EngineName
from ...splatting.gradients import Camera, Images
from ...splatting.shapes import axes_of_turns
from ..bodies.looks import FLATNESS

WIDTHS = {"mean": 3, "spread": 2, "turn": 4, "tint": 3, "belief": 1}
"Numbers of a splat: mean [m], log of two sigmas [m], wxyz, square root of colour, logit of alpha."
MOST_BELIEF = 6.0
EPSILON = 1e-15


@dataclass(frozen=True)
class Rates:
    """Learning rates; that of the mean in extents of the body, falling to a hundredth.

    Kerbl et al., 2023, as gsplat's default strategy has them; colours are other numbers here.
    """

    mean: float = 1.6e-4
    spread: float = 5e-3
    turn: float = 1e-3
    tint: float = 5e-3
    belief: float = 5e-2


class FitSplats:
    """n splats; every tensor in `parameters` (n, WIDTHS) asks for gradients."""

    def __init__(self, parameters: Mapping[str, Tensor], rates: Rates) -> None:
        self._optimizer = torch.optim.Adam(
            [
                {"params": [parameters[name].detach().clone().requires_grad_()], "name": name,
                 "lr": getattr(rates, name)}
                for name in WIDTHS
            ],
            eps=EPSILON,
        )  # fmt: skip

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {group["name"]: group["params"][0] for group in self._optimizer.param_groups}

    def __len__(self) -> int:
        return len(self.parameters["mean"])

    def images(self, camera: Camera, engine: EngineName) -> Images:
        """Draw the splats; gradients flow to all parameters."""
        found = self.parameters
        return draw(found["mean"], self.axes(), self.color(), self.opacity(), camera, engine=engine)

    def scale(self) -> Tensor:
        """Standard deviations (n, 3) [m]: two in the disc's plane, then its thickness."""
        wide = torch.exp(self.parameters["spread"])
        return torch.cat([wide, FLATNESS * wide.min(dim=1, keepdim=True)[0]], dim=1)

    def axes(self) -> Tensor:
        return axes_of_turns(self.scale(), self.parameters["turn"])

    def color(self) -> Tensor:
        return self.parameters["tint"].square()

    def opacity(self) -> Tensor:
        return torch.sigmoid(self.parameters["belief"][:, 0])

    def step(self, mean_rate: float) -> None:
        """Move along the gradients, means at this rate [m], and forget them."""
        for group in self._optimizer.param_groups:
            if group["name"] == "mean":
                group["lr"] = mean_rate
        self._optimizer.step()
        self._optimizer.zero_grad()

    def rebuild(self, kept: Tensor, fresh: Mapping[str, Tensor]) -> None:
        """Keep the rows of indices `kept` with their moments, and append `fresh` rows without."""
        for group in self._optimizer.param_groups:
            old, new = group["params"][0], fresh[group["name"]]
            state = self._optimizer.state.pop(old, {})
            value = torch.cat([old.detach()[kept], new.detach()]).requires_grad_()
            for name, moment in state.items():
                if moment.ndim:  # the count of steps has no rows
                    state[name] = torch.cat([moment[kept], torch.zeros_like(new)])
            group["params"] = [value]
            if state:
                self._optimizer.state[value] = state

    def fade(self, most: float) -> None:
        """Make every splat at most this opaque, and forget how opacity was moving."""
        belief = self.parameters["belief"]
        with torch.no_grad():
            belief.clamp_(max=float(np.log(most / (1 - most))))
        for name, moment in self._optimizer.state.get(belief, {}).items():
            if name != "step":
                moment.zero_()

    def arrays(self) -> dict[str, Array]:
        """Return parameters and moments, for a checkpoint."""
        found = {name: tensor.detach().cpu().numpy() for name, tensor in self.parameters.items()}
        for group in self._optimizer.param_groups:
            for name, moment in self._optimizer.state.get(group["params"][0], {}).items():
                found[f"{group['name']}.{name}"] = np.asarray(moment.cpu())
        return found

    @classmethod
    def restored(cls, arrays: Mapping[str, Array], rates: Rates, device: str) -> "FitSplats":
        """Return the splats of which `arrays` were taken."""
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        splats = cls({name: tensors[name].to(device) for name in WIDTHS}, rates)
        for name, parameter in splats.parameters.items():
            state = {
                key.split(".")[1]: tensor if tensor.ndim == 0 else tensor.to(device)
                for key, tensor in tensors.items()
                if key.startswith(f"{name}.")
            }
            if state:
                splats._optimizer.state[parameter] = state
        return splats


def parameters_of(
    mean: NDArray[np.float32],
    axes: NDArray[np.float32],
    color: NDArray[np.float32],
    opacity: NDArray[np.float32],
) -> dict[str, Tensor]:
    """Return the free numbers of discs.

    `mean` (n, 3) m, `axes` (n, 3, 3) half axes with the thin one last, `color` (n, 3) linear,
    `opacity` (n,). The two wide axes may be
    skewed (discs trimmed at creases): those of the same disc are taken, square to each other.
    """
    u, wide, _ = np.linalg.svd(axes[:, :, :2].astype(np.float64), full_matrices=False)
    frame = np.concatenate([u, np.cross(u[:, :, 0], u[:, :, 1])[:, :, None]], axis=2)
    clear = np.clip(opacity, 1e-3, 1 / (1 + np.exp(-MOST_BELIEF)))
    found = {
        "mean": mean,
        "spread": np.log(np.maximum(wide, 1e-9)),
        "turn": quaternions(frame),
        "tint": np.sqrt(np.maximum(color, 1e-4)),
        "belief": np.log(clear / (1 - clear))[:, None],
    }
    return {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in found.items()}


def quaternions(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quaternions (n, 4) wxyz of rotations (n, 3, 3), by the largest of their numbers."""
    m = rotation
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    squares = np.stack([trace, *(2 * m[:, k, k] - trace for k in range(3))], axis=1) + 1
    a, b, c = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    d, e, f = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    w, x, y, z = squares.T
    every = np.array([[w, a, b, c], [a, x, d, e], [b, d, y, f], [c, e, f, z]])
    chosen = every[squares.argmax(axis=1), :, np.arange(len(m))]
    unit: NDArray[np.float64] = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    return unit
