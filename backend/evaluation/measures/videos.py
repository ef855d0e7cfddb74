"""How a video keeps together: frame consistency, motion consistency, warping error.

A video is a sequence of T pictures u1 (H, W, 3); its motion is the forward field between each and
the next, T - 1 arrays (H, W, 2) px, with masks (H, W) of where it holds.

MotionCraft (arXiv 2405.13557, table 1) names the first two without all their settings; what is
open there is settled here: SSIM of Wang et al., the sampled field bilinear, pixels whose target is
out of the frame never counted, and both a masked and an unmasked row in every table.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .pictures import Mask, Picture, ssim_map

Motion = NDArray[np.float32]
Embed = Callable[[Sequence[Picture]], NDArray[np.float64]]
"Pictures to unit vectors (T, D)."


def frame_consistency(video: Sequence[Picture], embed: Embed) -> float:
    """Return the mean cosine of the embeddings of neighbouring frames. 1 for a still video."""
    vectors = embed(video)
    return float(np.mean(np.sum(vectors[1:] * vectors[:-1], axis=1)))


def motion_consistency(
    video: Sequence[Picture], forward: Sequence[Motion], masks: Sequence[Mask] | None = None
) -> float:
    """Return the mean SSIM of each frame and the next with the motion between them undone.

    With `masks`, over the pixels where the motion holds; without, over all that stay in the frame.
    """
    scores = []
    for k, motion in enumerate(forward):
        counts = in_frame(motion) if masks is None else in_frame(motion) & masks[k]
        if counts.any():
            scores.append(ssim_map(video[k], undo(video[k + 1], motion))[counts].mean())
    return float(np.mean(scores))


def warping_error(
    video: Sequence[Picture], forward: Sequence[Motion], masks: Sequence[Mask] | None = None
) -> float:
    """Return the root of the mean squared difference of a frame and the next with motion undone.

    In 0..1 of the range (Lai et al., Learning blind video temporal consistency, ECCV 2018, eq. 6,
    its root).
    """
    total, count = 0.0, 0
    for k, motion in enumerate(forward):
        counts = in_frame(motion) if masks is None else in_frame(motion) & masks[k]
        difference = undo(video[k + 1], motion).astype(np.float64) - video[k]
        total += float(((difference[counts] / 255.0) ** 2).sum())
        count += 3 * int(counts.sum())
    return float(np.sqrt(total / max(count, 1)))


def flow_error(flow: Motion, truth: Motion, mask: Mask | None = None) -> tuple[float, float]:
    """Return the mean L1 error per component, and the mean end-point error, in pixels."""
    difference = (flow.astype(np.float64) - truth)[... if mask is None else mask]
    return float(np.abs(difference).mean()), float(np.linalg.norm(difference, axis=-1).mean())


def dis_flow(first: Picture, second: Picture) -> Motion:
    """Return the flow (H, W, 2) that OpenCV's dense inverse search finds (preset medium)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    return np.asarray(search.calc(gray[0], gray[1], None), np.float32)  # type: ignore[call-overload]


def undo(following: Picture, forward: Motion) -> Picture:
    """Return the next frame as seen from this one: sampled at x + forward(x), bilinear."""
    height, width = forward.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    place = x + forward[..., 0], y + forward[..., 1]
    moved = cv2.remap(following, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8)


def in_frame(forward: Motion) -> Mask:
    """Return where x + forward(x) is between the centres of the frame's outermost pixels."""
    height, width = forward.shape[:2]
    x = np.arange(width)[None, :] + forward[..., 0]
    y = np.arange(height)[:, None] + forward[..., 1]
    found: Mask = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return found
