"""A picture of a prompt, from noise: by DDIM, or in few steps where the model was distilled so."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from .models import DiffusionModel, crop, to_image
from .sampling import Grid, denoise, denoise_consistently, named_noise

TAUGHT_STEPS = 50
"Steps of the sampler that latent consistency models are distilled from."


@torch.no_grad()
def generate(
    model: DiffusionModel,
    prompt: str,
    negative_prompt: str,
    size: tuple[int, int],
    *,
    steps: int,
    guidance: float,
    seed: int,
    on_step: Callable[[int], None] | None = None,
) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3), sRGB, of `size` (width, height); the same seed gives the same.

    A latent consistency model takes the guidance in, and no negative prompt. `on_step` may raise.
    """
    rows, columns = (-(-side // model.vae_factor) for side in reversed(size))
    start = named_noise((1, model.latent_channels, rows, columns), seed, "start")
    start = start.to(model.precision.device)
    text = model.embed([prompt])
    if model.latent_consistency:
        z = denoise_consistently(
            model, start, text, steps=steps, original_steps=max(steps, TAUGHT_STEPS),
            guidance=guidance, generator=torch.Generator().manual_seed(seed), on_step=on_step,
        )  # fmt: skip
    else:
        grid = Grid(model.alphas_cumprod, steps)
        negative = model.embed([negative_prompt])
        z = denoise(model, grid, start, text, guidance=guidance, negative=negative, on_step=on_step)
    return to_image(crop(model.decode(z), size))
