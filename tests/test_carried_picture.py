"""A square moves over a tiled ground at rest: what it uncovers begins as the ground goes on."""

import numpy as np
import pytest

from impetus.backend.contract.methods import Novelty
from impetus.backend.diffusion.carried_picture import TORN, CarriedPicture, surface
from impetus.backend.diffusion.latent_motion import LatentMotion
from impetus.backend.diffusion.motion import FrameMotion, frame_motion

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
        held[warp.begins] = square_at(frame, speed)[4::FACTOR, 4::FACTOR][warp.begins]
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
        assert (moving.residual[warp.begins] == 0).all()


def test_active_matter_keeps_its_way() -> None:
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    nothing, all_of_it = np.zeros((SIDE, SIDE), bool), np.ones((SIDE, SIDE), bool)
    motion = frame_motion(backward, Novelty(), validity=nothing, active=all_of_it)
    warp = LatentMotion(FACTOR, fill=True).step(motion)
    assert not warp.begins.any()
    assert (warp.novelty == 1).all()


Y, X = np.mgrid[0:SIDE, 0:SIDE]
TILES = np.where(((X // 6 + Y // 6) % 2 == 0)[..., None], [40, 40, 60], [220, 210, 180])
RED = np.array([230, 30, 20])


def test_the_picture_goes_on_with_its_ground() -> None:
    picture = np.where(square_at(0, 11.0)[..., None], RED, TILES).astype(np.uint8)
    carried = CarriedPicture(picture, fill=True)
    for frame in range(1, 4):
        motion = motion_of(frame, 11.0)
        carried.step(motion)
        here = square_at(frame, 11.0)
        wanted = np.where(here[..., None], RED, TILES)
        assert np.abs(carried.picture().astype(int) - wanted).max() <= 2
        assert carried.known.all()
        assert motion.unseen is not None
        known = surface(motion.backward, motion.unseen)
        assert not (known & here).any()
        assert known[96, 10]


def test_without_filling_the_new_is_not_known() -> None:
    carried = CarriedPicture(np.zeros((SIDE, SIDE, 3), np.uint8), fill=False)
    carried.step(motion_of(1, 11.0))
    new = square_at(0, 11.0) & ~square_at(1, 11.0)
    np.testing.assert_array_equal(carried.known, ~new)


def test_no_pixel_shows_a_mean_of_two_surfaces() -> None:
    """The square moves by parts of pixels; no way lies between its own and the ground's."""
    picture = np.where(square_at(0, 0)[..., None], RED, TILES).astype(np.uint8)
    carried = CarriedPicture(picture, fill=False)
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    square = square_at(0, 0)
    for frame in range(1, 9):
        left = square & (24 + 0.4 * frame > X)
        backward[square & ~left, 0] = -0.4
        backward[left] = 0
        carried.step(FrameMotion(backward, left.astype(np.float32)))
    ways = carried.state()["way"][..., 0]
    assert np.minimum(np.abs(ways), np.abs(ways + 3.2))[carried.known].max() < TORN
    assert -3.21 < ways.min() < -3.19


def test_the_start_is_sampled_once() -> None:
    """After 24 moves by parts of a pixel, to and fro, it is as sharp as it was."""
    picture = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    carried = CarriedPicture(picture, fill=False)
    for way in np.tile([0.3, 0.3, 0.3, -0.3, -0.3, -0.3], 4):
        backward = np.full((SIDE, SIDE, 2), way, np.float32)
        carried.step(FrameMotion(backward, np.zeros((SIDE, SIDE), np.float32)))
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_array_equal(carried.picture()[inner], picture[inner])


def test_the_shot_tells_surfaces_apart_that_move_alike() -> None:
    """A post at rest beside the hole is no piece of the ground, though it moves as the ground."""
    before, here = square_at(0, 11.0), square_at(1, 11.0)
    post = (X >= 8) & (X < 24) & (Y >= 64) & (Y < 128)
    picture = np.where((before | post)[..., None], RED, TILES).astype(np.uint8)
    motion = motion_of(1, 11.0)
    surfaces = np.where(here, 1, np.where(post, 2, 0))
    reddest = {}
    for told in (True, False):
        carried = CarriedPicture(picture, fill=True)
        known = surfaces if told else None
        carried.step(FrameMotion(motion.backward, motion.novelty, motion.unseen, known))
        shown = carried.picture()[before & ~here].astype(int)
        reddest[told] = (shown[:, 0] - shown[:, 1]).max()
    assert reddest[True] <= 12
    assert reddest[False] > 60


def test_it_goes_on_from_its_state() -> None:
    picture = np.where(square_at(0, 5.5)[..., None], RED, TILES).astype(np.uint8)
    carried = CarriedPicture(picture, fill=True)
    carried.step(motion_of(1, 5.5))
    state = {name: array.copy() for name, array in carried.state().items()}
    again = CarriedPicture.restored(state, fill=True)
    for one in (carried, again):
        one.step(motion_of(2, 5.5))
    np.testing.assert_array_equal(carried.picture(), again.picture())
    np.testing.assert_array_equal(carried.known, again.known)


def test_where_nothing_of_its_surface_is_seen_anything_is_taken() -> None:
    backward = np.zeros((40, 40, 2), np.float32)
    hidden = np.zeros((40, 40), bool)
    hidden[:, :20] = True
    backward[:, 20:, 0] = 9.0  # another surface
    assert not surface(backward, hidden).any()
    carried = CarriedPicture(np.full((40, 40, 3), 90, np.uint8), fill=True)
    carried.step(FrameMotion(backward, np.zeros((40, 40), np.float32), hidden))
    assert (carried.picture() == 90).all()


def test_what_moves_off_an_edge_is_made_anew() -> None:
    """A bright surface turns out of the dark: the half dark pixels at its edge grow no streak."""
    own = X >= 40
    picture = np.where(own, 200, 0)
    picture[X == 40] = 100
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    turning = own & (X < 72)
    backward[turning, 0] = (40 - X[turning]) / 2
    unseen = np.zeros((SIDE, SIDE), bool)
    unseen[60, 90] = True
    motion = FrameMotion(backward, unseen.astype(np.float32), unseen, np.where(own, 0, -1))
    carried = CarriedPicture(np.repeat(picture.astype(np.uint8)[..., None], 3, 2), fill=True)
    for _ in range(3):
        carried.step(motion)
    assert np.abs(carried.picture()[:, 42:90].astype(int) - 200).max() <= 10


def test_a_piece_takes_its_own_tone_again() -> None:
    """What came out of the shade at a frame's edge is as bright as its surface once within."""
    ramp = np.repeat((40 + X // 2).astype(np.uint8)[..., None], 3, 2)  # darkest at the left
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    backward[..., 0] = -12.0
    carried = CarriedPicture(ramp, fill=True)
    carried.step(frame_motion(backward, Novelty(), validity=X >= 12))
    toned = carried.state()["tone"]
    assert np.abs(toned[:, :12]).max() > 5
    rest = frame_motion(np.zeros_like(backward), Novelty(), validity=np.ones((SIDE, SIDE), bool))
    for _ in range(3):
        carried.step(rest)
    np.testing.assert_allclose(carried.state()["tone"], 0.9**3 * toned, atol=1e-4)


def test_a_speck_in_what_was_filled_is_made_anew() -> None:
    """What a wrong piece left is not copied on; what the start picture shows is left alone."""
    start = np.full((SIDE, SIDE, 3), 120, np.uint8)
    backward = np.zeros((SIDE, SIDE, 2), np.float32)
    backward[..., 0] = -12.0
    pan = frame_motion(backward, Novelty(), validity=X >= 12)
    carried = CarriedPicture(start, fill=True)
    carried.step(pan)
    state = carried.state()
    state["tone"] = state["tone"].copy()
    state["tone"][40, 6] = state["tone"][80, 100] = -50.0  # one filled, one of the start picture
    again = CarriedPicture.restored(state, fill=True)
    again.step(pan)
    shown = again.picture()
    assert np.abs(shown[40, 18].astype(int) - 120).max() <= 2
    assert (shown[80, 112] < 80).all()
