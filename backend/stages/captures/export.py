"""A frame's splats as a capture, to be written as PLY, SPZ or .splat; called by chain."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...contract.captures.gaussians import BAND_0, THINNEST, Gaussians, logit_of
from ...contract.captures.harmonics import turned
from ..images.render import Scene, lit_rows
from .looks import Captured, linear_to_srgb

if TYPE_CHECKING:
    from ..progress import Listener
    from ..splats import PosedSplats

Floats = NDArray[np.float32]

Y_DOWN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From the world to the axes of captures, whose Y points down: what an import turns back."""
UNSEEN = 1 / 255
SOLID = 1 - 1e-6
"""An opacity has a logit below one."""


def splats_of_frame(
    scene: Scene, frame: int, posed: "PosedSplats", listener: "Listener"
) -> Gaussians:
    """Return all splats that a frame shows, in metres, Y down, colours in sRGB.

    Meshes and gas hold the light of the frame, as its camera sees them. Captured splats keep their
    harmonics, turned as they are; of those in linear light all but the mean to first order.
    Splats that are too faint to be drawn are left out.
    """
    rows = lit_rows(scene, frame, posed, (None, None), listener)
    count, captured = len(rows.opacity), scene.captured
    width = 1 if captured is None else captured.harmonics.shape[1]
    waves = np.zeros((count, width, 3), np.float32)
    waves[:, 0] = (linear_to_srgb(np.maximum(rows.color, 0)) - np.float32(0.5)) / BAND_0
    if captured is not None and posed.turn is not None:
        around = turned(captured.harmonics, posed.turn.astype(np.float64))
        waves[captured.splat] = _encoded(around, captured)
    axes = np.asarray(rows.pose.axes, np.float64)
    shown = (rows.opacity > UNSEEN) & np.isfinite(axes).all(axis=(1, 2))
    shown &= np.isfinite(rows.pose.mean).all(axis=1)
    turn, length, _ = np.linalg.svd(Y_DOWN @ axes[shown])
    turn[:, :, 2] *= np.linalg.det(turn)[:, None]
    return Gaussians(
        (rows.pose.mean[shown] @ Y_DOWN.T).astype(np.float32),
        np.log(np.maximum(length, np.exp(THINNEST))).astype(np.float32),
        quaternions_of(turn),
        logit_of(np.minimum(rows.opacity[shown], SOLID)),
        turned(waves[shown], Y_DOWN),
    )


def quaternions_of(turn: NDArray[np.float64]) -> Floats:
    """Return unit quaternions wxyz (n, 4) of rotations (n, 3, 3).

    Shepperd, Quaternion from Rotation Matrix, 1978: divide by the largest component.
    """
    xx, yy, zz = turn[:, 0, 0], turn[:, 1, 1], turn[:, 2, 2]
    a, b, c = (turn[:, i, j] - turn[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    d, e, f = (turn[:, i, j] + turn[:, j, i] for i, j in ((1, 0), (0, 2), (2, 1)))
    four = np.stack(
        [
            np.stack([1 + xx + yy + zz, a, b, c], axis=1),
            np.stack([a, 1 + xx - yy - zz, d, e], axis=1),
            np.stack([b, d, 1 - xx + yy - zz, f], axis=1),
            np.stack([c, e, f, 1 - xx - yy + zz], axis=1),
        ],
        axis=1,
    )
    largest = np.argmax(np.diagonal(four, axis1=1, axis2=2), axis=1)
    chosen = np.take_along_axis(four, largest[:, None, None], 1)[:, 0]
    return np.asarray(chosen / np.linalg.norm(chosen, axis=1, keepdims=True), np.float32)


def _encoded(waves: Floats, captured: Captured) -> Floats:
    """Return harmonics that give sRGB, of those that give linear light by the slope at the mean."""
    linear = captured.linear
    if not linear.any():
        return waves
    mean = np.maximum(np.float32(0.5) + np.float32(BAND_0) * waves[linear, 0], 0)
    slope = np.where(mean <= 0.0031308, 12.92, 1.055 / 2.4 * np.maximum(mean, 0.0031308) ** -0.583)
    result = waves.copy()
    result[linear] *= slope[:, None].astype(np.float32)
    result[linear, 0] = (linear_to_srgb(mean) - np.float32(0.5)) / BAND_0
    return result
