"""Tile lists: no splat lost where it shows, none listed far from where it does, depth in order."""

import numpy as np
import pytest

from impetus.kernels.splats.bin import TILE, bin_splats, depth_order
from impetus.kernels.splats.project import (
    FALL_X,
    FALL_Y,
    LOG_OPACITY,
    REACH_X,
    SLOPE,
    Projected,
    U,
    V,
    project,
)

from .splat_cases import KINDS, random_splats


def projected(kind: str, count: int = 300) -> tuple[Projected, int, int]:
    case = random_splats(kind, 11, count)
    view = case["view"]
    looks = {name: case[name] for name in ("color", "opacity", "normal")}
    return project(case["pose"], view, **looks), view.width, view.height


def shows(splats: Projected, width: int, height: int) -> np.ndarray:
    """(n, h, w): whether alpha reaches 1/255 in a pixel, tried on every pixel."""
    record = splats.record.astype(np.float64)[:, :, None, None]
    y, x = np.mgrid[0:height, 0:width] + 0.5
    dx, dy = x - record[:, U], y - record[:, V]
    exponent = record[:, LOG_OPACITY] + record[:, FALL_Y] * dy**2
    exponent = exponent + record[:, FALL_X] * (dx - record[:, SLOPE] * dy) ** 2
    return (record[:, REACH_X] > 0) & (exponent >= -np.log2(255))


def listed(splats: Projected, width: int, height: int) -> np.ndarray:
    """(n, rows, columns): whether a tile lists a splat."""
    lists = bin_splats(splats, width, height)
    table = np.zeros((len(splats.depth), lists.rows * lists.columns), int)
    for tile in range(lists.rows * lists.columns):
        np.add.at(table[:, tile], lists.splats[lists.starts[tile] : lists.starts[tile + 1]], 1)
    assert table.max() <= 1
    return table.reshape(-1, lists.rows, lists.columns).astype(bool)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tile_lists_what_shows_in_it(kind: str) -> None:
    splats, width, height = projected(kind)
    lists = listed(splats, width, height)
    rows, columns = lists.shape[1] * TILE, lists.shape[2] * TILE
    # Tiles reach beyond the image; what shows only there may be listed or not.
    seen = shows(splats, columns, rows).reshape(len(lists), -1, TILE, columns // TILE, TILE)
    touched = seen.any(axis=(2, 4))
    within = shows(splats, width, height)
    padded = np.zeros((len(lists), rows, columns), bool)
    padded[:, :height, :width] = within
    needed = padded.reshape(seen.shape).any(axis=(2, 4))
    assert not (needed & ~lists).any()
    # An ellipse may cross a tile's edge between pixel centres: a few lists are longer than needed.
    assert (lists & ~touched).sum() <= 0.15 * max(lists.sum(), 20)


def test_lists_are_in_order_of_depth_and_stable() -> None:
    splats, width, height = projected("overlaps", 2000)
    splats.depth[:] = np.round(splats.depth, 1)
    order = depth_order(splats)
    seen = np.flatnonzero(splats.record[:, REACH_X] > 0)
    expected = seen[np.argsort(splats.depth[seen], kind="stable")]
    np.testing.assert_array_equal(order, expected)
    lists = bin_splats(splats, width, height)
    rank = np.argsort(order)[np.searchsorted(np.sort(order), lists.splats)]
    for tile in range(lists.rows * lists.columns):
        assert (np.diff(rank[lists.starts[tile] : lists.starts[tile + 1]]) > 0).all()
