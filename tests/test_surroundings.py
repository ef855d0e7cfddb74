"""A square moves over a ground at rest: what it uncovers begins from the ground beside it."""

import numpy as np
import pytest

from impetus.backend.contract.methods import Novelty
from impetus.backend.diffusion.latent_motion import LatentMotion
from impetus.backend.diffusion.motion import FrameMotion, frame_motion
from impetus.backend.diffusion.surroundings import copied

CELLS, FACTOR, FRAMES = 24, 8, 12
SIDE = CELLS * FACTOR
SQUARE = -1


def covered_by_square(frame: int, speed: float) -> np.ndarray:
    left = 24 + round(speed * frame)
    square = np.zeros((SIDE, SIDE), bool)
    square[64:128, left : left + 64] = True
    return square


def motion_of(frame: int, speed: float) -> FrameMotion:
    """Into `frame` from the one before."""
    here, before = covered_by_square(frame, speed), covered_by_square(frame - 1, speed)
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    backward[here, 0] = round(speed * (frame - 1)) - round(speed * frame)
    return frame_motion(backward, Novelty(), validity=here | ~before)


def followed(speed: float, *, fill: bool, pause: int = -1) -> np.ndarray:
    """Return what each cell holds after all frames: its row of the ground, or SQUARE."""
    moving = LatentMotion(FACTOR, fill=fill)
    held = np.where(
        covered_by_square(0, speed)[4::FACTOR, 4::FACTOR], SQUARE, np.arange(CELLS)[:, None]
    )
    for frame in range(1, FRAMES):
        source = moving.step(motion_of(frame, speed)).source.astype(int)
        at = np.clip(source, 0, CELLS - 1)
        held = held[at[..., 1], at[..., 0]]
        if frame == pause:
            state = moving.state()
            moving = LatentMotion(FACTOR, fill=fill)
            moving.restore(state)
    return held


@pytest.mark.parametrize("speed", [2.0, 5.5, 8.0, 11.0])
def test_what_is_uncovered_begins_from_the_ground_beside_it(speed: float) -> None:
    uncovered = ~covered_by_square(FRAMES - 1, speed)
    for frame in range(FRAMES):
        uncovered &= covered_by_square(frame, speed) | (frame > 0)
    uncovered &= covered_by_square(0, speed)
    # Cells of which nothing is the square's now, and which it once covered for the most part.
    blocks = uncovered.reshape(CELLS, FACTOR, CELLS, FACTOR).all(axis=(1, 3))
    assert blocks.sum() >= 8
    held = followed(speed, fill=True)
    assert (held[blocks] != SQUARE).all()
    middle_rows = np.zeros(blocks.shape, bool)
    middle_rows[11:13] = True  # nearer to the ground at the side than to that above and below
    assert (held == np.arange(CELLS)[:, None])[blocks & middle_rows].mean() > 0.7
    assert (followed(speed, fill=False)[blocks] == SQUARE).any()  # what the published way leaves
    middle = covered_by_square(FRAMES - 1, speed)[4::FACTOR, 4::FACTOR]
    assert (held[middle] == SQUARE).mean() > 0.85  # and the square went on


def test_it_goes_on_from_a_state() -> None:
    np.testing.assert_array_equal(followed(5.5, fill=True, pause=6), followed(5.5, fill=True))


def test_what_comes_into_the_frame_mirrors_what_borders_on_it() -> None:
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    backward[..., 0] = 2 * FACTOR  # a pan: all goes left by two cells, two columns come in
    warp = LatentMotion(FACTOR, fill=True).step(frame_motion(backward, Novelty()))
    assert warp.beside is not None
    last = CELLS - 1
    np.testing.assert_array_equal(warp.source[:, -1, 0], last - 2)
    np.testing.assert_array_equal(warp.source[:, -2, 0], last - 1)
    np.testing.assert_array_equal(warp.beside[:, -3], 0)
    assert (warp.novelty[:, -2:] == 1).all()


def test_active_matter_keeps_its_way() -> None:
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    unknown = np.zeros((SIDE, SIDE), bool)
    active = np.ones((SIDE, SIDE), bool)
    motion = frame_motion(backward, Novelty(), validity=unknown, active=active)
    warp = LatentMotion(FACTOR, fill=True).step(motion)
    assert warp.beside is not None
    assert not warp.beside.any()
    assert (warp.novelty == 1).all()


def test_pixels_of_a_copied_cell_take_that_cells_way() -> None:
    height, width = 20, 28  # no whole number of cells
    generator = np.random.default_rng(0)
    backward = generator.normal(0, 1, (height, width, 2)).astype(np.float32)
    novelty = np.zeros((height, width), np.float32)
    novelty[8:16, 8:16] = 1
    shift = np.zeros((3, 4, 2), np.intp)
    shift[1, 1] = -1, 1
    moved = copied(FrameMotion(backward, novelty), shift, FACTOR)
    there = np.clip(np.arange(8, 16) + 8, 0, height - 1)[:, None], np.arange(0, 8)[None]
    wanted = backward[there] + np.array([-8, 8])
    np.testing.assert_allclose(moved.backward[8:16, 8:16], wanted, rtol=1e-6)
    assert (moved.novelty == 0).all()
    elsewhere = np.ones((height, width), bool)
    elsewhere[8:16, 8:16] = False
    np.testing.assert_array_equal(moved.backward[elsewhere], backward[elsewhere])
