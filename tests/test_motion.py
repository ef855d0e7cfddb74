"""Motion fields turned round, against maps that are known; novelty by rule."""

import numpy as np
import pytest

from impetus.backend.diffusion.motion import (
    inside_frame,
    novelty_map,
    semi_lagrangian,
    to_backward,
)


def pixels(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width] + 0.5
    return np.stack([x, y], -1)


def turn(size: tuple[int, int], degrees: float, growth: float = 1.0) -> np.ndarray:
    """The forward field of a turn about the middle."""
    a = np.radians(degrees)
    matrix = growth * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    p = pixels(*size) - np.array(size[::-1]) / 2
    return np.asarray(p @ matrix.T - p, np.float32)


def waves(p: np.ndarray) -> np.ndarray:
    x, y = p[..., 0], p[..., 1]
    return np.stack([6 * np.sin(y / 20) + 3 * np.cos(x / 25), 4 * np.cos(x / 18)], -1)


def square(step: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A square of 40 pixels that moves by `step` before a background at rest: motion and depth."""
    motion, depth = np.zeros((128, 128, 2), np.float32), np.full((128, 128), np.inf, np.float32)
    motion[40:80, 40:80] = step
    depth[40:80, 40:80] = 5
    return motion, depth


@pytest.mark.parametrize(("degrees", "growth"), [(18, 1.0), (-5, 1.3), (0, 0.8), (90, 1.0)])
def test_a_turn_is_inverted_exactly(degrees: float, growth: float) -> None:
    backward, covered = to_backward(turn((96, 128), degrees, growth))
    true = turn((96, 128), -degrees, 1 / growth)
    border = np.abs(pixels(96, 128) + true - (64, 48)) - (64, 48)
    clear = np.abs(border).min(-1) > 1e-3
    np.testing.assert_array_equal(covered[clear], inside_frame(true)[clear])
    np.testing.assert_allclose(backward[covered], true[covered], atol=1e-3)


def test_the_papers_way_errs_by_the_change_of_the_field() -> None:
    forward, true = turn((128, 128), 18), turn((128, 128), -18)
    radius = np.linalg.norm(pixels(128, 128) - 64, axis=-1)
    error = np.linalg.norm(semi_lagrangian(forward) - true, axis=-1)
    np.testing.assert_allclose(error, 4 * np.sin(np.radians(9)) ** 2 * radius, atol=1e-3)
    assert error.max() > 8


def test_a_smooth_field_is_inverted_to_a_hundredth_of_a_pixel() -> None:
    p = pixels(128, 128)
    backward, covered = to_backward(waves(p))
    source = p + backward
    error = np.linalg.norm(source + waves(source) - p, axis=-1)
    assert error[covered].max() < 0.01
    assert covered[10:-10, 15:-15].all()


def test_the_inverse_of_the_inverse_is_the_field() -> None:
    forward = waves(pixels(128, 128)).astype(np.float32)
    backward, _ = to_backward(forward)
    again, _ = to_backward(backward)
    np.testing.assert_allclose(again[16:-16, 16:-16], forward[16:-16, 16:-16], atol=0.02)


@pytest.mark.parametrize("with_depth", [True, False])
def test_what_moves_in_front_hides_and_reveals(with_depth: bool) -> None:
    motion, depth = square((10.3, 2.0))
    backward, covered = to_backward(motion, None, depth if with_depth else None)
    p = pixels(128, 128)
    landed = ((p > (50.3, 42)) & (p < (90.3, 82))).all(-1)
    left = ((p > 40) & (p < 80)).all(-1) & ~landed
    np.testing.assert_array_equal(covered, ~left)
    np.testing.assert_allclose(backward[landed], np.tile((-10.3, -2.0), (1600, 1)), atol=1e-4)
    assert not backward[~landed].any()


def test_the_nearer_surface_wins_though_it_is_slower() -> None:
    motion, depth = np.zeros((32, 64, 2)), np.full((32, 64), 2.0)
    motion[:, :20], depth[:, :20] = (10, 0), 9
    backward, covered = to_backward(motion, None, depth)
    assert not backward[:, 20:].any()
    assert covered[:, 20:].all()
    np.testing.assert_allclose(backward[:, 10:20, 0], -10)
    swapped, _ = to_backward(motion, None, 11 - depth)
    np.testing.assert_allclose(swapped[:, 20:30, 0], -10)


def test_a_hole_takes_the_motion_of_what_is_behind() -> None:
    motion, depth = square((20.0, 0.0))
    motion[depth > 5] = (1.5, -0.5)
    backward, covered = to_backward(motion, None, depth)
    hole = ~covered & inside_frame(backward)
    hole[-2:] = hole[:, :2] = False
    assert 600 < hole.sum() < 900
    np.testing.assert_allclose(backward[hole], np.tile((-1.5, 0.5), (hole.sum(), 1)), atol=1e-4)


def test_hidden_pixels_land_nowhere() -> None:
    motion, _ = square((10.0, 0.0))
    validity = np.ones((128, 128), bool)
    validity[40:80, 80:90] = False
    same_depth = np.full((128, 128), 3.0)
    backward, _ = to_backward(motion, validity, same_depth)
    np.testing.assert_allclose(backward[40:80, 80:90, 0], -10)


def test_pixels_that_are_no_numbers_land_nowhere() -> None:
    motion = np.zeros((16, 16, 2))
    motion[5, 5] = np.nan
    backward, covered = to_backward(motion)
    assert np.isfinite(backward).all()
    assert not covered[5, 5]
    assert covered.sum() == 255


def test_noise_for_motion_does_no_harm() -> None:
    motion = np.random.default_rng(0).normal(0, 1e4, (64, 64, 2))
    backward, covered = to_backward(motion)
    assert np.isfinite(backward).all()
    assert covered.mean() < 0.1
    again, _ = to_backward(motion)
    np.testing.assert_array_equal(again, backward)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected .H, W, 2"):
        to_backward(np.zeros((8, 8)))
    with pytest.raises(ValueError, match=r"expected .H, W, 2"):
        to_backward(np.zeros((8, 8, 2)), np.ones((8, 9), bool))


def test_novelty_follows_its_rules() -> None:
    backward = np.zeros((8, 10, 2))
    backward[..., 0] = -3
    covered = np.ones((8, 10), bool)
    covered[:, :4] = False
    active = np.zeros((8, 10))
    active[7] = 1
    novel = novelty_map(backward, covered=covered, active=active)
    expected = np.zeros((8, 10))
    expected[:, :4] = expected[7] = 1
    np.testing.assert_array_equal(novel, expected)
    only = novelty_map(backward, covered=covered, out_of_frame=False)
    assert only[0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert novelty_map(backward, covered=covered, disoccluded=False)[0].sum() == 3
    bounded = novelty_map(backward, mask=active, floor=0.2, ceiling=0.8)
    np.testing.assert_allclose(np.unique(bounded), [0.2, 0.8])
