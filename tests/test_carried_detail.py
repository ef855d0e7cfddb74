"""Detail carried along a video's motion, against pictures whose true way is known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from impetus.backend.diffusion.detail import CarriedDetail
from impetus.backend.diffusion.motion import FrameMotion, novelty_map

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


def pan(step: tuple[float, float]) -> FrameMotion:
    backward = np.zeros((HEIGHT, WIDTH, 2), np.float32) - np.float32(step)
    return FrameMotion(backward, novelty_map(backward))


def error(a: NDArray[np.generic], b: Picture, where: NDArray[np.bool_]) -> float:
    return float(np.sqrt(((a.astype(float) - b) ** 2).mean(-1)[where].mean()))


@pytest.mark.parametrize("step", [(2.0, 0.0), (-1.3, 0.4)])
def test_soft_frames_become_as_sharp_as_the_start(step: tuple[float, float]) -> None:
    start = scene((0, 0))
    carried, known = CarriedDetail(start, softened(start)), np.ones((HEIGHT, WIDTH), bool)
    for k in range(1, 11):
        carried.step(pan(step))
        true = scene((k * step[0], k * step[1]))
        made = softened(true)
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH] - np.array([k * step[1], k * step[0]])[:, None, None]
        known = (x > 8) & (x < WIDTH - 8) & (y > 8) & (y < HEIGHT - 8)
        known[:8] = known[-8:] = False
        known[:, :8] = known[:, -8:] = False
        sharp = carried.add(made)
        assert error(sharp, true, known) < 0.15 * error(made, true, known)


def test_what_is_new_stays_as_it_was_made() -> None:
    start = scene((0, 0))
    carried = CarriedDetail(start, softened(start))
    for _ in range(3):
        carried.step(pan((5.0, 0.0)))
    made = softened(scene((15, 0)))
    sharp = carried.add(made)
    np.testing.assert_array_equal(sharp[:, :14], made[:, :14])
    assert np.abs(sharp[:, 20:60] - made[:, 20:60]).max() > 10
    for _ in range(3):  # and does not become known by going back
        carried.step(pan((-5.0, 0.0)))
    again = carried.add(softened(start))
    np.testing.assert_array_equal(again[:, -14:], softened(start)[:, -14:])


def test_what_became_something_else_gets_no_detail() -> None:
    start = scene((0, 0))
    carried = CarriedDetail(start, softened(start))
    other = (softened(start).astype(int) + 128) % 256
    assert np.abs(carried.add(other) - other).max() < 1


def test_it_goes_on_from_its_state() -> None:
    start = scene((0, 0))
    carried = CarriedDetail(start, softened(start))
    carried.step(pan((1.7, 0.3)))
    again = CarriedDetail.restored({name: v.copy() for name, v in carried.state().items()})
    for one in (carried, again):
        one.step(pan((0.4, -0.9)))
    made = softened(scene((2.1, -0.6)))
    np.testing.assert_array_equal(carried.add(made), again.add(made))


def test_what_another_picture_brings_is_carried_on() -> None:
    start = scene((0, 0))
    carried = CarriedDetail(start, softened(start))
    carried.step(pan((5.0, 0.0)))
    new = np.zeros(start.shape[:2], bool)
    new[:, :5] = True
    here = scene((5, 0))  # shows what came in, too
    carried.renew(here, softened(here), new)
    again = CarriedDetail.restored({name: v.copy() for name, v in carried.state().items()})
    for one in (carried, again):
        one.step(pan((3.0, 0.0)))
    after = scene((8, 0))
    sharp, made = carried.add(softened(after)), softened(after)
    came_in = np.s_[4:-4, 4:7]
    error = np.abs(sharp - after)[came_in].mean()
    assert error < 0.3 * np.abs(made.astype(float) - after)[came_in].mean()
    np.testing.assert_array_equal(sharp[:, :2], made[:, :2])  # newer still, and not known
    np.testing.assert_array_equal(again.add(made), sharp)
