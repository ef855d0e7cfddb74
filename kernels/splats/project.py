"""Splats to the screen: footprint, plane and motion of each splat; called by raster.

Symbols: p camera-space mean, z its depth, d what x and y are divided by (z, or 1 where rays are
parallel), w = 1/d, B the 2x3 map from the splat's unit sphere to pixels (J W axes), S = B B^T its
screen covariance [px^2], q a pixel, u its mean on the screen.
Footprints follow Zwicker et al., EWA splatting, 2002, equations 29 to 32.

Depth and motion inside a splat are conditional means given the pixel q. On a flat splat 1/z and
(p' - p)/z are affine in q exactly, under perspective too, so both are regressed from the splat's
own covariances and turned into depth and pixels afterwards: the exact homography of each disc.
Where rays are parallel z and p' - p are affine in q themselves.

At a solid's outline many discs are seen edge-on, one behind the other, each as wide as a pixel
blurs it: what they hide together would stand out by more than a pixel. So the blurred footprint of
a disc that a solid backs is drawn back into that; depth, normal and motion stay in place, and end
where colours do.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DILATION = 0.3
"Variance [px^2] that the blending footprint gains, so that no splat falls between the pixels."
SHARPNESS = 0.02
"""Variance [px^2] that the footprint of depth, normal and motion gains: colours may blur over an
edge, but what lies there must not take the place and motion of the face round the corner."""
STACK = 40.0
"""Discs that lie behind each other at an outline, as they count: where one hides a STACK-th of the
light, they hide half of it. Measured on balls of 20 to 300 px and discs of 0.5 to 2 px."""
FLATNESS = 1e-4
"Variance [px^2] added before the regression: a splat seen edge-on then moves with its centre."
ALPHA_MIN = 1.0 / 255.0
PARALLEL_DISTANCE = 1e6
"Metres from which rays count as parallel."
EXTENT_MARGIN = 1.3
"The Jacobian is taken inside this multiple of the view: beyond it the linearisation explodes."

# Columns of a splat's record. U, V: the middle of what is blurred, SHARP_U, SHARP_V: u.
# AFTER, BEFORE: (p' - p)/d in pixels: value at U, V, slopes along x and y.
# W: 1/z, or z where rays are parallel, at U, V, and its slopes and bounds.
# The exponent of 2 of alpha is LOG_OPACITY + FALL_Y dy^2 + FALL_X (dx - SLOPE dy)^2.
U, V, FALL_X, FALL_Y, SLOPE, LOG_OPACITY, REACH_X, REACH_Y = range(8)
RED, GREEN, BLUE, W, W_X, W_Y, W_LOW, W_HIGH = range(8, 16)
NORMAL_X, NORMAL_Y, NORMAL_Z, SHARP_FALL_X, SHARP_FALL_Y, SHARP_SLOPE = range(16, 22)
SHARP_U, SHARP_V, AFTER, BEFORE = 22, 23, 24, 33
PLAIN_COLUMNS, COLUMNS = 16, 42

LOG2_E = 1.4426950408889634


@dataclass(frozen=True)
class View:
    """A camera for one frame, a pinhole or an orthographic one.

    `camera_to_world` (4, 4) float64 in OpenCV axes (x right, y down, z forward), `intrinsics` (4,)
    fx fy cx cy in pixels (pixel centres at +0.5), size in pixels, `near` and `far` in metres.
    Orthographic, fx and fy are pixels per metre. `shear` is what x and y gain per metre of depth,
    as when parallel rays come through a spot beside the middle of a lens.
    """

    camera_to_world: NDArray[np.float64]
    intrinsics: NDArray[np.float64]
    width: int
    height: int
    near: float
    far: float
    orthographic: bool = False
    shear: tuple[float, float] = (0.0, 0.0)

    @property
    def eye(self) -> NDArray[np.float64]:
        """Where its rays come from (3,) [m]; so far behind that they are parallel, if need be."""
        place = np.asarray(self.camera_to_world, np.float64)[:3, 3]
        back = np.asarray(self.camera_to_world, np.float64)[:3, 2] * PARALLEL_DISTANCE
        return place - back if self.orthographic else place

    def world_to_camera(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rotation (3, 3) and translation (3,) that bring world points to the camera."""
        pose = np.asarray(self.camera_to_world, np.float64)
        rotation = pose[:3, :3].T.copy()
        rotation[:2] += np.outer(self.shear, rotation[2])
        return rotation, -rotation @ pose[:3, 3]


@dataclass(frozen=True)
class SplatPose:
    """Where the splats are at one time.

    `mean` (n, 3) world metres; `axes` (n, 3, 3) whose columns are the 1-sigma half axes in the
    world [m]: covariance = axes @ axes.T. `backing` (n,) tells of flat splats on a solid's surface
    how thick that is behind them: it reaches from `mean` to mean - backing * third axis. It is 0 of
    all other splats, and without it.
    """

    mean: Floats
    axes: Floats
    backing: Floats | None = None


@dataclass(frozen=True)
class Projected:
    """Splats on the screen, in the caller's order.

    `record` (n, COLUMNS or PLAIN_COLUMNS) f32; REACH_X is -1 for a splat that is not seen.
    `depth` (n,) f32 metres along the camera axis.
    """

    record: Floats
    depth: Floats


def project(
    pose: SplatPose,
    view: View,
    *,
    color: Floats,
    opacity: Floats,
    normal: Floats | None = None,
    before: tuple[SplatPose, View] | None = None,
    after: tuple[SplatPose, View] | None = None,
    antialias: bool = False,
) -> Projected:
    """Project splats to records for the rasteriser.

    Splats nearer than `near`, beyond `far`, off the screen, fainter than 1/255 or not finite are
    not seen. With `antialias` a splat is as much fainter as DILATION makes it larger (Yu et al.,
    Mip-Splatting, 2024, section 4.2), for captures that were trained so. Without `normal` the
    record is PLAIN_COLUMNS wide: for colour, alpha and depth alone.
    ValueError where an array has not one row per splat.
    """
    count = len(pose.mean)
    if normal is None and (before is not None or after is not None):
        raise ValueError("expected normal with before or after, got none")
    columns = PLAIN_COLUMNS if normal is None else COLUMNS
    record = np.zeros((count, columns), np.float32)
    depth = np.zeros(count, np.float32)
    if count == 0:
        return Projected(record, depth)
    mean, axes = _pose_arrays(pose, count)
    _footprint(
        mean,
        axes,
        _rows(color, (count, 3), "color"),
        _rows(opacity, (count,), "opacity"),
        _rows(np.zeros(count, "f4") if pose.backing is None else pose.backing, (count,), "backing"),
        mean if normal is None else _rows(normal, (count, 3), "normal"),
        camera_array(view),
        view_bounds(view),
        record,
        depth,
        antialias,
    )
    for column, other in ((AFTER, after), (BEFORE, before)):
        if other is not None:
            other_mean, other_axes = _pose_arrays(other[0], count)
            cameras = (camera_array(view), camera_array(other[1]))
            _motion(mean, axes, other_mean, other_axes, *cameras, column, record)
    return Projected(record, depth)


def camera_array(view: View) -> Floats:
    """Rotation (9), translation (3), fx fy cx cy, 1 for a pinhole: the (17,) that kernels read."""
    rotation, translation = view.world_to_camera()
    numbers = [*rotation.ravel(), *translation, *view.intrinsics, pinhole(view)]
    return np.array(numbers, np.float32)


def pinhole(view: View) -> float:
    """Return 1 for a pinhole, 0 where rays are parallel: kernels blend by it, without a branch."""
    return 0.0 if view.orthographic else 1.0


def view_bounds(view: View) -> Floats:
    """Width, height, near, far, and what holds x/d and y/d where the Jacobian is taken: (8,)."""
    fx, fy, cx, cy = (float(value) for value in view.intrinsics)
    margin_x = (EXTENT_MARGIN - 1) * view.width / (2 * fx)
    margin_y = (EXTENT_MARGIN - 1) * view.height / (2 * fy)
    limits = (
        -cx / fx - margin_x,
        (view.width - cx) / fx + margin_x,
        -cy / fy - margin_y,
        (view.height - cy) / fy + margin_y,
    )
    clip = (max(view.near, 1e-6), view.far)
    return np.array([view.width, view.height, *clip, *limits], np.float32)


def _pose_arrays(pose: SplatPose, count: int) -> tuple[Floats, Floats]:
    return _rows(pose.mean, (count, 3), "mean"), _rows(pose.axes, (count, 3, 3), "axes")


def _rows(array: Floats, shape: tuple[int, ...], name: str) -> Floats:
    if np.shape(array) != shape:
        raise ValueError(f"expected {name} of shape {shape}, got {np.shape(array)}")
    return np.ascontiguousarray(array, np.float32)


@ti.func
def matrix3(camera: ti.template()):
    return ti.Matrix([[camera[3 * r + c] for c in range(3)] for r in range(3)])


@ti.func
def _translation(camera: ti.template()):
    return ti.Vector([camera[9], camera[10], camera[11]])


@ti.func
def row3(array: ti.template(), i):
    return ti.Vector([array[i, 0], array[i, 1], array[i, 2]])


@ti.func
def _axes(array: ti.template(), i):
    return ti.Matrix([[array[i, r, c] for c in range(3)] for r in range(3)])


@ti.func
def inverse_divisor(p, is_pinhole):
    """What x and y in the camera are multiplied by before the lens."""
    return 1.0 / ti.select(is_pinhole > 0.5, p[2], 1.0)


@ti.func
def screen_rows(local, w, x, y, fx, fy, is_pinhole):
    """The rows of B, and of w: how u, v and w change along the splat's axes."""
    deep = is_pinhole * ti.Vector([local[2, 0], local[2, 1], local[2, 2]])
    along_x = ti.Vector([local[0, 0], local[0, 1], local[0, 2]])
    along_y = ti.Vector([local[1, 0], local[1, 1], local[1, 2]])
    return fx * w * (along_x - x * deep), fy * w * (along_y - y * deep), -w * w * deep


@ti.func
def covariance(bx, by, extra):
    """Entries of B B^T + extra I and its determinant by Lagrange's identity."""
    xx, xy, yy = bx.dot(bx), bx.dot(by), by.dot(by)
    determinant = bx.cross(by).norm_sqr() + extra * (xx + yy) + extra * extra
    return xx + extra, xy, yy + extra, determinant


@ti.func
def regress(r, bx, by, extra, determinant):
    """Slopes along x and y of the conditional mean of what changes by `r` on the axes.

    r B^T (B B^T + extra I)^-1, its products of inner products taken as cross products
    (Binet-Cauchy): needles would cancel out.
    """
    area = bx.cross(by)
    along_x = r.cross(by).dot(area) + extra * r.dot(bx)
    along_y = extra * r.dot(by) - r.cross(bx).dot(area)
    return along_x / determinant, along_y / determinant


@ti.func
def _falls(xy, yy, determinant):
    """Fall of the exponent across and along a row's distance, and the slope of its ridge."""
    return ti.Vector([-0.5 * LOG2_E * yy / determinant, -0.5 * LOG2_E / yy, xy / yy])


@ti.func
def _inset(local, bx, by, fx, fy, backing, strength):
    """Pixels by which a disc's blurred footprint is drawn back into what backs it, half at most."""
    first = ti.Vector([local[0, 0], local[1, 0], local[2, 0]])
    n = first.cross(ti.Vector([local[0, 1], local[1, 1], local[2, 1]]))
    third = backing * ti.Vector([local[0, 2], local[1, 2], local[2, 2]])
    n *= ti.select(n.dot(third) < 0.0, -1.0, 1.0) / ti.max(n.norm(), 1e-30)
    # A plane through the eye is a line on the screen, and this stands upright on it.
    across = ti.Vector([n[0] / fx, n[1] / fy]).normalized(1e-30)
    own = (across[0] * bx + across[1] * by).norm_sqr()
    wider = ti.sqrt(own + DILATION) - ti.sqrt(own)
    tilt, stacked = ti.sqrt(n[0] * n[0] + n[1] * n[1]), ti.max(STACK * strength, 1.0)
    half = 0.5 * ti.abs(backing * (across[0] * bx[2] + across[1] * by[2]))
    return -ti.min(tilt * ti.sqrt(2.0 * ti.log(stacked)) * wider, half) * across


@ti.func
def flatness(bx, by):
    # Single precision cannot tell a needle 3000 times longer than wide from a line.
    return FLATNESS + 1e-7 * (bx.norm_sqr() + by.norm_sqr())


@ti.kernel
def _footprint(
    mean: ti.types.ndarray(ti.f32, 2),
    axes: ti.types.ndarray(ti.f32, 3),
    color: ti.types.ndarray(ti.f32, 2),
    opacity: ti.types.ndarray(ti.f32, 1),
    backing: ti.types.ndarray(ti.f32, 1),
    normal: ti.types.ndarray(ti.f32, 2),
    camera: ti.types.ndarray(ti.f32, 1),
    bounds: ti.types.ndarray(ti.f32, 1),
    record: ti.types.ndarray(ti.f32, 2),
    depth: ti.types.ndarray(ti.f32, 1),
    antialias: ti.template(),
):
    for i in range(mean.shape[0]):
        rotation = matrix3(camera)
        p = rotation @ row3(mean, i) + _translation(camera)
        local = rotation @ _axes(axes, i)
        deep = ti.Vector([local[2, 0], local[2, 1], local[2, 2]])
        fx, fy, w = camera[12], camera[13], inverse_divisor(p, camera[16])
        record[i, REACH_X] = -1.0
        # A comparison with NaN is false, so what is not finite is not seen.
        if p[2] >= bounds[2] and p[2] <= bounds[3] and opacity[i] >= ALPHA_MIN:
            u, v = fx * (p[0] * w) + camera[14], fy * (p[1] * w) + camera[15]
            x = ti.math.clamp(p[0] * w, bounds[4], bounds[5])
            y = ti.math.clamp(p[1] * w, bounds[6], bounds[7])
            bx, by, _bw = screen_rows(local, w, x, y, fx, fy, camera[16])
            xx, xy, yy, determinant = covariance(bx, by, DILATION)
            strength = ti.min(opacity[i], 1.0)
            if ti.static(antialias):
                strength *= ti.sqrt(covariance(bx, by, 0.0)[3] / determinant)
            inset = _inset(local, bx, by, fx, fy, backing[i], strength)
            u, v = u + inset[0], v + inset[1]
            reach = 2.0 * ti.log(strength / ALPHA_MIN)
            reach_x, reach_y = ti.sqrt(reach * xx), ti.sqrt(reach * yy)
            # Where alpha stays below 1/255 the reach is no number, and the splat is not seen.
            seen = u + reach_x > 0.0 and u - reach_x < bounds[0]
            seen = seen and v + reach_y > 0.0 and v - reach_y < bounds[1]
            if seen and determinant < 1e30:
                record[i, U], record[i, V] = u, v
                falls = _falls(xy, yy, determinant)
                record[i, FALL_X], record[i, FALL_Y], record[i, SLOPE] = falls
                if record.shape[1] > PLAIN_COLUMNS:
                    _xx, xy, yy, determinant = covariance(bx, by, SHARPNESS + flatness(bx, by))
                    falls = _falls(xy, yy, determinant)
                    record[i, SHARP_FALL_X], record[i, SHARP_FALL_Y] = falls[0], falls[1]
                    record[i, SHARP_SLOPE] = falls[2]
                    record[i, SHARP_U], record[i, SHARP_V] = u - inset[0], v - inset[1]
                record[i, LOG_OPACITY] = ti.log(strength) * LOG2_E
                record[i, REACH_X], record[i, REACH_Y] = reach_x, reach_y
                for c in ti.static(range(3)):
                    record[i, RED + c] = color[i, c]
                    if record.shape[1] > PLAIN_COLUMNS:
                        record[i, NORMAL_X + c] = normal[i, c]
                bx, by, bw = screen_rows(local, w, p[0] * w, p[1] * w, fx, fy, camera[16])
                parallel = 1.0 - camera[16]
                plane = w + parallel * (p[2] - w), bw + parallel * deep
                _write_depth(record, i, *plane, bx, by, inset)
        depth[i] = p[2]


@ti.func
def _write_depth(record: ti.template(), i, w, bw, bx, by, inset):
    """The plane of what changes by `bw` on the splat's axes: 1/z, or z where rays are parallel."""
    extra = flatness(bx, by)
    w_x, w_y = regress(bw, bx, by, extra, covariance(bx, by, extra)[3])
    # A plane seen edge-on runs away: hold it at four sigma and a pixel's dilation.
    spread = 4.0 * bw.norm() + ti.sqrt(w_x * w_x + w_y * w_y)
    record[i, W] = w + w_x * inset[0] + w_y * inset[1]
    record[i, W_X], record[i, W_Y] = w_x, w_y
    record[i, W_LOW] = ti.max(w - spread, 0.25 * w)
    record[i, W_HIGH] = ti.min(w + spread, 4.0 * w)


@ti.kernel
def _motion(
    mean: ti.types.ndarray(ti.f32, 2),
    axes: ti.types.ndarray(ti.f32, 3),
    other_mean: ti.types.ndarray(ti.f32, 2),
    other_axes: ti.types.ndarray(ti.f32, 3),
    camera: ti.types.ndarray(ti.f32, 1),
    other_camera: ti.types.ndarray(ti.f32, 1),
    column: ti.i32,
    record: ti.types.ndarray(ti.f32, 2),
):
    """Write (p' - p)/d [px] and its slopes: M - I of the conditional mean, in homogeneous form.

    Both cameras are pinholes, or both are orthographic.
    """
    for i in range(mean.shape[0]):
        if record[i, REACH_X] > 0.0:
            rotation, rotation_other = matrix3(camera), matrix3(other_camera)
            p = rotation @ row3(mean, i) + _translation(camera)
            q = rotation_other @ row3(other_mean, i) + _translation(other_camera)
            local = rotation @ _axes(axes, i)
            change = rotation_other @ _axes(other_axes, i) - local
            fx, fy, w = camera[12], camera[13], inverse_divisor(p, camera[16])
            bx, by, bw = screen_rows(local, w, p[0] * w, p[1] * w, fx, fy, camera[16])
            extra = flatness(bx, by)
            _xx, _xy, _yy, determinant = covariance(bx, by, extra)
            dx, dy = record[i, U] - record[i, SHARP_U], record[i, V] - record[i, SHARP_V]
            for c in ti.static(range(3)):
                scale = 1.0
                if ti.static(c < 2):
                    scale = other_camera[12 + c]
                step = q[c] - p[c]
                r = w * ti.Vector([change[c, 0], change[c, 1], change[c, 2]]) + step * bw
                along_x, along_y = regress(r, bx, by, extra, determinant)
                record[i, column + 3 * c] = scale * (step * w + along_x * dx + along_y * dy)
                record[i, column + 3 * c + 1] = scale * along_x
                record[i, column + 3 * c + 2] = scale * along_y
