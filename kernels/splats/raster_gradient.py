"""Backward of the plain rasteriser: from gradients of colour, alpha and depth to those of records.

One task walks a run of tiles, and in each the splats front to back as the forward pass did. With
L the loss and s_i = dL/dw_i what a pixel gains from weight w_i, sum(w_j s_j) over all splats is
known from the finished image, so what lies behind splat i is that sum less what has been passed:
dL/dalpha_i = T_i s_i - rest_i / (1 - alpha_i). Thresholds (1/255, 0.999, 1e-4) have no gradient.
Rows that a splat reaches are found ahead for a whole batch, so that the passing loop has no branch.
Each entry of a tile list gets a row of sums of its own, and each splat adds up its rows: no atomics
(they are compare-and-swap loops on x86), and the same bits every time.
"""

import numpy as np
import taichi as ti

from .bin import SLACK, TILE, TileLists, padding
from .lanes import (
    ALPHA_MAX,
    LOG_ALPHA_MIN,
    SURFACE,
    TRANSMITTANCE_STOP,
    at_least,
    at_most,
    exp2,
)
from .project import (
    BLUE,
    FALL_X,
    FALL_Y,
    GREEN,
    LOG_OPACITY,
    PLAIN_COLUMNS,
    REACH_X,
    REACH_Y,
    RED,
    SLOPE,
    W_HIGH,
    W_LOW,
    W_X,
    W_Y,
    Floats,
    Projected,
    U,
    V,
    View,
    W,
    pinhole,
)
from .tile_pixels import (
    GIVE_ALPHA,
    GIVE_BLUE,
    GIVE_DEPTH,
    GIVE_GREEN,
    GIVE_RED,
    ITEMS,
    LANES,
    LIGHT,
    MEAN_DEPTH,
    PER_ROW,
    PLANES,
    REST,
    begin_tile,
    brightest_of,
    eight,
)

four = ti.types.vector(4, ti.f32)

# Sums of a splat over the pixels of a tile. Q: dL/d exponent, H: dL/d (1/z), or z where rays are
# parallel; X, Y: times dx, dy.
SUM_RED, SUM_GREEN, SUM_BLUE, Q, Q_X, Q_XX, Q_Y, Q_XY, Q_YY, H, H_X, H_Y = range(12)
SUMS = 12
AWAY = 12
"Beside a task's sums: dx of the pixels, which so stay side by side."
BATCH = 32
"""Splats whose records are touched before they are passed: many reads of memory are under way while
they are added up, to no use, and each would be waited for else. And a tile is asked whether it is
dark."""
RUNS = 64
"Tasks that the tiles are split into on the CPU."
LN_2 = 0.6931471805599453


def record_gradient(
    projected: Projected,
    lists: TileLists,
    planes: Floats,
    view: View,
    *,
    color: Floats,
    alpha: Floats,
    depth: Floats | None,
) -> Floats:
    """Return the gradient (n, PLAIN_COLUMNS) of records; of REACH, W_LOW and W_HIGH it is zero.

    `planes` and `lists` are what `rasterise_kept` gave; `color` (3, h, w), `alpha` and `depth`
    (h, w) are the gradients of its images; without `depth` it counts as zero, and takes less time.
    Empty pixels have no depth, and what is given for them is left out.
    """
    if len(lists.order) == 0:
        return np.zeros((len(projected.depth), PLAIN_COLUMNS), np.float32)
    tiles, pad = lists.rows * lists.columns, padding()
    runs = min(RUNS, tiles) if pad > 1 else tiles
    with_depth = depth is not None
    sums = np.empty((len(lists.splats), SUMS), np.float32)
    gradient = np.empty((len(projected.depth), PLAIN_COLUMNS // 4, 4), np.float32)
    pixels = np.empty((runs * ITEMS, PLANES, LANES), np.float32)
    held = np.empty((runs, SUMS + 1, LANES), np.float32)
    used = np.empty(max(runs, -(-len(gradient) // BATCH)), np.float32)
    owed = (planes, color, alpha[None], (alpha if depth is None else depth)[None])
    images = (_by_lanes(image, lists.columns) for image in owed)
    tables = (lists.splats, lists.starts, lists.columns)
    rows = np.empty((runs * BATCH, 2 * PER_ROW), np.int32)
    rooms = (pixels, held, used, rows, sums)
    sizes = (planes.shape[2], runs, pad, pinhole(view))
    record = np.ascontiguousarray(projected.record[:, :PLAIN_COLUMNS]).reshape(-1, 2, LANES)
    _tile_sums(record, *tables, *images, *rooms, *sizes, with_depth)
    fourth = sums.reshape(-1, SUMS // 4, 4)
    _gather(projected.record, lists.owned, lists.entries, fourth, used, gradient)
    return gradient.reshape(-1, PLAIN_COLUMNS)


def _by_lanes(images: Floats, columns: int) -> Floats:
    """Return images (k, h, groups of LANES, LANES), with zeros beyond their width."""
    width = columns * TILE
    if images.shape[2] != width:
        images = np.pad(images, ((0, 0), (0, 0), (0, width - images.shape[2])))
    return np.ascontiguousarray(images, np.float32).reshape(*images.shape[:2], -1, LANES)


@ti.kernel
def _tile_sums(
    record: ti.types.ndarray(eight, 2),  # [n, PLAIN_COLUMNS / LANES]
    splats: ti.types.ndarray(ti.i32, 1),
    starts: ti.types.ndarray(ti.i32, 1),  # [tiles + 1]
    columns: ti.i32,
    planes: ti.types.ndarray(eight, 3),  # [KEPT_PLANES, h, padded w / LANES]
    color: ti.types.ndarray(eight, 3),  # [3, h, padded w / LANES], and so on: what is given
    alpha: ti.types.ndarray(eight, 3),
    depth: ti.types.ndarray(eight, 3),
    pixels: ti.types.ndarray(eight, 2),  # [runs * ITEMS, PLANES]
    held: ti.types.ndarray(eight, 2),  # [runs, SUMS + 1]
    used: ti.types.ndarray(ti.f32, 1),  # [runs]
    rows: ti.types.ndarray(ti.i32, 2),  # [runs * BATCH, 2 PER_ROW]
    sums: ti.types.ndarray(ti.f32, 2),  # [entries, SUMS]
    width: ti.i32,
    runs: ti.i32,
    pad: ti.i32,
    is_pinhole: ti.f32,  # 1 or 0
    with_depth: ti.template(),
):
    for task in range(runs * pad):
        if task % pad == 0:
            run, tiles = task // pad, starts.shape[0] - 1
            base = run * ITEMS
            # Neighbours one after the other: they share splats, whose records are near then.
            share, more = tiles // runs, tiles % runs
            begin = run * share + ti.min(run, more)
            for tile in range(begin, begin + share + ti.select(run < more, 1, 0)):
                top, left = tile // columns * TILE, tile % columns * TILE
                corner = base, top, left, width
                begin_tile(pixels, *corner, planes, color, alpha, depth, with_depth)
                for batch in range((starts[tile + 1] - starts[tile] + BATCH - 1) // BATCH):
                    start = starts[tile] + batch * BATCH
                    stop = ti.min(start + BATCH, starts[tile + 1])
                    brightest = brightest_of(pixels, base)
                    if brightest < TRANSMITTANCE_STOP:
                        _leave_out(start, starts[tile + 1], sums)
                        break
                    first = run * BATCH - start
                    _make_ready(record, splats, start, stop, top, left, rows, first, used, run)
                    # What lies deep in the light is seen without being part of the depth.
                    for deep in ti.static(range(2)):
                        if ti.static(with_depth or deep == 1):  # noqa: SIM102 (one is not compiled)
                            if (not with_depth) or (brightest < SURFACE) == (deep == 1):
                                for k in range(start, stop):
                                    _pass_splat(
                                        k, record, splats[k], rows, first + k, top, left, base,
                                        pixels, held, sums, run, is_pinhole, not deep,
                                    )  # fmt: skip


@ti.func
def _leave_out(start, stop, sums: ti.template()):
    """Write the sums of splats that nothing is seen of."""
    for entry in range(start, stop):
        for c in ti.static(range(SUMS)):
            sums[entry, c] = 0.0


@ti.func
def _make_ready(
    record: ti.template(), splats: ti.template(), start, stop, top, left, rows: ti.template(),
    first, used: ti.template(), run,
):  # fmt: skip
    """Touch the records of a batch, and find the rows that each splat reaches."""
    touched = 0.0
    for k in range(start, stop):
        touched += record[splats[k], 0][0] + record[splats[k], 1][7]
    used[run] = touched
    for k in range(start, stop):
        _find_rows(record, splats[k], top, left, rows, first + k)


@ti.func
def _alpha(t, peak, fall_x, light):
    """Alpha at the distance t from the ridge, and where it is free to change; zero if not taken."""
    p = peak + fall_x * t * t
    a = exp2(p)
    taken = (p >= LOG_ALPHA_MIN) & (light >= TRANSMITTANCE_STOP)
    return ti.select(taken, at_most(a, ALPHA_MAX), 0.0), taken & (a < ALPHA_MAX)


@ti.func
def _reciprocals(a, b):
    """Both by one division: it is what takes longest here."""
    both = 1.0 / (a * b)
    return both * b, both * a


@ti.func
def _depth(free, low, high, left_over, is_pinhole):
    """Depth, how it falls as the record's columns rise (0 where it is held), and 1 / left_over."""
    held = at_most(at_least(free, low), high)
    inverse, shared = _reciprocals(held, left_over)
    z = ti.select(is_pinhole > 0.5, inverse, held)
    falls = ti.select(is_pinhole > 0.5, z * z, -1.0)
    return z, ti.select(free == held, falls, 0.0), shared


@ti.func
def _find_rows(record: ti.template(), i, top, left, rows: ti.template(), at):
    """First and last row of the tile where the ellipse crosses each LANES pixels of its width.

    As `bin._span` for columns, and found for a whole batch: the passing loop shall not wait.
    """
    own = record[i, 0]
    u, v, slope, reach_x, reach_y = own[U], own[V] - top, own[SLOPE], own[REACH_X], own[REACH_Y]
    # The ellipse reaches lowest at dx = t and highest at -t; `half` is half its height at dx = 0.
    t, ratio, along = slope * reach_y, reach_y / reach_x, 1.0 / (reach_x * reach_x)
    rise = slope * ratio * ratio
    half = reach_y * ratio * ti.sqrt(own[FALL_Y] / own[FALL_X])
    for part in ti.static(range(PER_ROW)):
        x0 = left + part * LANES + 0.5
        low = at_least(x0 - SLACK - u, -reach_x)
        high = at_most(x0 + (LANES - 1 + SLACK) - u, reach_x)
        down, up = at_most(at_least(t, low), high), at_most(at_least(-t, low), high)
        end = v + rise * down + half * ti.sqrt(at_least(1.0 - down * down * along, 0.0))
        begin = v + rise * up - half * ti.sqrt(at_least(1.0 - up * up * along, 0.0))
        last = ti.cast(at_most(at_least(end + (SLACK + 0.5), 0.0), TILE), ti.i32) - 1
        rows[at, 2 * part] = ti.cast(at_most(at_least(begin + (0.5 - SLACK), 0.0), TILE), ti.i32)
        rows[at, 2 * part + 1] = ti.select(low <= high, last, -1)


@ti.func
def _pass_splat(
    entry, record: ti.template(), i, rows: ti.template(), at_rows, top, left, base,
    pixels: ti.template(), held: ti.template(), sums: ti.template(), run, is_pinhole,
    with_depth: ti.template(),
):  # fmt: skip
    """Take one splat from the light of a tile's pixels, and write its sums."""
    nil = ti.Vector([0.0 for lane in range(LANES)])
    red, green, blue, q_0, q_x, q_xx, q_y, q_xy, q_yy = nil, nil, nil, nil, nil, nil, nil, nil, nil
    h_0, h_x, h_y = nil, nil, nil
    # Read once: to the compiler every store may change what was read.
    u, v, slope = record[i, 0][U], record[i, 0][V], record[i, 0][SLOPE]
    fall_x, fall_y = record[i, 0][FALL_X], record[i, 0][FALL_Y]
    log_opacity, more = record[i, 0][LOG_OPACITY], record[i, 1]
    own_red, own_green, own_blue = more[RED - LANES], more[GREEN - LANES], more[BLUE - LANES]
    inverse_0, inverse_x, inverse_y = more[W - LANES], more[W_X - LANES], more[W_Y - LANES]
    low, high = more[W_LOW - LANES], more[W_HIGH - LANES]
    for half in range(PER_ROW):
        held[run, AWAY] = ti.Vector([left + half * LANES + 0.5 + lane for lane in range(LANES)]) - u
        half_q, half_qy, half_h = nil, nil, nil
        for y in range(rows[at_rows, 2 * half], rows[at_rows, 2 * half + 1] + 1):
            dx, dy = held[run, AWAY], (top + y + 0.5) - v
            peak = log_opacity + fall_y * dy * dy
            at = base + y * PER_ROW + half
            light = pixels[at, LIGHT]
            a, free = _alpha(dx - slope * dy, peak, fall_x, light)
            w, left_over, shared = a * light, 1.0 - a, nil
            give_red, give_green = pixels[at, GIVE_RED], pixels[at, GIVE_GREEN]
            give_blue, gain = pixels[at, GIVE_BLUE], pixels[at, GIVE_ALPHA]
            gain += own_red * give_red + own_green * give_green + own_blue * give_blue
            if ti.static(with_depth):
                inverse = (inverse_0 + inverse_y * dy) + inverse_x * dx
                z, falls, shared = _depth(inverse, low, high, left_over, is_pinhole)
                owed = ti.select(light >= SURFACE, pixels[at, GIVE_DEPTH], 0.0)
                gain += owed * (z - pixels[at, MEAN_DEPTH])
                half_h, h_y = half_h - w * owed * falls, h_y - w * owed * falls * dy
            else:
                shared = 1.0 / left_over
            rest = pixels[at, REST] - w * gain
            q = ti.select(free, w * gain - rest * a * shared, 0.0)
            red, green, blue = red + w * give_red, green + w * give_green, blue + w * give_blue
            half_q, half_qy, q_yy = half_q + q, half_qy + q * dy, q_yy + q * (dy * dy)
            pixels[at, LIGHT], pixels[at, REST] = light - w, rest
        dx = held[run, AWAY]
        q_0, q_x, q_xx = q_0 + half_q, q_x + half_q * dx, q_xx + half_q * dx * dx
        q_y, q_xy, h_0, h_x = q_y + half_qy, q_xy + half_qy * dx, h_0 + half_h, h_x + half_h * dx
    # Vectors go through memory, or the compiler packs the sums of a lane, not the lanes of a sum.
    held_sums = red, green, blue, q_0, q_x, q_xx, q_y, q_xy, q_yy, h_0, h_x, h_y
    for c in ti.static(range(SUMS if with_depth else H)):
        held[run, c] = held_sums[c]
    for c in ti.static(range(SUMS if with_depth else H)):
        sums[entry, c] = held[run, c].sum()
    for c in ti.static(range(SUMS if with_depth else H, SUMS)):
        sums[entry, c] = 0.0


@ti.kernel
def _gather(
    record: ti.types.ndarray(ti.f32, 2),
    owned: ti.types.ndarray(ti.i32, 1),
    entries: ti.types.ndarray(ti.i32, 1),
    sums: ti.types.ndarray(four, 2),  # [entries, SUMS / 4]
    used: ti.types.ndarray(ti.f32, 1),
    gradient: ti.types.ndarray(four, 2),  # [n, PLAIN_COLUMNS / 4]
):
    """Add up each splat's rows, and turn sums into columns of its record."""
    for i in range(record.shape[0]):
        if i % BATCH == 0:
            touched = 0.0
            for place in range(owned[i], owned[ti.min(i + BATCH, record.shape[0])]):
                touched += sums[entries[place], 0][0] + sums[entries[place], SUMS // 4 - 1][3]
            used[i // BATCH] = touched
        # Four side by side that are added and stored, in a loop of their own, stay side by side.
        for part in ti.static(range(SUMS // 4)):
            some = ti.Vector([0.0 for _ in range(4)])
            for place in range(owned[i], owned[i + 1]):
                some += sums[entries[place], part]
            gradient[i, part] = some
        # A splat that is not seen has a record and sums of zeros.
        s = [gradient[i, c // 4][c % 4] for c in ti.static(range(SUMS))]
        fall_x, fall_y, slope = LN_2 * record[i, FALL_X], LN_2 * record[i, FALL_Y], record[i, SLOPE]
        # t = dx - slope dy is the distance from the ridge.
        q_t, q_ty = s[Q_X] - slope * s[Q_Y], s[Q_XY] - slope * s[Q_YY]
        by_u = -2.0 * fall_x * q_t - record[i, W_X] * s[H]
        by_v = 2.0 * (fall_x * slope * q_t - fall_y * s[Q_Y]) - record[i, W_Y] * s[H]
        # The exponent is of 2: alpha changes by ln 2 alpha with it.
        by_fall_x = LN_2 * (s[Q_XX] - slope * (s[Q_XY] + q_ty))
        by_slope = -2.0 * fall_x * q_ty
        # In the order of the columns, from U to W_HIGH.
        gradient[i, 0] = ti.Vector([by_u, by_v, by_fall_x, LN_2 * s[Q_YY]])
        gradient[i, 1] = ti.Vector([by_slope, LN_2 * s[Q], 0.0, 0.0])
        gradient[i, 2] = ti.Vector([s[SUM_RED], s[SUM_GREEN], s[SUM_BLUE], s[H]])
        gradient[i, 3] = ti.Vector([s[H_X], s[H_Y], 0.0, 0.0])
