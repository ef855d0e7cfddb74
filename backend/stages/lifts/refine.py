"""Geometry-aware refinement of splats from one picture (Tan et al., PhysMotion, 2024, section 3.3).

Colour is learnt from the picture's own view alone: views that a network made are not where it says
they are. All views tell where the surface lies, by the hard-depth loss, which moves centres only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...splatting.drawing import draw
from ...splatting.engines import EngineName
from ...splatting.gradients import Camera, Images
from ...splatting.shapes import axes_of_turns
from ..fits.targets import encoded
from .color_loss import color_loss
from .depth_loss import HardDepth, hard_depth, hard_depth_loss
from .splats import Splats

EPSILON = 1e-15


@dataclass(frozen=True)
class RefineSettings:
    """The paper's schedule, its learning rates between 1e-4 and 1e-3; lambda is 3DGS's.

    Rates of places are in `extent`, half the diagonal of the body; `depth_rate` is that of centres
    under the hard-depth loss, which has an optimiser of its own.
    """

    epochs: int = 3000
    slower_from: int = 1500
    slower: float = 0.1
    depth_from: int = 500
    depth_every: int = 10
    depth_rate: float = 1e-3
    mean: float = 1e-4
    scale: float = 1e-3
    turn: float = 1e-3
    color: float = 1e-3
    opacity: float = 1e-3
    structure: float = 0.2
    "Lambda of equation 10."
    hard: HardDepth | None = field(default_factory=HardDepth)
    "None: colour alone."
    seed: int = 0

    def within(self, epochs: int) -> "RefineSettings":
        """Return the same schedule over fewer or more epochs, its steps as much larger.

        Depth is looked at about as often as before, though not more than once an epoch.
        """
        share = epochs / self.epochs
        every = max(1, round(self.depth_every * share))
        rates = {name: getattr(self, name) / share
                 for name in ("mean", "scale", "turn", "color", "opacity")}  # fmt: skip
        return replace(
            self,
            epochs=epochs,
            slower_from=round(self.slower_from * share),
            depth_from=round(self.depth_from * share),
            depth_every=every,
            depth_rate=self.depth_rate * every / self.depth_every / share,
            **rates,
        )


@dataclass(frozen=True)
class DepthView:
    """A view whose depth is known: `depth` (h, w), growing with distance, 0 beside the object."""

    camera: Camera
    depth: NDArray[np.float32]


def refined(
    splats: Splats,
    picture: NDArray[np.float32],
    camera: Camera,
    views: Sequence[DepthView],
    settings: RefineSettings,
    *,
    engine: EngineName = "taichi",
    behind: float = 1.0,
    step: Callable[[int], None] = lambda _: None,
) -> Splats:
    """Return splats whose view by `camera` is nearer to `picture` (h, w, 3), sRGB.

    The picture shows the object before an even background of the brightness `behind`, linear.
    `views` are those that the hard-depth loss looks at, the picture's own among them. `step` hears
    of each epoch. The same arguments give the same splats on the processor.
    """
    free = _Free(splats, settings)
    rng = np.random.default_rng(settings.seed)
    target = torch.from_numpy(np.ascontiguousarray(picture))
    known = [torch.from_numpy(np.ascontiguousarray(view.depth)) for view in views]
    for epoch in range(settings.epochs):
        if epoch == settings.slower_from:
            free.slow(settings.slower)
        looked = epoch - settings.depth_from
        if settings.hard is not None and looked >= 0 and looked % settings.depth_every == 0:
            total = torch.zeros(())
            for view, depth in zip(views, known, strict=True):
                found = hard_depth(
                    free.mean, free.axes(), view.camera, settings.hard.opacity, engine=engine
                )
                total = total + hard_depth_loss(found, depth, settings.hard, rng)
            free.learn_depth(total)
        shown = free.seen_by(camera, engine)
        before = encoded(shown.color + (1 - shown.alpha[..., None]) * behind)
        free.learn_color(color_loss(before, target, structure=settings.structure))
        step(epoch)
    return free.splats()


class _Free:
    """Splats under refinement: tensors that learn, and their two optimisers."""

    def __init__(self, splats: Splats, settings: RefineSettings) -> None:
        extent = float(np.linalg.norm(np.ptp(splats.mean, axis=0)) / 2)
        clear = np.clip(splats.opacity, 1e-3, 1 - 1e-3)
        given = {
            "mean": splats.mean,
            "scale": np.log(splats.scale),
            "turn": splats.turn,
            "color": np.sqrt(np.maximum(splats.color, 1e-4)),
            "opacity": np.log(clear / (1 - clear)),
        }
        self.free = {name: torch.from_numpy(np.array(array, np.float32)).requires_grad_()
                     for name, array in given.items()}  # fmt: skip
        rates = {name: getattr(settings, name) for name in given} | {"mean": settings.mean * extent}
        groups = [{"params": [tensor], "lr": rates[name]} for name, tensor in self.free.items()]
        self._by_color = torch.optim.Adam(groups, eps=EPSILON)
        self._by_depth = torch.optim.Adam([self.mean], lr=settings.depth_rate * extent, eps=EPSILON)

    @property
    def mean(self) -> Tensor:
        return self.free["mean"]

    def axes(self) -> Tensor:
        return axes_of_turns(torch.exp(self.free["scale"]), self.free["turn"])

    def seen_by(self, camera: Camera, engine: EngineName) -> Images:
        color, opacity = self.free["color"].square(), torch.sigmoid(self.free["opacity"])
        return draw(self.mean, self.axes(), color, opacity, camera, engine=engine)

    def learn_color(self, loss: Tensor) -> None:
        self._learn(self._by_color, loss)

    def learn_depth(self, loss: Tensor) -> None:
        if loss.requires_grad:  # not where everything lies within the margin
            self._learn(self._by_depth, loss)

    def _learn(self, optimizer: torch.optim.Adam, loss: Tensor) -> None:
        for tensor in self.free.values():
            tensor.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def slow(self, factor: float) -> None:
        for optimizer in (self._by_color, self._by_depth):
            for group in optimizer.param_groups:
                group["lr"] *= factor

    def splats(self) -> Splats:
        found = {name: tensor.detach() for name, tensor in self.free.items()}
        unit = torch.nn.functional.normalize(found["turn"], dim=-1)
        return Splats(
            found["mean"].numpy(),
            torch.exp(found["scale"]).numpy(),
            unit.numpy(),
            found["color"].square().numpy(),
            torch.sigmoid(found["opacity"]).numpy(),
        )
