"""The viewer: a process of its own beside the worker that draws what viewports ask for.

    python -P -m impetus.backend.service.views.viewer --home HOME --device auto

It has a socket of its own, so that no picture goes through the server, and less priority than the
worker. It writes nothing but its log. It ends with the server, and when nobody has looked for a
while; the next who wants to look has another one started.
"""

import argparse
import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import zmq

from ...contract import views as v
from ...contract.errors import ImpetusError
from ...contract.keys import make_keypair
from ...contract.sockets import LOOKS, Context, Socket, server_socket
from ..child import begin_child
from ..doors.gate import Gate
from ..endings import explain
from ..pipe import Opened, read_message
from .painter import Painted, Painter
from .waiting import Asked, Waiting, read_ask, refuse

HOST = "127.0.0.1"
IDLE_SECONDS = 300.0
"Without a look for so long it ends: the memory is the artist's."
TICK = 1.0
NICENESS = 10

Paint = Callable[[v.AnyView, Callable[[str], None], Callable[[], None]], Painted]


class Overtaken(Exception):
    """A newer ask makes the one being worked on pointless."""


class Viewer:
    """One home's viewer; `run` answers until nobody has looked for a while."""

    def __init__(self, socket: Socket, paint: Paint, home: Path, idle_seconds: float) -> None:
        self._socket = socket
        self._paint = paint
        self._home = home
        self._idle_seconds = idle_seconds
        self._waiting = Waiting()

    def run(self) -> None:
        looked = time.monotonic()
        while time.monotonic() - looked < self._idle_seconds:
            if not self._waiting:
                self._socket.poll(round(1000 * min(TICK, self._idle_seconds)))
            self._hear()
            asked = self._waiting.next()
            if asked is not None:
                self._answer(asked)
                looked = time.monotonic()

    def _hear(self) -> None:
        """Take in all that has come."""
        while True:
            try:
                peer, *frames = self._socket.recv_multipart(flags=zmq.DONTWAIT)
            except zmq.Again:
                return
            if len(frames) != 1:
                continue
            read = read_ask(peer, frames[0])
            if isinstance(read, Asked):
                self._waiting.put(read)
            elif read is not None:
                self._send(peer, read)

    def _answer(self, asked: Asked) -> None:
        def check() -> None:
            self._hear()
            if self._waiting.overtakes(asked):
                raise Overtaken

        def say(text: str) -> None:
            self._send(asked.peer, v.Shown(asked.number, v.Working(text)))

        try:
            answer, frames = self._paint(asked.request, say, check)
        except Overtaken:
            return
        except Exception as raised:
            if not isinstance(raised, ImpetusError):
                traceback.print_exc()
            self._send(asked.peer, refuse(asked.number, explain(raised, self._home)))
            return
        data = [array.tobytes() for array in frames]
        self._send(asked.peer, v.Shown(asked.number, answer), data)

    def _send(self, peer: bytes, shown: v.Shown, frames: Sequence[bytes] = ()) -> None:
        """Send to one client or not at all: one that does not read asks again."""
        try:
            self._socket.send_multipart(
                [peer, msgspec.msgpack.encode(shown), *frames], flags=zmq.DONTWAIT, copy=False
            )
        except zmq.Again:
            return
        except zmq.ZMQError as err:
            if err.errno != zmq.EHOSTUNREACH:
                raise
            self._waiting.forget(peer)


def main(make_paint: Callable[[Path, str], Paint] | None = None) -> None:
    """Serve views until the input ends, or nobody looks; tell on the output where."""
    parser = argparse.ArgumentParser(description="Draw what viewports ask for.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS)
    given = parser.parse_args()
    writer = begin_child()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threading.Thread(target=_end_with_input, name="parent", daemon=True).start()
    context: Context = zmq.Context()
    gate = Gate(context, given.home)
    gate.start()
    keys = make_keypair()
    socket, port = server_socket(context, keys, LOOKS, HOST)
    paint = (make_paint or _painter)(given.home, given.device)
    with contextlib.suppress(OSError, ValueError):  # the server has ended already, and so do we
        writer.send(Opened(port, keys.public))
    try:
        Viewer(socket, paint, given.home, given.idle).run()
    finally:
        gate.stop()
        context.destroy(linger=0)


def _painter(home: Path, device: str) -> Paint:
    return Painter(home, device).paint


def _end_with_input() -> None:
    while read_message(sys.stdin.buffer) is not None:
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
