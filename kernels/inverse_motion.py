"""Turn a forward motion field round: where what is seen after it came from; arrays in and out.

The field is a surface over the frame: bilinear between pixel centres, torn where neighbours part.
Every piece is carried to where it goes, the nearest one is seen, and its map is inverted there by
Newton's method, so that the result is the exact inverse of the interpolated field.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

JUMP = 0.5
"Pixels by which neighbours may part beyond twice what the edges beside them do, before they tear."
STRETCH = 16.0
"Pixels between neighbours that no surface spans, however even."
DEPTH_JUMP = 0.02
"Share of its depth by which a neighbour may lie behind, beyond what the slope beside it says."
FAR = 1e30
EDGE = 1e-4
"Part of a piece by which a point may miss it: pieces that meet leave no seam."
SAME = 1e-5
"Relative difference of depth under which two pieces are one surface."
NEWTON_STEPS = 8
WHOLE, PIECES = 4, 5
"Pieces of a quad of four pixel centres: the quarters 0 to 3 of its corners, or all of it."
NEAREST, OWNER = 0, 1
NOBODY = 2**31 - 1
BEHIND = 0.01
"Share of its depth by which what is beside a hole must lie farther to be preferred."

vec2 = ti.math.vec2


@dataclass(frozen=True)
class Inverse:
    """What `invert_motion` found, on the pixels of the frame after the motion."""

    backward: Floats
    "(h, w, 2) pixels: here + backward is where it was; where not covered, the background's."
    covered: Bools
    "(h, w): whether anything of the frame before lands here."


def invert_motion(forward: Floats, alive: Bools, nearness: Floats) -> Inverse:
    """Invert `forward` (h, w, 2) pixels; its pixels that are not `alive` (h, w) go nowhere.

    `nearness` (h, w) is positive, of any unit, and smaller for what hides: depth after the motion.
    """
    alive = alive & np.isfinite(forward).all(-1)
    motion = np.where(alive[..., None], forward, 0).astype(np.float32)
    z = np.minimum(np.where(np.isnan(nearness), FAR, nearness), FAR).astype(np.float32)
    across, down = _joined(motion, z, alive, 1), _joined(motion, z, alive, 0)
    height, width = z.shape
    target = _ringed(motion, across, down).astype(np.float32)
    rows, columns = np.mgrid[0 : height + 2, 0 : width + 2].astype(np.float32) - np.float32(0.5)
    target += np.stack([columns, rows], -1)
    joined = (  # what is torn stays torn in the ring
        np.pad(np.pad(across, ((1, 1), (0, 0)), mode="edge"), ((0, 0), (1, 1)), constant_values=1),
        np.pad(np.pad(down, ((0, 0), (1, 1)), mode="edge"), ((1, 1), (0, 0)), constant_values=1),
    )
    links = tuple(part.astype(np.int32) for part in joined)
    points = np.pad(z, 1, mode="edge"), np.pad(alive, 1, mode="edge").astype(np.int32)
    nearest = np.full((height, width), 2 * FAR, np.float32)
    owner = np.full((height, width), NOBODY, np.int32)
    for finding in (NEAREST, OWNER):
        _splat(finding, target, *points, *links, nearest, owner)
    backward = np.zeros((height, width, 2), np.float32)
    _invert(target, *links, owner, backward)
    filled = backward.copy()
    _fill_from_behind(owner, nearest, backward, filled)
    return Inverse(filled, owner < NOBODY)


def _joined(motion: Floats, z: Floats, alive: Bools, axis: int) -> Bools:
    """Whether each pixel and the next along `axis` are one surface; (h, w) less one along it."""
    part = np.linalg.norm(np.diff(motion, axis=axis), axis=-1)
    torn = (part > JUMP + 2 * _beside(part, axis)) | (part > STRETCH)
    near = np.minimum(np.delete(z, 0, axis), np.delete(z, -1, axis))
    step = np.abs(np.diff(z, axis=axis))
    torn |= step > DEPTH_JUMP * near + 2 * _beside(step, axis)
    return np.asarray(~torn & np.delete(alive, 0, axis) & np.delete(alive, -1, axis))


def _beside(step: NDArray[Any], axis: int) -> NDArray[Any]:
    """The smaller of the two steps beside each one along `axis`: the other may be a jump too."""
    if step.shape[axis] < 2:
        return np.zeros_like(step)
    ends = [(1, 1) if d == axis else (0, 0) for d in range(2)]
    padded = np.pad(step, ends, mode="reflect")
    count = step.shape[axis]
    before, after = np.arange(count), np.arange(count) + 2
    return np.asarray(np.minimum(padded.take(before, axis), padded.take(after, axis)))


def _ringed(motion: Floats, across: Bools, down: Bools) -> Floats:
    """Continue the motion by one pixel beyond the frame, along its slope where it is joined."""
    ringed = np.pad(motion, ((1, 1), (1, 1), (0, 0)), mode="edge")
    if motion.shape[1] > 1:
        ringed[1:-1, 0] += across[:, :1] * (motion[:, 0] - motion[:, 1])
        ringed[1:-1, -1] += across[:, -1:] * (motion[:, -1] - motion[:, -2])
    if motion.shape[0] > 1:
        ringed[0] += np.pad(down[0], 1, mode="edge")[:, None] * (ringed[1] - ringed[2])
        ringed[-1] += np.pad(down[-1], 1, mode="edge")[:, None] * (ringed[-2] - ringed[-3])
    return ringed


# All kernels read the surface on pixels with a ring of one around them: pixel (r, c) of the frame
# is (r + 1, c + 1) here. across[r, c] joins (r, c) and (r, c + 1), down[r, c] joins (r, c) and
# (r + 1, c). Quad (r, c) has the corners (r, c) to (r + 1, c + 1); a point in it is (s right,
# t down), 0 to 1. Targets are in pixels of the frame, centres at +0.5.


@ti.func
def _solve(u, v, b):
    """The s and t with u s + v t = b."""
    det = u[0] * v[1] - v[0] * u[1]
    result = vec2(1e6)
    if ti.abs(det) > 1e-9:
        result = vec2(b[0] * v[1] - v[0] * b[1], u[0] * b[1] - b[0] * u[1]) / det
    return result


@ti.func
def _target(target: ti.template(), r, c):
    return vec2(target[r, c, 0], target[r, c, 1])


@ti.func
def _in_whole(target: ti.template(), r, c, q):
    """Where in the quad the point q lies: Newton's method on the bilinear map."""
    a = _target(target, r, c) - q
    u = _target(target, r, c + 1) - q - a
    v = _target(target, r + 1, c) - q - a
    w = _target(target, r + 1, c + 1) - q - a - u - v
    st = vec2(0.5, 0.5)
    for _ in range(NEWTON_STEPS):
        miss = a + u * st[0] + v * st[1] + w * (st[0] * st[1])
        # A step out of all proportion would leave the range of single precision.
        st = ti.math.clamp(st - _solve(u + w * st[1], v + w * st[0], miss), -10.0, 10.0)
    miss = a + u * st[0] + v * st[1] + w * (st[0] * st[1])
    if miss.norm() > 1e-2:
        st = vec2(-1.0)
    return st


@ti.func
def _slopes(target: ti.template(), across: ti.template(), down: ti.template(), r, c, i, j):
    """Slopes of the map at corner (i down, j right): those in the quad, else those beyond it."""
    y, x = r + i, c + j
    u, v = vec2(1.0, 0.0), vec2(0.0, 1.0)
    side, over = c, r
    if across[y, c] == 0:
        side = c - 1 + 2 * j
    if down[r, x] == 0:
        over = r - 1 + 2 * i
    if side >= 0 and side < across.shape[1] and across[y, side] == 1:
        u = _target(target, y, side + 1) - _target(target, y, side)
    if over >= 0 and over < down.shape[0] and down[over, x] == 1:
        v = _target(target, over + 1, x) - _target(target, over, x)
    return u, v


@ti.func
def _in_piece(target: ti.template(), across: ti.template(), down: ti.template(), r, c, k, q):
    """Where in the quad the point q lies by piece k; far outside where it is not in the piece."""
    st = vec2(-1.0)
    low, high = vec2(-EDGE), vec2(1.0 + EDGE)
    if k == WHOLE:
        st = _in_whole(target, r, c, q)
    else:
        i, j = k // 2, k % 2
        u, v = _slopes(target, across, down, r, c, i, j)
        st = vec2(j, i) + _solve(u, v, q - _target(target, r + i, c + j))
        low, high = vec2(j, i) / 2 - EDGE, vec2(j, i) / 2 + 0.5 + EDGE
    # The ring's outer half lies beyond the frame: nothing comes from there.
    low = ti.max(low, vec2(0.5 - c, 0.5 - r) - EDGE)
    high = ti.min(high, vec2(across.shape[1] - 0.5 - c, down.shape[0] - 0.5 - r) + EDGE)
    if not (st[0] >= low[0] and st[1] >= low[1] and st[0] <= high[0] and st[1] <= high[1]):
        st = vec2(-1.0)
    return st


@ti.func
def _box(target: ti.template(), across: ti.template(), down: ti.template(), r, c, k):
    """Bounds of where the piece goes."""
    low, high = vec2(FAR), vec2(-FAR)
    for i, j in ti.static(ti.ndrange(2, 2)):
        p = _target(target, r + i, c + j)
        if k != WHOLE:
            u, v = _slopes(target, across, down, r, c, k // 2, k % 2)
            s, t = 0.5 * i * (1 - 2 * (k % 2)), 0.5 * j * (1 - 2 * (k // 2))
            p = _target(target, r + k // 2, c + k % 2) + u * s + v * t
        low, high = ti.min(low, p), ti.max(high, p)
    return low, high


@ti.func
def _depth(z: ti.template(), r, c, k, st):
    """The piece's depth at a point; a whole one's runs evenly between its corners."""
    result = z[r, c] * (1.0 - st[0]) * (1.0 - st[1]) + z[r, c + 1] * st[0] * (1.0 - st[1])
    result += z[r + 1, c] * (1.0 - st[0]) * st[1] + z[r + 1, c + 1] * st[0] * st[1]
    if k != WHOLE:
        result = z[r + k // 2, c + k % 2]
    return result


@ti.kernel
def _splat(
    finding: ti.template(),  # NEAREST or OWNER
    target: ti.types.ndarray(ti.f32, 3),  # [h + 2, w + 2, 2] px
    z: ti.types.ndarray(ti.f32, 2),  # [h + 2, w + 2]
    alive: ti.types.ndarray(ti.i32, 2),  # [h + 2, w + 2]
    across: ti.types.ndarray(ti.i32, 2),  # [h + 2, w + 1]
    down: ti.types.ndarray(ti.i32, 2),  # [h + 1, w + 2]
    nearest: ti.types.ndarray(ti.f32, 2),  # [h, w] found first
    owner: ti.types.ndarray(ti.i32, 2),  # [h, w] piece of the quads in order, found then
):
    for r, c in ti.ndrange(down.shape[0], across.shape[1]):
        whole = across[r, c] + across[r + 1, c] + down[r, c] + down[r, c + 1] == 4
        first, last = 0, WHOLE
        if whole:
            first, last = WHOLE, PIECES
        for k in range(first, last):
            low, high = _box(target, across, down, r, c, k)
            left = ti.max(int(ti.ceil(low[0] - 0.5 - EDGE)), 0)
            top = ti.max(int(ti.ceil(low[1] - 0.5 - EDGE)), 0)
            right = ti.min(int(ti.floor(high[0] - 0.5 + EDGE)), nearest.shape[1] - 1)
            bottom = ti.min(int(ti.floor(high[1] - 0.5 + EDGE)), nearest.shape[0] - 1)
            for y in range(top, bottom + 1):
                for x in range(left, right + 1):
                    st = _in_piece(target, across, down, r, c, k, vec2(x + 0.5, y + 0.5))
                    if st[0] > -1.0:
                        i, j = int(st[1] >= 0.5), int(st[0] >= 0.5)
                        if k != WHOLE:
                            i, j = k // 2, k % 2
                        if alive[r + i, c + j] == 1:
                            depth = _depth(z, r, c, k, st)
                            if ti.static(finding == NEAREST):
                                ti.atomic_min(nearest[y, x], depth)
                            elif depth <= nearest[y, x] * (1.0 + SAME):
                                piece = (r * across.shape[1] + c) * PIECES + k
                                ti.atomic_min(owner[y, x], piece)


@ti.kernel
def _invert(
    target: ti.types.ndarray(ti.f32, 3),
    across: ti.types.ndarray(ti.i32, 2),
    down: ti.types.ndarray(ti.i32, 2),
    owner: ti.types.ndarray(ti.i32, 2),
    backward: ti.types.ndarray(ti.f32, 3),  # [h, w, 2] px, written where there is an owner
):
    for y, x in ti.ndrange(owner.shape[0], owner.shape[1]):
        if owner[y, x] < NOBODY:
            k, quad = owner[y, x] % PIECES, owner[y, x] // PIECES
            r, c = quad // across.shape[1], quad % across.shape[1]
            st = _in_piece(target, across, down, r, c, k, vec2(x + 0.5, y + 0.5))
            backward[y, x, 0] = c - 0.5 + st[0] - (x + 0.5)
            backward[y, x, 1] = r - 0.5 + st[1] - (y + 0.5)


@ti.kernel
def _fill_from_behind(
    owner: ti.types.ndarray(ti.i32, 2),  # [h, w]
    nearest: ti.types.ndarray(ti.f32, 2),  # [h, w]
    backward: ti.types.ndarray(ti.f32, 3),  # [h, w, 2] read where there is an owner
    filled: ti.types.ndarray(ti.f32, 3),  # [h, w, 2] written where there is none
):
    for y, x in ti.ndrange(owner.shape[0], owner.shape[1]):
        if owner[y, x] == NOBODY:
            farthest, closest = 0.0, FAR
            for i, j in ti.static(ti.ndrange((-1, 2), (-1, 2))):
                if ti.static(i != 0 or j != 0):
                    v, u = y + i, x + j
                    while (
                        v >= 0 and u >= 0 and v < owner.shape[0] and u < owner.shape[1]
                        and owner[v, u] == NOBODY
                    ):  # fmt: skip
                        v, u = v + i, u + j
                    if v >= 0 and u >= 0 and v < owner.shape[0] and u < owner.shape[1]:
                        depth, way = nearest[v, u], vec2(u - x, v - y).norm()
                        behind = depth > farthest * (1.0 + BEHIND)
                        if behind or (depth * (1.0 + BEHIND) >= farthest and way < closest):
                            farthest, closest = ti.max(depth, farthest), way
                            filled[y, x, 0], filled[y, x, 1] = backward[v, u, 0], backward[v, u, 1]
