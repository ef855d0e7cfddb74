"""What lies behind the object: the picture with the object painted over."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .masks import require_opencv
from .picture import Floats, Picture

HALO = 4
"Pixels around the object that its light still touches; they are painted over with it."
REACH = 5.0
"Pixels around each painted one that it is made of."


def inpainted(picture: Picture, mask: Floats) -> Floats:
    """Return the picture (H, W, 3) sRGB without the object.

    By OpenCV's fast marching (Telea, An Image Inpainting Technique, 2004): smooth, and without
    texture of its own where the object is large. Raises LiftError where OpenCV is missing.
    """
    cv2 = require_opencv("A background behind the object")
    hole = ndimage.binary_dilation(mask > 0.02, iterations=HALO)
    image = (255 * picture.color).round().astype(np.uint8)
    filled = cv2.inpaint(image, hole.astype(np.uint8), REACH, cv2.INPAINT_TELEA)
    result = np.where(hole[..., None], filled.astype(np.float32) / 255, picture.color)
    return np.asarray(result, np.float32)


def spread(color: Floats, solid: NDArray[np.bool_]) -> Floats:
    """Give every pixel (H, W, 3) that is not `solid` the colour of the nearest that is."""
    nearest = ndimage.distance_transform_edt(~solid, return_distances=False, return_indices=True)
    return np.ascontiguousarray(color[tuple(nearest)])
