"""Geometry-aware refinement of splats from one picture (Tan et al., PhysMotion, 2024, section 3.3).

Colour is learnt from the picture's own view alone: views that a network made are not where it says
they are. All views tell where the surface lies, by the hard-depth loss, which moves centres only.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....contract.errors import CancelledError
from ....splatting.engines import EngineName
from ....splatting.gradients import Camera
from ...cache import FrameCache
from ...fits.targets import encoded
from ..splats import Splats
from .color_loss import color_loss
from .depth_loss import HardDepth, hard_depth, hard_depth_loss
from .free import FreeSplats

SAVE_SECONDS = 20.0
LARGEST_STEP = 1e-2
"Of any rate where a schedule is shortened."


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
    depth_views: int = 4
    "Of the views whose depth is known, so many are looked at each time, spread evenly, in turn."
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

    def over(self, epochs: int) -> "RefineSettings":
        """Return the same schedule over fewer or more epochs, at the same rates.

        Depth is looked at about as often as before, though not more than once an epoch.
        """
        share = epochs / self.epochs
        return replace(
            self,
            epochs=epochs,
            slower_from=round(self.slower_from * share),
            depth_from=round(self.depth_from * share),
            depth_every=max(1, round(self.depth_every * share)),
        )

    def within(self, epochs: int) -> "RefineSettings":
        """Return the schedule `over` fewer or more epochs, its steps as much larger or smaller.

        No rate grows beyond LARGEST_STEP, that of Adam's steps: in one of them a splat moves by no
        more than a hundredth of half the diagonal, and its size, its turn, the root of its colour
        and the logit of its opacity change by no more than a hundredth. The paper's rates come to
        that at 300 epochs, those of places at 30; over fewer, less is done.
        """
        share, made = epochs / self.epochs, self.over(epochs)
        names = ("mean", "scale", "turn", "color", "opacity")
        rates: dict[str, float] = {name: getattr(self, name) / share for name in names}
        rates["depth_rate"] = self.depth_rate * made.depth_every / self.depth_every / share
        capped: dict[str, Any] = {name: min(rate, LARGEST_STEP) for name, rate in rates.items()}
        return replace(made, **capped)

    def looks_at_depth(self, epoch: int, views: int) -> range:
        """Return which of so many views the hard-depth loss looks at as an epoch begins."""
        look, over = divmod(epoch - self.depth_from, self.depth_every)
        if self.hard is None or look < 0 or over:
            return range(0)
        apart = -(-views // self.depth_views)
        return range(look % apart, views, apart)


@dataclass(frozen=True)
class DepthView:
    """A view whose depth is known: `depth` (h, w), growing with distance, 0 beside the object."""

    camera: Camera
    depth: NDArray[np.float32]


class RefineListener(Protocol):
    """Who hears of a refinement, and may end it."""

    def stepped(self, done: int, total: int) -> None:
        """So many epochs are done."""

    def check(self) -> None:
        """Raise CancelledError when the refinement is to end."""


class Unheard:
    """Hears of a refinement and lets it run."""

    def stepped(self, done: int, total: int) -> None:
        pass

    def check(self) -> None:
        pass


def refined(
    splats: Splats,
    picture: NDArray[np.float32],
    camera: Camera,
    views: Sequence[DepthView],
    settings: RefineSettings,
    *,
    engine: EngineName = "taichi",
    behind: float = 1.0,
    kept: FrameCache | None = None,
    listener: RefineListener | None = None,
) -> Splats:
    """Return splats whose view by `camera` is nearer to `picture` (h, w, 3), sRGB.

    The picture shows the object before an even background of the brightness `behind`, linear.
    `views` are those that the hard-depth loss looks at, the picture's own among them. `kept` holds
    what an ended refinement had done, and it goes on there. The same arguments give the same splats
    on the processor, ended or not. Raises what `listener.check` raises.
    """
    listener = Unheard() if listener is None else listener
    begun = None if kept is None else kept.newest_checkpoint()
    free, first = FreeSplats(splats, settings, engine), 0
    rng = np.random.default_rng(settings.seed)
    if begun is not None:
        first = begun[0]
        free.restore(begun[1])
        rng.bit_generator.state = json.loads(begun[1]["chance"].tobytes())
    target = torch.from_numpy(np.ascontiguousarray(picture)).to(free.device)
    known = [torch.from_numpy(np.ascontiguousarray(v.depth)).to(free.device) for v in views]
    saved = time.monotonic()
    for epoch in range(first, settings.epochs):
        try:
            listener.check()
        except CancelledError:
            _save(kept, epoch, free, rng)
            raise
        free.slow_down(settings.slower if epoch >= settings.slower_from else 1.0)
        looks = settings.looks_at_depth(epoch, len(views))
        if settings.hard is not None and looks:
            total = torch.zeros((), device=free.device)
            for k in looks:
                found = hard_depth(
                    free.mean, free.axes(), views[k].camera, settings.hard.opacity, engine=engine
                )
                total = total + hard_depth_loss(found, known[k], settings.hard, rng)
            free.learn_depth(total)
        shown = free.seen_by(camera)
        before: Tensor = encoded(shown.color + (1 - shown.alpha[..., None]) * behind)
        free.learn_color(color_loss(before, target, structure=settings.structure))
        listener.stepped(epoch + 1, settings.epochs)
        if time.monotonic() - saved > SAVE_SECONDS:
            _save(kept, epoch + 1, free, rng)
            saved = time.monotonic()
    return free.splats()


def _save(kept: FrameCache | None, epoch: int, free: FreeSplats, rng: np.random.Generator) -> None:
    if kept is not None:
        chance = np.frombuffer(json.dumps(rng.bit_generator.state).encode(), np.uint8)
        kept.write_checkpoint(epoch, free.arrays() | {"chance": chance})
