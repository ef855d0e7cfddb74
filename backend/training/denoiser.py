"""Training of the denoiser: UNet and text encoder learn together to tell latents from noise.

Velocity prediction (Salimans and Ho 2022, arXiv 2202.00512, appendix D): v = alpha noise - sigma
clean, all timesteps alike. A network that predicts noise must be right to a hundredth before its
picture at high noise is one; trained for hours rather than days it never is, and samples are
patches. Captions are left out at times for classifier-free guidance (Ho and Salimans 2022, arXiv
2207.12598).
"""

from collections.abc import Callable, Sequence

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from transformers import CLIPTextModel, CLIPTokenizer

from .architecture import TOKENS, make_scheduler, make_text_encoder, make_unet
from .captions import drop_some
from .latent_store import LatentStore
from .loop import LoopSettings, TrainingLoop
from .run_state import RunState

IN_PARTS, PART = 0.15, 8
"""Share of the first leg in which batches are of parts of pictures, of so many cells a side: what
noise is, and how neighbours hang together, is learnt from them in half the time."""


class Denoiser(torch.nn.Module):
    """UNet and text encoder as one network of noisy latents, timesteps and tokens."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet: UNet2DConditionModel = begin_faint(make_unet())
        self.text_encoder: CLIPTextModel = make_text_encoder(tokenizer)

    def forward(
        self, latents: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor
    ) -> torch.Tensor:
        """Return the predicted velocity (B, 4, h, w)."""
        text = self.text_encoder(tokens).last_hidden_state
        velocity: torch.Tensor = self.unet(latents, timesteps, text).sample
        return velocity


@torch.no_grad()
def begin_faint(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Let every residual branch, and the whole, give nothing at first (Ho et al. 2020, their code).

    What the branches of the usual start add to each other is noise, which takes thousands of steps
    to be unlearnt.
    """
    last = [layer.conv2 for layer in unet.modules() if isinstance(layer, ResnetBlock2D)]
    last += [layer.proj_out for layer in unet.modules() if isinstance(layer, Transformer2DModel)]
    for layer in (*last, unet.conv_out):
        for parameter in layer.parameters():
            parameter.zero_()
    return unet


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
    if device == "cpu":  # a tenth faster there than torch's fused attention, which is made for GPUs
        denoiser.unet.set_attn_processor(AttnProcessor())

    def losses(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        begins = loop.place.leg == 0 and loop.progress() < IN_PARTS
        clean, captions = latents.batch(generator, part=PART if begins else None)
        tokens = tokens_of(tokenizer, drop_some(captions, generator))
        noise = torch.randn(clean.shape, generator=generator)
        timesteps = torch.randint(1000, (len(clean),), generator=generator)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
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
