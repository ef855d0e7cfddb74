"""Captions as the denoiser learns them: mirrored with their picture, and at times left out."""

import re

import torch

DROPPED = 0.1  # share of pictures shown without caption, so that guidance has an empty prompt
_SIDES = re.compile(r"\b(left|right)(most|wards?|ward)?\b", re.IGNORECASE)


def mirrored(caption: str) -> str:
    """Return the caption of the picture seen in a mirror: left and right swap."""
    return _SIDES.sub(_swap, caption)


def drop_some(captions: list[str], generator: torch.Generator) -> list[str]:
    """Replace one in ten by the empty caption."""
    chance = torch.rand(len(captions), generator=generator)
    return ["" if c < DROPPED else text for c, text in zip(chance, captions, strict=True)]


def _swap(match: re.Match[str]) -> str:
    word, rest = match.group(1), match.group(2) or ""
    other = {"left": "right", "right": "left"}[word.lower()]
    return (other.capitalize() if word[0].isupper() else other) + rest
