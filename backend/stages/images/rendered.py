"""A rendered frame, beauty and passes: render yields it, methods change it, deliver writes it."""

from dataclasses import dataclass, fields

import numpy as np

from ...contract.arrays import Array


@dataclass(frozen=True)
class RenderedFrame:
    """Images of one frame, top row first, f4 unless said."""

    frame: int
    beauty: Array
    "(h, w, 4) linear Rec.709, premultiplied."
    depth: Array
    "(h, w) metres along the camera's axis, +inf where empty; the mean of what is seen."
    median: Array
    "(h, w) the same of the one splat where half of the light is taken: never between two surfaces."
    coverage: Array
    "(h, w) 0..1: what bodies fill of the pixel, whatever their opacity."
    normal: Array
    "(h, w, 3) unit, world."
    index: Array
    "(h, w) i4: which of the shot's bodies, -1 where empty."
    forward: Array
    "(h, w, 2) pixels to where this point is in the next frame, x right, y down; zeros in the last."
    backward: Array
    "(h, w, 2) pixels to where this point is in the frame before; zeros in the first."
    valid_forward: Array
    "(h, w) bool: the point is seen in the next frame too."
    valid_backward: Array
    "(h, w) bool: the point is seen in the frame before too."


Region = tuple[int, int, int, int]
"Left, top, right, bottom in pixels."
NOTHING = {"depth": np.inf, "median": np.inf, "index": -1}
"What empty pixels hold where it is not 0."


def only_inside(frame: RenderedFrame, region: Region | None) -> RenderedFrame:
    """Return the frame with nothing outside of a region."""
    if region is None:
        return frame
    images = {f.name: getattr(frame, f.name) for f in fields(frame) if f.name != "frame"}
    kept = {name: inside(image, region, NOTHING.get(name, 0)) for name, image in images.items()}
    return RenderedFrame(frame=frame.frame, **kept)


def inside(image: Array, region: Region | None, empty: float) -> Array:
    """Return an image (h, w, …) that is `empty` outside of a region."""
    if region is None:
        return image
    left, top, right, bottom = region
    kept = np.full_like(image, empty)
    kept[top:bottom, left:right] = image[top:bottom, left:right]
    return kept
