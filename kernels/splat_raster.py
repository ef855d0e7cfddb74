"""Tile rasteriser of Gaussian splats: colour, alpha, depth, normal, index and motion in one pass.

Front-to-back blending as in Kerbl et al., 3D Gaussian Splatting, 2023, section 6: alpha below 1/255
is skipped, alpha is capped at 0.999, a pixel stops where its transmittance falls below 1e-4.
One task is one row of a tile, its 16 pixels unrolled so that the compiler keeps them in vector
registers; on a GPU a task is one pixel.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .splat_bin import TILE, bin_splats, padding
from .splat_project import (
    AFTER,
    ALPHA_MIN,
    BEFORE,
    FALL_X,
    FALL_Y,
    LOG_OPACITY,
    NORMAL_X,
    REACH_Y,
    RED,
    SLOPE,
    W_HIGH,
    W_LOW,
    Floats,
    Projected,
    SplatPose,
    U,
    V,
    View,
    W,
    project,
)

ALPHA_MAX = 0.999
TRANSMITTANCE_STOP = 1e-4
LOG_ALPHA_MIN = float(np.log2(ALPHA_MIN))
FAR_AWAY = 1e5
"Pixels of motion that stand for: not on the image plane of that frame."
SOLID = 0.5
"Below this alpha a pixel moves with the background at infinity."
SURFACE = 0.1
"Depth, normal and motion are of what takes the light down to this: the rest leaks through gaps."
NEAREST_RATIO = 0.05
"Within one frame a point's depth is held above this part of what it was: behind the camera is not."


@dataclass(frozen=True)
class Passes:
    """The images of one frame, (h, w, …), top left first.

    `color` linear, premultiplied; `alpha`; `depth` z in metres, alpha-normalised, +inf where empty;
    `normal` world, unit, zero where empty; `index` the body of the splat where half of the light is
    taken (the heaviest splat where that never happens), -1 where empty; `forward`, `backward`
    pixels, x right, y down, to the next and previous frame, of the background at infinity where
    alpha < 0.5, zero where that frame is absent; `depth_after`, `depth_before` the z [m] of the
    pixel's point in that frame's camera, +inf for the background and where the frame is absent.
    """

    color: Floats
    alpha: Floats
    depth: Floats
    normal: Floats
    index: NDArray[np.int32]
    forward: Floats
    backward: Floats
    depth_after: Floats
    depth_before: Floats


def render_splats(
    pose: SplatPose,
    view: View,
    *,
    color: Floats,
    opacity: Floats,
    normal: Floats,
    index: NDArray[np.int32],
    before: tuple[SplatPose, View] | None = None,
    after: tuple[SplatPose, View] | None = None,
) -> Passes:
    """Render splats, and their exact motion towards the poses and views of other frames.

    `color` (n, 3) linear, `opacity` (n,) in 0..1, `normal` (n, 3) world unit, `index` (n,) body.
    The same input gives the same bits on the CPU. ValueError where arrays do not fit.
    """
    if np.shape(index) != (len(pose.mean),):
        raise ValueError(f"expected index of shape ({len(pose.mean)},), got {np.shape(index)}")
    projected = project(
        pose, view, color=color, opacity=opacity, normal=normal, before=before, after=after
    )
    return rasterise(projected, np.ascontiguousarray(index, np.int32), view, before, after)


def rasterise(
    projected: Projected,
    index: NDArray[np.int32],
    view: View,
    before: tuple[SplatPose, View] | None = None,
    after: tuple[SplatPose, View] | None = None,
) -> Passes:
    """Sort, bin and blend projected splats."""
    size = (view.height, view.width)
    passes = Passes(
        color=np.zeros((*size, 3), np.float32),
        alpha=np.zeros(size, np.float32),
        depth=np.full(size, np.inf, np.float32),
        normal=np.zeros((*size, 3), np.float32),
        index=np.full(size, -1, np.int32),
        forward=_background_motion(view, after[1] if after else None),
        backward=_background_motion(view, before[1] if before else None),
        depth_after=np.full(size, np.inf, np.float32),
        depth_before=np.full(size, np.inf, np.float32),
    )
    lists = bin_splats(projected, view.width, view.height)
    lanes, pad = _task_shape()
    lenses = np.stack([_lens(view, frame[1] if frame else view) for frame in (after, before)])
    moving = (projected.record, index, lists.splats, lists.starts, lenses, lists.columns)
    _blend(*moving, *vars(passes).values(), lanes, pad, 1, after is not None, before is not None)
    return passes


def rasterise_plain(projected: Projected, view: View) -> tuple[Floats, Floats, Floats]:
    """Sort, bin and blend colour (h, w, 3), alpha (h, w) and depth (h, w) alone."""
    size = (view.height, view.width)
    color, alpha = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    depth = np.full(size, np.inf, np.float32)
    lists = bin_splats(projected, view.width, view.height)
    lanes, pad = _task_shape()
    empty = np.zeros((1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    none = np.zeros(1, np.int32)
    moving = (projected.record, none, lists.splats, lists.starts, empty[0], lists.columns)
    unused = (empty[1], none[None], empty[1], empty[1], empty[0], empty[0])
    _blend(*moving, color, alpha, depth, *unused, lanes, pad, 0, False, False)
    return color, alpha, depth


def render_depth(pose: SplatPose, view: View, opacity: Floats) -> Floats:
    """Return depth (h, w): z in metres, alpha-normalised, +inf where empty; for shadow maps."""
    blank = np.zeros((len(pose.mean), 3), np.float32)
    projected = project(pose, view, color=blank, opacity=opacity, normal=blank)
    return rasterise_plain(projected, view)[2]


def _background_motion(view: View, other: View | None) -> Floats:
    """Motion (h, w, 2) of points at infinity: K' R'^T R K^-1 q - q, zero without `other`."""
    size = (view.height, view.width)
    if other is None:
        return np.zeros((*size, 2), np.float32)
    turn = other.world_to_camera()[0] @ view.world_to_camera()[0].T - np.eye(3)
    # What rounding leaves of a camera that stands still is no motion.
    turn[np.abs(turn) < 1e-14] = 0
    scale_x, scale_y, cx, cy, other_cx, other_cy = _lens(view, other).astype(np.float64)
    step = _matrix(other) @ turn @ np.linalg.inv(_matrix(view))
    step[0] += scale_x, 0, other_cx - cx - scale_x * cx
    step[1] += 0, scale_y, other_cy - cy - scale_y * cy
    x = (np.arange(view.width) + 0.5)[None, :]
    y = (np.arange(view.height) + 0.5)[:, None]
    moved = [row[0] * x + row[1] * y + row[2] for row in step]
    ahead = 1 + moved[2]
    away = ahead < 1e-3
    scale = 1 / np.where(away, 1, ahead)
    motion = np.stack([(moved[0] - x * moved[2]) * scale, (moved[1] - y * moved[2]) * scale], -1)
    # A direction behind the other camera has no pixel there: send it far out of the frame.
    motion[np.broadcast_to(away, size)] = FAR_AWAY
    held: Floats = np.clip(motion, -FAR_AWAY, FAR_AWAY).astype(np.float32)
    return held


def _matrix(view: View) -> NDArray[np.float64]:
    fx, fy, cx, cy = (float(value) for value in view.intrinsics)
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _lens(view: View, other: View) -> Floats:
    """What the change of lens and the other image's centre add to motion: (6,) for the kernel."""
    fx, fy, cx, cy = (float(value) for value in view.intrinsics)
    gx, gy, dx, dy = (float(value) for value in other.intrinsics)
    return np.array([gx / fx - 1, gy / fy - 1, cx, cy, dx, dy], np.float32)


def _task_shape() -> tuple[int, int]:
    """Pixels that one task blends side by side, and the padding of its loop."""
    if padding() == 1:
        return 1, 1
    return TILE, padding() // TILE


@ti.func
def _exp2(p):
    """2^p for p in -9..1 within 2e-7: Taylor series about the middle of a whole step."""
    whole = ti.floor(p)
    f = (p - whole - 0.5) * 0.6931471805599453
    series = 1.0 + f * (1.0 + f * (0.5 + f * (1 / 6 + f * (1 / 24 + f * (1 / 120 + f / 720)))))
    bits = ti.bit_cast(1.4142135623730951 * series, ti.i32) + (ti.cast(whole, ti.i32) << 23)
    return ti.bit_cast(bits, ti.f32)


@ti.func
def _affine(record: ti.template(), i, column: ti.template(), dx, dy):
    return record[i, column] + record[i, column + 2] * dy + record[i, column + 1] * dx


@ti.func
def _moved(record: ti.template(), i, column: ti.template(), lenses: ti.template(), x, y, dx, dy):
    """Motion of the splat's points seen at x, y [px], and their change of depth as a ratio."""
    frame = (column - AFTER) // (BEFORE - AFTER)
    ahead = ti.max(1.0 + _affine(record, i, column + 6, dx, dy), NEAREST_RATIO)
    lens_x = lenses[frame, 0] * (x - lenses[frame, 2]) + lenses[frame, 4] - lenses[frame, 2]
    lens_y = lenses[frame, 1] * (y - lenses[frame, 3]) + lenses[frame, 5] - lenses[frame, 3]
    move_x = _affine(record, i, column, dx, dy) + (lenses[frame, 4] - x) * (ahead - 1.0) + lens_x
    move_y = (
        _affine(record, i, column + 3, dx, dy) + (lenses[frame, 5] - y) * (ahead - 1.0) + lens_y
    )
    return move_x / ahead, move_y / ahead, ahead


@ti.func
def _store_motion(motion: ti.template(), depth: ti.template(), row, column, moved, weight):
    if weight >= SOLID:
        motion[row, column, 0] = moved[0]
        motion[row, column, 1] = moved[1]
        depth[row, column] = moved[2]


@ti.kernel
def _blend(
    record: ti.types.ndarray(ti.f32, 2),
    index: ti.types.ndarray(ti.i32, 1),
    splats: ti.types.ndarray(ti.i32, 1),
    starts: ti.types.ndarray(ti.i32, 1),
    lenses: ti.types.ndarray(ti.f32, 2),
    columns: ti.i32,
    color: ti.types.ndarray(ti.f32, 3),
    alpha: ti.types.ndarray(ti.f32, 2),
    depth: ti.types.ndarray(ti.f32, 2),
    normal: ti.types.ndarray(ti.f32, 3),
    body: ti.types.ndarray(ti.i32, 2),
    forward: ti.types.ndarray(ti.f32, 3),
    backward: ti.types.ndarray(ti.f32, 3),
    depth_after: ti.types.ndarray(ti.f32, 2),
    depth_before: ti.types.ndarray(ti.f32, 2),
    lanes: ti.template(),
    pad: ti.template(),
    full: ti.template(),
    has_after: ti.template(),
    has_before: ti.template(),
):
    for task in range((starts.shape[0] - 1) * (TILE * TILE // lanes) * pad):
        if task % pad == 0:
            item = task // pad
            tile, spot = item // (TILE * TILE // lanes), item % (TILE * TILE // lanes) * lanes
            row, column = tile // columns * TILE + spot // TILE, tile % columns * TILE + spot % TILE
            y, x0 = row + 0.5, column + 0.5
            x = ti.Vector([x0 + lane for lane in range(lanes)])
            zero = ti.Vector([0.0 for lane in range(lanes)])
            light = zero + 1.0
            weight, surface, deep = zero, zero, zero
            red, green, blue = zero, zero, zero
            normal_x, normal_y, normal_z, heaviest = zero, zero, zero, zero
            after_x, after_y, after_z = zero, zero, zero
            before_x, before_y, before_z = zero, zero, zero
            owner = ti.Vector([-1 for lane in range(lanes)])
            for k in range(starts[tile], starts[tile + 1]):
                i = splats[k]
                dy = y - record[i, V]
                if ti.abs(dy) <= record[i, REACH_Y]:
                    center = record[i, U] + record[i, SLOPE] * dy
                    peak = record[i, LOG_OPACITY] + record[i, FALL_Y] * dy * dy
                    fall = record[i, FALL_X]
                    nearest = ti.math.clamp(center, x0, x0 + (lanes - 1)) - center
                    if peak + fall * nearest * nearest >= LOG_ALPHA_MIN:
                        t = x - center
                        p = peak + fall * t * t
                        a = ti.min(ALPHA_MAX, _exp2(ti.max(p, -9.0)))
                        taken = (p >= LOG_ALPHA_MIN) & (light >= TRANSMITTANCE_STOP)
                        w = ti.select(taken, a * light, 0.0)
                        dx = x - record[i, U]
                        inverse = _affine(record, i, W, dx, dy)
                        z = 1.0 / ti.math.clamp(inverse, record[i, W_LOW], record[i, W_HIGH])
                        g = ti.select(light >= SURFACE, w, 0.0)
                        weight += w
                        surface += g
                        red += w * record[i, RED]
                        green += w * record[i, RED + 1]
                        blue += w * record[i, RED + 2]
                        deep += g * z
                        if ti.static(full):
                            normal_x += g * record[i, NORMAL_X]
                            normal_y += g * record[i, NORMAL_X + 1]
                            normal_z += g * record[i, NORMAL_X + 2]
                            # The body at the median; until that is reached, the heaviest.
                            median = light - w <= 0.5
                            owns = (light > 0.5) & (w > 0.0) & (median | (w > heaviest))
                            owner = ti.select(owns, index[i], owner)
                            heaviest = ti.select(owns, w, heaviest)
                        if ti.static(has_after):
                            mx, my, ahead = _moved(record, i, AFTER, lenses, x, y, dx, dy)
                            after_x += g * mx
                            after_y += g * my
                            after_z += g * z * ahead
                        if ti.static(has_before):
                            mx, my, ahead = _moved(record, i, BEFORE, lenses, x, y, dx, dy)
                            before_x += g * mx
                            before_y += g * my
                            before_z += g * z * ahead
                        light -= w
                        if light.max() < TRANSMITTANCE_STOP:
                            break
            for lane in ti.static(range(lanes)):
                if row < alpha.shape[0] and column + lane < alpha.shape[1] and weight[lane] > 0.0:
                    share = 1.0 / surface[lane]
                    alpha[row, column + lane] = weight[lane]
                    depth[row, column + lane] = deep[lane] * share
                    color[row, column + lane, 0] = red[lane]
                    color[row, column + lane, 1] = green[lane]
                    color[row, column + lane, 2] = blue[lane]
                    if ti.static(full):
                        body[row, column + lane] = owner[lane]
                        n = ti.Vector([normal_x[lane], normal_y[lane], normal_z[lane]])
                        n /= ti.max(n.norm(), 1e-20)
                        for c in ti.static(range(3)):
                            normal[row, column + lane, c] = n[c]
                    if ti.static(has_after):
                        moved = ti.Vector([after_x[lane], after_y[lane], after_z[lane]]) * share
                        _store_motion(forward, depth_after, row, column + lane, moved, weight[lane])
                    if ti.static(has_before):
                        moved = ti.Vector([before_x[lane], before_y[lane], before_z[lane]]) * share
                        _store_motion(
                            backward, depth_before, row, column + lane, moved, weight[lane]
                        )
