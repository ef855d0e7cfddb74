"""The viewer's process and its socket: who comes in, the latest wins, deaths, ends."""

import contextlib
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from impetus.backend.contract import messages as m
from impetus.backend.contract import views as v
from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import LinkError
from impetus.backend.contract.keys import KeyPair, client_keys, make_keypair
from impetus.backend.contract.shot_check import array_refs
from impetus.backend.contract.view_client import Sight, ViewClient
from impetus.backend.service.kept.store import Store
from impetus.backend.service.server import UNUSED_STARTS
from impetus.backend.service.views.host import ViewerHost

from . import shots
from .served import PATIENCE, Served, follow, is_state, serve, submit, wait_for
from .test_view_messages import LOOK


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as running:
        running.tell_engine(pause=0, trouble="")
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client() as found:
        yield found


@contextlib.contextmanager
def looking(served: Served, door: m.ViewDoor, keys: KeyPair | None = None) -> Iterator[ViewClient]:
    found = ViewClient("127.0.0.1", door, keys or client_keys(served.home))
    try:
        yield found
    finally:
        found.close()


def look(frame: int, pane: int = 0, **fields: object) -> v.Look:
    return msgspec.structs.replace(LOOK, frame=frame, pane=pane, **fields)


def ask(view: ViewClient, request: v.AnyView) -> int:
    end = time.monotonic() + PATIENCE
    while (number := view.ask(request)) is None:
        assert time.monotonic() < end, "the viewer takes nothing"
        view.sights(0.01)
    return number


def hear(view: ViewClient, number: int) -> tuple[Sight, list[Sight]]:
    """Return the answer to an ask, and all that came before it."""
    before: list[Sight] = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for sight in view.sights(0.1):
            if sight.number == number:
                return sight, before
            before.append(sight)
    raise AssertionError(f"no answer to {number}; got {before}")


def viewers(served: Served) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(served.process.pid).children():
        with contextlib.suppress(psutil.Error):
            if "viewer_sleepy" in " ".join(child.cmdline()):
                found.append(child)
    return found


def painted(served: Served) -> list[str]:
    path = served.home / "cache" / "painted"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def test_no_viewer_runs_until_somebody_looks(served: Served, client: Client) -> None:
    client.hello()
    client.jobs()
    assert not viewers(served)
    door = client.view_door()
    assert client.view_door() == door
    assert len(viewers(served)) == 1


def test_a_look_is_answered_with_its_pixels(served: Served, client: Client) -> None:
    with looking(served, client.view_door()) as view:
        sight, before = hear(view, ask(view, look(7, fine=True)))
        assert not before
        assert isinstance(sight.answer, v.Seen)
        assert sight.answer.fine
        color = np.frombuffer(sight.frames[0], np.uint8)
        depth = np.frombuffer(sight.frames[1], "<f4")
        assert (color.size, depth.size) == (64 * 36 * 4, 64 * 36)
        assert (color == 7).all()
        assert (depth == 7).all()
        points, _ = hear(view, ask(view, v.Spread(0, LOOK.source, 9, 50)))
        assert points.answer == v.Points(50)
        assert (np.frombuffer(points.frames[0], "<f4") == 9).all()
        absent, _ = hear(view, ask(view, look(101)))
        assert absent.answer == v.Absent(100)


def test_only_the_known_look(served: Served, client: Client) -> None:
    door = client.view_door()
    for keys, key in ((make_keypair(), door.key), (None, make_keypair().public)):
        wrong = msgspec.structs.replace(door, key=key)
        with looking(served, wrong, keys) as view:
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                assert view.ask(look(1)) is None
                view.sights(0.05)
            assert view.lost
    assert not painted(served)


@pytest.mark.parametrize("fine", [True, False])
def test_the_latest_wins(served: Served, client: Client, fine: bool) -> None:
    """What waits is dropped; what is being painted is dropped if it is fine, or nobody who never
    holds still would see anything."""
    served.tell_engine(pause=0.5)
    with looking(served, client.view_door()) as view:
        first = ask(view, look(1, fine=fine))
        wait_for(lambda: painted(served))
        numbers = [ask(view, look(frame, fine=False)) for frame in range(2, 60)]
        sight, before = hear(view, numbers[-1])
        assert (np.frombuffer(sight.frames[0], np.uint8) == 59).all()
        assert (first in [each.number for each in before]) != fine
        assert len(painted(served)) <= 4


def test_panes_and_kinds_do_not_overtake_each_other(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.1)
    with looking(served, client.view_door()) as view:
        numbers = [ask(view, look(10 + pane, pane)) for pane in range(3)]
        numbers.append(ask(view, v.Spread(0, LOOK.source, 20, 5)))
        _, before = hear(view, numbers[-1])
        assert {sight.number for sight in before} == set(numbers[:-1])


def test_a_client_that_does_not_read_holds_nobody_up(served: Served, client: Client) -> None:
    door = client.view_door()
    large = {"width": 1024, "height": 1024}
    with looking(served, door) as deaf, looking(served, door) as view:
        for frame in range(12):
            ask(deaf, look(frame, **large))
            hear(view, ask(view, look(frame, **large)))
        memory = viewers(served)[0].memory_info().rss
        assert memory < 200 << 20, "12 pictures of 8 MiB do not pile up"
        newest = ask(deaf, look(99, **large))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not any(s.number == newest for s in deaf.sights(0.1)):
            newest = deaf.ask(look(99, **large)) or newest


def test_trouble_is_told_and_the_viewer_lives(served: Served, client: Client) -> None:
    served.tell_engine(trouble="shot")
    with looking(served, client.view_door()) as view:
        sight, _ = hear(view, ask(view, look(1)))
        assert sight.answer == m.Refused(
            "BAD_SHOT", "Cube: expected a volume, got none.", "Close its holes."
        )
        served.tell_engine(trouble="")
        assert isinstance(hear(view, ask(view, look(1)))[0].answer, v.Seen)


def test_a_viewer_that_dies_is_noticed_and_another_comes(served: Served, client: Client) -> None:
    door = client.view_door()
    with looking(served, door) as view:
        hear(view, ask(view, look(1)))
        served.tell_engine(trouble="die")
        ask(view, look(2))
        wait_for(lambda: view.sights(0.05) == [] and view.lost)
    served.tell_engine(trouble="")
    wait_for(lambda: client.view_door() != door)
    with looking(served, client.view_door()) as view:
        assert isinstance(hear(view, ask(view, look(3)))[0].answer, v.Seen)
    assert len(viewers(served)) == 1


def test_it_ends_when_nobody_looks_and_leaves_no_zombie(served: Served, client: Client) -> None:
    client.view_door()
    (process,) = viewers(served)
    wait_for(lambda: not process.is_running())
    assert not psutil.Process(served.process.pid).children()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_it_ends_with_the_server(served: Served, client: Client, how: str) -> None:
    client.view_door()
    (process,) = viewers(served)
    getattr(served, how)()
    wait_for(lambda: not process.is_running(), 5)


def test_what_does_not_start_is_told(tmp_path: Path) -> None:
    host = ViewerHost([sys.executable, "-c", "raise SystemExit(1)"], tmp_path / "log")

    def told() -> str:
        try:
            assert host.door() == m.ViewDoor()
        except LinkError as error:
            return error.sentence
        return ""

    wait_for(lambda: "does not start" in told())
    host.close()


def test_a_job_goes_on_beside_a_busy_viewer(served: Served, client: Client) -> None:
    """Nothing of a view goes through the server or the worker: the job is made as ever."""
    served.tell_engine(pause=0.02)
    with looking(served, client.view_door()) as view:
        job = submit(client, (1, 20)).job
        client.attach(job)
        for frame in range(1, 90):
            ask(view, look(frame, width=512, height=512))
            view.sights(0.0)
        events = follow(client, job, is_state("done"))
        assert any(isinstance(event.body, m.Done) for event in events)


def test_a_shot_is_brought_without_a_job(served: Served, client: Client) -> None:
    shot, arrays = shots.falling_cube()
    ref = client.bring(shot, arrays)
    assert client.bring(shot, arrays) == ref
    assert client.jobs() == ()
    kept = list((served.home / "arrays").rglob(ref.sha256))
    assert len(kept) == 1
    assert msgspec.msgpack.decode(kept[0].read_bytes(), type=type(shot)) == shot


def test_what_was_only_looked_at_goes_in_time(served: Served, client: Client) -> None:
    shot, arrays = shots.falling_cube()
    client.bring(shot, arrays)
    taken = submit(client, (1, 2), name="Kept")
    files = {path.name: path for path in (served.home / "arrays").glob("*/*")}
    assert len(files) > 3
    idle = set(files) - _used(served, taken)
    young = min(idle)
    served.kill()
    with contextlib.closing(sqlite3.connect(served.home / "impetus.sqlite")) as base, base:
        before = [(name, UNUSED_STARTS - 1) for name in idle - {young}]
        base.executemany("INSERT OR REPLACE INTO unused VALUES (?, ?)", before)
    served.start()
    left = {path.name for path in (served.home / "arrays").glob("*/*")}
    assert left == _used(served, taken) | {young}


def _used(served: Served, taken: m.Accepted) -> set[str]:
    store = Store(served.home / "impetus.sqlite", writes=False)
    try:
        return {ref.sha256 for ref in array_refs(store.job(taken.job).read_shot())}
    finally:
        store.close()
