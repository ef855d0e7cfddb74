"""Random models in the diffusers layout, as small as they come: for tests of what runs on them."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

SIZE = 32  # px: latents of 4 x 4
WIDTH = 16
TOKENS = 77


def write_model(folder: Path, *, kind: str = "sd1", seed: int = 0, **scheduler: Any) -> Path:
    """Write a model of a kind (sd1, sdxl) with random weights; `scheduler` changes its settings."""
    torch.manual_seed(seed)
    xl = kind == "sdxl"
    parts = {"vae": _vae(), "unet": _unet(xl), "text_encoder": _text_encoder(CLIPTextModel)}
    if xl:
        parts["text_encoder_2"] = _text_encoder(CLIPTextModelWithProjection)
    index: dict[str, Any] = {"_class_name": f"StableDiffusion{'XL' if xl else ''}Pipeline"}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "transformers" if name.startswith("text") else "diffusers"
        index[name] = [library, type(part).__name__]
    for name in ("tokenizer", "tokenizer_2") if xl else ("tokenizer",):
        _tokenizer().save_pretrained(folder / name)
        index[name] = ["transformers", "CLIPTokenizer"]
    settings = {
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False,
    }  # fmt: skip
    DDIMScheduler(**{**settings, **scheduler}).save_pretrained(folder / "scheduler")
    index["scheduler"] = ["diffusers", "DDIMScheduler"]
    if not xl:
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
        sample_size=SIZE,
        scaling_factor=0.5,
    )


def _unet(xl: bool) -> UNet2DConditionModel:
    more: dict[str, Any] = {}
    if xl:
        more = {
            "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
        }  # fmt: skip
    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        block_out_channels=(16, 32),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        attention_head_dim=(2, 4),
        cross_attention_dim=2 * WIDTH if xl else WIDTH,
        norm_num_groups=8,
        **more,
    )


def _text_encoder(cls: Any) -> Any:
    tokenizer = _tokenizer()
    return cls(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _tokenizer() -> CLIPTokenizer:
    """Return a tokenizer that knows bytes alone."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=TOKENS)
