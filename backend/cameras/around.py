"""Cameras around an object: where they stand, and how they look at it; for views to fit to."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Around = Literal["sphere", "hemisphere", "turntable"]

GOLDEN = np.pi * (3 - np.sqrt(5))
RINGS = (0.0, 0.5, -0.35)
"Heights of a turntable's rings, in radii: level, from above, from below."
UPRIGHT = 0.999
"Cosine with the vertical from which a camera takes Y for up in its picture."


def directions(kind: Around, count: int, *, turn: float = 0.0) -> Floats:
    """Return unit vectors (count, 3) from an object to the cameras that look at it.

    All around, or from above the horizon, as evenly as a Fibonacci lattice is (Gonzalez,
    Measurement of Areas on a Sphere, 2010); or on rings about the vertical. `turn` radians about
    the vertical make other views of the same kind.
    """
    index = np.arange(count)
    if kind == "turntable":
        height = np.array(RINGS)[index % len(RINGS)]
        angle = 2 * np.pi * index / count
    else:
        low = -1.0 if kind == "sphere" else 0.0
        height = 1 - (1 - low) * (index + 0.5) / count
        angle = GOLDEN * index
    flat = np.sqrt(1 - height**2)
    angle = angle + turn
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)


def looking_at(eye: Floats, target: Floats) -> Floats:
    """Return `camera_to_world` (4, 4), OpenCV axes, with the world's Z up in the picture."""
    forward = np.asarray(target, np.float64) - eye
    forward /= np.linalg.norm(forward)
    up = (0.0, 1.0, 0.0) if abs(forward[2]) > UPRIGHT else (0.0, 0.0, 1.0)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose
