"""Training of the autoencoder: pictures to latents of 1/8 of the size, and back.

The Gaussian autoencoder of Rombach et al. 2022 (arXiv 2112.10752, section 3.1) without its
adversary: colour and edges at three scales, a small pull of the posterior to the normal
distribution. In part of the batches latents and pictures are shifted, turned or mirrored alike
before decoding (equivariance regularisation, Kouzelis et al. 2025, arXiv 2502.09509), since motion
warps latents here.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from .loop import LoopSettings, TrainingLoop, generator_of
from .picture_store import PictureStore
from .run_state import RunState

CROP = 64  # px, the side of the squares that it learns on
BATCH = 8
FOREGROUND = 1.0  # how much more an object's pixel counts than the background's
EDGES = 0.5  # weight of the difference of gradients
SQUARES = 2.0  # weight of the squared difference, beside the absolute one's 1
NORMALITY = 2e-5  # weight of the divergence from the normal distribution
MOVED = 0.25  # share of the batches that are moved in latent space
START_VARIANCE = -5.0  # logarithm; latents begin as nearly certain
GUIDE = 0.5  # weight, at the start, of the latents' likeness to the shrunk picture
GUIDED_STEPS = 600  # in which that falls to nothing
GUIDE_SCALE = 2.0  # latents per unit of colour


def train_autoencoder(
    pictures: PictureStore,
    state: RunState,
    settings: LoopSettings,
    *,
    factor: int = 8,
    device: str = "cpu",
    vae: AutoencoderKL,
    decoder_alone: bool = False,
    on_sheet: Callable[[AutoencoderKL, int], None] = lambda vae, step: None,
) -> AutoencoderKL:
    """Train one leg and return the averaged autoencoder; goes on from `state` if there is one.

    With `decoder_alone` the latents of a picture stay as they are.
    """
    vae.to(memory_format=torch.channels_last)
    vae.train()
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(not decoder_alone)
    loop = TrainingLoop(vae, state, settings, device=device)
    if decoder_alone:  # what is in use is the average: from here on both are that
        kept = {k: t for k, t in loop.average.items() if k.startswith(("encoder.", "quant_conv."))}
        vae.load_state_dict(kept, strict=False)

    def losses(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        if step % 200 == 0:
            pictures.refresh()
        batch = pictures.crops(generator, count=BATCH, side=CROP).to(device)
        guide = GUIDE * max(0.0, 1 - step / GUIDED_STEPS)
        return autoencoder_losses(vae, batch, generator, factor=factor, guide=guide)

    loop.run(losses, lambda step: on_sheet(loop.averaged(), step))
    return loop.averaged()


@torch.no_grad()
def start_steadily(vae: AutoencoderKL) -> AutoencoderKL:
    """Let the picture's signal reach the latents and come back from the first step on.

    The usual start shrinks it at every layer until biases drown it, and colour is not learnt for
    thousands of steps: here a layer keeps the variance of what it gets, residual branches begin
    faint, and the posterior narrow.
    """
    for name, layer in vae.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            deviation = layer.weight[0].numel() ** -0.5
            torch.nn.init.normal_(layer.weight, 0, deviation)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
        if name.endswith("conv2"):
            layer.weight.mul_(0.1)
    channels = vae.config.latent_channels
    vae.quant_conv.bias[channels:] = START_VARIANCE
    vae.quant_conv.weight[channels:] *= 0.1
    return vae


def autoencoder_losses(
    vae: AutoencoderKL,
    batch: torch.Tensor,
    generator: torch.Generator,
    *,
    factor: int = 8,
    guide: float = 0.0,
) -> dict[str, torch.Tensor]:
    """Return the loss and its parts for crops (B, 4, h, w): colour, then foreground.

    `guide` weighs how far the first three latents are from the shrunk picture's colours.
    """
    batch = batch.contiguous(memory_format=torch.channels_last)
    with torch.autocast(batch.device.type, torch.bfloat16):
        posterior = vae.encode(batch[:, :3]).latent_dist
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    normality = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    noise = torch.randn(mean.shape, generator=generator).to(mean.device)
    latents = mean + (0.5 * logvar).exp() * noise
    shrunk = GUIDE_SCALE * F.avg_pool2d(batch[:, :3], factor)
    guided = (mean[:, :3] - shrunk).abs().mean()
    if torch.rand((), generator=generator) < MOVED:
        latents, batch = move_alike(latents, batch, generator, factor)
    with torch.autocast(batch.device.type, torch.bfloat16):
        decoded = vae.decode(latents).sample.float()
    wanted, weight = batch[:, :3], 1 + FOREGROUND * batch[:, 3:]
    weight = weight / weight.mean()
    difference = decoded - wanted
    absolute = (weight * difference.abs()).mean()
    squares = (weight * difference.square()).mean()
    edges = edge_difference(difference)
    loss = absolute + SQUARES * squares + EDGES * edges + NORMALITY * normality + guide * guided
    parts = {"absolute": absolute, "squares": squares, "edges": edges, "normality": normality}
    return {"loss": loss, **{name: value.detach() for name, value in parts.items()}}


def edge_difference(difference: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute gradient of a difference (B, C, h, w), over three scales."""
    total = difference.new_zeros(())
    for _ in range(3):
        total = total + difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()
        difference = F.avg_pool2d(difference, 2)
    return total / 3


def move_alike(
    latents: torch.Tensor, pictures: torch.Tensor, generator: torch.Generator, factor: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move latents and their pictures by the same random quarter turn, mirror and shift.

    The shift is below one latent cell; the rim that it brings in is cut off.
    """
    turns, flip, dx, dy = torch.rand(4, generator=generator).tolist()
    turned = [torch.rot90(t, int(4 * turns), (2, 3)) for t in (latents, pictures)]
    if flip < 0.5:
        turned = [t.flip(3) for t in turned]
    offset = (round(dx * factor) / factor, round(dy * factor) / factor)  # whole picture pixels
    across, down = round(offset[0] * factor), round(offset[1] * factor)
    height, width = turned[0].shape[2:]
    moved = _shifted(turned[0], *offset)
    cut = turned[1][
        :, :, down : down + (height - 1) * factor, across : across + (width - 1) * factor
    ]
    return moved, cut.contiguous(memory_format=torch.channels_last)


def _shifted(latents: torch.Tensor, dx: float, dy: float) -> torch.Tensor:
    """Read latents (B, C, h, w) bilinearly at (x + dx, y + dy), one row and column fewer."""
    rows = torch.lerp(latents[:, :, :-1], latents[:, :, 1:], dy)
    return torch.lerp(rows[:, :, :, :-1], rows[:, :, :, 1:], dx)


@torch.no_grad()
def round_trip(vae: AutoencoderKL, color: torch.Tensor) -> torch.Tensor:
    """Return colour (B, 3, h, w) in -1..1 after encoding (the mode) and decoding, clamped."""
    decoded: torch.Tensor = vae.decode(vae.encode(color).latent_dist.mode()).sample
    return decoded.float().clamp(-1, 1)


def signal_to_noise(decoded: torch.Tensor, color: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the PSNR [dB] of two pictures in -1..1 over a mask (B, 1, h, w) of 0 and 1."""
    error = ((decoded - color).square().mean(1, keepdim=True) * mask).sum() / mask.sum()
    return float(10 * torch.log10(4 / error.clamp_min(1e-12)))


@torch.no_grad()
def latent_deviation(vae: AutoencoderKL, pictures: PictureStore, *, count: int = 256) -> float:
    """Return the standard deviation of the latents, whose inverse is the scaling factor."""
    crops = pictures.crops(generator_of(0, 0, stream=7), count=count, side=128)[:, :3]
    device = next(vae.parameters()).device
    means = [vae.encode(part.to(device)).latent_dist.mode() for part in torch.split(crops, 16)]
    return float(torch.cat(means).float().std())
