import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract.errors import DiskFullError, ResourceError
from impetus.backend.contract.materials import Elastic
from impetus.backend.stages.cache import FrameCache, prune, stage_key


@pytest.fixture
def cache(tmp_path: Path) -> FrameCache:
    return FrameCache(tmp_path / "frames")


def arrays(value: float = 1.0) -> dict[str, np.ndarray]:
    return {"b": np.full((3, 2), value, np.float32), "a": np.arange(4, dtype=np.int32)}


def test_frames_come_back_as_they_went(cache: FrameCache) -> None:
    cache.write(-3, arrays())
    read = cache.read(-3)
    assert cache.has(-3)
    assert read["b"].dtype == np.float32
    assert all(np.array_equal(read[name], value) for name, value in arrays().items())


def test_same_arrays_make_the_same_bytes(cache: FrameCache) -> None:
    cache.write(1, arrays())
    cache.write(2, dict(reversed(arrays().items())))
    first, second = sorted(cache.folder.iterdir())
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("length", [0, 3, 100, -1])
def test_cut_files_count_as_missing(cache: FrameCache, length: int) -> None:
    cache.write(1, arrays())
    path = next(cache.folder.iterdir())
    path.write_bytes(path.read_bytes()[:length])
    assert not cache.has(1)
    assert cache.find(1) is None
    with pytest.raises(ResourceError, match="frame 1 whole"):
        cache.read(1)


def test_changed_bytes_are_noticed(cache: FrameCache) -> None:
    cache.write(1, {"a": np.zeros(1000, np.float32)})
    path = next(cache.folder.iterdir())
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(bytes(data))
    assert cache.find(1) is None


def test_a_killed_write_leaves_the_old_frame(
    cache: FrameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(1, arrays(1.0))
    monkeypatch.setattr(os, "replace", _killed)
    with pytest.raises(KeyboardInterrupt):
        cache.write(1, arrays(2.0))
    assert cache.read(1)["b"][0, 0] == 1.0
    assert len(list(cache.folder.iterdir())) == 1


def test_full_disk_is_said(cache: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(DiskFullError, match="full disk"):
        cache.write(1, arrays())
    assert not list(cache.folder.iterdir())


def test_the_two_checkpoints_written_last_are_kept(cache: FrameCache) -> None:
    for frame in (1, 2, 9, 3):
        cache.write_checkpoint(frame, arrays(frame))
    newest = cache.newest_checkpoint()
    assert newest is not None
    assert newest[0] == 9
    assert newest[1]["b"][0, 0] == 9.0
    older = cache.newest_checkpoint(at_most=8)
    assert older is not None
    assert older[0] == 3
    assert cache.newest_checkpoint(at_most=2) is None


def test_a_damaged_checkpoint_gives_way_to_the_one_before(cache: FrameCache) -> None:
    for frame in (1, 2):
        cache.write_checkpoint(frame, arrays())
    newest = sorted(cache.folder.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:50])
    found = cache.newest_checkpoint()
    assert found is not None
    assert found[0] == 1


def test_old_leftovers_go_and_fresh_ones_stay(tmp_path: Path) -> None:
    old, fresh = tmp_path / "a.tmp", tmp_path / "b.tmp"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    FrameCache(tmp_path)
    assert not old.exists()
    assert fresh.exists()


def test_keys_follow_content_only() -> None:
    base = stage_key("simulate", Elastic(), np.arange(3), (1.5, "a"))
    assert base == stage_key("simulate", Elastic(), np.arange(3), (1.5, "a"))
    others = [
        stage_key("render", Elastic(), np.arange(3), (1.5, "a")),
        stage_key("simulate", Elastic(density=2.0), np.arange(3), (1.5, "a")),
        stage_key("simulate", Elastic(), np.arange(3, dtype=np.int32), (1.5, "a")),
        stage_key("simulate", Elastic(), np.arange(3), (1.5, "b")),
        stage_key("simulate", (Elastic(), np.arange(3)), (1.5, "a")),
    ]
    assert len({base, *others}) == 1 + len(others)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def filled(cache: Path, stage: str, key: str, *, days: float) -> Path:
    """A stage folder of 1000 bytes, last used some days ago."""
    folder = cache / stage / key
    folder.mkdir(parents=True)
    (folder / "frame").write_bytes(bytes(1000))
    then = time.time() - days * 24 * 3600
    os.utime(folder, (then, then))
    return folder


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    old, older, fresh = (
        filled(tmp_path, "simulate", "old", days=5),
        filled(tmp_path, "finished", "older", days=9),
        filled(tmp_path, "simulate", "fresh", days=0.5),
    )
    assert prune(tmp_path, (), limit=10_000) == 0
    assert prune(tmp_path, (), limit=2_500) == 1000
    assert (old.exists(), older.exists(), fresh.exists()) == (True, False, True)
    assert prune(tmp_path, (), limit=0) == 1000
    assert (old.exists(), fresh.exists()) == (False, True)


def test_what_was_just_used_stays_and_links_take_no_room(tmp_path: Path) -> None:
    used = filled(tmp_path, "simulate", "used", days=9)
    linked = filled(tmp_path, "finished", "linked", days=9)
    os.link(linked / "frame", tmp_path / "beauty.png")
    os.utime(linked, (0, 0))
    assert prune(tmp_path, (used,), limit=1000) == 0
    assert linked.exists()
    assert prune(tmp_path, (used,), limit=0) == 0
    assert (used.exists(), linked.exists()) == (True, False)
    assert (tmp_path / "beauty.png").read_bytes() == bytes(1000)
