"""Motion as the methods read it: backward on the new frame's pixels, with what is new there.

Fields are (H, W, 2) float32 pixels, x right, y down; pixel centres at +0.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.methods import Novelty

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FrameMotion:
    """The way from the previous frame to this one, on this frame's pixels."""

    backward: Floats
    "(H, W, 2) pixels: the previous frame shows at here + backward what this one shows here."
    novelty: Floats
    "(H, W), 0..1: 1 where the previous frame does not tell what is seen here."
    unseen: Bools | None = None
    "(H, W): came into the frame or was hidden, so here + backward shows something else."
    surfaces: NDArray[np.integer] | None = None
    "(H, W): which thing each pixel shows, where that is known."


def to_backward(
    forward: NDArray[Any],
    validity: NDArray[Any] | None = None,
    depth_after: NDArray[Any] | None = None,
) -> tuple[Floats, Bools]:
    """Turn a forward field (H, W, 2) round; return backward (H, W, 2) and covered (H, W).

    Exact for the bilinear interpolation of `forward` on every visible surface. Where several
    pixels land on one, that of the smallest `depth_after` (H, W) is seen: its z in the new
    frame's camera, +inf for the background; without it the one that moves farthest, as what is
    near does. Pixels without `validity` (H, W) that would land in the frame are hidden there.
    What nothing lands on takes the motion of the surface behind it, and is not covered. Taichi
    must have been started. ValueError where shapes differ.
    """
    from ...kernels.inverse_motion import invert_motion

    motion = np.asarray(forward, np.float32)
    shapes = [given.shape for given in (validity, depth_after) if given is not None]
    if motion.shape[2:] != (2,) or any(shape != motion.shape[:2] for shape in shapes):
        raise ValueError(f"expected (H, W, 2), and (H, W) beside, got {motion.shape}, {shapes}")
    alive = np.asarray(np.isfinite(motion).all(-1))
    if validity is not None:
        alive = alive & (np.asarray(validity, bool) | ~inside_frame(motion))
    if depth_after is None:
        with np.errstate(invalid="ignore", over="ignore"):
            nearness = 1 / (1 + np.linalg.norm(motion, axis=-1))
    else:
        nearness = np.asarray(depth_after)
    inverse = invert_motion(motion, alive, nearness)
    return inverse.backward, inverse.covered


def semi_lagrangian(forward: NDArray[Any]) -> Floats:
    """Take the forward motion at the destination for the backward one, as MotionCraft's code does.

    Wrong by the field's change over the way: for a turn by the angle a at the radius r, by
    4 r sin(a/2)^2; that is 0.098 r at 18 degrees.
    """
    return -np.asarray(forward, np.float32)


def inside_frame(motion: NDArray[Any]) -> Bools:
    """Whether here + motion (H, W, 2) lies in the frame; (H, W). What is not a number does not."""
    height, width = np.shape(motion)[:2]
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    x, y = columns + motion[..., 0], rows + motion[..., 1]
    return np.asarray((x >= 0) & (x <= width) & (y >= 0) & (y <= height))


def frame_motion(
    backward: Floats,
    rules: Novelty,
    *,
    covered: NDArray[Any] | None = None,
    validity: NDArray[Any] | None = None,
    active: NDArray[Any] | None = None,
    mask: NDArray[Any] | None = None,
    surfaces: NDArray[np.integer] | None = None,
) -> FrameMotion:
    """Say of a backward field by the rules what is new, as `novelty_map` does, and what was unseen.

    Active matter counts as seen: its motion leads to itself. `surfaces` (H, W) numbers the things
    that this frame shows.
    """
    active = active if rules.active else None
    chosen = {"out_of_frame": rules.out_of_frame, "disoccluded": rules.disoccluded}
    novelty = novelty_map(
        backward, covered=covered, validity=validity, active=active, mask=mask,
        floor=rules.floor, ceiling=rules.ceiling, **chosen,
    )  # fmt: skip
    unseen = unseen_before(backward, (covered, validity), **chosen)
    if active is not None:
        unseen &= np.asarray(active) == 0
    return FrameMotion(backward, novelty, unseen, surfaces)


def unseen_before(
    backward: NDArray[Any],
    known: Sequence[NDArray[Any] | None],
    *,
    out_of_frame: bool = True,
    disoccluded: bool = True,
) -> Bools:
    """Return (H, W): what comes from out of the frame, or is inside and not `known` by each."""
    inside = inside_frame(backward)
    unseen = ~inside if out_of_frame else np.zeros_like(inside)
    if disoccluded:
        for one in known:
            if one is not None:
                unseen |= inside & ~np.asarray(one, bool)
    return unseen


def novelty_map(
    backward: NDArray[Any],
    *,
    covered: NDArray[Any] | None = None,
    validity: NDArray[Any] | None = None,
    active: NDArray[Any] | None = None,
    mask: NDArray[Any] | None = None,
    floor: float = 0.0,
    ceiling: float = 1.0,
    out_of_frame: bool = True,
    disoccluded: bool = True,
) -> Floats:
    """Say by rule where noise may become something new: `ceiling` there, `floor` elsewhere.

    New is what comes from out of the frame; what is disoccluded: not `covered` by anything of the
    previous frame, or without `validity` backwards; `active` matter (H, W, 0..1); and the user's
    `mask` (H, W, 0..1). All are on this frame's pixels. Returns (H, W) float32.
    """
    unseen = unseen_before(
        backward, (covered, validity), out_of_frame=out_of_frame, disoccluded=disoccluded
    )
    novel = unseen.astype(np.float32)
    for given in (active, mask):
        if given is not None:
            novel = np.maximum(novel, np.clip(np.asarray(given, np.float32), 0, 1))
    return np.asarray(floor + (ceiling - floor) * novel, np.float32)
