"""Methods in the chain: cached by frame, resumed to the byte, cancelled within a step, re-used."""

import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from impetus.backend.contract import image_motions as i
from impetus.backend.contract import methods as d
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import CancelledError, MemoryShortError, ModelError
from impetus.backend.contract.keys import user_folder
from impetus.backend.contract.messages import Stage
from impetus.backend.diffusion.flow_network import FlowNetwork
from impetus.backend.diffusion.models import DiffusionModel
from impetus.backend.stages.methods import guide
from impetus.backend.stages.pipeline import Workspace, run
from impetus.backend.stages.takes.exr import read_channels

from . import shots
from .test_pipeline import Ear, files, leftovers, record, workspace
from .tiny_model import write_model

FRAMES = (1, 4)
SIZE = (72, 66)  # no multiple of the autoencoder's factor
CRAFT = d.MotionCraft(prompt="jelly", model="small", steps=10, tau=300.0)
GUIDE = d.MotionGuidance(
    prompt="jelly", model="small", steps=4, recursions=1,
    terms=d.GuidanceTerms(flow_network="eye", flow_iterations=1),
)  # fmt: skip

Made = tuple[s.Shot, ArraySet, Workspace, Ear]


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give this module a user folder with one small random model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        models = user_folder() / "models"
        write_model(models / "small")
        torch.manual_seed(0)
        save_file(FlowNetwork("small").state_dict(), models / "eye.safetensors")
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
    assert len({done for done in dones if done % 1}) > 4 * 3, "within frames too"
    assert any(eta is not None for done, _, eta in told if 0 < done < 1), "from the first frame on"
    assert made[3].told[-1][3] == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_ended_at_any_check_and_resumed_equals_undisturbed(
    made: Made, tmp_path: Path, seed: int
) -> None:
    """Within the steps of a frame too; no finished frame is made again."""
    shot, arrays, undisturbed, ear = made
    rng, work = random.Random(seed), workspace(tmp_path)
    shutil.copytree(undisturbed.cache / "simulate", work.cache / "simulate")
    stamps: dict[str, int] = {}
    cancelled = 0
    for patience in (*(rng.randrange(ear.checks // 6, ear.checks // 2) for _ in range(3)), 1e9):
        one = Ear(patience)
        try:
            run(shot, arrays, work, one)
        except CancelledError:
            cancelled += 1
        for path in sorted(work.take.glob("*/*.*")):
            stamp = path.stat().st_mtime_ns
            assert stamps.setdefault(str(path), stamp) == stamp, f"{path} was made again"
    assert cancelled > 1
    assert leftovers(work) == []
    assert files(work.take) == files(undisturbed.take)


class Impatient(Ear):
    """Asks for the end in the middle of the third frame's steps, and counts what follows."""

    def progress(self, stage: Stage, done: float, total: float, eta: float | None) -> None:
        super().progress(stage, done, total, eta)
        if stage == "diffuse" and 2 < done < 3 and self.patience > 1e9:
            self.patience = self.checks


def test_cancel_is_heard_within_a_step(made: Made, tmp_path: Path) -> None:
    shot, arrays, undisturbed, _ = made
    work, ear = workspace(tmp_path), Impatient()
    shutil.copytree(undisturbed.cache / "simulate", work.cache / "simulate")
    with pytest.raises(CancelledError):
        run(shot, arrays, work, ear)
    assert ear.checks == ear.patience + 1, "the next check ended it"
    assert ear.frames == [1, 2]
    (cache,) = (work.cache / "diffuse").iterdir()
    assert {"checkpoint_+00000001.npz", "checkpoint_+00000002.npz"} <= {
        path.name for path in cache.iterdir()
    }


def test_a_new_prompt_uses_simulation_and_render_again(made: Made, tmp_path: Path) -> None:
    shot, arrays, work, _ = made
    shutil.copytree(work.cache, tmp_path / "cache")
    for name, method in (
        ("prompt", d.MotionCraft(prompt="honey", model="small", steps=10, tau=300.0)),
        ("plain", s.NoMethod()),
    ):
        other, ear = workspace(tmp_path, name), Ear()
        run(shots.changed(shot, method=method), arrays, other, ear)
        assert not {"prepare", "simulate", "render"} & set(record(other).seconds), name
        assert not any(done for stage, done, *_ in ear.told if stage == "render")
        assert files(other.take) != files(work.take)


def test_an_unchanged_shot_is_taken_again_at_once(made: Made) -> None:
    shot, arrays, work, _ = made
    again = workspace(work.cache.parent, "again")
    run(shots.changed(shot, name="Another name"), arrays, again, Ear())
    assert files(again.take) == files(work.take)
    assert "diffuse" not in record(again).seconds


def test_lost_pictures_and_states_are_made_again_to_the_byte(made: Made, tmp_path: Path) -> None:
    shot, arrays, undisturbed, _ = made
    work = workspace(tmp_path)
    shutil.copytree(undisturbed.cache, work.cache, dirs_exist_ok=True)
    for folder in (work.cache / "finished").iterdir():  # all but the render's
        if not files_differ(folder, undisturbed):
            shutil.rmtree(folder)
    (cache,) = (work.cache / "diffuse").iterdir()
    for lost in ("frame_+00000002.npz", "checkpoint_+00000004.npz", "checkpoint_+00000003.npz"):
        (cache / lost).unlink()
    run(shot, arrays, work, Ear())
    assert files(work.take) == files(undisturbed.take)


def files_differ(folder: Path, work: Workspace) -> bool:
    """Whether a folder of finished frames is not that of this take."""
    mine = work.take / "beauty" / "0001.png"
    return (folder / "0001.beauty").read_bytes() != mine.read_bytes()


def out_of_memory(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the device run out of memory so many times, each time in some step."""
    whole, count = DiffusionModel.predict, iter(range(10**9))

    def predict(self: DiffusionModel, *arguments: Any, **more: Any) -> Any:
        if (number := next(count)) >= 12 and number < 12 + times:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        return whole(self, *arguments, **more)

    monkeypatch.setattr(DiffusionModel, "predict", predict)


def prepared(made: Made, folder: Path) -> Workspace:
    """Return a workspace where only the render is there."""
    work = workspace(folder)
    for part in ("simulate", "finished"):
        shutil.copytree(made[2].cache / part, work.cache / part)
    for found in (work.cache / "finished").iterdir():
        if not files_differ(found, made[2]):
            shutil.rmtree(found)
    return work


def test_out_of_memory_once_goes_on_leaner(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, ear = prepared(made, tmp_path), Ear()
    out_of_memory(1, monkeypatch)
    run(made[0], made[1], work, ear)
    assert any("attention in slices" in text for text in ear.said)
    for frame in (1, 2, 3, 4):
        assert np.abs(picture(work, frame) - picture(made[2], frame)).max() <= 1


def test_out_of_memory_twice_is_told(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = prepared(made, tmp_path)
    out_of_memory(2, monkeypatch)
    with pytest.raises(MemoryShortError, match=r"72 x 66.* not even with attention in slices"):
        run(made[0], made[1], work, Ear())


def test_too_little_memory_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 16))
    work = workspace(tmp_path)
    with pytest.raises(MemoryShortError, match="of free memory for the model small"):
        run(*falling(), work, Ear())
    assert not (work.cache / "simulate").exists()


@pytest.mark.parametrize("named", ["absent", "distilled", "pickled"])
def test_a_model_that_will_not_do_is_told_before_any_work(tmp_path: Path, named: str) -> None:
    models = user_folder() / "models"
    if named != "absent" and not (models / named).exists():
        shutil.copytree(models / "small", models / named)
        scheduler = models / named / "scheduler" / "scheduler_config.json"
        if named == "distilled":
            scheduler.write_text(scheduler.read_text().replace("DDIMSch", "LCMSch"))
        else:
            (weights,) = (models / named / "unet").glob("*.safetensors")
            weights.write_bytes(b"\x80\x04\x95" + bytes(100))
    work = workspace(tmp_path)
    words = {"absent": "'absent'; there is", "distilled": "few steps", "pickled": "a pickle"}
    with pytest.raises(ModelError, match=words[named]):
        run(*falling(d.MotionCraft(model=named)), work, Ear())
    assert not (work.cache / "simulate").exists()


@pytest.mark.parametrize("bodies", ["one", "none"])
def test_motion_in_the_plane_over_a_picture(tmp_path: Path, bodies: str) -> None:
    """What is not the shot's own neither reads the render nor keeps its alpha."""
    arrays = ArraySet()
    image = np.zeros((100, 150, 3), np.uint8)
    image[:, 75:] = (200, 60, 20)
    method = d.MotionCraft(
        model="small", steps=10, tau=200.0, guidance=1.0, posterior="mode",
        start=d.PictureStart(arrays.add(image)), motion=i.ShiftMotion(step=(-8.0, 0.0)),
    )  # fmt: skip
    shot, more = falling(method, world=s.World(transparent=True))
    if bodies == "none":
        shot = shots.changed(shot, bodies=())
    work = workspace(tmp_path)
    run(shot, ArraySet(dict(arrays) | dict(more)), work, Ear())
    assert picture(work, 1).shape == (SIZE[1], SIZE[0], 4)
    assert (picture(work, 4)[..., 3] == 255).all()
    assert not np.array_equal(picture(work, 1), picture(work, 2))


def test_frames_follow_their_own_renders(made: Made, tmp_path: Path) -> None:
    """Of all renders each is nearest to its own: from there it has its detail."""
    plain, work = workspace(tmp_path, "plain"), workspace(tmp_path)
    run(shots.changed(made[0], method=s.NoMethod()), made[1], plain, Ear())
    sharp = msgspec.structs.replace(CRAFT, carry_detail=True, guidance=1.0, follow=1.0)
    run(shots.changed(made[0], method=sharp), made[1], work, Ear())
    for frame in (3, 4):
        off = [
            np.abs(picture(work, frame) - picture(plain, n)[..., :3]).mean() for n in range(1, 5)
        ]
        assert np.argmin(off) == frame - 1


def flow_file(direction: str, add: Any) -> i.FileMotion:
    """Five pixels to the left a frame, over a picture twice the film's size."""
    there = np.zeros((3, 2 * SIZE[1], 2 * SIZE[0], 2), np.float32)
    there[..., 0] = 10 if direction == "backward" else -10
    return i.FileMotion(add(there), direction=direction)  # type: ignore[arg-type]


def test_a_file_s_motion_is_the_same_either_way_round(tmp_path: Path) -> None:
    pictures = []
    for direction in ("forward", "backward"):
        arrays = ArraySet()
        method = d.MotionCraft(
            model="small", steps=10, tau=200.0, motion=flow_file(direction, arrays.add)
        )
        shot, more = falling(method)
        work = workspace(tmp_path, direction)
        run(shot, ArraySet(dict(arrays) | dict(more)), work, Ear())
        pictures.append([picture(work, frame) for frame in (2, 4)])
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0][0], pictures[0][1])


@pytest.mark.parametrize("method", ["craft", "guide"])
def test_a_video_s_motion_is_estimated(made: Made, tmp_path: Path, method: str) -> None:
    rng = np.random.default_rng(0)
    arrays = ArraySet()
    video = i.VideoMotion(
        arrays.add(rng.integers(0, 255, (4, SIZE[1], SIZE[0], 3), np.uint8)), network="eye"
    )
    chosen = d.MotionCraft(model="small", steps=10, tau=200.0, motion=video)
    guided = msgspec.structs.replace(GUIDE, steps=2, motion=video)
    shot = shots.changed(made[0], method=chosen if method == "craft" else guided)
    work = prepared(made, tmp_path)
    run(shot, ArraySet(dict(arrays) | dict(made[1])), work, Ear())
    assert np.abs(picture(work, 4) - picture(work, 1)).max() > 0


def test_a_transparent_film_keeps_the_render_s_alpha(tmp_path: Path) -> None:
    shot, arrays = falling(world=s.World(transparent=True))
    work, plain = workspace(tmp_path), workspace(tmp_path, "plain")
    run(shot, arrays, work, Ear())
    run(shots.changed(shot, method=s.NoMethod()), arrays, plain, Ear())
    alpha = picture(work, 3)[..., 3]
    # What a method reads went through half precision.
    assert np.abs(alpha - picture(plain, 3)[..., 3]).max() <= 1
    assert 0 < (alpha == 0).mean() < 1


def test_guided_frames_come_out_of_the_source_and_go_on_where_they_stopped(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guide, "SAVE_SECONDS", 0.0)
    work, ear = prepared(made, tmp_path), Ear()
    shot, arrays = shots.changed(made[0], method=GUIDE), made[1]
    run(shot, arrays, work, ear)
    plain = workspace(tmp_path, "plain")
    run(shots.changed(shot, method=s.NoMethod()), arrays, plain, Ear())
    assert np.abs(picture(work, 1) - picture(plain, 1)).max() <= 1, "the source is as it was"
    assert np.abs(picture(work, 4) - picture(plain, 1)).max() > 0
    broken = prepared(made, tmp_path / "broken")
    told = Impatient()
    with pytest.raises(CancelledError):
        run(shot, arrays, broken, told)
    states = [path.name for path in (broken.cache / "diffuse").rglob("checkpoint*")]
    assert "checkpoint_+00000003.npz" in states
    run(shot, arrays, broken, Ear())
    assert files(broken.take) == files(work.take)


def test_a_shot_without_a_method_never_loads_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tests import shots; from tests.test_pipeline import *\n"
        "shot, arrays = shots.falling_cube((1, 2))\n"
        "run(shot, arrays, workspace(Path(sys.argv[2])), Ear())\n"
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))\n"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, root, tmp_path],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.stdout.strip().endswith("[]"), done.stderr
