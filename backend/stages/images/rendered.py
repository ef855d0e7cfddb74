"""A rendered frame, beauty and passes: render yields it, methods change it, deliver writes it."""

from dataclasses import dataclass

from ...contract.arrays import Array


@dataclass(frozen=True)
class RenderedFrame:
    """Images of one frame, top row first, f4 unless said."""

    frame: int
    beauty: Array
    "(h, w, 4) linear Rec.709, premultiplied."
    depth: Array
    "(h, w) metres along the camera's axis, +inf where empty."
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
