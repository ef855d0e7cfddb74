"""Holes in pictures whose whole is known: what is filled in is what was there."""

import numpy as np
import pytest

from impetus.backend.diffusion.inpainting import fill, origins

SIDE = 72
Y, X = np.mgrid[0:SIDE, 0:SIDE]
HOLE = (abs(Y - 36) < 9) & (abs(X - 36) < 9)


def stripes() -> np.ndarray:
    """Slanted, 8 px wide."""
    light = ((X + 2 * Y) // 8) % 2 == 0
    return np.where(light[..., None], [200.0, 180, 150], [40.0, 60, 90])


def tiles() -> np.ndarray:
    dark = (X // 6 + Y // 6) % 2 == 0
    return np.where(dark[..., None], [30.0, 30, 30], [220.0, 220, 220])


def horizon() -> np.ndarray:
    return np.where((Y > 36)[..., None], [90.0, 140, 60], [120.0, 160, 220])


def continued(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    return fill(picture, HOLE, known, origins(picture, HOLE, known))


@pytest.mark.parametrize(
    "picture", [stripes(), tiles(), horizon()], ids=["stripes", "tiles", "horizon"]
)
def test_a_regular_picture_comes_back(picture: np.ndarray) -> None:
    spoilt = np.where(HOLE[..., None], 255.0, picture)
    filled = continued(spoilt, ~HOLE)
    np.testing.assert_array_equal(filled[~HOLE], picture[~HOLE])
    error = np.sqrt(((filled - picture)[HOLE] ** 2).mean())
    smooth = np.sqrt(((fill(spoilt, HOLE, ~HOLE) - picture)[HOLE] ** 2).mean())
    assert error < 0.25 * smooth
    np.testing.assert_array_equal(continued(spoilt, ~HOLE), filled)


def test_under_uneven_light_no_piece_stands_out() -> None:
    light = (0.5 * X + 0.8 * Y)[..., None]
    picture = 0.5 * tiles() + light
    spoilt = np.where(HOLE[..., None], 255.0, picture)
    assert np.abs(continued(spoilt, ~HOLE) - picture)[HOLE].max() < 2


def test_noise_keeps_its_strength() -> None:
    picture = np.random.default_rng(0).normal(128, 30, (SIDE, SIDE, 3))
    assert 0.7 < continued(picture, ~HOLE)[HOLE].std() / 30 < 1.3
    assert fill(picture, HOLE, ~HOLE)[HOLE].std() / 30 < 0.5  # a smooth continuation does not


def test_only_what_is_known_is_copied() -> None:
    """A thing beside the hole that is not known leaves no trace in it."""
    thing = (abs(Y - 36) < 9) & (X > 44) & (X < 60)
    picture = np.where(thing[..., None], [250.0, 0, 0], tiles())
    known = ~HOLE & ~thing
    row, column = origins(picture, HOLE, known)[:, HOLE]
    assert known[row, column].all()
    filled = continued(picture, known)[HOLE]
    assert np.abs(filled[:, 0] - filled[:, 1]).max() < 1  # no red


def test_what_no_whole_piece_is_near_has_no_origin() -> None:
    known = np.zeros((SIDE, SIDE), bool)
    known[:, :5] = True  # too narrow for a piece
    assert (origins(tiles(), ~known, known) == -1).all()
