"""The moved picture, its filled holes, the detail it keeps, and the small decoder it is seen by."""

import numpy as np
import pytest
import torch

from impetus.backend.diffusion.detail import add_detail
from impetus.backend.diffusion.hard_warp import fill, hard_warp
from impetus.backend.diffusion.small_decoder import SmallDecoder, fit_pairs

WIDTH, HEIGHT = 56, 44


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.stack([60 + 2 * x, 200 - 3 * y, 90 + 0 * x], -1)
    image[10:22, 8:20] = 230, 220, 40
    return image.astype(np.uint8)


def shift(dx: float, dy: float) -> np.ndarray:
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[10:22, 8:20] = dx, dy
    return flow


FLOW = shift(12, 4)


def test_small_decoder_finds_the_map_behind_its_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn((3 * 64, 4, 3, 3), generator=generator)
    bias = torch.randn(3 * 64, generator=generator)
    known = SmallDecoder(weights, bias, 8)
    latents = torch.randn((2, 1, 4, 12, 10), generator=generator)
    fitted = fit_pairs([(z, known(z)) for z in latents], 8)
    other = torch.randn((1, 4, 5, 6), generator=generator)
    assert fitted(other).shape == (1, 3, 40, 48)
    torch.testing.assert_close(fitted(other), known(other), rtol=0.01, atol=0.01)


def test_hard_warp_moves_things_and_fills_what_they_leave(picture: np.ndarray) -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    ground = np.stack([60 + 2 * x, 200 - 3 * y, 90 + 0 * x], -1)
    flow = shift(24, 4)  # clear of the hole, whose border is then the ground alone
    warped = hard_warp(picture, flow, np.any(flow != 0, axis=-1))
    assert (warped.image[14:26, 32:44] == (230, 220, 40)).all()
    expected = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected[9:23, 7:21] = True  # with the rim of one pixel
    assert (warped.hole == expected).all()
    # A ramp is its own smoothest continuation.
    assert np.abs(warped.image[9:23, 7:21].astype(int) - ground[9:23, 7:21]).max() <= 1


def test_detail_follows_the_motion_where_the_edit_did(picture: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    soft = picture.astype(float)
    source = np.clip(soft + rng.integers(-12, 13, picture.shape), 0, 255).astype(np.uint8)
    moving = np.any(FLOW != 0, axis=-1)
    edit = np.asarray(hard_warp(soft.astype(np.uint8), FLOW, moving).image, float)
    edit[30:40, 40:50] = 255 - edit[30:40, 40:50]  # something else, made by the model
    moved, still_soft = (
        hard_warp(image, FLOW, moving) for image in (source, soft.astype(np.uint8))
    )
    sharp = add_detail(edit, moved.image, still_soft.image, ~moved.hole)
    there = (slice(15, 25), slice(21, 31))
    here = (slice(11, 21), slice(9, 19))
    np.testing.assert_allclose(sharp[there], source[here], atol=1)
    np.testing.assert_allclose(sharp[:8, 24:], source[:8, 24:], atol=1)
    assert (sharp[32:38, 42:48] - edit[32:38, 42:48]).std() < 0.5
    assert (sharp[moved.hole] == edit[moved.hole]).all()


def test_a_hole_that_nothing_known_borders_takes_the_nearest() -> None:
    image = np.zeros((6, 8, 3))
    image[:, 0] = 100
    hole = np.zeros((6, 8), np.bool_)
    hole[:, 4:] = True
    known = np.zeros((6, 8), np.bool_)
    known[:, 0] = True
    np.testing.assert_allclose(fill(image, hole, known)[hole], 100, atol=1e-6)
