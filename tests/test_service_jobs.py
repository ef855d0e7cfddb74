import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from impetus.backend.contract import messages as m
from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import RefusedError, UnknownJobError

from . import shots
from .engine_sleepy import content
from .served import (
    Served,
    bodies,
    follow,
    gapless,
    is_frame,
    is_state,
    serve,
    submit,
    take_bytes,
    wait_for,
)

ENDED = ("done", "failed", "cancelled", "paused")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client() as found:
        yield found


def expected(first: int, last: int) -> dict[str, bytes]:
    found = {}
    for file, suffix in (("beauty", "png"), ("passes", "exr")):
        for frame in range(first, last + 1):
            found[f"{file}/{frame:04d}.{suffix}"] = content(file, frame)
    return found


def run(client: Client, job: str) -> list[m.Event]:
    client.attach(job)
    return follow(client, job, is_state(*ENDED))


def test_a_job_tells_all_and_ends_done(served: Served, client: Client) -> None:
    job = submit(client)
    events = run(client, job.job)
    assert gapless(events)
    states = [body.state for body in bodies(events, m.StateChanged)]  # type: ignore[attr-defined]
    assert states == ["queued", "running", "done"]
    assert [body.frame for body in bodies(events, m.FrameReady)] == list(range(1, 9))  # type: ignore[attr-defined]
    assert bodies(events, m.Done)
    details = client.take(job.take)
    assert details.frames == tuple(range(1, 9))
    assert details.files == ("take.json",)
    assert take_bytes(Path(details.folder)) == expected(1, 8)


def test_worker_killed_at_random_moments(served: Served, client: Client) -> None:
    """No frame is made twice, none is lost, each kill costs at most the frame under way."""
    served.tell_engine(pause=0.04)
    job = submit(client, (1, 40))
    client.attach(job.job)
    events = follow(client, job.job, is_frame)
    chance = random.Random(5)
    for kill in range(8):
        if kill % 3 == 2:  # a job may give up when its worker never gets to a frame
            events += follow(client, job.job, is_frame)
        time.sleep(chance.uniform(0.0, 0.35))
        wait_for(served.kill_worker)
    events += follow(client, job.job, is_state(*ENDED), 60)
    assert events[-1].body == m.StateChanged("done")
    assert gapless(events)
    frames = [body.frame for body in bodies(events, m.FrameReady)]  # type: ignore[attr-defined]
    assert sorted(frames) == list(range(1, 41))
    assert len(frames) == 40
    made = [line for line in served.engine_calls() if line.startswith("frame")]
    assert len(set(made)) == 40
    assert len(made) <= 40 + 8  # a frame whose two files were not both there yet
    folder = Path(client.take(job.take).folder)
    assert take_bytes(folder) == expected(1, 40)
    assert not list(folder.rglob("*.tmp"))


def test_server_killed_and_restarted(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.05)
    job = submit(client, (1, 24))
    client.attach(job.job)
    events = follow(client, job.job, is_frame)
    for _ in range(2):
        time.sleep(0.2)
        served.kill()
        served.start()
        events += follow(client, job.job, is_frame)
    events += follow(client, job.job, is_state(*ENDED))
    assert events[-1].body == m.StateChanged("done")
    assert gapless(events)
    frames = [body.frame for body in bodies(events, m.FrameReady)]  # type: ignore[attr-defined]
    assert sorted(frames) == list(range(1, 25))
    assert take_bytes(Path(client.take(job.take).folder)) == expected(1, 24)


def test_worker_dies_with_the_server(served: Served, client: Client) -> None:
    served.tell_engine(behave="hold")
    job = submit(client)
    client.attach(job.job)
    follow(client, job.job, is_state("running"))
    wait_for(lambda: served.engine_calls())
    worker = served.worker()
    assert worker is not None
    killed = time.monotonic()
    served.kill()
    wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 1.0)
    assert time.monotonic() - killed < 1.0


def test_a_new_client_attaches_where_the_last_one_left(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.05)
    job = submit(client, (1, 16))
    client.attach(job.job)
    before = follow(client, job.job, is_frame)
    client.close()
    time.sleep(0.2)
    with served.client() as other:
        other.attach(job.job, before[-1].seq)
        after = follow(other, job.job, is_state("done"))
    assert gapless(before + after)


def test_cancel_is_answered_at_once_and_done_soon(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.1)
    job = submit(client, (1, 100))
    client.attach(job.job)
    follow(client, job.job, is_frame)
    began = time.monotonic()
    client.cancel(job.job)
    assert time.monotonic() - began < 0.1
    follow(client, job.job, is_state("cancelled"))
    assert time.monotonic() - began < 0.5
    assert client.jobs()[0].frames_done >= 1


def test_a_worker_without_a_job_is_let_go(served: Served, client: Client) -> None:
    run(client, submit(client, (1, 2)).job)
    assert served.worker()
    wait_for(lambda: served.worker() is None, 4.0)
    assert run(client, submit(client, (1, 2)).job)[-1].body == m.StateChanged("done")


def test_a_deaf_worker_is_killed_after_five_seconds(served: Served, client: Client) -> None:
    served.tell_engine(behave="hang")
    job = submit(client)
    client.attach(job.job)
    wait_for(lambda: served.engine_calls())
    began = time.monotonic()
    client.cancel(job.job)
    follow(client, job.job, is_state("cancelled"))
    assert 4.5 < time.monotonic() - began < 7.0


def test_a_resumed_job_keeps_its_frames(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.06)
    job = submit(client, (1, 12))
    client.attach(job.job)
    events = follow(client, job.job, is_frame)
    client.cancel(job.job)
    events += follow(client, job.job, is_state("cancelled"))
    done = client.jobs()[0].frames_done
    client.resume(job.job)
    events += follow(client, job.job, is_state("done"))
    assert gapless(events)
    made = [line for line in served.engine_calls() if line.startswith("frame")]
    assert 0 < done < 12
    assert len(made) == len(set(made)) == 12


def test_jobs_that_wait_are_made_in_order(served: Served, client: Client) -> None:
    jobs = [submit(client, name=f"Shot {index}") for index in range(3)]
    client.cancel(jobs[1].job)
    run(client, jobs[2].job)
    states = {info.job: info.state for info in client.jobs()}
    assert [states[job.job] for job in jobs] == ["done", "cancelled", "done"]
    assert [info.name for info in client.jobs()] == ["Shot 2", "Shot 1", "Shot 0"]


def test_hung_worker_is_noticed(served: Served, client: Client) -> None:
    """The simulate stage's deadline is 2 s here; SIGSTOP keeps the process but not its word."""
    served.tell_engine(pause=0.1)
    job = submit(client, (1, 8))
    client.attach(job.job)
    events = follow(client, job.job, is_frame)
    worker = served.worker()
    assert worker is not None
    os.kill(worker.pid, signal.SIGSTOP)
    events += follow(client, job.job, is_state("done"))
    assert any("signal 9" in body.text for body in bodies(events, m.Log))  # type: ignore[attr-defined]


def test_a_worker_that_holds_the_interpreter_is_not_called_dead(
    served: Served, client: Client
) -> None:
    served.tell_engine(behave="hold")
    job = submit(client)
    events = run(client, job.job)
    assert events[-1].body == m.StateChanged("done")
    assert not bodies(events, m.Log)


def test_a_worker_that_keeps_dying_ends_in_a_plain_sentence(served: Served, client: Client) -> None:
    served.tell_engine(behave="die")
    job = submit(client)
    events = run(client, job.job)
    assert len(served.engine_calls()) == 6  # the first start and five more
    (failed,) = bodies(events, m.Failed)
    assert isinstance(failed, m.Failed)
    assert failed.code == "INTERNAL"
    assert failed.sentence == "The worker died 6 times without a new frame, last by exit status 3."
    assert Path(failed.log).is_file()
    served.tell_engine(behave="")
    assert run(client, submit(client).job)[-1].body == m.StateChanged("done")


@pytest.mark.parametrize(
    ("behave", "code", "words"),
    [
        ("memory", "OUT_OF_MEMORY", "900 GiB"),
        ("shot", "BAD_SHOT", "Cube, mesh: expected a volume"),
        ("lie", "INTERNAL", "8 of 8 frames are missing"),
    ],
)
def test_what_goes_wrong_reaches_the_artist(
    served: Served, client: Client, behave: str, code: str, words: str
) -> None:
    served.tell_engine(behave=behave)
    job = submit(client)
    events = run(client, job.job)
    (failed,) = bodies(events, m.Failed)
    assert isinstance(failed, m.Failed)
    assert failed.code == code
    assert words in failed.sentence
    assert failed.remedy
    info = client.jobs()[0]
    assert (info.state, info.sentence) == ("failed", f"{failed.sentence} {failed.remedy}")


def test_a_full_disk_pauses_and_the_job_goes_on_later(served: Served, client: Client) -> None:
    served.tell_engine(behave="full")
    job = submit(client)
    events = run(client, job.job)
    assert events[-1].body == m.StateChanged("paused")
    info = client.jobs()[0]
    assert info.frames_done == 3
    assert "Free some space" in info.sentence
    folder = Path(client.take(job.take).folder)
    assert not list(folder.rglob("*.tmp"))
    served.tell_engine(behave="")
    client.resume(job.job)
    follow(client, job.job, is_state("done"))
    assert take_bytes(folder) == expected(1, 8)


def test_a_full_disk_under_the_database_loses_nothing(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.05)
    job = submit(client, (1, 16))
    client.attach(job.job)
    events = follow(client, job.job, is_frame)
    unlimited = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    time.sleep(1.0)
    assert client.jobs()[0].state == "running"  # it answers
    with pytest.raises(Exception, match=r"disk|database"):
        submit(client, (1, 2))
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, unlimited)
    events += follow(client, job.job, is_state("done"))
    assert gapless(events)
    assert len(bodies(events, m.FrameReady)) == 16


def test_what_libraries_print_cannot_break_the_pipe(served: Served, client: Client) -> None:
    served.tell_engine(behave="print")
    job = submit(client)
    events = run(client, job.job)
    assert events[-1].body == m.StateChanged("done")
    log = (served.home / "logs" / f"{job.job}.log").read_text(errors="replace")
    assert "a library greets" in log
    assert "garbage" in log
    assert "a driver greets" in (served.home / "worker.log").read_text()


def test_progress_is_told_at_most_ten_times_a_second(served: Served, client: Client) -> None:
    served.tell_engine(behave="chatter")
    began = time.monotonic()
    events = run(client, submit(client).job)
    spent = time.monotonic() - began
    told = bodies(events, m.Progress)
    assert 5 <= len(told) <= 10 * spent + 2
    assert told[-1] == m.Progress("deliver", 8.0, 8.0, 0.0)


def test_whole_files_without_rows_are_adopted(served: Served, client: Client) -> None:
    served.tell_engine(pause=10.0)
    job = submit(client, (1, 8))
    client.attach(job.job)
    events = follow(client, job.job, is_state("running"))
    wait_for(lambda: served.engine_calls())
    served.kill()
    folder = served.home / "takes" / job.take
    for file, suffix in (("beauty", "png"), ("passes", "exr")):
        (folder / file).mkdir()
        for frame in (1, 2, 5):
            (folder / file / f"{frame:04d}.{suffix}").write_bytes(content(file, frame))
    (folder / "passes" / "0006.exr").write_bytes(b"its beauty is missing")
    served.tell_engine(pause=0.01, behave="hang")
    served.start()
    assert client.jobs()[0].frames_done == 3  # before any worker says a word
    served.tell_engine(behave="")
    wait_for(served.kill_worker)
    events += follow(client, job.job, is_state("done"))
    assert gapless(events)
    made = [line for line in served.engine_calls() if line.startswith("frame")]
    assert made == ["frame 3", "frame 4", "frame 6", "frame 7", "frame 8"]
    assert take_bytes(folder) == expected(1, 8)


def test_removed_jobs_are_gone(served: Served, client: Client) -> None:
    first, second = submit(client), submit(client, (1, 9))
    with pytest.raises(RefusedError, match="Cancel it first"):
        client.remove(second.job)
    run(client, second.job)
    folder = Path(client.take(first.take).folder)
    client.remove(first.job)
    assert not folder.exists()
    with pytest.raises(UnknownJobError):
        client.attach(first.job)
    assert [info.job for info in client.jobs()] == [second.job]
    _, arrays = shots.falling_cube((1, 9))
    stored = {path.name for path in (served.home / "arrays").rglob("*") if path.is_file()}
    assert stored == set(arrays)
