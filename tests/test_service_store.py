import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import messages as m
from impetus.backend.contract.arrays import refer
from impetus.backend.contract.errors import (
    CancelledError,
    DiskFullError,
    ImpetusError,
    InternalError,
    MemoryShortError,
    MessageError,
    ShotError,
    UnknownJobError,
    UnknownTakeError,
)
from impetus.backend.service.endings import exit_code, explain
from impetus.backend.service.kept import store as store_module
from impetus.backend.service.kept.array_store import MAX_PARTS, ArrayStore
from impetus.backend.service.kept.store import Job, Store
from impetus.backend.service.kept.takes import Takes

from . import shots


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "base.sqlite")
    yield found
    found.close()


def add(store: Store, name: str = "job-0001", arrays: frozenset[str] = frozenset()) -> Job:
    shot = shots.falling_cube()[0]
    with store.change():
        return store.add_job(name, f"take-{name}", "owner", shot, "hash", set(arrays))


def seqs(store: Store, job: str, after: int = 0, limit: int = 10**6) -> list[int]:
    return [seq for seq, _ in store.events(job, after, limit)]


def test_events_count_from_one_and_survive(tmp_path: Path, store: Store) -> None:
    job = add(store)
    for number in range(5):
        with store.change():
            store.tell(job, m.FrameReady(number))
    other = Store(tmp_path / "base.sqlite", writes=False)
    assert seqs(other, job.id) == [1, 2, 3, 4, 5]
    assert seqs(other, job.id, 3) == [4, 5]
    message = other.events(job.id, 3)[0][1]
    assert msgspec.msgpack.decode(message, type=m.Event) == m.Event(job.id, 4, m.FrameReady(3))
    other.close()


def test_what_fails_leaves_no_gap(store: Store) -> None:
    job = add(store)
    with pytest.raises(UnknownJobError), store.change():  # noqa: PT012
        store.tell(job, m.FrameReady(1))
        store.job("nobody")
    with store.change():
        store.tell(job, m.FrameReady(2))
    assert seqs(store, job.id) == [1]


def test_the_ring_forgets_the_oldest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_module.RING >= 10_000
    monkeypatch.setattr(store_module, "RING", 30)
    monkeypatch.setattr(store_module, "SWEEP", 10)
    job = add(store)
    with store.change():
        for number in range(95):
            store.tell(job, m.FrameReady(number))
    assert seqs(store, job.id) == list(range(61, 96))
    assert store.first_seq(store.job(job.id)) == 61


def test_frames_count_once_and_clear_the_deaths(store: Store) -> None:
    job = add(store)
    with store.change():
        store.set_deaths(job, 4)
        assert store.add_frame(job, 7)
        assert not store.add_frame(job, 7)
        store.add_frame(job, -3)
    assert store.frames(job) == [-3, 7]
    assert store.job(job.id).deaths == 0
    assert seqs(store, job.id) == [1, 2]


def test_answers_are_each_clients_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.change():
        store.remember("one", "request-1", b"answer")
    assert store.answered("one", "request-1") == b"answer"
    assert store.answered("two", "request-1") is None
    monkeypatch.setattr(store_module, "ANSWERS", 100)
    with store.change():
        for number in range(600):
            store.remember("one", f"later-{number}", b"")
    assert store.answered("one", "request-1") is None
    assert store.answered("one", "later-599") == b""


def test_an_array_goes_that_no_job_used_at_some_starts_in_a_row(store: Store) -> None:
    present = {"used", "idle", "late"}
    add(store, "job-0001", frozenset({"used"}))
    assert store.outlived({"used", "idle"}, 3) == set()
    assert store.outlived(present, 3) == set()
    assert store.outlived(present, 3) == {"idle"}  # one start before "late", never "used"
    job = add(store, "job-0002", frozenset({"late"}))
    assert store.outlived(present - {"idle"}, 3) == set()
    with store.change():
        store.remove_job(job)
    assert [store.outlived({"late"}, 3) for _ in range(3)] == [set(), set(), {"late"}]


def test_removal_tells_which_arrays_nobody_uses(store: Store) -> None:
    first = add(store, "job-0001", frozenset({"a", "b"}))
    add(store, "job-0002", frozenset({"b"}))
    with store.change():
        store.tell(first, m.FrameReady(1))
        assert store.remove_job(first) == ["a"]
    assert seqs(store, first.id) == []
    with pytest.raises(UnknownJobError):
        store.job(first.id)
    with store.change():
        store.tell(first, m.FrameReady(2))  # a late word of its worker
    with pytest.raises(UnknownTakeError):
        store.job_of_take(first.take)


def test_a_reader_cannot_write(tmp_path: Path, store: Store) -> None:
    job = add(store)
    reader = Store(tmp_path / "base.sqlite", writes=False)
    with pytest.raises(sqlite3.OperationalError), reader.change():
        reader.tell(job, m.FrameReady(1))
    reader.close()


def test_arrays_come_in_chunks_and_stay(tmp_path: Path) -> None:
    arrays = ArrayStore(tmp_path)
    for array in (
        np.arange(12, dtype="f8").reshape(3, 4),
        np.zeros((0, 3), "f4"),
        np.array(7, "i4"),
    ):
        ref, laid = refer(array)
        data = laid.tobytes()
        assert not arrays.has(ref)
        half = len(data) // 2
        if half:
            assert not arrays.put(ref, 0, memoryview(data[:half]))
            assert not arrays.put(ref, 0, memoryview(data[:half]))  # sent again
        assert arrays.put(ref, half, memoryview(data[half:]))
        assert arrays.put(ref, half, memoryview(data[half:]))
        assert arrays.has(ref)
        np.testing.assert_array_equal(arrays.read(ref), array)
        assert not arrays.read(ref).flags.writeable or array.nbytes < 1 << 20


def test_a_large_array_is_mapped(tmp_path: Path) -> None:
    arrays = ArrayStore(tmp_path)
    ref, laid = refer(np.random.default_rng(0).random((600, 400)))
    assert arrays.put(ref, 0, memoryview(laid.tobytes()))
    assert isinstance(arrays.read(ref), np.memmap)
    np.testing.assert_array_equal(arrays.collect({ref.sha256: ref}).of(ref), laid)


def test_wrong_content_is_dropped(tmp_path: Path) -> None:
    arrays = ArrayStore(tmp_path)
    ref, laid = refer(np.arange(4, dtype="i4"))
    with pytest.raises(ShotError, match="sha256"):
        arrays.put(ref, 0, memoryview(bytes(laid.nbytes)))
    assert not arrays.has(ref)
    assert arrays.put(ref, 0, memoryview(laid.tobytes()))


def test_a_restarted_server_wants_the_array_from_its_start(tmp_path: Path) -> None:
    ref, laid = refer(np.arange(4, dtype="i4"))
    data = memoryview(laid.tobytes())
    ArrayStore(tmp_path).put(ref, 0, data[:8])
    again = ArrayStore(tmp_path)
    again.clear_incoming()
    with pytest.raises(MessageError, match="from its start"):
        again.put(ref, 8, data[8:])
    assert not again.put(ref, 0, data[:8])
    assert again.put(ref, 8, data[8:])


def test_abandoned_arrays_are_forgotten(tmp_path: Path) -> None:
    arrays = ArrayStore(tmp_path)
    for number in range(MAX_PARTS + 20):
        ref, laid = refer(np.full(4, number, "i4"))
        arrays.put(ref, 0, memoryview(laid.tobytes())[:4])
    assert len(list((tmp_path / "incoming").iterdir())) == MAX_PARTS


def test_takes_are_never_overwritten(tmp_path: Path) -> None:
    takes = Takes(tmp_path)
    names = [takes.create(name) for name in ("Jelly & sand!", "Jelly & sand!", "日本", "x" * 200)]
    assert len(set(names)) == 4
    assert names[0].startswith("Jelly-sand-")
    assert all(takes.folder(name).is_dir() for name in names)
    msgspec.convert(names, list[m.Id])


@pytest.mark.parametrize(
    "take", ["..", "a/b/c/d/e/f", "", "short", "a" * 65, "abcdefgh\n", "C:abcdefg"]
)
def test_what_is_no_take_has_no_folder(tmp_path: Path, take: str) -> None:
    with pytest.raises(UnknownTakeError):
        Takes(tmp_path).folder(take)


def test_no_code_comes_in_and_no_decision_hangs_on_the_wall_clock() -> None:
    """Wall time names things and is shown; every deadline, order and lease is by other means."""
    backend = Path(store_module.__file__).parents[2]
    sources = [*(backend / "service").rglob("*.py"), *(backend / "contract").glob("*.py")]
    assert len(sources) > 20
    wall = {path.name for path in sources if re.search(r"time\.time|datetime", path.read_text())}
    assert wall == {"store.py", "messages.py"}
    banned = re.compile(r"\b(pickle|marshal|shelve|yaml|eval|exec|torch\.load)\s*[(.]")
    assert [path.name for path in sources if banned.search(path.read_text())] == []


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (MemoryError("no 3 GiB"), MemoryShortError, 12),
        (OSError(28, "No space left on device"), DiskFullError, 75),
        (OSError(27, "File too large"), DiskFullError, 75),
        (KeyboardInterrupt(), CancelledError, 75),
        (ShotError("Cube", "no volume."), ShotError, 1),
        (ValueError("many\nlines"), InternalError, 1),
    ],
)
def test_every_ending_has_a_meaning(
    tmp_path: Path, raised: BaseException, kind: type[ImpetusError], code: int
) -> None:
    error = explain(raised, tmp_path)
    assert type(error) is kind
    assert "\n" not in error.sentence
    assert error.remedy or isinstance(raised, ImpetusError)
    assert exit_code(error) == code
