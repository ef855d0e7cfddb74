"""Motion Guidance: a picture edited until the flow from source to edit is the wanted one.

Source: Geng and Owens, ICLR 2024, arXiv 2401.18085, algorithm 1 with the constants of its
supplement as defaults. Own choices are named where they are made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract.arrays import require_finite
from ..contract.errors import MemoryShortError, ShotError
from ..contract.methods import MotionGuidance as Settings
from .detail import add_detail
from .edit_masks import (
    Mask,
    editable_area,
    grow,
    latent_mask,
    moving_pixels,
    occlusion_mask,
    require_editable,
    share_of_edit,
)
from .flow_network import FlowNetwork
from .guidance_energy import GuidanceEnergy
from .guidance_step import GuidanceStep, resample
from .hard_warp import hard_warp
from .models import DiffusionModel, crop, pad_to_factor, to_image, to_tensor
from .sampling import Grid, add_noise, ddim_step, invert
from .small_decoder import fit_small_decoder
from .source_latents import invert_source

Image = NDArray[np.uint8]
State = Mapping[str, NDArray[Any]]
START = 1_000_000
"In place of a step's number: the noise that an edit starts with."
MASK = 2**64 - 1
"Of seeds, which may be negative."


@dataclass(frozen=True)
class Task:
    """What an edit is to do, checked: all (H, W) of the film, on the source's pixels."""

    source: Image
    flow: NDArray[np.float32]
    "(H, W, 2) px, forward."
    moving: Mask
    visible: Mask | None
    editable: Mask


@dataclass
class Log:
    """What happened in the last call of `edit`, one entry for each recursion."""

    energies: list[tuple[float, float, float]] = field(default_factory=list)
    "Energy, flow term in px, colour term."
    norms: list[float] = field(default_factory=list)
    skipped: int = 0
    "Recursions without guidance: the estimate had left every bound."
    low_memory: bool = False


class MotionGuidance:
    """Edits pictures of one size with one model; `log` tells of the last edit.

    `size` is (W, H); `check` is called before every network and may raise to end the edit;
    `progress` is told steps done and all steps, the inversion of the source included.
    """

    def __init__(
        self,
        model: DiffusionModel,
        flow_network: FlowNetwork,
        settings: Settings,
        size: tuple[int, int],
        seed: int,
        check: Callable[[], None],
        progress: Callable[[int, int], None],
    ) -> None:
        if model.precision.offload and settings.gradient != "estimate":
            raise MemoryShortError(
                f"Expected memory for all of {model.name} at once, which its gradient needs.",
                "Make the film smaller, or choose the gradient of the estimate.",
            )
        self.model = model
        self.flow_network = flow_network
        self.settings = settings
        self.size = size
        self.seed = seed
        self.check = check
        self.progress = progress
        self._text = model.embed([settings.prompt])
        share = settings.hard_warp_start
        try:
            self.grid = Grid(
                model.alphas_cumprod, settings.steps, None if share is None else 1000 * share
            )
        except ValueError as err:
            raise ShotError(
                "Motion Guidance", f"{err}.", "Take more steps, or start from more noise."
            ) from err
        self.log = Log()

    def edit(
        self,
        source: Image,
        flow: NDArray[Any],
        *,
        editable: Mask | None = None,
        moving: Mask | None = None,
        visible: Mask | None = None,
        state: State | None = None,
        on_state: Callable[[dict[str, NDArray[Any]]], None] | None = None,
    ) -> Image:
        """Return `source` u1 (H, W, 3) edited so that each of its pixels goes along `flow`.

        `flow` (H, W, 2) px forward. What may change is `editable` (H, W), grown by the settings'
        dilation; where absent, where `moving` things (H, W; all that has a flow where absent) are
        and land. `visible` (H, W) is the renderer's word on what stays in sight. Pixels that may
        not change are the source's own, to the byte; the seam lies in the margin that the area was
        grown by (at most one latent cell of it), since what is decoded differs from the source
        everywhere by what the autoencoder loses.

        `on_state` is given, after every step, what continues the edit to the same bytes as
        `state`. Of the state of another edit of this source, prompt and step count, "source" alone
        saves the inversion. Raises ShotError, MemoryShortError, ModelError, and what `check` does.
        """
        self.log = Log()
        task = self._task(source, flow, editable, moving, visible)
        if task is None:
            return source.copy()
        known = dict(state or {})
        z0 = self._encode(source)
        latents = self._source_latents(z0, known.get("source"))
        step = self._step(task, z0)
        if "z" in known:
            z, first = torch.from_numpy(known["z"].copy()), int(known["step"])
        else:
            z, first = self._start(task, latents), 0
        z = self._sample(z.to(z0.device), first, step, task, latents, on_state)
        return self._finish(task, z)

    def _task(
        self,
        source: Image,
        flow: NDArray[Any],
        editable: Mask | None,
        moving: Mask | None,
        visible: Mask | None,
    ) -> Task | None:
        """Check what came, and find what may change; None where nothing moves."""
        width, height = self.size
        expected = {
            "source picture": (source, (height, width, 3)),
            "motion": (flow, (height, width, 2)),
            "editable area": (editable, (height, width)),
            "moving mask": (moving, (height, width)),
            "visibility": (visible, (height, width)),
        }
        for name, (array, shape) in expected.items():
            if array is not None and array.shape != shape:
                raise ShotError(
                    f"Motion Guidance: {name}",
                    f"expected {shape}, got {array.shape}.",
                    "Give it in the size of the film.",
                )
        require_finite("Motion Guidance: motion", np.asarray(flow), "Leave out what has no motion.")
        flow = np.asarray(flow, np.float32)
        moves = moving_pixels(flow) if moving is None else moving.astype(np.bool_)
        if not (moves.any() or (editable is not None and editable.any())):
            return None
        if editable is None:
            area = editable_area(flow, moves, dilation=self.settings.dilation)
        else:
            require_editable(editable)
            area = grow(editable.astype(np.bool_), self.settings.dilation)
        return Task(source, flow, moves, visible, area)

    def _encode(self, image: Image) -> torch.Tensor:
        self.check()
        with torch.no_grad():
            return self.model.encode(self._padded(image))

    def _padded(self, image: Image) -> torch.Tensor:
        return pad_to_factor(to_tensor(image), self.model.vae_factor)

    @property
    def _steps(self) -> int:
        return 2 * len(self.grid)

    def _source_latents(self, z0: torch.Tensor, known: NDArray[Any] | None) -> torch.Tensor:
        """Return (n + 1, C, h, w), noisiest first, those of an earlier edit where they fit."""
        if known is not None and known.shape == (len(self.grid) + 1, *z0.shape[1:]):
            return torch.from_numpy(known.copy())

        def on_step(j: int) -> None:
            self.check()
            self.progress(j, self._steps)

        return invert_source(self.model, self.grid, z0, self._text, on_step)

    def _step(self, task: Task, z0: torch.Tensor) -> GuidanceStep:
        device = self.model.precision.device
        terms = self.settings.terms
        if terms.occlusion_mask:
            seen = occlusion_mask(task.flow, task.moving, task.visible)
        else:
            seen = np.ones(task.moving.shape, np.bool_)
        decode, source = self.model.decode, to_tensor(task.source).to(device)
        if self.settings.decoder == "tiny":
            # Both pictures as it shows them: what it loses is then no difference of theirs.
            small = fit_small_decoder(self.model, self._padded(task.source))
            decode, source = small.__call__, crop(small(z0), self.size)
        energy = GuidanceEnergy(
            self.flow_network,
            terms,
            source,
            torch.from_numpy(task.flow).permute(2, 0, 1)[None].to(device),
            torch.from_numpy(seen).float()[None, None].to(device),
        )
        return GuidanceStep(
            self.model, self.settings, energy, lambda z: crop(decode(z), self.size), z0
        )

    def _start(self, task: Task, latents: torch.Tensor) -> torch.Tensor:
        """Return the first noisy latent: the source's own noise, or the moved picture's.

        The noise that a picture comes from keeps what it shows, as the paper's start from the
        generating noise does. What lies in a hole of the moved picture gets new noise, to become
        something else.
        """
        if self.settings.hard_warp_start is None:
            return latents[:1]
        warped = hard_warp(task.source, task.flow, task.moving, task.visible)
        moved = self._encode(warped.image)
        own = invert(self.model, self.grid, moved, self._text, on_step=lambda step: self.check())
        new = add_noise(self.grid, self.grid.timesteps[0], moved, self._noise(START, 0, moved))
        hole = torch.from_numpy(latent_mask(warped.hole, self.model.vae_factor, least=0.5))
        return torch.where(hole.to(own.device), new, own)

    def _sample(
        self,
        z: torch.Tensor,
        first: int,
        step: GuidanceStep,
        task: Task,
        latents: torch.Tensor,
        on_state: Callable[[dict[str, NDArray[Any]]], None] | None,
    ) -> torch.Tensor:
        """Run the sampler from step `first`; return the clean latent, frozen cells the source's."""
        grid, settings = self.grid, self.settings
        factors = resample(settings.schedule, settings.steps, len(grid))
        cells = latent_mask(task.editable, self.model.vae_factor)
        free = torch.from_numpy(cells if settings.edit_mask else np.ones_like(cells)).to(z.device)
        for i in range(first, len(grid)):
            here, there = grid.alpha(grid.timesteps[i]), grid.alpha(grid.next(i))
            kept = latents[i : i + 1].to(z.device)
            for recursion in range(settings.recursions):
                self.check()
                z = torch.where(free, z, kept)
                guided = step(grid, i, z, factors[i])
                self._note(guided.terms, guided.norm, step.low_memory)
                reached = ddim_step(grid, i, z, guided.epsilon)
                if recursion + 1 < settings.recursions:
                    noise = self._noise(i, recursion, z)
                    z = sqrt(here / there) * reached + sqrt(1 - here / there) * noise
                else:
                    z = reached
            self.progress(len(grid) + i + 1, self._steps)
            if on_state is not None:
                on_state({"source": latents.numpy(), "z": z.cpu().numpy(), "step": np.array(i + 1)})
        return torch.where(free, z, latents[-1:].to(z.device))

    def _note(self, terms: tuple[float, float, float] | None, norm: float, low: bool) -> None:
        self.log.low_memory = low
        if terms is None:
            self.log.skipped += 1
        else:
            self.log.energies.append(terms)
            self.log.norms.append(norm)

    def _noise(self, step: int, recursion: int, like: torch.Tensor) -> torch.Tensor:
        """Return noise that depends on seed, step and recursion alone, the same on every device."""
        words = np.random.SeedSequence([self.seed & MASK, step, recursion]).generate_state(2)
        generator = torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))
        return torch.randn(like.shape, generator=generator).to(like.device)

    def _decode(self, z: torch.Tensor) -> Image:
        self.check()
        with torch.no_grad():
            return to_image(crop(self.model.decode(z), self.size))

    def _finish(self, task: Task, z: torch.Tensor) -> Image:
        decoded: NDArray[Any] = self._decode(z)
        if self.settings.carry_detail:
            moved = hard_warp(task.source, task.flow, task.moving, task.visible).image
            there, everywhere = self._decode(self._encode(moved)), np.ones_like(task.moving)
            decoded = add_detail(decoded, moved, there, everywhere).clip(0, 255)
        if not self.settings.edit_mask:
            return _rounded(decoded)
        feather = min(self.settings.dilation, self.model.vae_factor)
        share = share_of_edit(task.editable, feather)[..., None]
        mixed = share * decoded + (1 - share) * task.source
        return _rounded(mixed)


def _rounded(picture: NDArray[Any]) -> Image:
    whole: Image = np.rint(picture).astype(np.uint8)
    return whole
