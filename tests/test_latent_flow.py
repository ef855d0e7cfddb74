from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from impetus.backend.evaluation.measures.frechet import frechet_distance, picture_distance
from impetus.backend.evaluation.networks.block_matching import block_motion, texture
from impetus.backend.evaluation.networks.latent_flow import (
    Cells,
    Pair,
    _cells,
    correlation,
    held_out_pairs,
    shrunk,
)
from impetus.backend.training.data_set import DataSet

from .test_flow_training import MOVE, write_sample


def smooth_noise(height: int, width: int, channels: int, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed).normal(size=(height, width, channels))
    return gaussian_filter(random, (2, 2, 0)).astype(np.float32)


def moved(values: NDArray[np.float32], dx: float, dy: float) -> NDArray[np.float32]:
    y, x = np.mgrid[: values.shape[0], : values.shape[1]].astype(float)
    channels = [map_coordinates(c, [y - dy, x - dx], order=3) for c in values.transpose(2, 0, 1)]
    return np.stack(channels, axis=2).astype(np.float32)


@pytest.mark.parametrize(("dx", "dy"), [(3, -2), (0.4, 1.7), (-4.25, 0)])
def test_blocks_find_a_shift(dx: float, dy: float) -> None:
    first = smooth_noise(32, 40, 4)
    found = block_motion(first, moved(first, dx, dy), 6)[8:-8, 8:-8]
    assert np.abs(found - [dx, dy]).mean() < 0.1  # a parabola is not the cost's exact shape


def test_texture_is_where_motion_can_be_seen() -> None:
    values = np.zeros((32, 32, 1), np.float32)
    values[:, 16:] = 1  # an edge shows motion across it alone
    values[:12, :12] = smooth_noise(12, 12, 1)
    seen = texture(values)
    assert seen[4:8, 4:8].min() > 20 * seen[20:, 14:18].max()


def test_a_picture_that_moves_as_told_correlates() -> None:
    first = 128 + 400 * smooth_noise(96, 96, 3)
    motion = np.zeros((96, 96, 2), np.float32)
    motion[..., 0] = np.linspace(-12, 12, 96)[:, None]  # a shear
    y, x = np.mgrid[:96, :96].astype(float)
    second = np.stack([map_coordinates(c, [y, x - motion[..., 0]]) for c in first.T.swapaxes(1, 2)])
    pictures = [np.clip(p, 0, 255).astype(np.uint8) for p in (first, second.transpose(1, 2, 0))]
    valid = np.ones((96, 96), bool)
    valid[:, :16] = valid[:, -16:] = False
    pair = Pair(pictures[0], pictures[1], motion, valid, "")
    maps = [shrunk(p.astype(np.float32), 4) for p in pictures]
    cells = _cells(pair, (maps[0], maps[1]), 4)
    assert len(cells.true) == 24 * 16
    assert correlation([cells])["x_all"] > 0.9
    still = _cells(pair, (maps[0], maps[0]), 4)
    assert abs(correlation([still])["x_all"]) < 0.3  # what chance leaves of few cells


def test_correlation_is_of_the_cells_that_are_named() -> None:
    random = np.random.default_rng(0)
    true = random.normal(size=(400, 2)).astype(np.float32)
    found = random.normal(size=(400, 2)).astype(np.float32)
    textured = np.arange(400) < 200
    found[textured] = true[textured]
    figures = correlation([Cells(found, true, textured)])
    assert figures["x_textured"] == pytest.approx(1.0)
    assert 0.3 < figures["x_all"] < 0.7


def test_the_frechet_distance_is_that_of_normals() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(20000, 3))
    second = 2 * random.normal(size=(20000, 3)) + [1, 0, 0]
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(first, second) == pytest.approx(1 + 3, rel=0.05)  # (2 - 1)^2 an axis


def test_unlike_pictures_are_farther_than_like_ones() -> None:
    def pictures(seed: int, spread: float) -> list[NDArray[np.uint8]]:
        return [
            np.clip(128 + spread * smooth_noise(32, 32, 3, seed + i), 0, 255).astype(np.uint8)
            for i in range(40)
        ]

    known = pictures(0, 300)
    assert picture_distance(known, pictures(100, 300)) < 0.3 * picture_distance(
        known, pictures(200, 100)
    )


def test_pairs_that_are_missing_are_taken_back_in_time(tmp_path: Path) -> None:
    """Of two clips of three frames, four pairs lead ahead; a pixel back is where it came from."""
    for seed in (16, 32):
        write_sample(tmp_path / "clips" / f"{seed:06d}", seed, 3)
    pairs = held_out_pairs(DataSet(tmp_path), 7)
    assert [tuple(pair.motion[0, 0]) for pair in pairs] == [MOVE] * 4 + [(-MOVE[0], -MOVE[1])] * 3
    back = pairs[4]
    assert 0.8 < back.valid.mean() < 1
    there = np.roll(back.second.astype(int), (int(MOVE[1]), int(MOVE[0])), axis=(0, 1))
    assert np.abs(there - back.first)[back.valid].max() == 0
    assert np.abs(there - back.first)[~back.valid].max() > 20
