"""Honest calls with bytes changed at random, sent to a server by a client that it knows."""

import random

import msgspec
import zmq

from ...contract import messages as m
from ...contract.arrays import ArrayRef
from ...contract.errors import LinkError
from ...contract.keys import Connection, KeyPair
from ...contract.sockets import CONTROL, client_socket

MAX_CHANGES = 8
ANSWER_MS = 10_000
SOCKET_SHARE = 5000
"Messages after which another connection goes on, as a client would that was hung up on."


def seeds() -> list[bytes]:
    """Return one honest call of each kind that needs no shot."""
    job, ref = m.new_id(), ArrayRef("0" * 64, "f4", (2, 3))
    requests: list[m.AnyRequest] = [
        m.Hello("mutation"), m.Have((ref,)), m.Put(ref, 0), m.SubmitLarge(ref), m.Cancel(job),
        m.Attach(job, 3), m.Detach(job), m.ListJobs(2), m.TakeInfo(job), m.Remove(job),
        m.ReadFrame(job, "beauty", 1), m.ReadFile(job, "take.json"), m.Resume(job),
    ]  # fmt: skip
    return [msgspec.msgpack.encode(m.Call(m.new_id(), m.PROTOCOL, r)) for r in requests]


def mutated(chance: random.Random, originals: list[bytes]) -> bytes:
    """Return a call with some bytes changed, sometimes cut, sometimes with a tail."""
    data = bytearray(chance.choice(originals))
    # Half leave the envelope whole, so that what is in it is read.
    first = chance.choice((0, data.index(b"request")))
    for _ in range(chance.randint(1, MAX_CHANGES)):
        data[chance.randrange(first, len(data))] = chance.getrandbits(8)
    kind = chance.random()
    if kind < 0.2:
        return bytes(data[: chance.randint(0, len(data))])
    return bytes(data) + (chance.randbytes(chance.randint(1, 64)) if kind > 0.9 else b"")


def mutate(connection: Connection, keys: KeyPair, count: int, *, seed: int) -> int:
    """Send `count` mutated calls to both sockets of a server; return how many it answered.

    Raises LinkError when an honest call after them stays without an answer.
    """
    chance, originals, answered = random.Random(seed), seeds(), 0
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        for start in range(0, count, SOCKET_SHARE):
            port = connection.bulk if start // SOCKET_SHARE % 4 == 3 else connection.control
            with client_socket(context, keys, CONTROL, connection.server_key) as socket:
                socket.connect(f"tcp://{connection.host}:{port}")
                for _ in range(min(SOCKET_SHARE, count - start)):
                    socket.send(mutated(chance, originals))
                    while socket.poll(0):
                        socket.recv_multipart()
                        answered += 1
                answered += _finish(socket)
    finally:
        context.destroy(linger=0)
    return answered


def _finish(socket: "zmq.Socket[bytes]") -> int:
    """Say an honest hello and count the answers up to its own (welcome, or wrong socket)."""
    last = m.new_id()
    socket.send(msgspec.msgpack.encode(m.Call(last, m.PROTOCOL, m.Hello("mutation"))))
    count = 0
    while socket.poll(ANSWER_MS):
        if last.encode() in socket.recv_multipart()[0]:
            return count
        count += 1
    raise LinkError("An honest call after mutated ones stayed without an answer.")
