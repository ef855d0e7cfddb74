"""Backward of the projection: from gradients of records to those of splats and camera.

Symbols as in project.py; `d_…` is dL/d…, `g` a row of the record's gradient. Bounds of the view
and of depth inside a splat are taken as constants: where they hold a value, nothing flows past.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti

from .bin import padding
from .project import (
    BLUE,
    DILATION,
    FALL_X,
    FALL_Y,
    LOG2_E,
    LOG_OPACITY,
    REACH_X,
    RED,
    SLOPE,
    W_X,
    W_Y,
    Floats,
    Projected,
    SplatPose,
    U,
    V,
    View,
    W,
    camera_array,
    covariance,
    flatness,
    inverse_divisor,
    matrix3,
    regress,
    row3,
    screen_rows,
    view_bounds,
)

BLOCK = 256
"Splats whose part in the camera's gradient is added in single precision."
LN_2 = 0.6931471805599453


@dataclass(frozen=True)
class SplatGradient:
    """Gradients in the caller's order and shapes; zero for splats that are not seen.

    `camera` (16,) float64: of the world-to-camera rotation (9, by rows) and translation (3), and
    of fx, fy, cx, cy, all taken as free numbers.
    """

    mean: Floats
    axes: Floats
    color: Floats
    opacity: Floats
    camera: np.ndarray


def project_gradient(
    pose: SplatPose,
    view: View,
    opacity: Floats,
    *,
    projected: Projected,
    gradient: Floats,
    antialias: bool = False,
) -> SplatGradient:
    """Pull the gradient (n, PLAIN_COLUMNS) of the records of `project` back to its arguments.

    ValueError for a pose with `backing`: what is free to move is drawn where it is.
    """
    if pose.backing is not None:
        raise ValueError("expected a pose without backing, for gradients; got one with it")
    count = len(projected.depth)
    blocks = -(-count // BLOCK)
    mean, axes = np.zeros((count, 3), np.float32), np.zeros((count, 3, 3), np.float32)
    faded, parts = np.zeros(count, np.float32), np.zeros((blocks, 16), np.float32)
    if count:
        given = [np.ascontiguousarray(a, np.float32) for a in (pose.mean, pose.axes, opacity)]
        constants = (camera_array(view), view_bounds(view))
        found = (mean, axes, faded, parts)
        _pull(*given, *constants, projected.record, gradient, *found, padding(), antialias)
    return SplatGradient(
        mean=mean,
        axes=axes,
        color=np.ascontiguousarray(gradient[:, RED : BLUE + 1]),
        opacity=faded,
        camera=parts.sum(0, dtype=np.float64),
    )


@ti.func
def _pull_covariance(g: ti.template(), i, bx, by, antialias: ti.template()):
    """d_bx, d_by of the blending footprint."""
    xx, xy, yy, determinant = covariance(bx, by, DILATION)
    a, b = yy / determinant, xy / determinant
    k, fall_x = 0.5 * LOG2_E, g[i, FALL_X]
    d_xx = k * a * a * fall_x
    d_xy = g[i, SLOPE] / yy - 2.0 * k * a * b * fall_x
    d_yy = k * b * b * fall_x + (k * g[i, FALL_Y] - xy * g[i, SLOPE]) / (yy * yy)
    if ti.static(antialias):
        # Half the logarithm of what the dilation leaves of the determinant.
        own, share = covariance(bx, by, 0.0)[3], 0.5 / LN_2 * g[i, LOG_OPACITY]
        d_xx += share * ((yy - DILATION) / own - yy / determinant)
        d_yy += share * ((xx - DILATION) / own - xx / determinant)
        d_xy -= 2.0 * share * (xy / own - xy / determinant)
    return 2.0 * d_xx * bx + d_xy * by, 2.0 * d_yy * by + d_xy * bx


@ti.func
def _pull_regression(g_x, g_y, r, bx, by):
    """d_r, d_bx, d_by of r B^T (B B^T + extra I)^-1, where extra grows with B itself."""
    extra = flatness(bx, by)
    xx, xy, yy, determinant = covariance(bx, by, extra)
    m_x, m_y = regress(r, bx, by, extra, determinant)
    l_x, l_y = (yy * g_x - xy * g_y) / determinant, (xx * g_y - xy * g_x) / determinant
    crossed, growth = l_x * m_y + l_y * m_x, 2e-7 * (l_x * m_x + l_y * m_y)
    d_bx = l_x * r - (2.0 * l_x * m_x + growth) * bx - crossed * by
    d_by = l_y * r - (2.0 * l_y * m_y + growth) * by - crossed * bx
    return l_x * bx + l_y * by, d_bx, d_by


@ti.func
def _row(m, r: ti.template()):
    return ti.Vector([m[r, 0], m[r, 1], m[r, 2]])


@ti.func
def _pull_rows(d_bx, d_by, local, w, x, y, fx, fy, is_pinhole):
    """From the rows of B to the local axes (3, 3), to x, y, to w and to the focal lengths."""
    deep = is_pinhole * _row(local, 2)
    across_x, across_y = _row(local, 0) - x * deep, _row(local, 1) - y * deep
    d_deep = -is_pinhole * (fx * w * x * d_bx + fy * w * y * d_by)
    d_local = ti.Matrix.rows([fx * w * d_bx, fy * w * d_by, d_deep])
    d_x, d_y = -fx * w * deep.dot(d_bx), -fy * w * deep.dot(d_by)
    d_fx, d_fy = w * across_x.dot(d_bx), w * across_y.dot(d_by)
    return d_local, d_x, d_y, (fx * d_fx + fy * d_fy) / w, d_fx, d_fy


@ti.kernel
def _pull(
    mean: ti.types.ndarray(ti.f32, 2),
    axes: ti.types.ndarray(ti.f32, 3),
    opacity: ti.types.ndarray(ti.f32, 1),
    camera: ti.types.ndarray(ti.f32, 1),
    bounds: ti.types.ndarray(ti.f32, 1),
    record: ti.types.ndarray(ti.f32, 2),
    g: ti.types.ndarray(ti.f32, 2),  # [n, PLAIN_COLUMNS]
    d_mean: ti.types.ndarray(ti.f32, 2),
    d_axes: ti.types.ndarray(ti.f32, 3),
    d_opacity: ti.types.ndarray(ti.f32, 1),
    parts: ti.types.ndarray(ti.f32, 2),  # [blocks, 16]
    pad: ti.i32,
    antialias: ti.template(),
):
    for task in range(parts.shape[0] * pad):
        if task % pad == 0:
            block = task // pad
            rotation, fx, fy = matrix3(camera), camera[12], camera[13]
            d_rotation = ti.Matrix.zero(ti.f32, 3, 3)
            d_translation, d_lens = ti.Vector.zero(ti.f32, 3), ti.Vector.zero(ti.f32, 4)
            for i in range(block * BLOCK, ti.min(mean.shape[0], (block + 1) * BLOCK)):
                if record[i, REACH_X] > 0.0:
                    m = row3(mean, i)
                    own = ti.Matrix([[axes[i, r, c] for c in range(3)] for r in range(3)])
                    p = rotation @ m + ti.Vector([camera[9], camera[10], camera[11]])
                    local = rotation @ own
                    lens = fx, fy, camera[16]
                    d_p, d_local, d_f = _pull_one(g, i, p, local, bounds, *lens, antialias)
                    d_m, d_own = rotation.transpose() @ d_p, rotation.transpose() @ d_local
                    for r in ti.static(range(3)):
                        d_mean[i, r] = d_m[r]
                        for c in ti.static(range(3)):
                            d_axes[i, r, c] = d_own[r, c]
                    d_rotation += d_p.outer_product(m) + d_local @ own.transpose()
                    d_translation += d_p
                    d_lens += ti.Vector([d_f[0], d_f[1], g[i, U], g[i, V]])
                    if opacity[i] <= 1.0:
                        d_opacity[i] = g[i, LOG_OPACITY] / (LN_2 * opacity[i])
            for r in ti.static(range(3)):
                for c in ti.static(range(3)):
                    parts[block, 3 * r + c] = d_rotation[r, c]
                parts[block, 9 + r] = d_translation[r]
            for c in ti.static(range(4)):
                parts[block, 12 + c] = d_lens[c]


@ti.func
def _pull_one(
    g: ti.template(),
    i,
    p,
    local,
    bounds: ti.template(),
    fx,
    fy,
    is_pinhole,
    antialias: ti.template(),
):
    """d_p, d_local and the gradient of fx, fy of one splat."""
    w, parallel = inverse_divisor(p, is_pinhole), 1.0 - is_pinhole
    x, y = p[0] * w, p[1] * w
    held_x = ti.math.clamp(x, bounds[4], bounds[5])
    held_y = ti.math.clamp(y, bounds[6], bounds[7])
    bx, by, _bw = screen_rows(local, w, held_x, held_y, fx, fy, is_pinhole)
    d_bx, d_by = _pull_covariance(g, i, bx, by, antialias)
    held = held_x, held_y, fx, fy, is_pinhole
    d_local, d_x, d_y, d_w, d_fx, d_fy = _pull_rows(d_bx, d_by, local, w, *held)
    d_x, d_y = ti.select(x == held_x, d_x, 0.0), ti.select(y == held_y, d_y, 0.0)
    if g[i, W_X] != 0.0 or g[i, W_Y] != 0.0:
        bx, by, bw = screen_rows(local, w, x, y, fx, fy, is_pinhole)
        deep = _row(local, 2)
        rising = bw + parallel * deep  # what the depth columns change by on the axes
        d_rising, d_bx, d_by = _pull_regression(g[i, W_X], g[i, W_Y], rising, bx, by)
        more, more_x, more_y, more_w, more_fx, more_fy = _pull_rows(
            d_bx, d_by, local, w, x, y, fx, fy, is_pinhole
        )
        d_local, d_x, d_y, d_w = d_local + more, d_x + more_x, d_y + more_y, d_w + more_w
        d_fx, d_fy = d_fx + more_fx, d_fy + more_fy
        for c in ti.static(range(3)):
            d_local[2, c] += (parallel - is_pinhole * w * w) * d_rising[c]
        d_w -= 2.0 * w * deep.dot(d_rising)
    d_x, d_y = d_x + fx * g[i, U], d_y + fy * g[i, V]
    d_w += g[i, W] + p[0] * d_x + p[1] * d_y
    # Where rays are parallel w is 1 whatever the depth, and the depth column is the depth.
    d_z = parallel * g[i, W] - is_pinhole * w * w * d_w
    d_p = ti.Vector([w * d_x, w * d_y, d_z])
    return d_p, d_local, ti.Vector([d_fx + x * g[i, U], d_fy + y * g[i, V]])
