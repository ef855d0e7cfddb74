"""The bulk socket, in a thread of its own: arrays come in and files go out, chunk by chunk.

Hashing a large array or reading a slow disk here leaves the control socket free to answer.
"""

import logging
import threading
from pathlib import Path

import msgspec
import zmq

from ...contract import messages as m
from ...contract.errors import ImpetusError, MessageError
from ...contract.sockets import Socket
from ..endings import explain
from ..kept.array_store import ArrayStore
from ..kept.store import Store
from ..kept.takes import Takes
from .calls import read_call, refuse

log = logging.getLogger(__name__)


class BulkDesk:
    """Answers the bulk socket until it is stopped."""

    def __init__(self, socket: Socket, home: Path, base: Path) -> None:
        self._socket = socket
        self._home = home
        self._base = base
        self._arrays = ArrayStore(home)
        self._takes = Takes(home)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="bulk", daemon=True)

    def start(self) -> None:
        self._arrays.clear_incoming()
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    def _serve(self) -> None:
        store = Store(self._base, writes=False)
        try:
            while not self._ending.is_set():
                if self._socket.poll(100):
                    self._answer(store)
        finally:
            store.close()
            self._socket.close()

    def _answer(self, store: Store) -> None:
        peer, *frames = self._socket.recv_multipart(copy=False)
        if not 1 <= len(frames) <= 2:
            return
        call = read_call(frames[0].bytes)
        body: list[bytes] = []
        if isinstance(call, m.Call):
            data = frames[1].buffer if len(frames) > 1 else memoryview(b"")
            reply, body = self._reply(store, call, data)
        elif call is None:
            return
        else:
            reply = call
        try:
            # A client that asks for more than it reads goes without, and asks again.
            self._socket.send_multipart(
                [peer.bytes, msgspec.msgpack.encode(reply), *body], flags=zmq.DONTWAIT
            )
        except zmq.ZMQError as err:
            if err.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise

    def _reply(self, store: Store, call: m.Call, data: memoryview) -> tuple[m.Reply, list[bytes]]:
        request = call.request
        try:
            match request:
                case m.Put():
                    stored = self._arrays.put(request.array, request.offset, data)
                    return m.Reply(call.id, m.Stored(stored)), []
                case m.ReadFrame() | m.ReadFile():
                    store.job_of_take(request.take)
                    chunk, content = self._takes.read(request)
                    return m.Reply(call.id, chunk), [content]
            raise MessageError(
                f"Expected {type(request).__name__} on the control socket, got it here.",
                "Update the extension.",
            )
        except ImpetusError as err:
            return refuse(call.id, err), []
        except Exception as err:
            log.exception("a %s failed", type(request).__name__)
            return refuse(call.id, explain(err, self._home)), []
