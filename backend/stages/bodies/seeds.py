"""Random numbers that follow from the shot's seed and a name: same shot, same frames."""

import hashlib

import numpy as np


def body_rng(seed: int, body: str, purpose: str) -> np.random.Generator:
    """Return the generator of one body for one purpose; bodies do not disturb each other."""
    name = hashlib.sha256(f"{purpose}\0{body}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(name[:8], "little")])
