"""Detail carried along a video's motion, against pictures whose true way is known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from impetus.backend.contract.methods import Novelty
from impetus.backend.diffusion.carried_picture import CarriedPicture
from impetus.backend.diffusion.detail import add_detail
from impetus.backend.diffusion.motion import FrameMotion, frame_motion

HEIGHT, WIDTH = 64, 96
Picture = NDArray[np.uint8]


def scene(shift: tuple[float, float]) -> Picture:
    """Fine waves on plain colour, shown with the world moved by `shift` px."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    x, y = x - shift[0], y - shift[1]
    waves = np.sin(x / 1.5) * np.cos(y / 2.0)
    shown = np.stack([120 + 40 * waves, 110 + 20 * waves, 0.6 * np.clip(x, 0, 200) + 60], -1)
    return np.rint(shown).astype(np.uint8)


def softened(picture: Picture) -> Picture:
    """What an autoencoder leaves of it."""
    return np.rint(gaussian_filter(picture.astype(float), (2, 2, 0))).astype(np.uint8)


def sharpened(carried: CarriedPicture, made: NDArray[np.generic]) -> NDArray[np.float64]:
    moved = carried.picture()
    return add_detail(made, moved, softened(moved), carried.known)


def pan(step: tuple[float, float]) -> FrameMotion:
    backward = np.zeros((HEIGHT, WIDTH, 2), np.float32) - np.float32(step)
    return frame_motion(backward, Novelty())


def error(a: NDArray[np.generic], b: Picture, where: NDArray[np.bool_]) -> float:
    return float(np.sqrt(((a.astype(float) - b) ** 2).mean(-1)[where].mean()))


@pytest.mark.parametrize("step", [(2.0, 0.0), (-1.3, 0.4)])
def test_soft_frames_become_as_sharp_as_the_start(step: tuple[float, float]) -> None:
    start = scene((0, 0))
    carried, known = CarriedPicture(start, fill=False), np.ones((HEIGHT, WIDTH), bool)
    for k in range(1, 11):
        carried.step(pan(step))
        true = scene((k * step[0], k * step[1]))
        made = softened(true)
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH] - np.array([k * step[1], k * step[0]])[:, None, None]
        known = (x > 8) & (x < WIDTH - 8) & (y > 8) & (y < HEIGHT - 8)
        known[:8] = known[-8:] = False
        known[:, :8] = known[:, -8:] = False
        sharp = sharpened(carried, made)
        assert error(sharp, true, known) < 0.15 * error(made, true, known)


def test_what_is_new_stays_as_it_was_made() -> None:
    start = scene((0, 0))
    carried = CarriedPicture(start, fill=False)
    for _ in range(3):
        carried.step(pan((5.0, 0.0)))
    made = softened(scene((15, 0)))
    sharp = sharpened(carried, made)
    np.testing.assert_array_equal(sharp[:, :14], made[:, :14])
    assert np.abs(sharp[:, 20:60] - made[:, 20:60]).max() > 10
    for _ in range(3):  # and does not become known by going back
        carried.step(pan((-5.0, 0.0)))
    again = sharpened(carried, softened(start))
    np.testing.assert_array_equal(again[:, -14:], softened(start)[:, -14:])


def test_what_became_something_else_gets_no_detail() -> None:
    start = scene((0, 0))
    carried = CarriedPicture(start, fill=False)
    other = (softened(start).astype(int) + 128) % 256
    assert np.abs(sharpened(carried, other) - other).max() < 1


def test_what_is_filled_gets_the_detail_of_its_pieces() -> None:
    """What came in is filled with waves; made soft, it becomes as sharp as they are."""
    start = scene((0, 0))
    start[...] = start[:, :1] // 2 + start // 2  # no slope: the waves go on as they are
    carried = CarriedPicture(start, fill=True)
    for _ in range(2):
        carried.step(pan((4.0, 0.0)))
    assert carried.known.all()
    filled = carried.picture()
    sharp, made = sharpened(carried, softened(filled)), softened(filled)
    came_in = np.zeros((HEIGHT, WIDTH), bool)
    came_in[8:-8, 2:8] = True
    assert error(sharp, filled, came_in) < 0.5 * error(made, filled, came_in)
