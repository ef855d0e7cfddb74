"""Where an edit may change a picture, and what it covers: masks from the motion field alone.

Source: Motion Guidance, Geng and Owens, ICLR 2024, arXiv 2401.18085, section 3: the edit mask (what
may change) and the occlusion mask (what of the source cannot be seen in the edit). Both hold for
authored fields and for those of the renderer, which knows what stays visible.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ..contract.errors import ShotError

Mask = NDArray[np.bool_]
STILL = 0.05
"Pixels below which a motion counts as none: the renderer's rest is not zero to the last bit."
SPACING = 0.7
"Pixels between two splatted points: a square of one pixel always holds one of such a lattice."
MAX_SPLIT = 24
"Points along a pixel's side at most: growth beyond 17 times leaves holes."


def moving_pixels(flow: NDArray[Any]) -> Mask:
    """Return (H, W): the pixels that a forward field (H, W, 2) moves."""
    return cast(Mask, np.linalg.norm(flow, axis=-1) > STILL)


def landing(flow: NDArray[Any], moving: Mask) -> Mask:
    """Return (H, W): the pixels onto which some part of a moving pixel lands, without holes.

    Every pixel is splatted as a square that its own slope of the field turns and stretches.
    """
    height, width = moving.shape
    covered = np.zeros((height, width), np.bool_)
    rows, columns = np.nonzero(moving)
    if not len(rows):
        return covered
    slope = _slope(flow, moving)[rows, columns]  # (n, 2, 2): d flow / d (x, y)
    target = np.stack([columns, rows], -1) + 0.5 + flow[rows, columns]
    stretch = np.linalg.norm(slope + np.eye(2), axis=(1, 2)).max()
    split = int(np.clip(np.ceil(stretch / SPACING), 2, MAX_SPLIT))
    # A hair inside the square, or a whole shift would mark the neighbours too.
    offsets = np.linspace(-0.499, 0.499, split)
    for dx in offsets:
        for dy in offsets:
            offset = np.array([dx, dy])
            points = np.floor(target + offset + slope @ offset).astype(np.int64)
            inside = ((points >= 0) & (points < (width, height))).all(axis=1)
            covered[points[inside, 1], points[inside, 0]] = True
    return covered


def _slope(flow: NDArray[Any], moving: Mask) -> NDArray[np.float64]:
    """Return (H, W, 2, 2): differences of the field inside what moves, [component, direction].

    The smaller of both sides' differences, so that no slope leaps from one thing to another.
    """
    slopes = np.zeros((*moving.shape, 2, 2))
    for direction, axis in enumerate((1, 0)):
        step = np.diff(flow.astype(np.float64), axis=axis)
        both = np.moveaxis(moving, axis, 0)
        known = np.moveaxis(both[1:] & both[:-1], 0, axis)[..., None]
        step = np.where(known, step, np.inf)
        edge = np.full_like(np.take(flow, [0], axis=axis), np.inf, dtype=np.float64)
        ahead = np.concatenate([step, edge], axis=axis)
        behind = np.concatenate([edge, step], axis=axis)
        smaller = np.where(np.abs(ahead) < np.abs(behind), ahead, behind)
        slopes[..., direction] = np.where(np.isfinite(smaller), smaller, 0.0)
    return slopes


def editable_area(flow: NDArray[Any], moving: Mask, *, dilation: float) -> Mask:
    """Return (H, W): where moving things were, where they land, and `dilation` px round both."""
    return grow(moving | landing(flow, moving), dilation)


def grow(mask: Mask, distance: float) -> Mask:
    """Return the pixels within `distance` px of the mask."""
    if distance <= 0 or not mask.any():
        return mask
    return cast(Mask, distance_transform_edt(~mask) <= distance)


def share_of_edit(editable: Mask, feather: float) -> NDArray[np.float32]:
    """Return (H, W): 0 outside the editable area, rising to 1 within `feather` px inside it.

    A smooth step, whose slope is zero at both ends: neither end of the seam shows.
    """
    if feather <= 0 or editable.all():
        return editable.astype(np.float32)
    s = np.clip(distance_transform_edt(editable) / (feather + 1), 0, 1)
    return cast(NDArray[np.float32], (s * s * (3 - 2 * s)).astype(np.float32))


def latent_mask(pixels: Mask, factor: int, *, least: float = 0.0) -> Mask:
    """Return (h, w): the latent cells of which more than a share `least` is in a mask (H, W).

    Height and width that are no multiples of `factor` count as filled up to it.
    """
    height, width = pixels.shape
    filled = np.pad(pixels, ((0, -height % factor), (0, -width % factor)))
    cells = filled.reshape(filled.shape[0] // factor, factor, -1, factor)
    return cast(Mask, cells.mean(axis=(1, 3)) > least)


def occlusion_mask(flow: NDArray[Any], moving: Mask, visible: Mask | None = None) -> Mask:
    """Return (H, W): the source pixels that the edit should show somewhere.

    Left out are still pixels onto which something lands, and what leaves the picture. What moves is
    kept. The renderer knows more: with its `visible` (H, W; whether a pixel's point is in the other
    frame and seen there) that is the answer.
    """
    if visible is not None:
        return visible
    height, width = moving.shape
    y, x = np.mgrid[0:height, 0:width] + 0.5
    to_x, to_y = x + flow[..., 0], y + flow[..., 1]
    stays = (to_x >= 0) & (to_x < width) & (to_y >= 0) & (to_y < height)
    return cast(Mask, stays & ~(landing(flow, moving) & ~moving))


def editable_of_frozen(frozen: NDArray[Any], size: tuple[int, int]) -> Mask:
    """Return (H, W) of a reference mask (1, C, h, w), true where the picture is frozen.

    A cell may change when any of its channels may. `size` is (W, H). Raises ShotError.
    """
    if frozen.ndim != 4 or frozen.shape[0] != 1 or frozen.dtype != np.bool_:
        raise ShotError(
            "edit mask",
            f"expected a bool array (1, channels, h, w), got {frozen.dtype} {frozen.shape}.",
            "Give the mask as the reference project writes it: true where nothing may change.",
        )
    cells = ~frozen[0].all(axis=0)
    rows = np.arange(size[1]) * cells.shape[0] // size[1]
    columns = np.arange(size[0]) * cells.shape[1] // size[0]
    return cast(Mask, cells[rows[:, None], columns])


def require_editable(editable: Mask) -> None:
    """Raise ShotError when nothing may change."""
    if not editable.any():
        raise ShotError(
            "edit mask",
            "expected some pixels that may change, got none.",
            "Move something, or mark what may change.",
        )
