"""What server and worker say over the worker's pipes: a length, then one MessagePack message."""

import struct
import threading
from typing import IO, Annotated, Literal

import msgspec

from ..contract.messages import Stage

LENGTH = struct.Struct(">I")
MAX_MESSAGE = 256 << 20
"Far above any shot; a longer length means that something else was written into the pipe."


class Order(msgspec.Struct, frozen=True, tag="order"):
    """Make this shot: its JSON, and where arrays, cache, take and log are."""

    job: str
    shot: bytes
    home: str
    cache: str
    take: str
    log: str


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End this job at the next step."""

    job: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The device is started; this is what it is."""

    device: str


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """Progress."""

    job: str
    stage: Stage
    done: float
    total: float
    eta: float | None


class Landed(msgspec.Struct, frozen=True, tag="landed"):
    """A frame's files are whole on disk."""

    job: str
    frame: int


class Glimpsed(msgspec.Struct, frozen=True, tag="glimpsed"):
    """The points of a frame are whole on disk."""

    job: str
    frame: int


class Said(msgspec.Struct, frozen=True, tag="said"):
    """A line for the job's log."""

    job: str
    level: Literal["info", "warning"]
    text: Annotated[str, msgspec.Meta(max_length=4000)]


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The job's end; `code` is "" for done, else that of an error of errors.py."""

    job: str
    code: str
    sentence: str
    remedy: str
    seconds: float


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """Of a viewer: it listens on this port, and this is its public key."""

    port: int
    key: str


ToWorker = Order | Stop
FromWorker = Ready | Moved | Landed | Glimpsed | Said | Ended

to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
opened_by_viewer: msgspec.msgpack.Decoder[Opened] = msgspec.msgpack.Decoder(Opened)


class PipeWriter:
    """The writing end; several threads may use it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: ToWorker | FromWorker | Opened) -> None:
        """Write one message. Raises OSError or ValueError when the other side is gone."""
        data = msgspec.msgpack.encode(message)
        with self._lock:
            self._stream.write(LENGTH.pack(len(data)) + data)
            self._stream.flush()


def read_message(stream: IO[bytes]) -> bytes | None:
    """Return the next message's bytes; None at the end of the pipe, or of its good sense."""
    head = _read(stream, LENGTH.size)
    if head is None:
        return None
    (size,) = LENGTH.unpack(head)
    return _read(stream, size) if size <= MAX_MESSAGE else None


def _read(stream: IO[bytes], size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        more = stream.read(size - len(parts))
        if not more:
            return None
        parts += more
    return bytes(parts)
