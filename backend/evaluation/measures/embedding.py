"""Vectors of what a picture shows: CLIP where its weights lie in the models folder, else a layout.

The layout embedding needs no weights and is stated in full: it sees where which colours and edges
are, and nothing of what they mean. Tables say which one they were made with.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...contract.keys import user_folder
from .pictures import Picture
from .videos import Embed

CLIP_FOLDER = "clip"
GRID = 8
"Cells along each side."
ORIENTATIONS = 8
COLOR_SHARE = 0.5
"Weight of the colours beside the edges in the squared length."


def embedding(models_folder: Path | None = None) -> tuple[str, Embed]:
    """Return the name of the embedding that can be had, and the function.

    CLIP is read from the folder `clip` of the models folder, in transformers' layout. Raises
    ModelError when there is such a folder that does not open.
    """
    folder = (models_folder or user_folder() / "models") / CLIP_FOLDER
    if folder.is_dir():
        from .clip import ClipEmbedding

        return f"CLIP ({folder.name})", ClipEmbedding(folder)
    return "layout (8 x 8 Lab colours, 8 x 8 x 8 gradient orientations)", layout_embedding


def layout_embedding(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Return unit vectors (T, 704): mean Lab colour and gradient orientations of 8 x 8 cells.

    Each half is freed of its mean and brought to unit length, colours 0.5 of the squared length
    together. Pictures of any size.
    """
    return np.stack([_layout(picture) for picture in pictures])


def similarity(a: Picture, b: Picture, embed: Embed = layout_embedding) -> float:
    """Return the cosine of two pictures' embeddings."""
    first, second = embed([a, b])
    return float(first @ second)


def _layout(picture: Picture) -> NDArray[np.float64]:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    colors = cv2.resize(lab, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    small = cv2.resize(lab[..., 0], (GRID * 16, GRID * 16), interpolation=cv2.INTER_AREA)
    right, down = (cv2.Sobel(small, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    strength, angle = np.hypot(right, down), np.arctan2(down, right) % np.pi
    cell = np.add.outer(GRID * (np.arange(GRID * 16) // 16), np.arange(GRID * 16) // 16)
    bucket = cell * ORIENTATIONS + (angle / np.pi * ORIENTATIONS).astype(int) % ORIENTATIONS
    edges = np.bincount(bucket.ravel(), strength.ravel(), GRID * GRID * ORIENTATIONS)
    # The root tames single strong edges, as in the Hellinger kernel for histograms.
    parts = (_unit(colors), COLOR_SHARE**0.5), (_unit(np.sqrt(edges)), (1 - COLOR_SHARE) ** 0.5)
    return np.concatenate([vector * weight for vector, weight in parts])


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    centered = vector - vector.mean()
    length = float(np.linalg.norm(centered))
    if length < 1e-9:  # a picture of one colour: all such are alike
        centered, length = np.ones_like(vector), float(np.sqrt(len(vector)))
    unit: NDArray[np.float64] = centered / length
    return unit
