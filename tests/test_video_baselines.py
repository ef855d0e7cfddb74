"""Baselines of the MotionCraft suite: composed motion, exact warps, samplers that repeat."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.backend.diffusion.models import open_model, to_image, to_tensor
from impetus.backend.diffusion.motion import FrameMotion
from impetus.backend.evaluation.measures.pictures import psnr
from impetus.backend.evaluation.motioncraft.baselines import (
    Sampling,
    img2img,
    inpainted_warp,
    pixel_warp,
    sources,
    still,
    text2video_zero,
    unknown_regions,
)

from .tiny_model import write_model

HEIGHT, WIDTH, STEP = 32, 48, 3


def picture() -> NDArray[np.uint8]:
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    waves = [np.sin(x / 5 + k) * np.cos(y / 6 - k) for k in range(3)]
    return np.round(127.5 + 100 * np.stack(waves, -1)).astype(np.uint8)


def pan(count: int = 3, step: float = STEP) -> list[FrameMotion]:
    """Content that moves left: what enters at the right is new."""
    backward = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    backward[..., 0] = step
    novelty = np.zeros((HEIGHT, WIDTH), np.float32)
    novelty[:, WIDTH - int(np.ceil(step)) :] = 1
    return [FrameMotion(backward, novelty)] * count


@pytest.fixture(scope="module")
def sampling(tmp_path_factory: pytest.TempPathFactory) -> Sampling:
    model = open_model(write_model(tmp_path_factory.mktemp("model") / "small"), device="cpu")
    return Sampling(model, "a red cube", "", steps=8, guidance=2.0)


def test_motion_is_composed_back_to_the_first_frame() -> None:
    for k, place in enumerate(sources(pan()), 1):
        x = np.arange(WIDTH) + 0.5
        np.testing.assert_allclose(place[..., 0], np.tile(x + k * STEP, (HEIGHT, 1)), atol=1e-4)


def test_what_the_first_frame_did_not_show_grows_with_the_pan() -> None:
    for k, new in enumerate(unknown_regions(pan()), 1):
        columns = new.all(axis=0)
        assert columns[WIDTH - k * STEP :].all()
        assert not new[:, : WIDTH - k * STEP].any()


def test_a_pan_by_whole_pixels_is_warped_exactly() -> None:
    start = picture()
    video = pixel_warp(start, pan())
    assert len(video) == len(still(start, pan())) == 4
    for k, frame in enumerate(video):
        np.testing.assert_array_equal(frame[:, : WIDTH - k * STEP], start[:, k * STEP :])


def test_inpainting_fills_what_is_new_and_leaves_the_rest() -> None:
    start = picture()
    first = inpainted_warp(start, pan())[1]
    np.testing.assert_array_equal(first[:, : WIDTH - STEP], start[:, STEP:])
    assert (first[:, WIDTH - STEP :] != pixel_warp(start, pan())[1][:, WIDTH - STEP :]).any()


def test_img2img_of_little_strength_keeps_the_picture(sampling: Sampling) -> None:
    start = picture()
    around = to_image(sampling.model.decode(sampling.model.encode(to_tensor(start))))
    little, much = (img2img(sampling, [start], strength)[0] for strength in (0.15, 1.0))
    assert psnr(little, around) > psnr(much, around)


def test_text2video_zero_repeats_itself_and_begins_with_the_round_trip(sampling: Sampling) -> None:
    start = picture()
    around = to_image(sampling.model.decode(sampling.model.encode(to_tensor(start))))
    once, again = (text2video_zero(sampling, start, pan(2)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(once[0], around)
    assert (once[1] != once[2]).any()


def test_text2video_zero_reads_the_first_frame(
    sampling: Sampling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = picture()
    read = text2video_zero(sampling, start, pan(1))[1]
    monkeypatch.setattr(
        "impetus.backend.evaluation.motioncraft.baselines.read_references",
        lambda references, new: ((0,), (1,), (2,)),
    )
    alone = text2video_zero(sampling, start, pan(1))[1]
    assert (read != alone).any(), "without the first frame's keys and values it is another picture"
