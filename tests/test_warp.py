"""Sampling and validity on images made by hand."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from impetus.kernels.warp import follow, motion_validity, sample_bilinear

SIZE = (20, 30)


def flat(depth: float) -> np.ndarray:
    return np.full(SIZE, depth, np.float32)


def shift(x: float, y: float) -> np.ndarray:
    return np.tile(np.array([x, y], np.float32), (*SIZE, 1))


def test_sampling_is_bilinear_with_the_border_held() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(size=(*SIZE, 3)).astype(np.float32)
    xy = rng.uniform(-3, 34, (50, 4, 2)).astype(np.float32)
    sampled = sample_bilinear(image, xy)
    for c in range(3):
        expected = map_coordinates(
            image[..., c], [xy[..., 1] - 0.5, xy[..., 0] - 0.5], order=1, mode="nearest"
        )
        np.testing.assert_allclose(sampled[..., c], expected, atol=1e-5)
    np.testing.assert_array_equal(sample_bilinear(image[..., 0], xy), sampled[..., 0])


def test_following_no_motion_gives_the_image() -> None:
    image = np.random.default_rng(0).uniform(size=(*SIZE, 3)).astype(np.float32)
    np.testing.assert_allclose(follow(image, shift(0, 0)), image, atol=1e-6)
    np.testing.assert_allclose(follow(image, shift(2, 1))[:-1, :-2], image[1:, 2:], atol=1e-5)


def test_valid_inside_the_frame_only() -> None:
    valid = motion_validity(shift(3, -2), flat(5), flat(5))
    expected = np.zeros(SIZE, bool)
    expected[2:, :-3] = True
    np.testing.assert_array_equal(valid, expected)
    assert not motion_validity(shift(np.nan, 0), flat(5), flat(5)).any()
    assert not motion_validity(shift(1e5, 1e5), flat(5), flat(5)).any()


def test_hidden_behind_something_nearer_is_not_valid() -> None:
    other = flat(5)
    other[:, 10:20] = 4
    valid = motion_validity(shift(0, 0), flat(5), other)
    assert valid[:, :10].all()
    assert valid[:, 20:].all()
    assert not valid[:, 10:20].any()


def test_a_gap_opened_behind_it_is_not_valid() -> None:
    assert not motion_validity(shift(0, 0), flat(5), flat(7)).any()
    assert not motion_validity(shift(0, 0), flat(5), flat(np.inf)).any()


def test_the_background_is_valid_where_the_background_shows() -> None:
    other = flat(np.inf)
    other[:, :10] = 4
    valid = motion_validity(shift(0.3, 0.2), flat(np.inf), other)
    assert not valid[:, :9].any()
    assert valid[:-1, 10:-1].all()
    faint = np.where(np.arange(30) < 5, 0.2, 1.0) * np.ones(SIZE)
    valid = motion_validity(shift(0, 0), flat(np.inf), other, other_alpha=faint)
    assert valid[:, :5].all()
    assert not valid[:, 5:10].any()


@pytest.mark.parametrize("off", [(0.0, 0.0), (0.5, 0.3), (1.25, -0.75)])
def test_a_steep_plane_is_valid_between_its_pixels(off: tuple[float, float]) -> None:
    y, x = np.mgrid[0:20, 0:30] + 0.5
    plane = (3 + 0.3 * x + 0.2 * y).astype(np.float32)
    target = plane + np.float32(0.3 * off[0] + 0.2 * off[1])
    valid = motion_validity(shift(*off), target, plane)
    assert valid[2:-2, 2:-2].all()
    assert not motion_validity(shift(*off), target + 1, plane)[2:-2, 2:-2].any()


def test_the_slope_carries_depth_to_the_target() -> None:
    y, x = np.mgrid[0:20, 0:30] + 0.5
    plane = (3 + 0.3 * x + 0.2 * y).astype(np.float32)
    tight = {"depth_tolerance": 1e-5, "pixel_tolerance": 0.0}
    valid = motion_validity(shift(0.4, 0.3), plane + np.float32(0.18), plane, **tight)
    assert valid[2:-2, 2:-2].all()


def test_a_steep_surface_may_be_missed_by_part_of_a_pixel() -> None:
    plane = np.tile(3 + 0.3 * np.arange(30, dtype=np.float32), (20, 1))
    target = plane + np.float32(0.3 * 0.4)
    assert motion_validity(shift(0, 0), target, plane)[2:-2, 2:-2].all()
    assert not motion_validity(shift(0, 0), target, plane, pixel_tolerance=0.0)[:, 2:].all(0).any()


def test_an_edge_is_no_slope() -> None:
    other = flat(5)
    other[:, :10] = 4
    assert not motion_validity(shift(0, 0), flat(4.5), other).any()


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="expected motion"):
        motion_validity(shift(0, 0)[:5], flat(1), flat(1))
    with pytest.raises(ValueError, match="expected"):
        sample_bilinear(flat(1), np.zeros((4, 3), np.float32))
