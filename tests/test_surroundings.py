"""A square moves over a tiled ground at rest: what it uncovers begins as the ground goes on."""

import numpy as np
import pytest

from impetus.backend.contract.methods import Novelty
from impetus.backend.diffusion.latent_motion import LatentMotion
from impetus.backend.diffusion.motion import FrameMotion, frame_motion
from impetus.backend.diffusion.surroundings import continued, surface

CELLS, FACTOR, FRAMES = 24, 8, 12
SIDE = CELLS * FACTOR
GROUND, SQUARE = 0, 1


def square_at(frame: int, speed: float) -> np.ndarray:
    left = 24 + round(speed * frame)
    square = np.zeros((SIDE, SIDE), bool)
    square[64:128, left : left + 64] = True
    return square


def motion_of(frame: int, speed: float) -> FrameMotion:
    """Into `frame` from the one before."""
    here, before = square_at(frame, speed), square_at(frame - 1, speed)
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    backward[here, 0] = round(speed * (frame - 1)) - round(speed * frame)
    return frame_motion(backward, Novelty(), validity=here | ~before)


def followed(speed: float, *, fill: bool, pause: int = -1) -> np.ndarray:
    """Return what each cell holds after all frames."""
    moving = LatentMotion(FACTOR, fill=fill)
    held = square_at(0, speed)[4::FACTOR, 4::FACTOR].astype(int)
    for frame in range(1, FRAMES):
        warp = moving.step(motion_of(frame, speed))
        at = np.clip(warp.source.astype(int), 0, CELLS - 1)
        held = held[at[..., 1], at[..., 0]]
        if warp.uncovered is not None:
            held[warp.uncovered] = GROUND
        if frame == pause:
            state = moving.state()
            moving = LatentMotion(FACTOR, fill=fill)
            moving.restore(state)
    return held


@pytest.mark.parametrize("speed", [2.0, 5.5, 8.0, 11.0])
def test_what_is_uncovered_is_told_and_the_rest_goes_on(speed: float) -> None:
    left_behind = square_at(0, speed) & ~square_at(FRAMES - 1, speed)
    blocks = left_behind.reshape(CELLS, FACTOR, CELLS, FACTOR).all(axis=(1, 3))
    assert blocks.sum() >= 8
    held = followed(speed, fill=True)
    assert (held[blocks] == GROUND).all()
    assert (followed(speed, fill=False)[blocks] == SQUARE).any()  # what the published way leaves
    assert (held[square_at(FRAMES - 1, speed)[4::FACTOR, 4::FACTOR]] == SQUARE).mean() > 0.85


def test_it_goes_on_from_a_state() -> None:
    np.testing.assert_array_equal(followed(5.5, fill=True, pause=6), followed(5.5, fill=True))


def test_what_lies_anew_lies_where_it_should() -> None:
    moving = LatentMotion(FACTOR, fill=True)
    for frame in range(1, FRAMES):
        warp = moving.step(motion_of(frame, 5.5))
        assert warp.uncovered is not None
        assert (moving.residual[warp.uncovered] == 0).all()


def test_active_matter_keeps_its_way() -> None:
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    nothing, all_of_it = np.zeros((SIDE, SIDE), bool), np.ones((SIDE, SIDE), bool)
    motion = frame_motion(backward, Novelty(), validity=nothing, active=all_of_it)
    warp = LatentMotion(FACTOR, fill=True).step(motion)
    assert warp.uncovered is not None
    assert not warp.uncovered.any()
    assert (warp.novelty == 1).all()


def test_the_picture_goes_on_with_its_ground() -> None:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    ground = np.where(((x // 6 + y // 6) % 2 == 0)[..., None], [40, 40, 60], [220, 210, 180])
    red = np.array([230, 30, 20])
    before, here = square_at(0, 11.0), square_at(1, 11.0)
    picture = np.where(before[..., None], red, ground).astype(np.uint8)
    motion = motion_of(1, 11.0)
    assert motion.unseen is not None
    shown = continued(picture, motion, motion.unseen)
    wanted = np.where(here[..., None], red, ground)
    assert np.abs(shown.astype(int) - wanted).max() <= 2
    known = surface(motion.backward, motion.unseen)
    assert not (known & here).any()
    assert known[96, 10]


def test_where_nothing_of_its_surface_is_seen_anything_is_taken() -> None:
    backward = np.zeros((40, 40, 2), np.float32)
    hidden = np.zeros((40, 40), bool)
    hidden[:, :20] = True
    backward[:, 20:, 0] = 9.0  # another surface
    assert not surface(backward, hidden).any()
    picture = np.full((40, 40, 3), 90, np.uint8)
    motion = FrameMotion(backward, np.zeros((40, 40), np.float32), hidden)
    assert (continued(picture, motion, hidden) == 90).all()
