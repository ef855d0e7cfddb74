"""One guided noise prediction: the model's own, turned against the gradient of an energy.

Source: Motion Guidance, Geng and Owens, ICLR 2024, arXiv 2401.18085, algorithm 1:
e' = e + w s sqrt(1 - ab) dE/dz, of the energy of the decoded one-step estimate of the clean latent.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch

from ..contract.errors import MemoryShortError, ModelError
from ..contract.methods import MotionGuidance
from .guidance_energy import DivergedError, Energy, GuidanceEnergy
from .models import DiffusionModel, Text
from .sampling import Grid, estimate, guided_noise

PAPER_LATENT = 4 * 64 * 64
"Numbers of the latents that the paper's weight and clip were tuned on: 512 x 512 px."
EXPLODED = 10.0
"Root mean square, in units of a latent's (about 1), beyond which an estimate tells nothing."

Decode = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Guided:
    """The noise to step with, and what the guidance was; `terms` is None where it was skipped."""

    epsilon: torch.Tensor
    terms: tuple[float, float, float] | None
    "Energy, its flow term in px, its colour term."
    norm: float
    "Of sqrt(1 - ab) g before clipping, at the paper's size."


class GuidanceStep:
    """Predicts guided noise for one edit.

    Weight and clip hold for the paper's latents. The energy is a mean, so with N numbers in a
    latent its gradient at each falls as 1 / N: the weight is scaled by N / N_paper, the clip, a
    norm, by its root, and each number is pushed alike at every size.

    When memory ends, inner values are computed again instead of kept (`low_memory`, from then on);
    when it ends again, MemoryShortError is raised.
    """

    def __init__(
        self,
        model: DiffusionModel,
        settings: MotionGuidance,
        energy: GuidanceEnergy,
        decode: Decode,
        source_latent: torch.Tensor,
    ) -> None:
        self.model = model
        self.settings = settings
        self.energy = energy
        self.decode = decode
        self.low_memory = False
        self._text: Text = model.embed([settings.prompt])
        self._negative: Text = model.embed([settings.negative_prompt])
        self._size = source_latent.numel() / PAPER_LATENT
        self._largest = EXPLODED * max(float(source_latent.square().mean().sqrt()), 1.0)
        if settings.low_memory:
            self._recompute()

    def __call__(self, grid: Grid, i: int, z: torch.Tensor, factor: float) -> Guided:
        """Return the guided noise of z (1, C, h, w) at step i; `factor` is the schedule's."""
        if factor * self.settings.weight == 0.0:
            with torch.no_grad():
                return Guided(self._noise(z, grid.timesteps[i]), None, 0.0)
        try:
            return self._guided(grid, i, z, factor)
        except (MemoryError, RuntimeError) as err:
            if not is_memory_short(err):
                raise
            if self.low_memory:
                raise _memory_short() from err
        self._recompute()
        return self(grid, i, z, factor)

    def _guided(self, grid: Grid, i: int, z: torch.Tensor, factor: float) -> Guided:
        t = grid.timesteps[i]
        noisy = sqrt(1 - grid.alpha(t))
        entering = z.detach().requires_grad_()
        with torch.enable_grad():
            epsilon = self._noise(entering, t)
            clean = estimate(grid, t, entering, epsilon)
            if not torch.isfinite(epsilon).all():
                raise ModelError(
                    f"Expected finite numbers from {self.model.name} at timestep {t}, got others.",
                    "Choose 32 bit precision, less weight, or another model.",
                )
            if float(clean.detach().square().mean().sqrt()) > self._largest:
                return Guided(epsilon.detach(), None, 0.0)
            try:
                energy = self.energy(self.decode(clean))
            except DivergedError:
                return Guided(epsilon.detach(), None, 0.0)
            (gradient,) = torch.autograd.grad(energy.total, entering)
        return self._applied(epsilon.detach(), energy, noisy, gradient, factor)

    def _applied(
        self,
        epsilon: torch.Tensor,
        energy: Energy,
        noisy: float,
        gradient: torch.Tensor,
        factor: float,
    ) -> Guided:
        # The paper's authors doubt this root, and tuned all else with it.
        push = noisy * self.settings.weight * factor * self._size * gradient
        norm = float(push.norm()) / sqrt(self._size)
        terms = [float(term.detach()) for term in (energy.total, energy.flow, energy.color)]
        if not (math.isfinite(norm) and all(map(math.isfinite, terms))):
            return Guided(epsilon, None, norm)
        clip = self.settings.clip
        if 0 < clip < norm:
            push = push * (clip / norm)
        return Guided(epsilon + push, (terms[0], terms[1], terms[2]), norm)

    def _noise(self, z: torch.Tensor, t: int) -> torch.Tensor:
        """Return epsilon by classifier-free guidance, differentiable as `gradient` says."""
        model, text, negative = self.model, self._text, self._negative
        scale, way = self.settings.guidance, self.settings.gradient
        if way == "full" or not z.requires_grad:
            return guided_noise(model, z, t, text, negative, scale)
        with torch.no_grad():
            if way == "estimate":
                return guided_noise(model, z, t, text, negative, scale)
            without = model.predict(z, t, negative) if scale != 1.0 else None
        with_text = model.predict(z, t, text)
        return with_text if without is None else without + scale * (with_text - without)

    def _recompute(self) -> None:
        """Compute inner values of all networks again for the gradient, from now on."""
        self.low_memory = True
        self.model.unet.enable_gradient_checkpointing()
        self.model.vae.enable_gradient_checkpointing()
        self.energy.low_memory = True


def resample(schedule: tuple[float, ...], steps: int, kept: int) -> list[float]:
    """Return a factor for each of the last `kept` of `steps` steps, of the whole schedule.

    It is stretched over all steps, noisiest first, however many; never is its head taken alone.
    """
    last = len(schedule) - 1
    factors = []
    for i in range(steps - kept, steps):
        place = last * i / max(steps - 1, 1)
        low = min(int(place), last)
        high = min(low + 1, last)
        factors.append(schedule[low] + (place - low) * (schedule[high] - schedule[low]))
    return factors


def is_memory_short(err: Exception) -> bool:
    """Tell an allocation that failed; torch has a class for it on GPUs alone."""
    text = str(err)
    return isinstance(err, MemoryError | torch.OutOfMemoryError) or (
        "not enough memory" in text or "out of memory" in text
    )


def _memory_short() -> MemoryShortError:
    return MemoryShortError(
        "Expected memory for the gradient of the guidance, got none left, though inner values are "
        "computed twice instead of kept.",
        "Make the film smaller, or choose the gradient of the estimate and the small decoder.",
    )
