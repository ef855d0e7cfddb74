"""The speed suite compares two ways to the same frames, and says when there is no GPU."""

from pathlib import Path

import pytest
import torch

from impetus.backend.evaluation.speed import diffusion as speed_diffusion
from impetus.backend.evaluation.speed.diffusion import Case, compare, run
from impetus.backend.evaluation.speed.diffusion_plain import write_random_model

SMALL = Case((32, 32), (32, 32), 5, 1)


def test_the_plain_loop_and_ours_make_the_same_frames(tmp_path: Path) -> None:
    results = compare(write_random_model(tmp_path / "random", SMALL.widths), SMALL, "cpu")
    assert results["relative_difference"] < 1e-3
    assert results["plain"]["seconds"] > 0
    assert results["ours"]["seconds"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_machine_without_a_gpu_is_said_to_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_diffusion, "ON_PROCESSOR", SMALL)
    results = run(tmp_path)
    assert "No CUDA device" in results["note"]
    assert (tmp_path / "speed_diffusion.json").is_file()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_ours_is_twice_as_fast_on_a_gpu(tmp_path: Path) -> None:
    assert run(tmp_path, "cuda")["times_faster"] >= 2
