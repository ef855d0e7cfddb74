"""Training of the denoiser: UNet and text encoder learn together to tell latents from noise.

Velocity prediction (Salimans and Ho 2022, arXiv 2202.00512, appendix D): v = alpha noise - sigma
clean, all timesteps alike. A network that predicts noise must be right to a hundredth before its
picture at high noise is one; trained for hours rather than days it never is, and samples are
patches. Captions are left out at times for classifier-free guidance (Ho and Salimans 2022, arXiv
2207.12598).
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextModel, CLIPTokenizer

from .architecture import TOKENS, make_scheduler, make_text_encoder, make_unet
from .captions import drop_some
from .latent_store import LatentStore
from .loop import LoopSettings, TrainingLoop
from .run_state import RunState


class Denoiser(torch.nn.Module):
    """UNet and text encoder as one network of noisy latents, timesteps and tokens."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet: UNet2DConditionModel = make_unet()
        self.text_encoder: CLIPTextModel = make_text_encoder(tokenizer)

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor
    ) -> torch.Tensor:
        """Return the predicted velocity (B, 4, h, w)."""
        text = self.text_encoder(tokens).last_hidden_state
        velocity: torch.Tensor = self.unet(latents, timesteps, text).sample
        return velocity


def train_denoiser(
    latents: LatentStore,
    state: RunState,
    settings: LoopSettings,
    *,
    tokenizer: CLIPTokenizer,
    device: str = "cpu",
    on_sheet: Callable[[Denoiser, int], None] = lambda denoiser, step: None,
) -> Denoiser:
    """Train one leg and return the averaged denoiser; goes on from `state` if there is one.

    Networks run in bfloat16 where that loses nothing, which is half again as fast on a CPU; weights
    and their averages are float32.
    """
    torch.manual_seed(settings.seed)
    denoiser = Denoiser(tokenizer)
    denoiser.train()
    loop = TrainingLoop(denoiser, state, settings, device=device)
    scheduler = make_scheduler()
    attention = partial(sdpa_kernel, SDPBackend.MATH) if device == "cpu" else nullcontext

    def losses(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        clean, captions = latents.batch(generator)
        tokens = tokens_of(tokenizer, drop_some(captions, generator))
        noise = torch.randn(clean.shape, generator=generator)
        timesteps = torch.randint(1000, (len(clean),), generator=generator)
        with torch.autocast(torch.device(device).type, torch.bfloat16), attention():
            error = velocity_error(denoiser, scheduler, (clean, noise, timesteps, tokens), device)
        return {"loss": error.mean()}

    loop.run(losses, lambda step: on_sheet(loop.averaged(), step))
    return loop.averaged()


def velocity_error(
    denoiser: Denoiser,
    scheduler: DDIMScheduler,
    batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
    device: str = "cpu",
) -> torch.Tensor:
    """Return the mean squared error (B,) of the velocity for (clean, noise, timesteps, tokens).

    Clean latents and noise are (B, 4, h, w), timesteps (B,), tokens (B, 77).
    """
    clean, noise, timesteps, tokens = (part.to(device) for part in batch)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    predicted = denoiser(noisy, timesteps, tokens)
    velocity = scheduler.get_velocity(clean, noise, timesteps)
    error: torch.Tensor = (predicted - velocity).square().mean((1, 2, 3))
    return error


def tokens_of(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    """Return token numbers (B, 77), padded as diffusers pads them."""
    made = tokenizer(
        list(captions),
        padding="max_length",
        truncation=True,
        max_length=TOKENS,
        return_tensors="pt",
    )
    tokens: torch.Tensor = made.input_ids
    return tokens
