"""Methods in the chain: cached by frame, resumed to the byte, cancelled within a step, re-used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impetus.backend.contract import methods as d
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.keys import user_folder
from impetus.backend.stages.pipeline import Workspace, run
from impetus.backend.stages.takes.exr import read_channels

from . import shots
from .test_pipeline import Ear, files, leftovers, record, workspace
from .tiny_model import write_model

FRAMES = (1, 4)
SIZE = (72, 66)  # no multiple of the autoencoder's factor
CRAFT = d.MotionCraft(prompt="jelly", model="small", steps=10, tau=400.0)

Made = tuple[s.Shot, ArraySet, Workspace, Ear]


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give this module a user folder with one small random model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        write_model(user_folder() / "models" / "small")
        yield


def falling(method: s.Method = CRAFT, **fields: object) -> tuple[s.Shot, ArraySet]:
    return shots.falling_cube(frames=FRAMES, size=SIZE, method=method, **fields)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A shot diffused without a disturbance."""
    shot, arrays = falling()
    work, ear = workspace(tmp_path_factory.mktemp("made")), Ear()
    run(shot, arrays, work, ear)
    return shot, arrays, work, ear


def picture(work: Workspace, frame: int) -> Any:
    return np.asarray(Image.open(work.take / "beauty" / f"{frame:04d}.png")).astype(float)


def test_whole_take_of_pictures_and_the_render_s_passes(made: Made, tmp_path: Path) -> None:
    shot, arrays, work, ear = made
    plain = workspace(tmp_path)
    run(shots.changed(shot, method=s.NoMethod()), arrays, plain, Ear())
    assert files(work.take).keys() == files(plain.take).keys()
    assert ear.frames == list(shot.frames.numbers)
    for frame in shot.frames.numbers:
        one, other = (read_channels(w.take / "passes" / f"{frame:04d}.exr") for w in (work, plain))
        differ = {name for name in one if not np.array_equal(one[name], other[name])}
        assert differ == {f"ViewLayer.Combined.{c}" for c in "RGB"}
        assert picture(work, frame).shape == (SIZE[1], SIZE[0], 3)
    assert record(work).seconds["diffuse"] > 0
    assert leftovers(work) == []


def test_progress_tells_steps_and_ends_at_its_total(made: Made) -> None:
    told = [(done, total, eta) for stage, done, total, eta in made[3].told if stage == "diffuse"]
    dones = [done for done, _, _ in told]
    assert dones == sorted(dones)
    assert told[-1][:2] == (4, 4)
    assert len({done for done in dones if done % 1}) > 4 * 4, "within frames too"
    assert any(eta is not None for done, _, eta in told if 0 < done < 1), "from the first frame on"
    assert made[3].told[-1][3] == 0
