"""A shot from end to end: whole, resumed, from the cache, cancelled, out of room, and on time."""

import random
import shutil
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import CancelledError, DiskFullError, ShotError
from impetus.backend.contract.messages import Stage
from impetus.backend.contract.take_files import frame_path
from impetus.backend.stages.pipeline import Workspace, run
from impetus.backend.stages.progress import StageClock
from impetus.backend.stages.takes.landing import TEMPORARY
from impetus.backend.stages.takes.take import TakeRecord, read_record

from . import shots

FRAMES = (-1, 4)


class Ear:
    """A listener that remembers, and ends the shot at its `patience`-th check."""

    def __init__(self, patience: float = float("inf")) -> None:
        self.patience, self.checks = patience, 0
        self.frames: list[int] = []
        self.told: list[tuple[Stage, float, float, float | None]] = []
        self.said: list[str] = []

    def progress(self, stage: Stage, done: float, total: float, eta: float | None) -> None:
        self.told.append((stage, done, total, eta))

    def frame(self, number: int) -> None:
        self.frames.append(number)

    def log(self, level: Literal["info", "warning"], text: str) -> None:
        self.said.append(text)

    def check(self) -> None:
        self.checks += 1
        if self.checks > self.patience:
            raise CancelledError("The job was asked to end.")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[s.Shot, ArraySet, Workspace, Ear]:
    """A shot made without a disturbance."""
    shot, arrays = shots.falling_cube(frames=FRAMES)
    work = workspace(tmp_path_factory.mktemp("made"))
    ear = Ear()
    run(shot, arrays, work, ear)
    return shot, arrays, work, ear


def workspace(folder: Path, take: str = "take") -> Workspace:
    for path in (folder / "cache", folder / take):
        path.mkdir(parents=True, exist_ok=True)
    return Workspace(folder / "cache", folder / take)


def files(take: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(take)): path.read_bytes()
        for folder in ("beauty", "passes")
        for path in sorted((take / folder).iterdir())
    }


def leftovers(work: Workspace) -> list[Path]:
    return [p for root in (work.take, work.cache) for p in root.rglob(f"*{TEMPORARY}")]


def record(work: Workspace) -> TakeRecord:
    return read_record(work.take)


def test_whole_take(made: Any) -> None:
    shot, _, work, ear = made
    names = ["-0001", "0000", "0001", "0002", "0003", "0004"]
    assert sorted(files(work.take)) == sorted(
        [f"beauty/{n}.png" for n in names] + [f"passes/{n}.exr" for n in names]
    )
    assert {"preview.mp4", "contact_sheet.png", "take.json"} <= {
        path.name for path in work.take.iterdir()
    }
    assert ear.frames == list(shot.frames.numbers)
    told = record(work)
    assert set(told.frames.values()) == {"whole"}
    assert {"prepare", "simulate", "splat", "render", "deliver"} <= set(told.seconds)
    assert all(spent > 0 for spent in told.seconds.values())
    assert told.warnings == tuple(ear.said)
    assert leftovers(work) == []


def test_cube_falls_in_the_pictures(made: Any) -> None:
    from impetus.backend.stages.takes.exr import read_channels

    heights = []
    for n in range(FRAMES[0], FRAMES[1] + 1):
        path = frame_path(made[2].take, "passes", n)
        index = read_channels(path)["ViewLayer.IndexOB.X"]
        heights.append(np.argwhere(index == 1)[:, 0].mean())
    assert (np.diff(heights) > 0).all(), "rows count downwards"
    assert (np.diff(heights, 2) > 0).all(), "faster and faster"


def test_another_folder_gets_the_same_bytes(made: Any, tmp_path: Path) -> None:
    shot, arrays, work, _ = made
    again = workspace(tmp_path)
    run(shot, arrays, again, Ear())
    assert files(again.take) == files(work.take)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cancelled_and_resumed_equals_undisturbed(made: Any, tmp_path: Path, seed: int) -> None:
    """Each time ended at a random check, until nothing ends it; no finished frame is made again."""
    shot, arrays, undisturbed, ear = made
    rng, work = random.Random(seed), workspace(tmp_path)
    stamps: dict[str, int] = {}
    ends = [rng.randrange(ear.checks // 8, ear.checks // 2) for _ in range(3)]
    cancelled = 0
    for patience in (*ends, float("inf")):
        one = Ear(patience)
        try:
            run(shot, arrays, work, one)
        except CancelledError:
            cancelled += 1
            assert not (work.take / "preview.mp4").exists()
        assert leftovers(work) == []
        whole = {n for n, state in record(work).frames.items() if state == "whole"}
        assert {str(n) for n in one.frames} <= whole
        for path in sorted(work.take.glob("*/*.*")):
            stamp = path.stat().st_mtime_ns
            assert stamps.setdefault(str(path), stamp) == stamp, f"{path} was made again"
    assert cancelled > 0
    assert sorted(one.frames) == list(shot.frames.numbers), "those found there are told too"
    assert files(work.take) == files(undisturbed.take)


def test_lost_frame_alone_is_made_again(made: Any, tmp_path: Path) -> None:
    shot, arrays, undisturbed, _ = made
    work = workspace(tmp_path)
    shutil.copytree(undisturbed.take, work.take, dirs_exist_ok=True)
    shutil.copytree(undisturbed.cache / "simulate", work.cache / "simulate")
    (work.take / "beauty" / "0002.png").unlink()
    before = {p: p.stat().st_mtime_ns for p in work.take.glob("*/*.*") if p.stem != "0002"}
    ear = Ear()
    run(shot, arrays, work, ear)
    assert files(work.take) == files(undisturbed.take)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert ear.frames == [-1, 0, 1, 3, 4, 2]


def test_unchanged_shot_is_taken_again_at_once(made: Any) -> None:
    shot, arrays, work, _ = made
    again = workspace(work.cache.parent, "second")
    began = time.perf_counter()
    ear = Ear()
    run(shot, arrays, again, ear)
    assert time.perf_counter() - began < 3
    assert files(again.take) == files(work.take)
    assert ear.frames == list(shot.frames.numbers)
    assert "render" not in record(again).seconds
    assert (again.take / "preview.mp4").exists()


def test_new_camera_uses_the_simulation_again(made: Any) -> None:
    shot, arrays, work, _ = made
    more = ArraySet(dict(arrays))
    poses = np.broadcast_to(shots.look_at((0.5, -3, 1.0), (0, 0, 0.4)), (6, 4, 4))
    camera = s.CameraTrack(more.add(poses), shot.camera.intrinsics)
    other = workspace(work.cache.parent, "third")
    run(shots.changed(shot, camera=camera), more, other, Ear())
    assert len(list((work.cache / "simulate").iterdir())) == 1
    assert files(other.take) != files(work.take)


def test_no_room_is_said_before_anything_is_made(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, arrays, _, _ = made
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=300_000))
    work = workspace(tmp_path)
    with pytest.raises(DiskFullError, match=r"Expected \d+ MiB free"):
        run(shot, arrays, work, Ear())
    assert files(work.take) == {}


def test_full_disk_half_way_keeps_what_is_finished(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third flush to the disk of an EXR finds no room, as the system tells it."""
    import errno
    import os

    shot, arrays, undisturbed, _ = made
    work, flush = workspace(tmp_path), os.fsync
    exrs = 0

    def full(descriptor: int) -> None:
        nonlocal exrs
        if ".exr" in os.readlink(f"/proc/self/fd/{descriptor}"):
            exrs += 1
            if exrs >= 3 * 2:  # each lands in the take and in the cache
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError, match="resume"):
            run(shot, arrays, work, Ear())
    assert leftovers(work) == []
    assert 0 < list(record(work).frames.values()).count("whole") < 6
    run(shot, arrays, work, Ear())
    assert files(work.take) == files(undisturbed.take)


def test_shot_that_cannot_be_made_is_refused(made: Any, tmp_path: Path) -> None:
    shot, arrays, _, _ = made
    wrong = shots.changed(shot, frames=s.FrameRange(1, 9, 24.0, 1))
    with pytest.raises(ShotError):
        run(wrong, arrays, workspace(tmp_path), Ear())


def test_progress_ends_at_its_totals_and_the_time_left_at_zero(made: Any) -> None:
    ear = made[3]
    for stage in ("prepare", "simulate", "splat", "render", "deliver"):
        told = [(done, total) for name, done, total, _ in ear.told if name == stage]
        assert told, stage
        assert told[-1][0] == pytest.approx(told[-1][1]), stage
        dones = [done for done, _ in told]
        assert dones == sorted(dones), stage
    assert ear.told[-1][3] == 0
    assert all(eta is None or eta >= 0 for *_, eta in ear.told)


def test_clock_books_a_second_to_the_innermost_stage_and_foretells() -> None:
    ear = Ear()
    clock = StageClock(ear, {"simulate": 8, "render": 8}, {"render": 100.0})

    def inner() -> Any:
        for _ in range(8):
            time.sleep(0.03)
            yield 1

    def outer(items: Any) -> Any:
        for _ in items:
            time.sleep(0.01)
            yield 2

    began = time.perf_counter()
    left = []
    for _ in clock.each("render", outer(clock.each("simulate", inner()))):
        left.append((ear.told[-1][3], time.perf_counter() - began))
    took = time.perf_counter() - began
    assert 0.24 <= clock.seconds["simulate"] < 0.36
    assert 100.08 <= clock.seconds["render"] < 100.2, "what earlier runs took is kept"
    assert left[0][0] is None, "the first unit compiles: it tells nothing"
    eta, at = left[3]
    assert eta == pytest.approx(took - at, rel=0.5)
