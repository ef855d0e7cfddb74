"""Follow a motion field into another frame: sample images there, tell where it holds; on passes."""

import numpy as np
import taichi as ti
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DEPTH_TOLERANCE = 0.003
"Part of its depth by which a point may miss the surface found at its target."
PIXEL_TOLERANCE = 0.5
"Pixels by which it may miss it along the surface: the slope of the depth turns that to metres."
NEAR = 0.05
"A pixel of less bilinear weight says nothing about the target."
FINITE = 1e30
SOLID = 0.5
"A pixel of less alpha shows the background."


def sample_bilinear(image: Floats, xy: Floats) -> Floats:
    """Sample `image` (h, w) or (h, w, c) at pixels `xy` (…, 2), centres at +0.5, border held.

    Returns (…) or (…, c) float32. ValueError where the shapes are others.
    """
    if np.ndim(image) not in (2, 3) or np.shape(xy)[-1:] != (2,):
        raise ValueError(f"expected (h, w[, c]) and (…, 2), got {np.shape(image)}, {np.shape(xy)}")
    pixels = np.ascontiguousarray(image, np.float32).reshape(*np.shape(image)[:2], -1)
    points = np.ascontiguousarray(xy, np.float32).reshape(-1, 2)
    samples = np.zeros((len(points), pixels.shape[2]), np.float32)
    if len(points):
        _sample(pixels, points, samples)
    return samples.reshape(*np.shape(xy)[:-1], *np.shape(image)[2:])


def follow(image: Floats, motion: Floats) -> Floats:
    """Return the other frame's `image` as seen from this one: sampled at q + motion(q)."""
    height, width = np.shape(motion)[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    return sample_bilinear(image, np.stack([x, y], -1) + motion)


def motion_validity(
    motion: Floats,
    target_depth: Floats,
    other_depth: Floats,
    *,
    other_alpha: Floats | None = None,
    depth_tolerance: float = DEPTH_TOLERANCE,
    pixel_tolerance: float = PIXEL_TOLERANCE,
) -> NDArray[np.bool_]:
    """Return (h, w) true where q + motion(q) is in the other frame and its point is seen there.

    `motion` (h, w, 2) pixels; `target_depth` (h, w) the point's z [m] in the other camera, +inf for
    the background; `other_depth` (h, w) z of the other frame; `other_alpha` (h, w) of the other
    frame lets its faint pixels count as background. The depth found at the target's pixels, carried
    along their slope to the target, must be the point's own. ValueError where shapes differ.
    """
    size = np.shape(other_depth)
    if np.shape(motion) != (*size, 2) or np.shape(target_depth) != size:
        shapes = np.shape(motion), np.shape(target_depth), size
        raise ValueError(f"expected motion (h, w, 2) and depths (h, w), got {shapes}")
    other = np.ascontiguousarray(other_depth, np.float32)
    if other_alpha is not None:
        other = np.where(np.asarray(other_alpha) < SOLID, np.float32(np.inf), other)
    valid = np.zeros(size, np.int32)
    _validity(
        np.ascontiguousarray(motion, np.float32),
        np.ascontiguousarray(target_depth, np.float32),
        other,
        depth_tolerance,
        pixel_tolerance,
        valid,
    )
    return valid.astype(np.bool_)


@ti.kernel
def _sample(
    image: ti.types.ndarray(ti.f32, 3),  # [h, w, c]
    points: ti.types.ndarray(ti.f32, 2),  # [n, 2] px
    samples: ti.types.ndarray(ti.f32, 2),  # [n, c]
):
    for i in range(points.shape[0]):
        height, width = image.shape[0], image.shape[1]
        x = ti.math.clamp(points[i, 0] - 0.5, 0.0, width - 1.0)
        y = ti.math.clamp(points[i, 1] - 0.5, 0.0, height - 1.0)
        x0, y0 = ti.cast(ti.floor(x), ti.i32), ti.cast(ti.floor(y), ti.i32)
        x1, y1 = ti.min(x0 + 1, width - 1), ti.min(y0 + 1, height - 1)
        a, b = x - x0, y - y0
        for c in range(image.shape[2]):
            top = image[y0, x0, c] * (1.0 - a) + image[y0, x1, c] * a
            bottom = image[y1, x0, c] * (1.0 - a) + image[y1, x1, c] * a
            samples[i, c] = top * (1.0 - b) + bottom * b


@ti.func
def _slope(depth: ti.template(), x, y, step_x, step_y):
    """The gentler of the two one-sided slopes: the other one may cross an edge."""
    low_x, low_y = ti.max(x - step_x, 0), ti.max(y - step_y, 0)
    high_x = ti.min(x + step_x, depth.shape[1] - 1)
    high_y = ti.min(y + step_y, depth.shape[0] - 1)
    back = depth[y, x] - depth[low_y, low_x]
    ahead = depth[high_y, high_x] - depth[y, x]
    at_start = low_x == x and low_y == y
    at_end = high_x == x and high_y == y
    slope = ahead
    if at_end or (not at_start and ti.abs(back) < ti.abs(ahead)):
        slope = back
    # A lone pixel beside the background has no slope.
    if not ti.abs(slope) < FINITE:
        slope = 0.0
    return slope


@ti.func
def _agrees(z, depth: ti.template(), x, y, off_x, off_y, depth_tolerance, pixel_tolerance):
    """Whether the surface of pixel x, y, carried off_x, off_y pixels, has the depth z."""
    found = depth[y, x]
    same = z > FINITE and found > FINITE
    if z < FINITE and found < FINITE:
        slope_x, slope_y = _slope(depth, x, y, 1, 0), _slope(depth, x, y, 0, 1)
        miss = ti.abs(found + slope_x * off_x + slope_y * off_y - z)
        same = miss <= depth_tolerance * z + pixel_tolerance * ti.max(
            ti.abs(slope_x), ti.abs(slope_y)
        )
    return same


@ti.kernel
def _validity(
    motion: ti.types.ndarray(ti.f32, 3),  # [h, w, 2] px
    target_depth: ti.types.ndarray(ti.f32, 2),  # [h, w] m
    other_depth: ti.types.ndarray(ti.f32, 2),  # [h, w] m
    depth_tolerance: ti.f32,
    pixel_tolerance: ti.f32,
    valid: ti.types.ndarray(ti.i32, 2),  # [h, w]
):
    for row, column in ti.ndrange(motion.shape[0], motion.shape[1]):
        height, width = motion.shape[0], motion.shape[1]
        x, y = column + 0.5 + motion[row, column, 0], row + 0.5 + motion[row, column, 1]
        seen = 0
        # Not a number is not in the frame: the comparison is false.
        if x >= 0.0 and x <= width and y >= 0.0 and y <= height:
            left = ti.cast(ti.floor(x - 0.5), ti.i32)
            top = ti.cast(ti.floor(y - 0.5), ti.i32)
            for i, j in ti.static(ti.ndrange(2, 2)):
                px, py = left + i, top + j
                inside = px >= 0 and px < width and py >= 0 and py < height
                if inside and seen == 0:
                    off_x, off_y = x - 0.5 - px, y - 0.5 - py
                    near = (1.0 - ti.abs(off_x)) * (1.0 - ti.abs(off_y)) >= NEAR
                    if near and _agrees(
                        target_depth[row, column],
                        other_depth,
                        px,
                        py,
                        off_x,
                        off_y,
                        depth_tolerance,
                        pixel_tolerance,
                    ):
                        seen = 1
        valid[row, column] = seen
