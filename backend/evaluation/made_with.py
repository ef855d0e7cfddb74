"""Names for what a suite keeps, by what it was made with: other weights make other pictures."""

import hashlib
from pathlib import Path

import msgspec

from ..stages.methods.needs import content_digest

DIGITS = 12


def made_with(weights: tuple[Path, ...], *settings: object) -> str:
    """Return a name for what these weights (files or model folders) make with these settings."""
    whole = hashlib.sha256()
    for path in weights:
        whole.update(content_digest(path).encode())
    whole.update(msgspec.json.encode(settings, order="deterministic"))
    return whole.hexdigest()[:DIGITS]
