"""Depth order and tile lists of projected splats; called by raster.

Splats are sorted once by depth, then dealt to tiles block by block: each block of the order counts
what it gives to each tile, the running sum of the counts says where it writes. That is stable, runs
in parallel and needs no atomics, so the same splats give the same lists.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .project import FALL_X, FALL_Y, REACH_X, REACH_Y, SLOPE, Projected, U, V

TILE = 16
"Width and height of a tile in pixels."
CPU_CHUNK = 512
"The smallest chunk of a parallel loop on the CPU: shorter loops run on one core."

SLACK = 0.02
"Pixels by which a span is widened: single precision must not lose the pixel on the edge."

Indices = NDArray[np.int32]


@dataclass(frozen=True)
class TileLists:
    """Splats of tile t (row-major), nearest first: splats[starts[t] : starts[t + 1]]."""

    splats: Indices
    starts: Indices
    columns: int
    rows: int
    order: Indices
    "The seen splats, nearest first."
    owned: Indices
    "With `keep`: splat i stands in `splats` at entries[owned[i] : owned[i + 1]]."
    entries: Indices


def depth_order(projected: Projected) -> Indices:
    """Return the seen splats nearest first; equal depths keep the caller's order."""
    seen = np.flatnonzero(projected.record[:, REACH_X] > 0).astype(np.uint64)
    # Depth is positive, so its bits sort as it does; the index below makes the sort stable.
    bits = projected.depth[seen].view(np.uint32).astype(np.uint64)
    keys = np.sort(bits << np.uint64(32) | seen)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int32)


def bin_splats(projected: Projected, width: int, height: int, *, keep: bool = False) -> TileLists:
    """Deal the seen splats to the tiles that their ellipse of alpha = 1/255 touches.

    With `keep` the lists can be read by splats too, as the backward pass does.
    """
    columns, rows = -(-width // TILE), -(-height // TILE)
    order = depth_order(projected)
    if len(order) == 0:
        starts = np.zeros(columns * rows + 1, np.int32)
        none = np.zeros(1, np.int32)
        return TileLists(none, starts, columns, rows, order, none, none)
    pad = padding()
    blocks = 32 if pad > 1 else 1024
    counts = np.zeros((columns * rows, blocks), np.int32)
    touched = np.zeros(len(projected.depth), np.int32)
    _count(projected.record, order, counts, touched, columns, rows, blocks, pad)
    ends = np.cumsum(counts, dtype=np.int64)
    if ends[-1] > np.iinfo(np.int32).max:
        raise MemoryError(f"expected fewer than 2^31 pairs of splat and tile, got {ends[-1]}")
    cursor = (ends.reshape(counts.shape) - counts).astype(np.int32)
    starts = np.append(cursor[:, 0], ends[-1]).astype(np.int32)
    splats = np.empty(ends[-1], np.int32)
    owned = np.append(0, np.cumsum(touched, dtype=np.int64)).astype(np.int32) if keep else touched
    entries = np.empty(ends[-1] if keep else 1, np.int32)
    tiles = (cursor, splats, owned, entries)
    _fill(projected.record, order, *tiles, columns, rows, blocks, pad, keep)
    return TileLists(splats, starts, columns, rows, order, owned, entries)


def padding() -> int:
    """Iterations per task of a loop over few long tasks: a whole chunk on the CPU, else one."""
    on_cpu = ti.lang.impl.current_cfg().arch in (ti.x64, ti.arm64)
    return CPU_CHUNK if on_cpu else 1


@ti.func
def _span(record: ti.template(), i, tile_y, columns):
    """First and last tile of a row of tiles that the ellipse touches, by pixel centres."""
    u, v, slope = record[i, U], record[i, V], record[i, SLOPE]
    reach_x, reach_y = record[i, REACH_X], record[i, REACH_Y]
    half = reach_y * ti.sqrt(record[i, FALL_Y] / record[i, FALL_X])
    low = ti.max(tile_y * TILE + 0.5 - v, -reach_y)
    high = ti.min(tile_y * TILE + (TILE - 0.5) - v, reach_y)
    # The ellipse reaches furthest right at dy = t and furthest left at -t.
    t = reach_y * reach_y * slope / reach_x
    right = ti.math.clamp(t, low, high)
    left = ti.math.clamp(-t, low, high)
    along = 1.0 / (reach_y * reach_y)
    end = u + slope * right + half * ti.sqrt(ti.max(0.0, 1.0 - right * right * along))
    begin = u + slope * left - half * ti.sqrt(ti.max(0.0, 1.0 - left * left * along))
    limit = TILE * columns + 1.0
    first_pixel = ti.ceil(ti.math.clamp(begin - SLACK, -1.0, limit) - 0.5)
    last_pixel = ti.floor(ti.math.clamp(end + SLACK, -1.0, limit) - 0.5)
    first = ti.cast(ti.floor(first_pixel / TILE), ti.i32)
    last = ti.cast(ti.floor(last_pixel / TILE), ti.i32)
    if high < low or first_pixel > last_pixel:
        last = first - 1
    return ti.max(0, first), ti.min(columns - 1, last)


@ti.func
def _tile_rows(record: ti.template(), i, rows):
    v, reach_y = record[i, V], record[i, REACH_Y]
    limit = TILE * rows + 1.0
    top = ti.floor((ti.math.clamp(v - reach_y, -1.0, limit) - 0.5) / TILE)
    bottom = ti.floor((ti.math.clamp(v + reach_y, -1.0, limit) - 0.5) / TILE)
    return ti.max(0, ti.cast(top, ti.i32)), ti.min(rows - 1, ti.cast(bottom, ti.i32))


@ti.kernel
def _count(
    record: ti.types.ndarray(ti.f32, 2),
    order: ti.types.ndarray(ti.i32, 1),
    counts: ti.types.ndarray(ti.i32, 2),
    touched: ti.types.ndarray(ti.i32, 1),
    columns: ti.i32,
    rows: ti.i32,
    blocks: ti.i32,
    pad: ti.i32,
):
    for task in range(blocks * pad):
        if task % pad == 0:
            block = task // pad
            size = (order.shape[0] + blocks - 1) // blocks
            for k in range(block * size, ti.min(order.shape[0], (block + 1) * size)):
                i = order[k]
                tiles = 0
                top, bottom = _tile_rows(record, i, rows)
                for tile_y in range(top, bottom + 1):
                    first, last = _span(record, i, tile_y, columns)
                    tiles += ti.max(0, last + 1 - first)
                    for tile_x in range(first, last + 1):
                        counts[tile_y * columns + tile_x, block] += 1
                touched[i] = tiles


@ti.kernel
def _fill(
    record: ti.types.ndarray(ti.f32, 2),
    order: ti.types.ndarray(ti.i32, 1),
    cursor: ti.types.ndarray(ti.i32, 2),
    splats: ti.types.ndarray(ti.i32, 1),
    owned: ti.types.ndarray(ti.i32, 1),
    entries: ti.types.ndarray(ti.i32, 1),
    columns: ti.i32,
    rows: ti.i32,
    blocks: ti.i32,
    pad: ti.i32,
    keep: ti.template(),
):
    for task in range(blocks * pad):
        if task % pad == 0:
            block = task // pad
            size = (order.shape[0] + blocks - 1) // blocks
            for k in range(block * size, ti.min(order.shape[0], (block + 1) * size)):
                i = order[k]
                slot = owned[i]
                top, bottom = _tile_rows(record, i, rows)
                for tile_y in range(top, bottom + 1):
                    first, last = _span(record, i, tile_y, columns)
                    for tile_x in range(first, last + 1):
                        tile = tile_y * columns + tile_x
                        entry = cursor[tile, block]
                        splats[entry] = i
                        cursor[tile, block] = entry + 1
                        if ti.static(keep):
                            entries[slot] = entry
                            slot += 1
