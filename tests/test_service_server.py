import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import zmq

from impetus.backend.contract import messages as m
from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import RefusedError
from impetus.backend.contract.keys import (
    DOMAIN,
    KeyPair,
    allow_client,
    client_keys,
    make_keypair,
    read_connection,
)
from impetus.backend.contract.sockets import CONTROL, Context, client_socket, server_socket
from impetus.backend.evaluation.reliability.mutation import mutate
from impetus.backend.service.doors.gate import Gate

from . import shots
from .served import Served, follow, is_state, serve, submit

KEPT: list[zmq.Socket[bytes]] = []
"Sockets of the test that runs; its context closes them all."
UNKNOWN = "01J0ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def context() -> Iterator[Context]:
    found: Context = zmq.Context()
    yield found
    found.destroy(linger=0)
    KEPT.clear()


class Raw:
    """A peer that sends what it likes."""

    def __init__(self, context: Context, served: Served, port: str = "control") -> None:
        connection = read_connection(served.home)
        keys = client_keys(served.home)
        self.socket = client_socket(context, keys, CONTROL, connection.server_key)
        self.socket.connect(f"tcp://127.0.0.1:{getattr(connection, port)}")
        KEPT.append(self.socket)
        assert self.socket.poll(5000, zmq.POLLOUT)

    def ask(self, request: Any, id: str = "") -> Any:
        self.socket.send(msgspec.msgpack.encode(m.Call(id or m.new_id(), m.PROTOCOL, request)))
        return self.hear()

    def hear(self) -> Any:
        assert self.socket.poll(5000), "no answer"
        reply = msgspec.msgpack.decode(self.socket.recv_multipart()[0], type=m.FromServer)  # type: ignore[arg-type]
        return reply.answer if isinstance(reply, m.Reply) else reply


def is_in(context: Context, port: int, keys: KeyPair | None, server_key: str) -> bool:
    """Return whether the handshake of such a client succeeds within a second."""
    if keys is None:
        peer = context.socket(zmq.DEALER)
        peer.setsockopt(zmq.IMMEDIATE, 1)
    else:
        peer = client_socket(context, keys, CONTROL, server_key)
    KEPT.append(peer)
    peer.connect(f"tcp://127.0.0.1:{port}")
    return bool(peer.poll(1000, zmq.POLLOUT))


def test_only_the_known_come_in(served: Served, context: Context) -> None:
    connection, known = read_connection(served.home), client_keys(served.home)
    right, wrong = connection.server_key, make_keypair().public
    for port in (connection.control, connection.bulk):
        assert is_in(context, port, known, right)
        assert not is_in(context, port, None, right)  # the NULL mechanism
        assert not is_in(context, port, make_keypair(), right)
        assert not is_in(context, port, known, wrong)


def test_a_key_counts_from_when_it_is_on_the_list(served: Served, context: Context) -> None:
    connection, keys = read_connection(served.home), make_keypair()
    assert not is_in(context, connection.control, keys, connection.server_key)
    allow_client(served.home, keys.public)
    assert is_in(context, connection.control, keys, connection.server_key)


class Hall:
    """A socket as the server's, behind a gate of its own."""

    def __init__(self, context: Context, home: Path) -> None:
        self.keys = make_keypair()
        self.gate = Gate(context, home)
        self.gate.start()
        self.socket, self.port = server_socket(context, self.keys, CONTROL, "127.0.0.1")
        KEPT.append(self.socket)

    def lets_in(self, context: Context, keys: KeyPair) -> bool:
        return is_in(context, self.port, keys, self.keys.public)


def test_a_stopped_gate_lets_nobody_in(tmp_path: Path, context: Context) -> None:
    hall, keys = Hall(context, tmp_path), client_keys(tmp_path)
    assert hall.lets_in(context, keys)
    hall.gate.stop()
    assert not hall.gate.alive
    assert not hall.lets_in(context, keys)
    hall.gate.start()
    assert hall.lets_in(context, keys)
    hall.gate.stop()


def test_a_gate_that_cannot_judge_says_no_and_lives(tmp_path: Path, context: Context) -> None:
    hall, keys = Hall(context, tmp_path), client_keys(tmp_path)
    (tmp_path / "clients").rename(tmp_path / "aside")
    (tmp_path / "clients").write_text("no folder")
    assert not hall.lets_in(context, keys)
    peer = context.socket(zmq.REQ)
    KEPT.append(peer)
    peer.connect("inproc://zeromq.zap.01")
    for question in ([b"1.0"], [b"1.0", b"7", b"*", b"", b"", b"CURVE", b"short"]):
        peer.send_multipart(question)
        assert peer.recv_multipart()[2] == b"400"
    (tmp_path / "clients").unlink()
    (tmp_path / "aside").rename(tmp_path / "clients")
    assert hall.gate.alive
    assert hall.lets_in(context, keys)
    hall.gate.stop()


@pytest.mark.parametrize(
    ("domain", "mechanism"), [(b"*", b"CURVE"), (b"", b"CURVE"), (DOMAIN.encode(), b"NULL")]
)
def test_the_gate_knows_its_domain_and_mechanism(
    tmp_path: Path, context: Context, domain: bytes, mechanism: bytes
) -> None:
    hall, keys = Hall(context, tmp_path), client_keys(tmp_path)
    peer = context.socket(zmq.REQ)
    KEPT.append(peer)
    peer.connect("inproc://zeromq.zap.01")
    raw = zmq.utils.z85.decode(keys.public)
    for asked, status in (
        ((DOMAIN.encode(), b"CURVE"), b"200"),
        ((domain, mechanism), b"400"),
    ):
        peer.send_multipart([b"1.0", b"1", asked[0], b"127.0.0.1", b"", asked[1], raw])
        assert peer.recv_multipart()[2] == status
    hall.gate.stop()


def test_an_eight_gib_claim_costs_nothing(served: Served) -> None:
    """Before any authentication, a peer says that a frame of 8 GiB follows, and sends 64 MiB."""
    process = psutil.Process(served.process.pid)
    connection = read_connection(served.home)
    before = process.memory_info()
    for port in (connection.control, connection.bulk):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"CURVE".ljust(20, b"\0"))
            peer.sendall(bytes(32))
            try:
                peer.sendall(b"\x02" + struct.pack(">Q", 8 << 30))
                for _ in range(64):
                    peer.sendall(bytes(1 << 20))
            except OSError:
                continue  # hung up on, as it should be
    after = process.memory_info()
    assert after.rss - before.rss < 8 << 20
    assert after.vms - before.vms < 1 << 30
    with served.client() as client:
        assert client.hello().version


def test_mutated_messages_do_no_harm(served: Served, context: Context) -> None:
    """50,000 here; the reliability suite sends a million."""
    process = psutil.Process(served.process.pid)
    mutate(read_connection(served.home), client_keys(served.home), 5_000, seed=1)
    before = process.memory_info().rss
    answered = mutate(read_connection(served.home), client_keys(served.home), 50_000, seed=2)
    assert answered > 1000  # refusals: it did read them
    assert process.memory_info().rss - before < 16 << 20
    assert "Traceback" not in served.output
    with served.client() as client:
        job = submit(client, (1, 2))
        client.attach(job.job)
        follow(client, job.job, is_state("done"))


def test_hello_comes_first(served: Served, context: Context) -> None:
    peer = Raw(context, served)
    answer = peer.ask(m.ListJobs())
    assert isinstance(answer, m.Refused)
    assert answer.code == "REFUSED"
    assert isinstance(peer.ask(m.Hello("test")), m.Welcome)
    assert isinstance(peer.ask(m.ListJobs()), m.Jobs)


def test_each_request_has_its_socket(served: Served, context: Context) -> None:
    control, bulk = Raw(context, served), Raw(context, served, "bulk")
    control.ask(m.Hello("test"))
    for peer, request in ((control, m.ReadFile(UNKNOWN, "take.json")), (bulk, m.ListJobs())):
        answer = peer.ask(request)
        assert isinstance(answer, m.Refused)
        assert answer.code == "BAD_MESSAGE"


def test_another_version_is_named_within_a_second(served: Served, context: Context) -> None:
    peer = Raw(context, served)
    began = time.monotonic()
    call = {"type": "call", "id": UNKNOWN, "protocol": [2, 0], "request": {"type": "hi"}}
    peer.socket.send(msgspec.msgpack.encode(call))
    answer = peer.hear()
    assert time.monotonic() - began < 1.0
    assert isinstance(answer, m.Refused)
    assert answer.code == "VERSION"
    assert "1.0" in answer.sentence
    assert "2.0" in answer.sentence


@pytest.mark.parametrize(
    "take",
    ["../../../etc", "/etc/passwd", "C:\\Windows", "\\\\host\\share", "a\0b", "CON", "x" * 300,
     "..", "link", "takes/../x", "abcdefgh\n", "abcdefgh.", " abcdefgh"],
)  # fmt: skip
def test_no_path_from_outside(served: Served, context: Context, take: str) -> None:
    peer = Raw(context, served, "bulk")
    answer = peer.ask(m.ReadFile(take, "take.json"))
    assert isinstance(answer, m.Refused)
    assert answer.code in ("BAD_MESSAGE", "UNKNOWN_TAKE")


def test_links_in_a_take_lead_nowhere(served: Served, context: Context, tmp_path: Path) -> None:
    with served.client() as client:
        job = submit(client, (1, 3))
        client.attach(job.job)
        follow(client, job.job, is_state("done"))
        folder = Path(client.take(job.take).folder)
    secret = tmp_path / "0001.exr"
    secret.write_text("secret")
    (folder / "beauty" / "0002.png").unlink()
    (folder / "beauty" / "0002.png").symlink_to(secret)
    (folder / "passes").rename(folder / "aside")
    (folder / "passes").symlink_to(tmp_path)
    peer = Raw(context, served, "bulk")
    assert isinstance(peer.ask(m.ReadFrame(job.take, "beauty", 1)), m.Chunk)
    for file, frame in (("beauty", 2), ("passes", 1)):
        answer = peer.ask(m.ReadFrame(job.take, file, frame))  # type: ignore[arg-type]
        assert isinstance(answer, m.Refused)
        assert answer.code == "UNKNOWN_TAKE"


def test_chunks_out_of_turn_are_refused(served: Served, context: Context) -> None:
    peer = Raw(context, served, "bulk")
    _, arrays = shots.falling_cube()
    array = next(array for array in arrays.values() if array.nbytes > 32)
    ref = arrays.add(array * 3)
    for offset, size in ((8, 8), (0, ref.nbytes + 1), (1 << 40, 1)):
        header = msgspec.msgpack.encode(m.Call(m.new_id(), m.PROTOCOL, m.Put(ref, offset)))
        peer.socket.send_multipart([header, bytes(size)])
        answer = peer.hear()
        assert isinstance(answer, m.Refused)
        assert answer.code == "BAD_MESSAGE"
    assert not (served.home / "incoming" / ref.sha256).exists()


def test_what_comes_again_is_done_once(tmp_path: Path, context: Context) -> None:
    with serve(tmp_path) as served:
        with served.client() as client:
            done = submit(client, (1, 2))
            client.attach(done.job)
            follow(client, done.job, is_state("done"))
        served.tell_engine(pause=5.0)
        shot = shots.falling_cube((1, 2))[0]
        calls = [
            (m.Submit(shot), m.new_id()),
            (m.Cancel(UNKNOWN), m.new_id()),
            (m.Remove(done.job), m.new_id()),
        ]
        answers = []
        for attempt in range(4):
            if attempt == 2:
                served.kill()
                served.start()
            peer = Raw(context, served)
            peer.ask(m.Hello("test"))
            answers.append([peer.ask(request, id) for request, id in calls])
        assert answers.count(answers[0]) == 4
        assert [type(answer) for answer in answers[0]] == [m.Accepted, m.Refused, m.Fine]
        jobs = peer.ask(m.ListJobs()).jobs
        assert [info.job for info in jobs] == [answers[0][0].job]


def test_another_install_must_take_over(served: Served) -> None:
    other = make_keypair()
    allow_client(served.home, other.public)
    with served.client() as client, Client(read_connection(served.home), other) as stranger:
        served.tell_engine(pause=1.0)
        job = submit(client, (1, 20))
        stranger.attach(job.job)
        with pytest.raises(RefusedError, match="Take it over first"):
            stranger.cancel(job.job)
        stranger.cancel(job.job, take_over=True)
        follow(stranger, job.job, is_state("cancelled"))
        served.tell_engine(pause=0.02)


def test_a_client_that_does_not_read_costs_nothing(served: Served, context: Context) -> None:
    process = psutil.Process(served.process.pid)
    with served.client() as client:
        served.tell_engine(pause=0.005)
        jobs = [submit(client, (1, 60), name=f"Stalled {i}") for i in range(2)]
        peer = Raw(context, served)
        peer.ask(m.Hello("test"))
        before = process.memory_info().rss
        for job in jobs:
            for _ in range(400):  # each asks for the whole story again
                peer.socket.send(
                    msgspec.msgpack.encode(m.Call(m.new_id(), m.PROTOCOL, m.Attach(job.job)))
                )
        client.attach(jobs[-1].job)
        follow(client, jobs[-1].job, is_state("done"), 30)
        assert process.memory_info().rss - before < 64 << 20
    served.tell_engine(pause=0.02)


def test_the_server_loads_neither_torch_nor_taichi(served: Served) -> None:
    loaded = Path(f"/proc/{served.process.pid}/maps").read_text()
    assert "numpy" in loaded
    assert "taichi" not in loaded
    assert "torch" not in loaded
    assert threading.active_count() < 20
