"""What a row of pixels takes from one splat: its weight there, depth and motion; for raster.

`x` and `dx` are vectors, one lane for each pixel of the row; `y` and `dy` are numbers.
"""

import numpy as np
import taichi as ti

from .project import (
    AFTER,
    ALPHA_MIN,
    BEFORE,
    FALL_X,
    FALL_Y,
    LOG_OPACITY,
    SHARP_FALL_X,
    SHARP_FALL_Y,
    SHARP_SLOPE,
    SHARP_U,
    SHARP_V,
    SLOPE,
    STACK,
    W_HIGH,
    W_LOW,
    U,
    V,
    W,
)

EXP2 = (0.99999993, 0.69315307, 0.24015362, 0.05582632, 0.00898934, 0.00187758)
"2^f for f in 0..1 by powers of f: the least greatest relative error, 8e-8."
ALPHA_MAX = 0.999
TRANSMITTANCE_STOP = 1e-4
LOG_ALPHA_MIN = float(np.log2(ALPHA_MIN))
LOG_STACK = float(np.log2(STACK))
SURFACE = 0.2
"Depth, normal and motion are of what takes the light down to this: the rest leaks through gaps."
NEAREST_RATIO = 0.05
"Within one frame a point's depth is held above this part of what it was: behind the camera is not."


@ti.func
def exp2(p):
    """2^p for p in -15..1 within 3e-7; what is far below comes out as anything."""
    # Truncation of what is positive is its floor, and one instruction on every machine.
    whole = ti.cast(p + 16.0, ti.i32) - 16
    f = p - ti.cast(whole, ti.f32)
    series = EXP2[0] + f * (EXP2[1] + f * (EXP2[2] + f * (EXP2[3] + f * (EXP2[4] + f * EXP2[5]))))
    return ti.bit_cast(ti.bit_cast(series, ti.i32) + (whole << 23), ti.f32)


@ti.func
def at_most(x, limit):
    # Unlike ti.min this asks nothing about NaN, and so stays in vector registers.
    return ti.select(x < limit, x, limit)


@ti.func
def at_least(x, limit):
    return ti.select(x > limit, x, limit)


@ti.func
def _affine(record: ti.template(), i, column: ti.template(), dx, dy):
    return record[i, column] + record[i, column + 2] * dy + record[i, column + 1] * dx


@ti.func
def motion_at(
    record: ti.template(),
    i,
    column: ti.template(),
    lenses: ti.template(),
    is_pinhole,
    x,
    y,
    dx,
    dy,
    z,
):
    """Motion of the splat's points seen at x, y [px] and depth z, and their depth there."""
    frame = (column - AFTER) // (BEFORE - AFTER)
    change = _affine(record, i, column + 6, dx, dy)
    ahead = at_least(1.0 + is_pinhole * change, NEAREST_RATIO)
    lens_x = lenses[frame, 0] * (x - lenses[frame, 2]) + lenses[frame, 4] - lenses[frame, 2]
    lens_y = lenses[frame, 1] * (y - lenses[frame, 3]) + lenses[frame, 5] - lenses[frame, 3]
    move_x = _affine(record, i, column, dx, dy) + (lenses[frame, 4] - x) * (ahead - 1.0) + lens_x
    move_y = (
        _affine(record, i, column + 3, dx, dy) + (lenses[frame, 5] - y) * (ahead - 1.0) + lens_y
    )
    return move_x / ahead, move_y / ahead, z * ahead + (1.0 - is_pinhole) * change


@ti.func
def crosses_row(record: ti.template(), i, x0, dy, lanes: ti.template()):
    """Whether alpha reaches 1/255 somewhere on this row of pixel centres."""
    center = record[i, U] + record[i, SLOPE] * dy
    nearest = at_most(at_least(center, x0), x0 + (lanes - 1)) - center
    peak = record[i, LOG_OPACITY] + record[i, FALL_Y] * dy * dy
    return peak + record[i, FALL_X] * nearest * nearest >= LOG_ALPHA_MIN


@ti.func
def blurred_weight(record: ti.template(), i, x, dy, light):
    """What each pixel of the row takes from this splat, and the exponent of 2 of its alpha."""
    t = x - (record[i, U] + record[i, SLOPE] * dy)
    p = record[i, LOG_OPACITY] + record[i, FALL_Y] * dy * dy + record[i, FALL_X] * t * t
    a = at_most(exp2(p), ALPHA_MAX)
    taken = (p >= LOG_ALPHA_MIN) & (light >= TRANSMITTANCE_STOP)
    return ti.select(taken, a * light, 0.0), p


@ti.func
def sharp_weight(record: ti.template(), i, x, y, blurred, blurred_light, light):
    """What each pixel takes from this splat where nothing is blurred over edges.

    And what part of the pixel it covers, whatever its opacity; 0 once the pixel looks no farther.
    Only pixels take part where the `blurred` alpha reaches 1/255; of what is drawn back a STACK-th,
    where many of them end: colour and place then end on the same pixels.
    """
    moved = (record[i, U] != record[i, SHARP_U]) | (record[i, V] != record[i, SHARP_V])
    reached = blurred >= ti.select(moved, -LOG_STACK, LOG_ALPHA_MIN)
    dy = y - record[i, SHARP_V]
    t = x - (record[i, SHARP_U] + record[i, SHARP_SLOPE] * dy)
    p = record[i, LOG_OPACITY] + record[i, SHARP_FALL_Y] * dy * dy + record[i, SHARP_FALL_X] * t * t
    a, inside = exp2(p), reached & (p >= LOG_ALPHA_MIN)
    shape = at_most(a * exp2(-record[i, LOG_OPACITY]), 1.0)
    looks = inside & ((blurred_light >= TRANSMITTANCE_STOP) | (light >= SURFACE))
    weight = ti.select(inside & (light >= SURFACE), at_most(a, ALPHA_MAX) * light, 0.0)
    return weight, ti.select(looks, shape, 0.0)


@ti.func
def depth_at(record: ti.template(), i, is_pinhole, dx, dy):
    held = at_most(at_least(_affine(record, i, W, dx, dy), record[i, W_LOW]), record[i, W_HIGH])
    return ti.select(is_pinhole > 0.5, 1.0 / held, held)
