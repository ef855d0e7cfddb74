import ast
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import conversation
from impetus.backend.contract import messages as m
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.client import Client
from impetus.backend.contract.conversation import error_of
from impetus.backend.contract.errors import (
    LinkError,
    RefusedError,
    ShotError,
    UnknownJobError,
    UnknownTakeError,
    all_errors,
)
from impetus.backend.contract.keys import make_keypair, read_connection

from . import shots
from .engine_sleepy import content
from .served import Served, bodies, follow, gapless, is_frame, is_state, serve, submit, wait_for


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("client")) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client() as found:
        yield found


def test_hello_is_answered(served: Served, client: Client) -> None:
    welcome = client.hello()
    assert welcome.version
    assert welcome.devices
    assert welcome.store == str(served.home)
    assert client.connected


def test_arrays_go_up_once(client: Client) -> None:
    shot, arrays = shots.three_materials(name="Once", seed=77)
    sent: list[tuple[int, int]] = []
    client.submit(shot, arrays, lambda done, total: sent.append((done, total)))
    assert sent[-1][0] == sent[-1][1] > 0
    assert [done for done, _ in sent] == sorted(done for done, _ in sent)
    again: list[tuple[int, int]] = []
    client.submit(msgspec.structs.replace(shot, seed=78), arrays, lambda *step: again.append(step))
    assert again == []


def test_a_large_array_arrives_in_chunks(served: Served, client: Client) -> None:
    shot, arrays = shots.falling_cube()
    noise = np.random.default_rng(1).integers(0, 255, (1500, 2900, 4), np.uint8)
    image = arrays.add(noise)
    world = msgspec.structs.replace(shot.world, background_image=image)
    steps: list[int] = []
    client.submit(shots.changed(shot, world=world), arrays, lambda done, _: steps.append(done))
    assert len([step for step in steps if step > steps[-1] - image.nbytes]) >= 5
    stored = served.home / "arrays" / image.sha256[:2] / image.sha256
    assert hashlib.sha256(stored.read_bytes()).digest() == hashlib.sha256(noise.tobytes()).digest()


def test_a_shot_of_many_bodies_goes_as_an_array(client: Client) -> None:
    arrays = ArraySet()
    cubes = [shots.body(arrays, f"Cube {i} {'x' * 150}", shots.cube()) for i in range(1500)]
    shot = shots.shot(arrays, cubes)
    assert len(msgspec.msgpack.encode(shot)) > 1 << 20
    accepted = client.submit(shot, arrays)
    assert client.take(accepted.take).info.name == "Tiny"
    client.cancel(accepted.job)


def test_a_shot_that_cannot_be_made_is_refused(client: Client) -> None:
    shot, arrays = shots.falling_cube()
    vertices = shots.cube()[0].copy()
    vertices[3, 1] = np.nan
    mesh = msgspec.structs.replace(shot.bodies[0].mesh, vertices=arrays.add(vertices))
    body = msgspec.structs.replace(shot.bodies[0], mesh=mesh)
    with pytest.raises(
        ShotError, match=r"Cube, mesh: expected finite numbers, got .*nan"
    ) as raised:
        client.submit(shots.changed(shot, bodies=(body,)), arrays)
    assert raised.value.where == "Cube, mesh"
    assert raised.value.remedy


def test_wrong_content_is_refused_and_dropped(served: Served, client: Client) -> None:
    shot, arrays = shots.falling_cube(name="Wrong")
    ref = arrays.add(np.arange(30, dtype=np.float32).reshape(10, 3) / 7)
    other = np.zeros((10, 3), np.float32)
    lying = ArraySet({**dict(arrays), ref.sha256: other})
    mesh = msgspec.structs.replace(shot.bodies[0].mesh, vertices=ref)
    body = msgspec.structs.replace(shot.bodies[0], mesh=mesh)
    with pytest.raises(ShotError, match="does not match its sha256"):
        client.submit(shots.changed(shot, bodies=(body,)), lying)
    assert not list((served.home / "incoming").iterdir())
    assert not (served.home / "arrays" / ref.sha256[:2] / ref.sha256).exists()


def test_files_come_whole(client: Client, tmp_path: Path) -> None:
    job = submit(client, (1, 2))
    client.attach(job.job)
    follow(client, job.job, is_state("done"))
    client.fetch_frame(job.take, "passes", 2, tmp_path / "two.exr")
    client.fetch_file(job.take, "take.json", tmp_path / "take.json")
    assert (tmp_path / "two.exr").read_bytes() == content("passes", 2)
    assert (tmp_path / "take.json").read_bytes() == b"{}"
    with pytest.raises(UnknownTakeError, match=r"beauty/0009\.png"):
        client.fetch_frame(job.take, "beauty", 9, tmp_path / "nine.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["take.json", "two.exr"]


def test_a_large_file_comes_in_chunks(served: Served, client: Client, tmp_path: Path) -> None:
    job = submit(client, (1, 2))
    client.attach(job.job)
    follow(client, job.job, is_state("done"))
    film = np.random.default_rng(3).bytes(17_000_001)
    (served.home / "takes" / job.take / "preview.mp4").write_bytes(film)
    client.fetch_file(job.take, "preview.mp4", tmp_path / "preview.mp4")
    assert (tmp_path / "preview.mp4").read_bytes() == film


def test_chunks_of_two_versions_are_no_file(served: Served, client: Client, tmp_path: Path) -> None:
    """The film is made anew when its first chunk has been read."""
    job = submit(client, (1, 2))
    client.attach(job.job)
    follow(client, job.job, is_state("done"))
    film, part = served.home / "takes" / job.take / "preview.mp4", tmp_path / "preview.mp4.tmp"
    film.write_bytes(b"old!" * 12_000_000)
    (tmp_path / "new").write_bytes(b"new!" * 12_000_000)

    def replace() -> None:
        wait_for(lambda: part.exists() and part.stat().st_size)
        os.replace(tmp_path / "new", film)

    other = threading.Thread(target=replace)
    other.start()
    client.fetch_file(job.take, "preview.mp4", tmp_path / "preview.mp4")
    other.join()
    assert set((tmp_path / "preview.mp4").read_bytes()[::4]) in ({ord("o")}, {ord("n")})


def test_two_clients_see_the_same(served: Served, client: Client) -> None:
    served.tell_engine(pause=0.05)
    job = submit(client, (1, 6))
    with served.client() as other:
        client.attach(job.job)
        other.attach(job.job)
        mine = follow(client, job.job, is_state("done"))
        theirs = follow(other, job.job, is_state("done"))
    served.tell_engine(pause=0.02)
    assert mine == theirs
    assert gapless(mine)


def test_attaching_again_goes_back_and_detaching_ends(served: Served, client: Client) -> None:
    job = submit(client, (1, 3))
    client.attach(job.job)
    first = follow(client, job.job, is_state("done"))
    assert client.attach(job.job, 2) == 3
    assert follow(client, job.job, is_state("done")) == first[2:]
    client.detach(job.job)
    assert client.attach(job.job) == 1
    client.detach(job.job)
    assert client.events(0.3) == []


def test_an_unknown_job_is_never_finished(client: Client) -> None:
    for ask in (client.attach, client.cancel, client.resume, client.remove):
        with pytest.raises(UnknownJobError):
            ask("01J0ABCDEFGHJKMNPQRSTVWXYZ")
    with pytest.raises(UnknownTakeError):
        client.take("01J0ABCDEFGHJKMNPQRSTVWXYZ")


def test_an_unknown_key_is_refused_at_once(served: Served) -> None:
    began = time.monotonic()
    with (
        Client(read_connection(served.home), make_keypair()) as stranger,
        pytest.raises(RefusedError, match="does not know this install's key"),
    ):
        stranger.hello()
    assert time.monotonic() - began < 2.0


def test_a_stale_connection_heals(served: Served) -> None:
    """Ports and key of a server that is gone; the file knows better."""
    connection = read_connection(served.home)
    stale = msgspec.structs.replace(connection, server_key=make_keypair().public.replace("'", "x"))
    with Client(stale) as client:
        assert client.hello().version


def test_silence_is_an_error_in_the_end(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that the server does not have, and no other connection file to turn to."""
    monkeypatch.setattr(conversation, "TIMEOUT", 0.3)
    connection = read_connection(served.home)
    nowhere = msgspec.structs.replace(connection, home=str(tmp_path), server_key="x" * 40)
    began = time.monotonic()
    with Client(nowhere) as client, pytest.raises(LinkError):
        client.hello()
    assert 0.5 < time.monotonic() - began < 3.0
    assert not client.connected


def test_events_outlive_a_restart(tmp_path: Path) -> None:
    with serve(tmp_path) as served, served.client() as client:
        served.tell_engine(pause=0.1)
        job = submit(client, (1, 10))
        client.attach(job.job)
        events = follow(client, job.job, is_frame)
        old = read_connection(served.home)
        assert served.stop() == 0
        events += client.events(0.3)
        served.start()
        assert read_connection(served.home).server_key != old.server_key
        events += follow(client, job.job, is_state("done"))
        assert gapless(events)
        assert len(bodies(events, m.FrameReady)) == 10


def test_a_client_needs_little() -> None:
    """What Blender's Python has, and what the extension brings."""
    code = (
        "import sys; before = set(sys.modules);"
        "import impetus.backend.contract.launch, impetus.backend.contract.shot_file;"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(tops - sys.stdlib_module_names))"
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    found = {name for name in ast.literal_eval(answer.stdout) if not name.startswith("_")}
    assert found - {"cython_runtime", "typing_extensions"} == {"impetus", "msgspec", "numpy", "zmq"}


@pytest.mark.parametrize("code", sorted(all_errors()))
def test_every_refusal_raises_its_error(code: str) -> None:
    error = error_of(m.Refused(code, "Cube: expected this, got that.", "Do so."))
    assert type(error) is all_errors()[code]
    assert (error.sentence, error.remedy) == ("Cube: expected this, got that.", "Do so.")
