"""Deterministic and noisy DDIM over part of the grid of timesteps, its inversion, and LCM steps.

Sources: DDIM, Song et al., arXiv 2010.02502, eq. 12 and 16; MotionCraft, arXiv 2405.13557, for the
partial grid below tau and eta that differs from pixel to pixel; latent consistency models, Luo et
al., arXiv 2310.04378.
"""

from collections.abc import Callable
from hashlib import sha256
from math import sqrt

import torch

from .models import DiffusionModel, Text

TRAINING_STEPS = 1000
OFFSET = 1
"Stable Diffusion's steps_offset."
SIGMA_DATA = 0.5
TIMESTEP_SCALING = 10.0
"The boundary conditions of consistency models: c_skip and c_out."


class Grid:
    """The timesteps of a sampler of `steps` steps, and the part of them up to tau.

    Leading spacing with offset 1: 200 steps go through 996, 991, ..., 1; tau 400 leaves the last
    80 of them, 396 to 1. Raises ValueError when no step would be left.
    """

    def __init__(self, alphas_cumprod: torch.Tensor, steps: int, tau: float | None = None) -> None:
        count = len(alphas_cumprod)
        if not 1 <= steps <= count:
            raise ValueError(f"expected 1 to {count} steps, got {steps}")
        stride = count // steps
        whole = [t for t in range(OFFSET, steps * stride + OFFSET, stride) if t < count]
        kept = len(whole) if tau is None else min(len(whole), round(tau * steps / count))
        if kept < 1:
            raise ValueError(f"{steps} steps leave none up to tau {tau:g}")
        self.steps = steps
        self.timesteps = tuple(reversed(whole[:kept]))
        self._alphas = [float(a) for a in alphas_cumprod]

    def __len__(self) -> int:
        return len(self.timesteps)

    def alpha(self, t: int) -> float:
        """Return alpha-bar at timestep t, the first one before the start (set_alpha_to_one off)."""
        return self._alphas[max(t, 0)]

    def next(self, i: int) -> int:
        """Return the timestep after step i, -1 after the last."""
        return self.timesteps[i + 1] if i + 1 < len(self) else -1


def estimate(grid: Grid, t: int, z: torch.Tensor, epsilon: torch.Tensor) -> torch.Tensor:
    """Return the clean latent that a noisy one and its noise at timestep t make."""
    alpha = grid.alpha(t)
    return (z - sqrt(1 - alpha) * epsilon) / sqrt(alpha)


def add_noise(grid: Grid, t: int, z0: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return a clean latent with noise as of timestep t."""
    alpha = grid.alpha(t)
    return sqrt(alpha) * z0 + sqrt(1 - alpha) * noise


def noise_in(grid: Grid, t: int, z: torch.Tensor, z0: torch.Tensor) -> torch.Tensor:
    """Return the noise that `add_noise` would have made a noisy latent at timestep t of."""
    alpha = grid.alpha(t)
    return (z - sqrt(alpha) * z0) / sqrt(1 - alpha)


def ddim_step(
    grid: Grid,
    i: int,
    z: torch.Tensor,
    epsilon: torch.Tensor,
    *,
    eta: float | torch.Tensor = 0.0,
    noise: torch.Tensor | None = None,
) -> torch.Tensor:
    """Go from timestep i of the grid to the next.

    `eta` is a number or a map (1, 1, h, w): 0 is DDIM, 1 the ancestral step of DDPM. With t the
    timestep and s the next, sigma = eta sqrt((1 - ab_s) / (1 - ab_t) (1 - ab_t / ab_s)) and
    z_s = sqrt(ab_s) x0 + sqrt(1 - ab_s - sigma^2) epsilon + sigma noise.
    """
    t, s = grid.timesteps[i], grid.next(i)
    here, there = grid.alpha(t), grid.alpha(s)
    z0 = estimate(grid, t, z, epsilon)
    if noise is None:
        if not isinstance(eta, torch.Tensor) and eta == 0.0:
            return sqrt(there) * z0 + sqrt(1 - there) * epsilon
        raise ValueError("expected noise with eta")
    sigma = torch.as_tensor(eta, dtype=z.dtype, device=z.device) * (
        sqrt((1 - there) / (1 - here) * (1 - here / there))
    )
    direction = (1 - there - sigma**2).clamp_min(0.0).sqrt()
    return sqrt(there) * z0 + direction * epsilon + sigma * noise


def inversion_step(grid: Grid, j: int, z: torch.Tensor, epsilon: torch.Tensor) -> torch.Tensor:
    """Go step j of the inversion, from the timestep below to that of the grid, counted from clean.

    Epsilon is predicted at the timestep that is reached, of the latent that is left: step j goes to
    t = timesteps[-1 - j] from s, the one below, or the first alpha for j = 0.
    """
    i = len(grid) - 1 - j
    t, s = grid.timesteps[i], grid.next(i)
    z0 = estimate(grid, s, z, epsilon)
    return add_noise(grid, t, z0, epsilon)


def guided_noise(
    model: DiffusionModel,
    z: torch.Tensor,
    t: int,
    text: Text,
    negative: Text | None = None,
    guidance: float = 1.0,
) -> torch.Tensor:
    """Return epsilon by classifier-free guidance: n + g (c - n), in one batch; g = 1 is plain c.

    `text` and `negative` have one row, or one for each row of z.
    """
    if guidance == 1.0 or negative is None:
        return model.predict(z, t, text)
    rows = z.shape[0]
    both = join([spread(negative, rows), spread(text, rows)])
    without, with_text = model.predict(torch.cat([z, z]), t, both).chunk(2)
    return without + guidance * (with_text - without)


def spread(text: Text, rows: int) -> Text:
    """Return a text of `rows` rows: itself, or its one row repeated."""
    return text if len(text) == rows else text.rows(*[0] * rows)


def join(texts: list[Text]) -> Text:
    """Return the rows of several texts, in order."""
    pooled = [text.pooled for text in texts if text.pooled is not None]
    embeddings = torch.cat([text.embeddings for text in texts])
    return Text(embeddings, torch.cat(pooled) if pooled else None)


@torch.no_grad()
def denoise(
    model: DiffusionModel,
    grid: Grid,
    z: torch.Tensor,
    text: Text,
    *,
    guidance: float = 1.0,
    negative: Text | None = None,
    eta: float | torch.Tensor = 0.0,
    generator: torch.Generator | None = None,
    on_step: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Return the clean latent (B, C, h, w) of one that is noisy as of the grid's first timestep.

    `on_step` is told each step's number before it is made, and may raise to end it.
    """
    noisy = isinstance(eta, torch.Tensor) or eta > 0
    for i, t in enumerate(grid.timesteps):
        if on_step is not None:
            on_step(i)
        epsilon = guided_noise(model, z, t, text, negative, guidance)
        noise = draw(z, generator) if noisy else None
        z = ddim_step(grid, i, z, epsilon, eta=eta, noise=noise)
    return z


@torch.no_grad()
def invert(
    model: DiffusionModel,
    grid: Grid,
    z0: torch.Tensor,
    text: Text,
    *,
    rounds: int = 1,
    on_step: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Return the noisy latent that DDIM leads back from: the plain conditional prediction, undone.

    It ends exactly where `denoise` begins on the same grid. The noise is predicted of the latent
    that a step leaves, where sampling will predict it of the one that is reached; further `rounds`
    predict it there again, and so come nearer to what sampling undoes (fixed-point inversion, Pan
    et al., ICCV 2023, arXiv 2309.04907).
    """
    z = z0
    for j, t in enumerate(reversed(grid.timesteps)):
        if on_step is not None:
            on_step(j)
        reached = z
        for _ in range(rounds):
            reached = inversion_step(grid, j, z, model.predict(reached, t, text))
        z = reached
    return z


def named_noise(shape: tuple[int, ...], *name: int | str) -> torch.Tensor:
    """Return normal noise that depends on its shape and name alone, on the processor.

    Whatever was drawn before, and on whatever device: the same name gives the same numbers.
    """
    digest = sha256("/".join(map(str, name)).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    return torch.randn(shape, generator=generator)


def draw(like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Return normal noise of a tensor's shape, drawn where the generator is."""
    device = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, device=device).to(like.device)


@torch.no_grad()
def denoise_consistently(
    model: DiffusionModel,
    z: torch.Tensor,
    text: Text,
    *,
    steps: int = 4,
    original_steps: int = 50,
    guidance: float = 8.5,
    generator: torch.Generator | None = None,
    on_step: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Return the clean latent of pure noise in a few steps of a latent consistency model.

    The timesteps are `steps` of the `original_steps` that it was distilled on (Luo et al.,
    algorithm 3); between two steps the estimate is noised anew. Raises ValueError for a model
    that was not distilled so.
    """
    if not model.latent_consistency:
        raise ValueError(f"{model.name} is no latent consistency model")
    if not 1 <= steps <= original_steps <= TRAINING_STEPS:
        raise ValueError(f"expected 1 to {original_steps} steps, got {steps}")
    grid = Grid(model.alphas_cumprod, TRAINING_STEPS)
    stride = TRAINING_STEPS // original_steps
    taught = [stride * (k + 1) - 1 for k in range(original_steps)][::-1]
    chosen = [taught[k * original_steps // steps] for k in range(steps)]
    for i, t in enumerate(chosen):
        if on_step is not None:
            on_step(i)
        epsilon = model.predict(z, t, text, embedded_guidance=guidance)
        scaled = t * TIMESTEP_SCALING
        skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
        out = scaled / sqrt(scaled**2 + SIGMA_DATA**2)
        clean = out * estimate(grid, t, z, epsilon) + skip * z
        last = i + 1 == steps
        z = clean if last else add_noise(grid, chosen[i + 1], clean, draw(z, generator))
    return z
