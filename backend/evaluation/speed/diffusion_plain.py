"""What speed_diffusion.py compares with: the paper's loop in diffusers' parts; random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderKL,
    DDIMInverseScheduler,
    DDIMScheduler,
    UNet2DConditionModel,
)
from numpy.typing import NDArray
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ...contract.methods import MotionCraft as Settings
from ...diffusion.models import to_tensor
from ...diffusion.precision import Precision

FRAMES = 3
"First, previous, new: the rows of the paper's batch, in each guidance block."


class PlainLoop:
    """MotionCraft's frames of a still scene by diffusers' networks and schedulers alone."""

    def __init__(
        self, path: Path, precision: Precision, settings: Settings, size: tuple[int, int]
    ) -> None:
        self._device, self._dtype = precision.device, precision.dtype
        self._settings = settings
        self._unet = self._open(UNet2DConditionModel, path / "unet")
        self._vae = self._open(AutoencoderKL, path / "vae")
        self._texts = self._embed(path, [settings.prompt, settings.negative_prompt])
        self._plain = self._unet.attn_processors
        self._crossed = {
            name: _Crossed() if ".attn1." in name else processor
            for name, processor in self._plain.items()
        }
        read = {"local_files_only": True, "subfolder": "scheduler"}
        self._down = DDIMScheduler.from_pretrained(path, **read)
        self._up = DDIMInverseScheduler.from_config(self._down.config)
        count = round(settings.tau * settings.steps / 1000)
        for scheduler in (self._down, self._up):
            scheduler.set_timesteps(settings.steps)
        self._falling = self._down.timesteps[-count:]
        self._rising = self._up.timesteps[:count]

    def _open(self, cls: Any, path: Path) -> Any:
        network = cls.from_pretrained(path, torch_dtype=self._dtype, local_files_only=True)
        return network.to(self._device).requires_grad_(False)

    def _embed(self, path: Path, prompts: list[str]) -> torch.Tensor:
        tokenizer = CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)
        encoder = self._open(CLIPTextModel, path / "text_encoder")
        tokens = tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt")
        out: torch.Tensor = encoder(tokens.input_ids.to(self._device))[0]
        return out

    @torch.no_grad()
    def start(self, image: NDArray[np.uint8]) -> None:
        picture = to_tensor(image).to(self._device, self._dtype)
        posterior = self._vae.encode(picture).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(0))
        sample = posterior.mean.float() + posterior.std.float() * noise.to(self._device)
        self._clean = sample * self._vae.config.scaling_factor
        self._anchor = self._invert(self._clean)

    @torch.no_grad()
    def next(self) -> None:
        """Make the next frame; the decoded picture is let go."""
        previous = self._invert(self._clean)
        height, width = previous.shape[-2:]
        rows, columns = torch.meshgrid(
            torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
        )
        still = torch.stack([columns, rows], -1)[None].to(self._device)
        moved = F.grid_sample(
            previous, still, mode="nearest", padding_mode="reflection", align_corners=True
        )
        z = torch.cat([self._anchor, previous, moved])
        # The references' negative prompt is their prompt.
        without = torch.stack([self._texts[0], self._texts[0], self._texts[1]])
        wanted = self._texts[:1].repeat(FRAMES, 1, 1)
        self._unet.set_attn_processor(dict(self._crossed))
        for t in self._falling:
            one, other = self._noise(z, t, without), self._noise(z, t, wanted)
            epsilon = one + self._settings.guidance * (other - one)
            z = self._down.step(epsilon, t, z, return_dict=False)[0]
        self._unet.set_attn_processor(dict(self._plain))
        self._clean = z[2:]
        scaled = self._clean / self._vae.config.scaling_factor
        self._vae.decode(scaled.to(self._dtype))

    def latent(self) -> torch.Tensor:
        latent: torch.Tensor = self._clean.cpu()
        return latent

    def _invert(self, z: torch.Tensor) -> torch.Tensor:
        for t in self._rising:
            epsilon = self._noise(z, t, self._texts[:1])
            z = self._up.step(epsilon, t, z, return_dict=False)[0]
        return z

    def _noise(self, z: torch.Tensor, t: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        entering = z.to(self._dtype)
        out: torch.Tensor = self._unet(entering, t, text, return_dict=False)[0]
        return out.float()


class _Crossed:
    """The new frame's self-attention over first and previous frame, as the paper has it."""

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        query, key, value = (f(hidden_states) for f in (attn.to_q, attn.to_k, attn.to_v))
        first = [0, 1, 0]  # of first, previous and new frame
        second = [0, 1, 1]
        key = torch.cat([key[first], key[second]], dim=1)
        value = torch.cat([value[first], value[second]], dim=1)
        split = [x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
        out: torch.Tensor = attn.to_out[0](mixed)
        return out


def write_random_model(folder: Path, widths: tuple[int, ...]) -> Path:
    """Write a model in the make-up of Stable Diffusion 1.5, of these widths and random weights."""
    torch.manual_seed(0)
    whole = widths[0] >= 320
    text_width = 768 if whole else 128
    attention = ("CrossAttnDownBlock2D",) * (len(widths) - 1)
    back = ("CrossAttnUpBlock2D",) * (len(widths) - 1)
    unet = UNet2DConditionModel(
        sample_size=64,
        block_out_channels=widths,
        down_block_types=(*attention, "DownBlock2D"),
        up_block_types=("UpBlock2D", *back),
        layers_per_block=2 if whole else 1,
        attention_head_dim=8 if whole else 4,
        cross_attention_dim=text_width,
    )
    across = (128, 256, 512, 512) if whole else (32, 64, 96, 128)
    vae = AutoencoderKL(
        block_out_channels=across,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2 if whole else 1,
        scaling_factor=0.18215,
    )
    tokenizer = _bytes_tokenizer()
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=text_width,
            num_hidden_layers=12 if whole else 2,
            num_attention_heads=text_width // 64,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
        set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip
    parts = {"unet": unet, "vae": vae, "text_encoder": text, "tokenizer": tokenizer,
             "scheduler": scheduler}  # fmt: skip
    for name, part in parts.items():
        if isinstance(part, torch.nn.Module):
            part.half()
        part.save_pretrained(folder / name)
    index = {"_class_name": "StableDiffusionPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index), "utf-8")
    return folder


def _bytes_tokenizer() -> CLIPTokenizer:
    """Return a tokenizer that knows single bytes: prompts need not mean anything here."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)
