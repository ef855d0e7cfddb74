"""Splats under refinement: tensors that learn, by colour and by depth, each with its optimiser."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ....contract.arrays import Array
from ....splatting.drawing import draw
from ....splatting.engines import EngineName
from ....splatting.gradients import Camera, Images
from ....splatting.shapes import axes_of_turns
from ..splats import Splats

EPSILON = 1e-15
BODY = (1.0, 99.0)
"Percentiles of places along each axis that bound a body: what floats far off is not of it."


class Speeds(Protocol):
    """Learning rates: those of places in half the diagonal of the body."""

    @property
    def mean(self) -> float: ...
    @property
    def scale(self) -> float: ...
    @property
    def turn(self) -> float: ...
    @property
    def color(self) -> float: ...
    @property
    def opacity(self) -> float: ...
    @property
    def depth_rate(self) -> float: ...


class FreeSplats:
    """n splats: logarithms of sizes, roots of colours, logits of opacities are what is free."""

    def __init__(self, splats: Splats, speeds: Speeds, engine: EngineName) -> None:
        self._engine: EngineName = engine
        self.device = "cuda" if engine == "gsplat" else "cpu"
        low, high = np.percentile(splats.mean, BODY, axis=0)
        extent = float(np.linalg.norm(high - low) / 2)
        clear = np.clip(splats.opacity, 1e-3, 1 - 1e-3)
        given = {
            "mean": splats.mean,
            "scale": np.log(splats.scale),
            "turn": splats.turn,
            "color": np.sqrt(np.maximum(splats.color, 1e-4)),
            "opacity": np.log(clear / (1 - clear)),
        }
        self._free = {
            name: torch.from_numpy(np.array(array, np.float32)).to(self.device).requires_grad_()
            for name, array in given.items()
        }
        rates = {name: float(getattr(speeds, name)) for name in given}
        rates["mean"] *= extent
        groups = [
            {"params": [tensor], "lr": rates[name], "full": rates[name]}
            for name, tensor in self._free.items()
        ]
        depth = speeds.depth_rate * extent
        self._optimizers = {
            "color": torch.optim.Adam(groups, eps=EPSILON),
            "depth": torch.optim.Adam(
                [{"params": [self.mean], "lr": depth, "full": depth}], eps=EPSILON
            ),
        }

    @property
    def mean(self) -> Tensor:
        return self._free["mean"]

    def axes(self) -> Tensor:
        return axes_of_turns(torch.exp(self._free["scale"]), self._free["turn"])

    def seen_by(self, camera: Camera) -> Images:
        color, opacity = self._free["color"].square(), torch.sigmoid(self._free["opacity"])
        return draw(self.mean, self.axes(), color, opacity, camera, engine=self._engine)

    def learn_color(self, loss: Tensor) -> None:
        self._learn("color", loss)

    def learn_depth(self, loss: Tensor) -> None:
        if loss.requires_grad:  # not where everything lies within the margin
            self._learn("depth", loss)

    def _learn(self, by: str, loss: Tensor) -> None:
        for tensor in self._free.values():
            tensor.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizers[by].step()

    def slow_down(self, share: float) -> None:
        """Learn at this share of the full rates from now on."""
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = share * group["full"]

    def splats(self) -> Splats:
        found = {name: tensor.detach() for name, tensor in self._free.items()}
        numbers = (
            found["mean"],
            torch.exp(found["scale"]),
            torch.nn.functional.normalize(found["turn"], dim=-1),
            found["color"].square(),
            torch.sigmoid(found["opacity"]),
        )
        return Splats(*(tensor.cpu().numpy() for tensor in numbers))

    def arrays(self) -> dict[str, Array]:
        """Return all that is needed to go on: numbers, and the moments of both optimisers."""
        found = {name: tensor.detach().cpu().numpy() for name, tensor in self._free.items()}
        for by, optimizer in self._optimizers.items():
            for name, tensor in self._free.items():
                for kind, moment in optimizer.state.get(tensor, {}).items():
                    found[f"{by}.{name}.{kind}"] = np.asarray(moment.cpu())
        return found

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `arrays` said."""
        for name, tensor in self._free.items():
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(np.array(arrays[name])))
        for by, optimizer in self._optimizers.items():
            for name, tensor in self._free.items():
                state = {
                    key.split(".")[2]: self._moment(np.array(array))
                    for key, array in arrays.items()
                    if key.startswith(f"{by}.{name}.")
                }
                if state:
                    optimizer.state[tensor] = state

    def _moment(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.to(self.device) if tensor.ndim else tensor  # the count of steps stays here
