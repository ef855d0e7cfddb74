"""Write a trained model as a folder in the diffusers layout, whole or not at all."""

import copy
import json
import shutil
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from .architecture import make_scheduler

PARTS = ("vae", "unet", "text_encoder", "tokenizer", "scheduler")
INDEX = "model_index.json"
Network = TypeVar("Network", bound=torch.nn.Module)


def write_pipeline(
    folder: Path,
    *,
    vae: AutoencoderKL,
    unet: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write the parts to `folder`, which StableDiffusionPipeline.from_pretrained then opens.

    What else is in `folder` (a card, say) stays. The networks given are left as they are.
    """
    fresh = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline = StableDiffusionPipeline(
        vae=_copied(vae, dtype),
        unet=_copied(unet, dtype),
        text_encoder=_copied(text_encoder, dtype),
        tokenizer=tokenizer,
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(fresh, safe_serialization=True)
    _write_vocabulary(fresh / "tokenizer", tokenizer)
    for config in fresh.rglob("*.json"):
        _forget_origin(config)
    for weights in fresh.rglob("*.safetensors"):
        weights.chmod(0o644)  # they are written for their owner's eyes alone
    _open_in_float32(fresh / "text_encoder" / "config.json")
    _move_in(fresh, folder)


def _copied(network: Network, dtype: torch.dtype) -> Network:
    return copy.deepcopy(network).to(dtype)


def _write_vocabulary(folder: Path, tokenizer: CLIPTokenizer) -> None:
    """Write CLIP's own two files as well, which earlier releases of transformers read."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")


def _forget_origin(config: Path) -> None:
    """Take out the path that a part was loaded from: it means nothing elsewhere."""
    value = json.loads(config.read_text("utf-8"))
    if isinstance(value, dict) and value.pop("_name_or_path", None) is not None:
        config.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _open_in_float32(config: Path) -> None:
    """Let transformers open its part as diffusers opens the others, whatever the file stores."""
    value = json.loads(config.read_text("utf-8"))
    value.pop("torch_dtype", None)
    value["dtype"] = "float32"
    config.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _move_in(fresh: Path, folder: Path) -> None:
    """Replace the parts in `folder`; the index goes out first and in last, so half opens not."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)
    for part in PARTS:
        shutil.rmtree(folder / part, ignore_errors=True)
        (fresh / part).rename(folder / part)
    (fresh / INDEX).rename(folder / INDEX)
    shutil.rmtree(fresh)
