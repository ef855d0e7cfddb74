"""Where splats are added and taken away during a fit: clone, split, prune, and fade now and then.

Kerbl et al., 3D Gaussian Splatting, 2023, section 5.2, with the numbers of gsplat's default
strategy: a splat grows where the loss pulls its place on the screen, averaged over the views that
see it, by more than a threshold. What strays from the body's surface is pruned: splats are bound to
the body, and must not hang before it when it bends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ....kernels.mesh_distance import closest_point
from ...contract.arrays import Array
from ...splatting.gradients import Camera
from ..bodies.shape import Shape
from .splats import FitSplats

SHRINK = 1.6
"What the two halves of a split splat are smaller by."


@dataclass(frozen=True)
class DensitySettings:
    """When and what; steps, and sizes in extents of the body."""

    start: int = 300
    stop: int = 1500
    every: int = 100
    fade_every: int = 3000
    grow_gradient: float = 2e-4
    "Gradient of the loss for the place on the screen, which is 2 wide and 2 high."
    split_size: float = 0.01
    "Splats that are larger are split, others cloned."
    prune_opacity: float = 0.005
    prune_size: float = 0.1
    stray: float = 0.02
    most: int = 60_000
    "Splats in all: where more would grow, those that are pulled most do."


class Density:
    """What the views of the last steps said about each splat, and what follows from it."""

    def __init__(self, settings: DensitySettings, shape: Shape, extent: float) -> None:
        self._settings, self._shape, self._extent = settings, shape, extent
        self._pull = torch.zeros(0)
        self._seen = torch.zeros(0)

    def note(self, splats: FitSplats, camera: Camera) -> None:
        """Take in the gradients of one view, before the splats move."""
        mean = splats.parameters["mean"]
        if len(self._pull) != len(splats):
            self._pull = torch.zeros(len(splats), device=mean.device)
            self._seen = torch.zeros_like(self._pull)
        assert mean.grad is not None
        pull = screen_gradient(mean.detach(), mean.grad, camera)
        self._pull += pull
        self._seen += (mean.grad != 0).any(dim=1)

    def step(self, splats: FitSplats, step: int, generator: torch.Generator) -> None:
        """Grow and prune where it is time to, after `step` steps."""
        s = self._settings
        if step >= s.stop:
            return
        if step > s.start and step % s.every == 0:
            self._grow(splats, generator)
            self._prune(splats, large=step > s.fade_every)
            self._pull = torch.zeros(0)
        if step > 0 and step % s.fade_every == 0:
            splats.fade(2 * s.prune_opacity)

    def arrays(self) -> dict[str, Array]:
        return {"pull": self._pull.cpu().numpy(), "seen": self._seen.cpu().numpy()}

    def restore(self, arrays: Mapping[str, Array], device: str) -> None:
        self._pull, self._seen = (
            torch.from_numpy(np.array(arrays[name])).to(device) for name in ("pull", "seen")
        )

    def _grow(self, splats: FitSplats, generator: torch.Generator) -> None:
        s = self._settings
        pull = self._pull / self._seen.clamp(min=1)
        wanted = pull > s.grow_gradient
        room = max(s.most - len(splats), 0)
        if int(wanted.sum()) > room:
            wanted = torch.zeros_like(wanted)
            wanted[pull.argsort(descending=True, stable=True)[:room]] = True
        small = splats.scale().detach()[:, 0:2].amax(dim=1) <= s.split_size * self._extent
        cloned, split = torch.where(wanted & small)[0], torch.where(wanted & ~small)[0]
        found = splats.parameters
        halves = _halves(splats, split, generator)
        fresh = {name: torch.cat([found[name][cloned], halves[name]]) for name in found}
        kept = torch.ones_like(wanted)
        kept[split] = False
        splats.rebuild(torch.where(kept)[0], fresh)

    def _prune(self, splats: FitSplats, *, large: bool) -> None:
        s, extent = self._settings, self._extent
        size = splats.scale().detach().amax(dim=1)
        gone = splats.opacity().detach() < s.prune_opacity
        if large:
            gone |= size > s.prune_size * extent
        mean = np.ascontiguousarray(splats.parameters["mean"].detach().cpu().numpy(), np.float32)
        away = closest_point(mean, self._shape.vertices, self._shape.triangles)[2]
        gone |= torch.from_numpy(away).to(size.device) > s.stray * extent
        kept = torch.where(~gone)[0]
        if len(kept):  # of a fit that nothing is left of, all is kept: it shows what went wrong
            splats.rebuild(kept, {k: p[:0] for k, p in splats.parameters.items()})


def screen_gradient(mean: Tensor, gradient: Tensor, camera: Camera) -> Tensor:
    """Return the length (n,) of the gradient for a splat's place on a screen 2 wide and 2 high.

    From that for its mean (n, 3) [1/m]: moved along the picture's plane by z/f metres, a splat
    moves by one pixel.
    """
    pose, lens = camera.camera_to_world.to(mean), camera.intrinsics.to(mean)
    depth = ((mean - pose[:3, 3]) @ pose[:3, 2]).clamp(min=camera.near)
    across = (gradient @ pose[:3, :2]) * depth[:, None] / lens[:2]
    half = torch.tensor([camera.width / 2, camera.height / 2]).to(mean)
    length: Tensor = (across * half).norm(dim=1)
    return length


def _halves(splats: FitSplats, split: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Return two smaller splats for each of `split`, drawn from its own Gaussian."""
    twice = split.repeat(2)
    found = {name: tensor.detach()[twice].clone() for name, tensor in splats.parameters.items()}
    drawn = torch.randn(len(twice), 2, generator=generator).to(found["mean"])
    plane = splats.axes().detach()[twice][:, :, :2]
    found["mean"] += (plane @ drawn[:, :, None])[:, :, 0]
    found["spread"] -= float(np.log(SHRINK))
    return found
