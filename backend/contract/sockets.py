"""The two sockets of each side, CURVE always on, with every limit set before anybody connects.

ZeroMQ's defaults let an unknown peer claim any size before it is authenticated (MAXMSGSIZE), let an
unknown key in where no handler answers (ZAP_ENFORCE_DOMAIN), and let a slow peer fill our memory.
"""

from dataclasses import dataclass

import zmq
from zmq.utils.monitor import recv_monitor_message

from .keys import DOMAIN, Connection, KeyPair

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]

CREDIT = 4
"Chunks under way on a bulk socket, in either direction."


@dataclass(frozen=True)
class Limits:
    """What one message may weigh [bytes] and how many may wait for one peer."""

    message: int
    waiting: int


CONTROL = Limits(1 << 20, 1000)
BULK = Limits(8 << 20, CREDIT)
"Twice a chunk: an unknown peer can make us take in this much, not more."
LOOKS = Limits(64 << 10, 64)
PICTURES = Limits(48 << 20, 4)
"The viewer's side and the client's: 8 bytes for each of the pixels that a picture may have."


def _limit(socket: Socket, limits: Limits) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, limits.message)
    socket.setsockopt(zmq.SNDHWM, limits.waiting)
    socket.setsockopt(zmq.RCVHWM, limits.waiting)
    socket.setsockopt(zmq.HANDSHAKE_IVL, 5000)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)


def server_socket(context: Context, keys: KeyPair, limits: Limits, host: str) -> tuple[Socket, int]:
    """Return a bound ROUTER that lets in only whom DOMAIN's ZAP handler lets in, and its port."""
    socket = context.socket(zmq.ROUTER)
    _limit(socket, limits)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 0)
    socket.curve_server = True
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN.encode())
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    # The system picks the port and keeps it: nobody can take it between choosing and binding.
    socket.bind(f"tcp://{host}:0")
    return socket, int(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])


def client_socket(context: Context, keys: KeyPair, limits: Limits, server_key: str) -> Socket:
    """Make a DEALER that talks to the server of this key alone; the caller connects it."""
    socket = context.socket(zmq.DEALER)
    _limit(socket, limits)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.RECONNECT_IVL, 100)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    socket.curve_serverkey = server_key.encode()
    return socket


class Link:
    """Both sockets of a client to one run of a server, and what became of them."""

    def __init__(self, connection: Connection, keys: KeyPair) -> None:
        self._context: Context = zmq.Context()
        key = connection.server_key
        self.control = client_socket(self._context, keys, CONTROL, key)
        self.bulk = client_socket(self._context, keys, BULK, key)
        self._watch = self.control.get_monitor_socket(
            zmq.EVENT_DISCONNECTED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        )
        self._poller = zmq.Poller()
        self._poller.register(self._watch, zmq.POLLIN)
        self.control.connect(f"tcp://{connection.host}:{connection.control}")
        self.bulk.connect(f"tcp://{connection.host}:{connection.bulk}")
        self.lost = False
        self.refused = False

    def ready(self, socket: Socket) -> bool:
        """Return whether the handshake is done and a message can go."""
        return bool(socket.poll(0, zmq.POLLOUT))

    def wait(self, seconds: float, wanted: Socket | None = None) -> None:
        """Wait until a message comes, the link breaks, or `wanted` can send."""
        for socket in (self.control, self.bulk):
            flags = zmq.POLLIN | (zmq.POLLOUT if socket is wanted else 0)
            self._poller.register(socket, flags)
        for socket, _ in self._poller.poll(max(0, round(seconds * 1000))):
            if socket is self._watch:
                self._note()

    def _note(self) -> None:
        while self._watch.poll(0):
            event = recv_monitor_message(self._watch)["event"]
            self.lost = True
            self.refused |= event == zmq.EVENT_HANDSHAKE_FAILED_AUTH

    def close(self) -> None:
        """Let go at once; what was not sent is lost."""
        self.control.disable_monitor()
        self._context.destroy(linger=0)
