"""The client's end of one viewer: asks go out, what is seen comes back; see views.py.

One thread uses it. It never waits longer than it is told to, and starts nothing by itself.
"""

from dataclasses import dataclass

import msgspec
import zmq
from zmq.utils.monitor import recv_monitor_message

from . import messages as m
from . import views as v
from .keys import KeyPair
from .sockets import PICTURES, Context, client_socket

DECODER: msgspec.msgpack.Decoder[v.Shown] = msgspec.msgpack.Decoder(v.Shown)


@dataclass(frozen=True)
class Sight:
    """The answer to ask `number`, and the raw frames that it speaks of."""

    number: int
    answer: v.AnySight
    frames: tuple[memoryview, ...] = ()


class ViewClient:
    """A connection to the viewer behind a door; `lost` once it has broken."""

    def __init__(self, host: str, door: m.ViewDoor, keys: KeyPair) -> None:
        self._context: Context = zmq.Context()
        self._socket = client_socket(self._context, keys, PICTURES, door.key)
        self._watch = self._socket.get_monitor_socket(
            zmq.EVENT_DISCONNECTED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        )
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._watch, zmq.POLLIN)
        self._socket.connect(f"tcp://{host}:{door.port}")
        self._number = 0
        self.lost = False

    def ask(self, request: v.AnyView) -> int | None:
        """Send a request and return its number; None where the socket cannot take it now."""
        call = v.Ask(self._number + 1, m.PROTOCOL, request)
        try:
            self._socket.send(msgspec.msgpack.encode(call), flags=zmq.DONTWAIT)
        except zmq.Again:
            return None
        self._number += 1
        return self._number

    def sights(self, seconds: float) -> list[Sight]:
        """Return what has come; wait up to `seconds` for the first of it."""
        for socket, _ in self._poller.poll(max(0, round(seconds * 1000))):
            if socket is self._watch:
                self._note()
        found = []
        while (sight := self._receive()) is not None:
            if _is_whole(sight):
                found.append(sight)
        return found

    def close(self) -> None:
        """Let go at once."""
        self._socket.disable_monitor()
        self._context.destroy(linger=0)

    def _receive(self) -> Sight | None:
        while True:
            try:
                header, *rest = self._socket.recv_multipart(flags=zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return None
            try:
                shown = DECODER.decode(header.buffer)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # of a newer viewer: not for us
            return Sight(shown.number, shown.answer, tuple(frame.buffer for frame in rest))

    def _note(self) -> None:
        while self._watch.poll(0):
            recv_monitor_message(self._watch)
            self.lost = True


def _is_whole(sight: Sight) -> bool:
    """Whether the frames are of the sizes that the answer claims."""
    return tuple(len(frame) for frame in sight.frames) == v.frame_sizes(sight.answer)
