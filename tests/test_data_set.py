"""The made data as training reads it, and the making's own refusals."""

import json
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from impetus.backend.contract.errors import TrainingDataError
from impetus.backend.training.data_command import make_data
from impetus.backend.training.data_set import DataSet


def write_sample(folder: Path, seed: int, *, frames: int = 1) -> np.ndarray:
    """Write a sample of 8 x 6 pixels, and return its colour."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    color = rng.integers(0, 256, (6, 8, 3), np.uint8)
    for frame in range(1, frames + 1):
        imageio.imwrite(folder / f"color_{frame:04d}.png", color)
        fields = {
            "depth": np.full((6, 8), np.inf, np.float16),
            "normal": np.full((6, 8, 3), (0, 0, 127), np.int8),
            "index": np.full((6, 8), 2, np.uint8),
            "edges": np.zeros((6, 8), np.uint8),
        }
        if frames > 1:
            fields["forward"] = np.full((6, 8, 2), 1.5, np.float16)
            fields["backward"] = np.full((6, 8, 2), -1.5, np.float16)
            fields["valid"] = np.full((6, 8), frame < frames)
        np.savez_compressed(folder / f"geometry_{frame:04d}.npz", **fields)
    about = {
        "caption": "a red cube", "seed": seed, "renderer": "cycles", "frames": frames,
        "size": [8, 6], "camera_to_world": np.tile(np.eye(4), (frames, 1, 1)).tolist(),
        "intrinsics": [[9, 9, 4, 3]] * frames, "held_out": seed % 16 == 0, "kind": "objects",
    }  # fmt: skip
    (folder / "scene.json").write_text(json.dumps(about), encoding="utf-8")
    return color


def test_samples_are_listed_in_order_and_apart_when_held_out(tmp_path: Path) -> None:
    for seed in (3, 16, 1):
        write_sample(tmp_path / "pictures" / f"{seed:06d}", seed)
    data = DataSet(tmp_path)
    assert [picture.seed for picture in data.pictures()] == [1, 3]
    assert [picture.seed for picture in data.pictures(held_out=True)] == [16]
    assert data.clips() == []


def test_listing_again_finds_what_was_added_but_no_half_written_sample(tmp_path: Path) -> None:
    write_sample(tmp_path / "pictures" / "000001", 1)
    data = DataSet(tmp_path)
    assert len(data.pictures()) == 1
    (tmp_path / "pictures" / "000002.tmp").mkdir()
    write_sample(tmp_path / "pictures" / "s000001", 1)
    assert [picture.folder.name for picture in data.pictures()] == ["000001", "s000001"]


def test_a_picture_gives_its_colour_and_geometry(tmp_path: Path) -> None:
    color = write_sample(tmp_path / "pictures" / "000001", 1)
    picture = DataSet(tmp_path).pictures()[0]
    assert (picture.color() == color).all()
    assert (picture.caption, picture.size, picture.frames) == ("a red cube", (8, 6), 1)
    geometry = picture.geometry()
    assert np.isinf(geometry.depth).all()
    assert geometry.normal[0, 0] == pytest.approx((0, 0, 1))
    assert (geometry.index == 2).all()
    assert geometry.forward is geometry.backward is geometry.valid is None


def test_a_clip_gives_each_frames_motion(tmp_path: Path) -> None:
    write_sample(tmp_path / "clips" / "000001", 500_001, frames=2)
    clip = DataSet(tmp_path).clips()[0]
    first, last = clip.geometry(1), clip.geometry(2)
    assert first.forward is not None
    assert first.backward is not None
    assert first.forward.dtype == np.float32
    assert (first.forward == 1.5).all()
    assert (first.backward == -1.5).all()
    assert first.valid is not None
    assert last.valid is not None
    assert (first.valid.all(), last.valid.any()) == (True, False)
    assert clip.camera_to_world.shape == (2, 4, 4)


def test_no_folder_and_a_broken_sample_are_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="Expected a folder"):
        DataSet(tmp_path / "nowhere")
    write_sample(tmp_path / "pictures" / "000001", 1)
    (tmp_path / "pictures" / "000001" / "scene.json").write_text("{", encoding="utf-8")
    with pytest.raises(TrainingDataError, match="000001"):
        DataSet(tmp_path).pictures()


def test_making_refuses_nothing_to_make_and_no_blender(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="numbers of samples"):
        make_data(tmp_path, 0, 0)
    with pytest.raises(TrainingDataError, match="Expected a Blender"):
        make_data(tmp_path, 1, 0, blender=tmp_path / "blender")


def test_making_says_where_to_read_why_it_failed(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no bpy here\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    with pytest.raises(TrainingDataError, match="but 0 could be made"):
        make_data(tmp_path / "data", 2, 0, processes=2, blender=python)
    assert "no bpy here" in (tmp_path / "data" / "logs" / "worker_1.log").read_text()
