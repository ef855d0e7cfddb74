"""Who listens: the clients that said hello, and how far each has followed the jobs it attached to.

Events wait in the store, not in memory: a client that reads slowly or not at all costs one number.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

import zmq

from ...contract.sockets import Socket
from ..kept.store import Store

SESSIONS = 256
"Clients remembered; who is forgotten is asked to say hello again."
RETRY_SECONDS = 0.05


@dataclass
class Session:
    """One client's connection."""

    owner: str
    cursors: dict[str, int] = field(default_factory=dict)
    "The last seq sent, by job."


class Audience:
    """The sessions of one control socket."""

    def __init__(self, socket: Socket, store: Store) -> None:
        self._socket = socket
        self._store = store
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._late: float | None = None

    def greet(self, peer: bytes, owner: str) -> None:
        session = self._sessions.get(peer)
        if session is None or session.owner != owner:
            self._sessions[peer] = Session(owner)
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)

    def of(self, peer: bytes) -> Session | None:
        """Return a client's session, if it said hello."""
        if session := self._sessions.get(peer):
            self._sessions.move_to_end(peer)
        return session

    @property
    def next_retry(self) -> float | None:
        """When a client that could not take its events is tried again, on the monotonic clock."""
        return self._late

    def reply(self, peer: bytes, frames: list[bytes]) -> bool:
        """Send to one client or not at all: False when it is slow, or gone and forgotten."""
        try:
            self._socket.send_multipart([peer, *frames], flags=zmq.DONTWAIT)
        except zmq.Again:
            return False
        except zmq.ZMQError as err:
            if err.errno != zmq.EHOSTUNREACH:
                raise
            self._sessions.pop(peer, None)
            return False
        return True

    def anybody(self) -> bool:
        """Return whether a client that said hello can be reached; an empty frame says nothing."""
        return any([self._is_here(peer) for peer in list(self._sessions)])

    def _is_here(self, peer: bytes) -> bool:
        self.reply(peer, [b""])
        return peer in self._sessions

    def pump(self) -> None:
        """Send each client what it has not got of its jobs' events, as far as it takes it."""
        if not self._store.told and (self._late is None or time.monotonic() < self._late):
            return
        self._store.told.clear()
        self._late = None
        for peer, session in list(self._sessions.items()):
            for job in list(session.cursors):
                if not self._follow(peer, session, job):
                    self._late = time.monotonic() + RETRY_SECONDS
                    break

    def _follow(self, peer: bytes, session: Session, job: str) -> bool:
        while events := self._store.events(job, session.cursors[job]):
            for seq, message in events:
                if not self.reply(peer, [message]):
                    return peer not in self._sessions
                session.cursors[job] = seq
        return True
