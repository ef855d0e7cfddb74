"""Calls and their answers, events and their order, over links that come and go; under Client.

A call that stays without an answer is sent again with the same id over a new link. The connection
file is read anew each time: a restarted server has other ports and other keys.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import zmq

from . import messages as m
from .errors import ImpetusError, LinkError, RefusedError, ShotError, all_errors
from .keys import Connection, KeyPair, read_connection
from .sockets import CREDIT, Link

TIMEOUT = 2.5
SLOW_TIMEOUT = 15.0
"For what the server reads or checks as a whole: chunks, files, shots."
TRIES = 3
BEAT = 1.0
"Seconds of silence after which the client asks for its jobs' events again."
SILENCE = 3.0
"Seconds without an answer to that after which the link counts as lost."
BACKOFF = (0.05, 1.0)

SLOW = (m.Put, m.ReadFrame, m.ReadFile, m.Submit, m.SubmitLarge)
BULK = (m.Put, m.ReadFrame, m.ReadFile)

DECODER: msgspec.msgpack.Decoder[m.Reply | m.Event] = msgspec.msgpack.Decoder(m.FromServer)

Body = bytes | memoryview | None
Answered = tuple[m.Answer, bytes]


@dataclass
class _Ask:
    """One call under way."""

    request: m.AnyRequest
    body: Body
    id: str = field(default_factory=m.new_id)
    sent_on: Link | None = None
    since: float = field(default_factory=time.monotonic)
    tries: int = 1
    reply: Answered | None = None

    @property
    def timeout(self) -> float:
        return SLOW_TIMEOUT if isinstance(self.request, SLOW) else TIMEOUT


class Conversation:
    """What one client says to whichever server runs in its home."""

    def __init__(
        self, connection: Connection, keys: KeyPair, build: str, tries: int = TRIES
    ) -> None:
        self.tries = tries
        self._home = Path(connection.home)
        self._keys = keys
        self._build = build
        self._first: Connection | None = connection
        self._link: Link | None = None
        self._next_link = 0.0
        self._backoff = BACKOFF[0]
        self._hello = ""
        self.welcomed = False
        self._asks: dict[str, _Ask] = {}
        self._attached: dict[str, int] = {}
        self._attaching: dict[str, str] = {}
        self.inbox: deque[m.Event] = deque()
        self._errors: deque[ImpetusError] = deque()
        self._heard = self._beat = 0.0
        self._trouble: ImpetusError | None = None

    # --- calls

    def ask(self, request: m.AnyRequest, body: Body = None) -> Answered:
        """Send one request and return its answer and the raw frame beside it."""
        return next(self.ask_all([(request, body)]))

    def ask_all(self, requests: Iterable[tuple[m.AnyRequest, Body]]) -> Iterator[Answered]:
        """Yield the answers in the order of the requests, CREDIT of them under way at once.

        Raises the error that a Refused answer names; LinkError after three tries without one.
        """
        waiting = iter(requests)
        flight: deque[_Ask] = deque()
        try:
            while True:
                while len(flight) < CREDIT and (item := next(waiting, None)):
                    flight.append(_Ask(*item, tries=self.tries))
                    self._asks[flight[-1].id] = flight[-1]
                if not flight:
                    return
                if flight[0].reply is None:
                    self._advance(flight)
                    continue
                done = flight.popleft()
                del self._asks[done.id]
                if isinstance(done.reply[0], m.Refused):  # type: ignore[index]
                    raise error_of(done.reply[0])  # type: ignore[index]
                yield done.reply  # type: ignore[misc]
        finally:
            for ask in flight:
                self._asks.pop(ask.id, None)

    def _advance(self, flight: deque[_Ask]) -> None:
        """Send what this link has not seen, wait a little, and give up on a link that is silent."""
        if isinstance(self._trouble, RefusedError):
            refused, self._trouble = self._trouble, None
            raise refused
        blocked: zmq.Socket[bytes] | None = None
        for ask in flight:
            if ask.reply is None and not self._send(ask):
                blocked = self._socket_of(ask)
                break
        oldest = flight[0]
        patience = oldest.timeout if self._link else TIMEOUT
        remaining = oldest.since + patience - time.monotonic()
        if remaining > 0:
            self.pump(min(remaining, 0.1), blocked)
            return
        oldest.tries -= 1
        if oldest.tries <= 0:
            trouble, self._trouble = self._trouble, None
            self.drop_link()
            raise trouble or LinkError(
                f"The backend did not answer within {self.tries * oldest.timeout:g} s.",
                "Connect again; its log tells more.",
            )
        for ask in flight:
            ask.since = time.monotonic()
        # A socket that swallowed a request is of no more use.
        self.drop_link()

    def _socket_of(self, ask: _Ask) -> "zmq.Socket[bytes] | None":
        if self._link is None:
            return None
        return self._link.bulk if isinstance(ask.request, BULK) else self._link.control

    def _send(self, ask: _Ask) -> bool:
        """Return whether the call is on its way over the link of now."""
        link, socket = self._link, self._socket_of(ask)
        if link is None or socket is None or not self._hello:
            return False
        if ask.sent_on is link:
            return True
        if isinstance(ask.request, m.Attach):
            self._attaching[ask.id] = ask.request.job
        if not self._post(socket, m.Call(ask.id, m.PROTOCOL, ask.request), ask.body):
            return False
        ask.sent_on = link
        return True

    def _post(self, socket: "zmq.Socket[bytes]", call: m.Call, body: Body = None) -> bool:
        frames = [msgspec.msgpack.encode(call), *([] if body is None else [body])]
        try:
            socket.send_multipart(frames, flags=zmq.DONTWAIT, copy=True)
        except zmq.Again:
            return False
        return True

    # --- jobs' events

    def follow(self, job: str, last_seq: int) -> int:
        """Have a job's events from after `last_seq` on; return the seq of the first to come."""
        self.inbox = deque(event for event in self.inbox if event.job != job)
        self._attached[job] = last_seq
        try:
            answer = self.ask(m.Attach(job, last_seq))[0]
        except ImpetusError:
            self._attached.pop(job, None)
            raise
        if not isinstance(answer, m.Attached):
            raise unexpected(answer)
        self._attached[job] = max(self._attached[job], answer.first_seq - 1)
        return answer.first_seq

    def unfollow(self, job: str) -> None:
        self._attached.pop(job, None)
        self.inbox = deque(event for event in self.inbox if event.job != job)

    def raise_trouble(self) -> None:
        """Raise what a server said when it would not let us go on."""
        if self._errors:
            raise self._errors.popleft()

    def _take_event(self, event: m.Event) -> None:
        last = self._attached.get(event.job)
        if last is None or event.seq <= last:
            return
        if event.seq == last + 1:
            self._attached[event.job] = event.seq
            self.inbox.append(event)
        else:
            self._attach(event.job)

    def _attach(self, job: str) -> None:
        if self._link is None or job in self._attaching.values():
            return
        call = m.Call(m.new_id(), m.PROTOCOL, m.Attach(job, self._attached[job]))
        if self._post(self._link.control, call):
            self._attaching[call.id] = job

    # --- the link

    def pump(self, seconds: float, wanted: "zmq.Socket[bytes] | None" = None) -> None:
        """Wait up to `seconds` for something to happen, and take in all that came."""
        link = self._link or self._make_link()
        if link is None:
            time.sleep(max(0.0, min(seconds, self._next_link - time.monotonic())))
            return
        if not self._hello:
            self._greet(link)
        link.wait(seconds, wanted if self._hello else link.control)
        if not self._hello:
            self._greet(link)
        for socket in (link.control, link.bulk):
            self._drain(socket)
        self._keep_alive(link)

    def _make_link(self) -> Link | None:
        now = time.monotonic()
        if now < self._next_link:
            return None
        self._next_link = now + self._backoff
        self._backoff = min(2 * self._backoff, BACKOFF[1])
        try:
            connection, self._first = self._first or read_connection(self._home), None
        except LinkError as err:
            self._trouble = err
            return None
        self._link = Link(connection, self._keys)
        self._heard = self._beat = now
        return self._link

    def _greet(self, link: Link) -> None:
        """Say hello, and take up the events of our jobs, as soon as the link can carry it."""
        call = m.Call(m.new_id(), m.PROTOCOL, m.Hello(self._build))
        if not link.ready(link.control) or not self._post(link.control, call):
            return
        self._hello = call.id
        for job in self._attached:
            self._attach(job)

    def _keep_alive(self, link: Link) -> None:
        now = time.monotonic()
        if link.lost or (now - self._heard > SILENCE and (self._attached or not self._hello)):
            if link.refused:
                self._trouble = RefusedError(
                    "The backend does not know this install's key.",
                    "Connect from the user account that started it.",
                )
            self.drop_link()
        elif now - max(self._heard, self._beat) > BEAT and self._attached and self._hello:
            self._beat = now
            self._attaching.clear()
            for job in self._attached:
                self._attach(job)

    def _drain(self, socket: "zmq.Socket[bytes]") -> None:
        while True:
            try:
                header, *rest = socket.recv_multipart(flags=zmq.DONTWAIT)
            except zmq.Again:
                return
            try:
                message = DECODER.decode(header)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # of a newer server: not for us
            self._heard = time.monotonic()
            if isinstance(message, m.Event):
                self._take_event(message)
            else:
                self._take_reply(message, rest[0] if rest else b"")

    def _take_reply(self, reply: m.Reply, body: bytes) -> None:
        answer = reply.answer
        if reply.id == self._hello:
            self._welcome(answer)
        job = self._attaching.pop(reply.id, None)
        if job in self._attached and isinstance(answer, m.Attached):
            self._attached[job] = max(self._attached[job], answer.first_seq - 1)
        if ask := self._asks.get(reply.id):
            ask.reply = (answer, body)
        elif job in self._attached and isinstance(answer, m.Refused) and self.welcomed:
            if answer.code == RefusedError.code and self._link:
                self._link.lost = True  # it does not know us any more: greet again
                return
            self.unfollow(job)
            self._errors.append(error_of(answer))

    def _welcome(self, answer: m.Answer) -> None:
        self.welcomed = isinstance(answer, m.Welcome)
        if self.welcomed:
            self._backoff, self._trouble = BACKOFF[0], None
        elif isinstance(answer, m.Refused):
            error = error_of(answer)
            self._trouble = error
            for ask in self._asks.values():
                ask.reply = ask.reply or (answer, b"")

    def drop_link(self) -> None:
        """Close the sockets; the next pump looks for a server."""
        if self._link is not None:
            self._link.close()
        self._link, self._hello, self.welcomed = None, "", False
        self._attaching.clear()


def error_of(refused: m.Refused) -> ImpetusError:
    """Return the error that the server refused with."""
    kind = all_errors().get(refused.code, ImpetusError)
    if issubclass(kind, ShotError):
        where, _, sentence = refused.sentence.partition(": ")
        return kind(where, sentence, refused.remedy)
    return kind(refused.sentence, refused.remedy)


def unexpected(answer: m.Answer) -> LinkError:
    return LinkError(
        f"The backend answered with something else: {type(answer).__name__}.",
        "Update the backend or the extension, so that both are of one version.",
    )
