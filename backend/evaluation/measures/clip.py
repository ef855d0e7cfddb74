"""CLIP's image embedding, from a local folder in transformers' layout (safetensors)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from ...contract.errors import ModelError
from .pictures import Picture

BATCH = 16


class ClipEmbedding:
    """Pictures to unit vectors of CLIP's joint space (Radford et al., 2021)."""

    def __init__(self, folder: Path) -> None:
        if not any(folder.glob("*.safetensors")):
            raise ModelError(
                f"Expected a CLIP folder with safetensors weights, got {folder.name}.",
                "Save the vision model with transformers' save_pretrained there.",
            )
        try:
            self._model = CLIPVisionModelWithProjection.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
            self._processor = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ModelError(
                f"Expected a CLIP vision model in {folder.name}, got a folder that does not open.",
                "Put config.json, preprocessor_config.json and model.safetensors there.",
            ) from error

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Picture]) -> NDArray[np.float64]:
        """Return unit vectors (T, D)."""
        rows = []
        for k in range(0, len(pictures), BATCH):
            batch = self._processor(images=list(pictures[k : k + BATCH]), return_tensors="pt")
            rows.append(self._model(**batch).image_embeds.double().numpy())
        vectors = np.concatenate(rows)
        unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit
