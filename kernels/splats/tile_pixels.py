"""What a tile's pixels give to the splats that are seen there; for raster_gradient."""

import taichi as ti

from .bin import TILE
from .lanes import at_least, at_most
from .project import ALPHA_MIN
from .raster import ALPHA, COLOR, DEPTH, KEPT_SURFACE

LANES = 8
"Pixels that are passed side by side: with more, fewer would be touched and more sums be spilled."
PER_ROW, ITEMS = TILE // LANES, TILE * TILE // LANES
eight = ti.types.vector(LANES, ti.f32)

# Planes of a tile's pixels.
LIGHT, REST, GIVE_RED, GIVE_GREEN, GIVE_BLUE, GIVE_ALPHA, GIVE_DEPTH, MEAN_DEPTH = range(8)
PLANES = 8
NO_DEPTH = 1e20
"Metres that empty pixels count as having: infinity times nothing is not a number."


@ti.func
def brightest_of(pixels: ti.template(), base):
    """The most light that a pixel of the tile still has."""
    brightest = ti.Vector([0.0 for lane in range(LANES)])
    for item in range(ITEMS):
        light = pixels[base + item, LIGHT]
        brightest = at_least(light, brightest)
    return brightest.max()


@ti.func
def begin_tile(
    pixels: ti.template(),
    base,
    top,
    left,
    width,
    planes: ti.template(),
    color: ti.template(),
    alpha: ti.template(),
    depth: ti.template(),
    with_depth: ti.template(),
):
    """Full light, and what each pixel gives; a pixel outside the image has no light."""
    touched = 0.0  # as in raster_gradient
    for y in range(TILE):
        i, j = ti.min(top + y, planes.shape[1] - 1), left // LANES
        touched += color[0, i, j][0] + color[1, i, j][0] + color[2, i, j][0] + alpha[0, i, j][0]
        for plane in ti.static(range(COLOR, ALPHA + 1)):
            touched += planes[plane, i, j][0]
        if ti.static(with_depth):
            touched += depth[0, i, j][0] + planes[DEPTH, i, j][0] + planes[KEPT_SURFACE, i, j][0]
    pixels[base, LIGHT][0] = touched
    for y in range(TILE):
        i = ti.min(top + y, planes.shape[1] - 1)
        lit = ti.select(top + y < planes.shape[1], 1.0, 0.0)
        for half in range(PER_ROW):
            at, j = base + y * PER_ROW + half, left // LANES + half
            beyond = ti.Vector([width - left - half * LANES - 1.0 * lane for lane in range(LANES)])
            red, green, blue, solid = color[0, i, j], color[1, i, j], color[2, i, j], alpha[0, i, j]
            _set(pixels, at, LIGHT, at_most(at_least(beyond, 0.0), lit), top)
            total = solid * planes[ALPHA, i, j] + red * planes[COLOR, i, j]
            total += green * planes[COLOR + 1, i, j] + blue * planes[COLOR + 2, i, j]
            _set(pixels, at, REST, total, top)
            _set(pixels, at, GIVE_RED, red, top)
            _set(pixels, at, GIVE_GREEN, green, top)
            _set(pixels, at, GIVE_BLUE, blue, top)
            _set(pixels, at, GIVE_ALPHA, solid, top)
            if ti.static(with_depth):
                # Weights around the mean depth have no sum: REST holds none of them. Bounds are for
                # pixels that no splat weighs in: without a branch they stay numbers.
                surface = at_least(planes[KEPT_SURFACE, i, j], ALPHA_MIN / 2)
                _set(pixels, at, GIVE_DEPTH, depth[0, i, j] / surface, top)
                _set(pixels, at, MEAN_DEPTH, at_most(planes[DEPTH, i, j], NO_DEPTH), top)


@ti.func
def _set(pixels: ti.template(), at, plane: ti.template(), value, top):
    """Write lanes side by side: only an address that has been read is not worked out lane by lane.

    `top` is never negative, which the compiler cannot know.
    """
    pixels[at, plane] = ti.select(top >= 0, value, pixels[at, plane])
