"""What belongs to the object in a picture: its alpha, a painted mask, a box, or SAM's answer."""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...contract.errors import LiftError
from .picture import Floats, Picture

GRABCUT_ROUNDS = 8
"Iterations of GrabCut (Rother et al., 2004); its cut hardly moves after a handful."
LEAST_PIXELS = 64
SMALLEST_PART = 0.02
"Parts of a cut smaller than this share of its largest are specks, and so are holes."

Box = tuple[int, int, int, int]
"Left, top, right, bottom in pixels, the right and bottom ones outside."


def alpha_mask(picture: Picture) -> Floats:
    """Return the picture's own alpha (H, W). Raises LiftError where it is opaque."""
    if picture.alpha is None:
        raise LiftError(
            "Expected a picture with an alpha channel, got an opaque one.",
            "Give a mask, or a box around the object.",
        )
    return picture.alpha


def box_mask(picture: Picture, box: Sequence[int]) -> Floats:
    """Cut the object out of a box by GrabCut; the mask (H, W) is 0 or 1, its border softened.

    Raises LiftError where the box does not fit, nothing in it stands out, or OpenCV is missing.
    """
    left, top, right, bottom = checked_box(picture, box)
    cv2 = require_opencv("A box")
    image = np.ascontiguousarray((255 * picture.color[..., ::-1]).round().astype(np.uint8))
    label = np.zeros(image.shape[:2], np.uint8)
    models = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)
    cv2.setRNGSeed(0)
    cv2.grabCut(image, label, (left, top, right - left, bottom - top), *models, GRABCUT_ROUNDS,
                cv2.GC_INIT_WITH_RECT)  # fmt: skip
    inside = _without_specks((label == cv2.GC_FGD) | (label == cv2.GC_PR_FGD))
    return softened(inside)


def softened(inside: NDArray[np.bool_]) -> Floats:
    """Give a cut of whole pixels the soft border that a picture's edges have: (H, W) in 0..1."""
    distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    smooth = ndimage.gaussian_filter(np.clip(distance, -3, 3), 1.0)
    return np.asarray(np.clip(smooth + 0.5, 0, 1), np.float32)


def checked_box(picture: Picture, box: Sequence[int]) -> Box:
    """Return a box cut to the picture. Raises LiftError where it has no room, or leaves none."""
    width, height = picture.size
    if len(box) != 4:
        raise LiftError(
            f"Expected a box of four numbers, got {len(box)}.", "Give left, top, right, bottom."
        )
    left, top = max(0, int(box[0])), max(0, int(box[1]))
    right, bottom = min(width, int(box[2])), min(height, int(box[3]))
    whole = (left, top, right, bottom) == (0, 0, width, height)
    if right - left < 4 or bottom - top < 4 or whole:
        raise LiftError(
            f"Expected a box (left, top, right, bottom) inside of the {width} x {height} pixels of "
            f"the picture, with some of it left outside, got {tuple(int(edge) for edge in box)}.",
            "Draw it closely around the object.",
        )
    return left, top, right, bottom


def require_object(mask: Floats) -> None:
    """Raise LiftError for a mask with nothing in it, or with nothing outside it."""
    inside = mask >= 0.5
    count = int(inside.sum())
    if count < LEAST_PIXELS:
        raise LiftError(
            f"Expected an object of at least {LEAST_PIXELS} pixels in the mask, got {count}.",
            "Paint the object white, or draw the box around it.",
        )
    if inside.all():
        raise LiftError(
            "Expected something outside of the object, got a mask that holds the whole picture.",
            "Leave the background out of it.",
        )


def require_opencv(what: str):  # type: ignore[no-untyped-def]
    """Return OpenCV, or raise LiftError that says what needs it."""
    if find_spec("cv2") is None:
        raise LiftError(
            f"{what} needs the package opencv-python-headless, which is not installed.",
            "Install Impetus with its extra `research`, or give a mask.",
        )
    import cv2

    return cv2


def _without_specks(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out small parts, and fill small holes."""
    for _ in range(2):  # parts, then holes, which are parts of what is outside
        parts, count = ndimage.label(inside)
        if count > 1:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            inside = (sizes >= SMALLEST_PART * sizes.max())[parts] & (parts > 0)
        inside = ~inside
    return inside
