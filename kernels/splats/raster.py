"""Tile rasteriser of Gaussian splats: every pass of a frame at once.

Front-to-back blending as in Kerbl et al., 3D Gaussian Splatting, 2023, section 6: alpha below 1/255
is skipped, alpha is capped at 0.999, a pixel stops where its transmittance falls below 1e-4.
Depth, normal and motion are blended beside it with hardly blurred footprints and a transmittance
of their own: colour may leak round an edge by a pixel, the place and motion of a face may not.
One task is one row of a tile, its 16 pixels unrolled so that the compiler keeps them in vector
registers; on a GPU a task is one pixel.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .background import background_motion, comparable, lens_change
from .bin import TILE, TileLists, bin_splats, padding
from .lanes import (
    SURFACE,
    TRANSMITTANCE_STOP,
    blurred_weight,
    crosses_row,
    depth_at,
    motion_at,
    sharp_weight,
)
from .project import (
    AFTER,
    BEFORE,
    NORMAL_X,
    REACH_Y,
    RED,
    Floats,
    Projected,
    SplatPose,
    U,
    V,
    View,
    pinhole,
    project,
)

# Planes of the kernel's images; a motion is followed by the depth there.
COLOR, ALPHA, DEPTH, NORMAL, AFTER_MOTION, BEFORE_MOTION, MEDIAN, COVERAGE = (
    0, 3, 4, 5, 8, 11, 14, 15
)  # fmt: skip
PLAIN_PLANES, PLANES = 5, 16
KEPT_SURFACE, KEPT_PLANES = 5, 6
"Without detail, what the backward pass needs beside the images: the weight that depth has."
DETAIL, FORWARD, BACKWARD, KEEP = 1, 2, 4, 8
"What to blend beside colour, alpha and depth, as a sum; DETAIL is all but motion."

PATIENCE = 4
"A row asks whether it may stop at every so many splats: its stopped pixels take nothing anyway."
SOLID = 0.5
"Below this alpha a pixel moves with the background at infinity."
BLUR = 1e-3
"Share of the blurred footprint in the weights of depth, normal and motion."


@dataclass(frozen=True)
class Passes:
    """The images of one frame, (h, w, …), top left first.

    `color` linear, premultiplied; `alpha`; `depth` z in metres, alpha-normalised, +inf where empty;
    `normal` world, unit, zero where empty; `index` the body of the splat where half of the light is
    taken (the heaviest splat where that never happens), -1 where empty; `median` z [m] of that
    splat at the pixel, +inf where empty; `coverage` 0..1, what splats fill of the pixel whatever
    their opacity: a pane of glass fills it, half a wall half of it; `forward`, `backward`
    pixels, x right, y down, to the next and previous frame, of the background at infinity where
    alpha < 0.5, zero where that frame is absent; `depth_after`, `depth_before` the z [m] of the
    pixel's point in that frame's camera, +inf for the background and where the frame is absent.
    Between a pinhole and an orthographic camera there is no motion: it points out of the picture.
    """

    color: Floats
    alpha: Floats
    depth: Floats
    normal: Floats
    index: NDArray[np.int32]
    median: Floats
    coverage: Floats
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
    antialias: bool = False,
) -> Passes:
    """Render splats, and their exact motion towards the poses and views of other frames.

    `color` (n, 3) linear, `opacity` (n,) in 0..1, `normal` (n, 3) world unit, `index` (n,) body.
    `antialias` as in `project`. The same input gives the same bits on the CPU. ValueError where
    arrays do not fit.
    """
    if np.shape(index) != (len(pose.mean),):
        raise ValueError(f"expected index of shape ({len(pose.mean)},), got {np.shape(index)}")
    projected = project(
        pose,
        view,
        color=color,
        opacity=opacity,
        normal=normal,
        before=comparable(view, before),
        after=comparable(view, after),
        antialias=antialias,
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
    planes = np.zeros((PLANES, view.height, view.width), np.float32)
    planes[[DEPTH, MEDIAN, AFTER_MOTION + 2, BEFORE_MOTION + 2]] = np.inf
    planes[AFTER_MOTION : AFTER_MOTION + 2] = background_motion(view, after)
    planes[BEFORE_MOTION : BEFORE_MOTION + 2] = background_motion(view, before)
    body = np.full((view.height, view.width), -1, np.int32)
    after, before = comparable(view, after), comparable(view, before)
    lenses = np.stack([lens_change(view, frame[1] if frame else view) for frame in (after, before)])
    wanted = DETAIL | FORWARD * (after is not None) | BACKWARD * (before is not None)
    _run(projected, view, index, lenses, planes, body, wanted)
    return Passes(
        color=_image(planes, COLOR, 3),
        alpha=planes[ALPHA],
        depth=planes[DEPTH],
        normal=_image(planes, NORMAL, 3),
        index=body,
        median=planes[MEDIAN],
        coverage=planes[COVERAGE],
        forward=_image(planes, AFTER_MOTION, 2),
        backward=_image(planes, BEFORE_MOTION, 2),
        depth_after=planes[AFTER_MOTION + 2],
        depth_before=planes[BEFORE_MOTION + 2],
    )


def rasterise_plain(projected: Projected, view: View) -> tuple[Floats, Floats, Floats]:
    """Sort, bin and blend colour (h, w, 3), alpha (h, w) and depth (h, w) alone."""
    planes = np.zeros((PLAIN_PLANES, view.height, view.width), np.float32)
    planes[DEPTH] = np.inf
    none = np.zeros(1, np.int32)
    _run(projected, view, none, np.zeros((1, 1), np.float32), planes, none[None], 0)
    return _image(planes, COLOR, 3), planes[ALPHA], planes[DEPTH]


def rasterise_kept(projected: Projected, view: View) -> tuple[Floats, TileLists]:
    """Return planes (KEPT_PLANES, h, w) and tile lists: what `record_gradient` works from.

    The images of `rasterise_plain` are the planes' first: COLOR, ALPHA and DEPTH.
    """
    planes = np.zeros((KEPT_PLANES, view.height, view.width), np.float32)
    planes[DEPTH] = np.inf
    none = np.zeros(1, np.int32)
    lenses = np.zeros((1, 1), np.float32)
    return planes, _run(projected, view, none, lenses, planes, none[None], KEEP)


def _run(
    projected: Projected,
    view: View,
    index: NDArray[np.int32],
    lenses: Floats,
    planes: Floats,
    body: NDArray[np.int32],
    wanted: int,
) -> TileLists:
    lists = bin_splats(projected, view.width, view.height, keep=bool(wanted & KEEP))
    lanes, pad = _task_shape()
    tiles = (lists.splats, lists.starts, lists.columns)
    images = (lenses, pinhole(view), planes, body)
    _blend(projected.record, index, *tiles, *images, lanes, pad, wanted)
    return lists


def _image(planes: Floats, first: int, channels: int) -> Floats:
    return np.ascontiguousarray(np.moveaxis(planes[first : first + channels], 0, -1))


def render_depth(pose: SplatPose, view: View, opacity: Floats) -> Floats:
    """Return depth (h, w): z in metres, alpha-normalised, +inf where empty; for shadow maps.

    Of the footprints that colour and alpha have: an edge is a pixel softer than in `render_splats`.
    """
    black = np.zeros((len(pose.mean), 3), np.float32)
    projected = project(SplatPose(pose.mean, pose.axes), view, color=black, opacity=opacity)
    return rasterise_plain(projected, view)[2]


def _task_shape() -> tuple[int, int]:
    """Pixels that one task blends side by side, and the padding of its loop."""
    if padding() == 1:
        return 1, 1
    return TILE, padding() // TILE


@ti.func
def _place(item, columns, lanes: ti.template()):
    """Tile, and row and column of the first pixel, of the item-th row of lanes."""
    per_tile = TILE * TILE // lanes
    tile, spot = item // per_tile, item % per_tile * lanes
    return tile, tile // columns * TILE + spot // TILE, tile % columns * TILE + spot % TILE


@ti.func
def _surface_weight(
    record: ti.template(),
    i,
    x,
    y,
    blurred,
    light,
    w,
    sharp_light: ti.template(),
    bare: ti.template(),
    wanted: ti.template(),
):
    """What counts of this splat for depth, normal and motion; taken from the sharp light.

    And what it covers is taken from the bare part of the pixel.
    """
    counted = ti.select(light >= SURFACE, w, 0.0)
    if ti.static(wanted & DETAIL):
        sharp, covered = sharp_weight(record, i, x, y, blurred, light, sharp_light)
        sharp_light -= sharp
        bare -= bare * covered
        # The blur decides where no splat truly is: beside a grain, in a gap.
        counted = sharp + BLUR * counted
    return counted


@ti.func
def _is_full(light, sharp_light, wanted: ti.template()):
    """Whether nothing that follows is seen in this row."""
    full = light.max() < TRANSMITTANCE_STOP
    if ti.static(wanted & DETAIL):
        full = full and sharp_light.max() < SURFACE
    return full


@ti.func
def _add(
    record: ti.template(),
    i,
    column: ti.template(),
    w,
    x: ti.template(),
    y: ti.template(),
    z: ti.template(),
):
    x += w * record[i, column]
    y += w * record[i, column + 1]
    z += w * record[i, column + 2]


@ti.func
def _add_motion(moved, g, sum_x: ti.template(), sum_y: ti.template(), sum_z: ti.template()):
    sum_x += g * moved[0]
    sum_y += g * moved[1]
    sum_z += g * moved[2]


@ti.func
def _store(planes: ti.template(), first: ti.template(), row, column, scale, x, y, z):
    """Write three planes of a pixel; a scale of zero leaves what is there."""
    if scale > 0.0:
        planes[first, row, column] = scale * x
        planes[first + 1, row, column] = scale * y
        planes[first + 2, row, column] = scale * z


@ti.func
def _detail(planes: ti.template(), body: ti.template(), row, column, owner, median, bare, normal):
    _store(planes, NORMAL, row, column, 1.0, *normal.normalized(1e-20))
    body[row, column], planes[MEDIAN, row, column] = owner, median
    planes[COVERAGE, row, column] = 1.0 - bare


@ti.func
def _keep(planes: ti.template(), row, column, surface, wanted: ti.template()):
    if ti.static(wanted & KEEP):
        planes[KEPT_SURFACE, row, column] = surface


@ti.func
def _elect(body, z, light, w, owner: ti.template(), median: ti.template(), heaviest: ti.template()):
    """Give pixels to the splat at the median of the light; until that is reached, the heaviest."""
    owns = (light > 0.5) & (w > 0.0) & ((light - w <= 0.5) | (w > heaviest))
    owner, median = ti.select(owns, body, owner), ti.select(owns, z, median)
    heaviest = ti.select(owns, w, heaviest)


@ti.kernel
def _blend(
    record: ti.types.ndarray(ti.f32, 2),  # [n, COLUMNS]
    index: ti.types.ndarray(ti.i32, 1),  # [n]
    splats: ti.types.ndarray(ti.i32, 1),
    starts: ti.types.ndarray(ti.i32, 1),  # [tiles + 1]
    columns: ti.i32,
    lenses: ti.types.ndarray(ti.f32, 2),  # [2, 6]: after, before
    is_pinhole: ti.f32,  # 1 or 0
    planes: ti.types.ndarray(ti.f32, 3),  # [PLANES, h, w]
    body: ti.types.ndarray(ti.i32, 2),  # [h, w]
    lanes: ti.template(),
    pad: ti.template(),
    wanted: ti.template(),
):
    for task in range((starts.shape[0] - 1) * (TILE * TILE // lanes) * pad):
        if task % pad == 0:
            tile, row, column = _place(task // pad, columns, lanes)
            y, x = row + 0.5, ti.Vector([column + 0.5 + lane for lane in range(lanes)])
            nil = ti.Vector([0.0 for lane in range(lanes)])
            light, sharp_light, bare, surface, deep = nil + 1.0, nil + 1.0, nil + 1.0, nil, nil
            owner, red, green, blue = ti.cast(nil, ti.i32) - 1, nil, nil, nil
            normal_x, normal_y, normal_z, median, heaviest = nil, nil, nil, nil, nil
            after_x, after_y, after_z, before_x, before_y, before_z = nil, nil, nil, nil, nil, nil
            for k in range(starts[tile], starts[tile + 1]):
                i = splats[k]
                dx, dy = x - record[i, U], y - record[i, V]
                if ti.abs(dy) <= record[i, REACH_Y] and crosses_row(record, i, x[0], dy, lanes):
                    w, p = blurred_weight(record, i, x, dy, light)
                    g = _surface_weight(record, i, x, y, p, light, w, sharp_light, bare, wanted)
                    z = depth_at(record, i, is_pinhole, dx, dy)
                    surface, deep = surface + g, deep + g * z
                    _add(record, i, RED, w, red, green, blue)
                    if ti.static(wanted & DETAIL):
                        _add(record, i, NORMAL_X, g, normal_x, normal_y, normal_z)
                        _elect(index[i], z, light, w, owner, median, heaviest)
                    if ti.static(wanted & FORWARD):
                        moved = motion_at(record, i, AFTER, lenses, is_pinhole, x, y, dx, dy, z)
                        _add_motion(moved, g, after_x, after_y, after_z)
                    if ti.static(wanted & BACKWARD):
                        moved = motion_at(record, i, BEFORE, lenses, is_pinhole, x, y, dx, dy, z)
                        _add_motion(moved, g, before_x, before_y, before_z)
                    light -= w
                    if k % PATIENCE == 0 and _is_full(light, sharp_light, wanted):
                        break
            for lane in range(lanes):
                at, alpha = column + lane, 1.0 - light[lane]
                if row < planes.shape[1] and at < planes.shape[2] and alpha > 0.0:
                    share = 1.0 / surface[lane]
                    _store(planes, COLOR, row, at, 1.0, red[lane], green[lane], blue[lane])
                    planes[ALPHA, row, at], planes[DEPTH, row, at] = alpha, deep[lane] * share
                    _keep(planes, row, at, surface[lane], wanted)
                    if ti.static(wanted & DETAIL):
                        n = ti.Vector([normal_x[lane], normal_y[lane], normal_z[lane]])
                        _detail(planes, body, row, at, owner[lane], median[lane], bare[lane], n)
                    share = ti.select(alpha >= SOLID, share, 0.0)
                    ahead, back = ti.min(wanted & FORWARD, 1), ti.min(wanted & BACKWARD, 1)
                    after = after_x[lane], after_y[lane], after_z[lane]
                    _store(planes, AFTER_MOTION, row, at, share * ahead, *after)
                    before = before_x[lane], before_y[lane], before_z[lane]
                    _store(planes, BEFORE_MOTION, row, at, share * back, *before)
