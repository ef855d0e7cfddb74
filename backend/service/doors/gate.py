"""The gate: answers ZeroMQ's question whether a client key may come in (ZAP, RFC 27).

Only CURVE, only our domain, only keys of the allow-list; whatever goes wrong is a no. The sockets
enforce the domain, so that nobody comes in while no gate answers.
"""

import logging
import threading
from pathlib import Path

import zmq
from zmq.utils import z85

from ...contract.keys import DOMAIN, allowed_keys
from ...contract.sockets import Context, Socket

ENDPOINT = "inproc://zeromq.zap.01"
log = logging.getLogger(__name__)


class Gate:
    """The ZAP handler of one ZeroMQ context, in a thread of its own."""

    def __init__(self, context: Context, home: Path) -> None:
        self._context = context
        self._home = home
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def start(self) -> None:
        """Bind before anybody can ask."""
        socket = self._context.socket(zmq.REP)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(ENDPOINT)
        self._ending.clear()
        self._thread = threading.Thread(
            target=self._serve, args=(socket,), name="gate", daemon=True
        )
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End; from now on nobody comes in."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _serve(self, socket: Socket) -> None:
        try:
            while not self._ending.is_set():
                if socket.poll(100):
                    socket.send_multipart(self._answer(socket.recv_multipart()))
        except zmq.ContextTerminated:
            pass
        finally:
            socket.close(linger=0)

    def _answer(self, question: list[bytes]) -> list[bytes]:
        version, request = question[0], question[1] if len(question) > 1 else b""
        try:
            key = self._key_of(question)
            allowed = key in allowed_keys(self._home)
        except Exception:
            # A gate that dies would hang every client; one that says no is safe.
            log.exception("the gate could not judge a client; it stays out")
            key, allowed = "", False
        if not allowed:
            log.warning("refused a client with key %s", key or "of no use")
            return [version, request, b"400", b"Unknown key", b"", b""]
        return [version, request, b"200", b"OK", key.encode(), b""]

    def _key_of(self, question: list[bytes]) -> str:
        """Return the client's key, Z85; "" for any question that we do not let in."""
        version, _, domain, _, _, mechanism, *credentials = question
        if (version, domain, mechanism) != (b"1.0", DOMAIN.encode(), b"CURVE"):
            return ""
        (raw,) = credentials
        return z85.encode(raw).decode()
