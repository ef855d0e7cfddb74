"""The MotionCraft suite's shots and measures: true videos score as true, wrong ones do not."""

from pathlib import Path

import numpy as np
import pytest

from impetus.backend.evaluation.made_with import made_with
from impetus.backend.evaluation.measures.embedding import layout_embedding
from impetus.backend.evaluation.motioncraft.baselines import pixel_warp, still
from impetus.backend.evaluation.motioncraft.shots import TrueShot, make_shots
from impetus.backend.evaluation.motioncraft.suite import _shift, measure, summary, table


@pytest.fixture(scope="module")
def truck() -> TrueShot:
    return make_shots(("truck",), 3)[0]


def test_the_true_frames_score_as_true(truck: TrueShot) -> None:
    assert truck.frames is not None
    figures = measure(truck, truck.frames, layout_embedding)
    assert figures.motion > 0.9
    assert figures.warping < 0.05
    assert figures.new_error == pytest.approx(0)
    assert figures.new_detail == pytest.approx(1)
    assert figures.psnr_true == np.inf


def test_a_still_is_smooth_and_wrong(truck: TrueShot) -> None:
    frozen = measure(truck, still(truck.start, truck.motions), layout_embedding)
    warped = measure(truck, pixel_warp(truck.start, truck.motions), layout_embedding)
    assert frozen.frames == pytest.approx(1)
    assert frozen.motion < warped.motion
    assert frozen.flow_epe > warped.flow_epe
    assert warped.new_error is not None
    assert warped.new_error > 0.02, "the warp does not know what comes in"


def test_motion_backwards_takes_the_true_frames_back(truck: TrueShot) -> None:
    assert truck.frames is not None
    motion = truck.motions[0]
    known = motion.novelty == 0
    warped = pixel_warp(truck.start, [motion])[1].astype(float)
    error = np.abs(warped - truck.frames[1]).mean(-1)
    assert error[known].mean() < 3 < error[~known].mean()
    assert 0.02 < (~known).mean() < 0.2


def test_a_shift_is_found() -> None:
    wide = np.random.default_rng(0).integers(0, 255, (20, 90, 3), dtype=np.uint8)
    assert _shift(wide[:, :60], wide[:, 7:67], 12) == -7


def test_the_table_has_a_row_for_each_method_and_the_papers(truck: TrueShot) -> None:
    figures = {"truck": {"still": measure(truck, [truck.start] * 3, layout_embedding)}}
    text = table(summary(figures, {"identity_psnr": 40.0}, "layout"))
    assert text.count("still") == 2
    assert "MotionCraft, SD 1.5 [paper]" in text
    assert "0.9819" in text


def test_what_is_kept_is_named_by_weights_and_settings(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"first")
    first = made_with((weights,), 16)
    assert first == made_with((weights,), 16)
    assert first != made_with((weights,), 6), "another length is another video"
    weights.write_bytes(b"other")
    assert first != made_with((weights,), 16), "other weights make other pictures"
