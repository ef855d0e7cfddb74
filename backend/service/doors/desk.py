"""The desk: takes the control socket's calls, answers each, and does nothing twice."""

import logging
import sqlite3
from collections.abc import Callable

import msgspec
import numpy as np

from ...contract import messages as m
from ...contract.arrays import ArrayRef
from ...contract.errors import (
    DiskFullError,
    ImpetusError,
    MessageError,
    RefusedError,
    ShotError,
)
from ...contract.ranges import decoded
from ...contract.shot import Shot
from ...contract.sockets import CONTROL
from ..endings import explain
from ..foreman import Foreman
from ..kept.array_store import ArrayStore
from ..kept.store import Job, Store
from .audience import Audience, Session
from .calls import DECODING_ERRORS, read_call, refuse

LASTING = (m.Submit, m.SubmitLarge, m.Cancel, m.Resume, m.Remove, m.Shutdown)
"Requests that change something; their answers are kept."
BULKY = (m.Put, m.ReadFrame, m.ReadFile)
MAX_REPLY = CONTROL.message - (64 << 10)
FEATURES = ("mpm", "splats")
log = logging.getLogger(__name__)


class Desk:
    """What one home's server answers on its control socket."""

    def __init__(
        self,
        store: Store,
        arrays: ArrayStore,
        foreman: Foreman,
        audience: Audience,
        *,
        welcome: Callable[[], m.Welcome],
        view_door: Callable[[], m.ViewDoor],
        shutdown: Callable[[], None],
    ) -> None:
        self._store = store
        self._arrays = arrays
        self._foreman = foreman
        self._audience = audience
        self._welcome = welcome
        self._view_door = view_door
        self._shutdown = shutdown
        self._afterwards: list[Callable[[], None]] = []

    def handle(self, peer: bytes, owner: str, header: bytes) -> bytes | None:
        """Return the encoded reply to a call, or None where there is nobody to answer."""
        call = read_call(header)
        if not isinstance(call, m.Call):
            return msgspec.msgpack.encode(call) if call else None
        lasting = isinstance(call.request, LASTING)
        if lasting and (reply := self._store.answered(owner, call.id)):
            return reply
        self._afterwards.clear()
        try:
            if not lasting:
                return _encode(call.id, self._look(peer, owner, call.request))
            with self._store.change():
                answer = self._act(self._session(peer), call.request)
                encoded = _encode(call.id, answer)
                if not isinstance(answer, m.Missing):
                    self._store.remember(owner, call.id, encoded)
        except ImpetusError as err:
            return msgspec.msgpack.encode(refuse(call.id, err))
        except Exception as err:
            # Whatever one client's call makes go wrong, the others go on.
            log.exception("a %s failed", type(call.request).__name__)
            return msgspec.msgpack.encode(refuse(call.id, self._explain(err)))
        for act in self._afterwards:
            act()
        return encoded

    def _look(self, peer: bytes, owner: str, request: m.AnyRequest) -> m.AnyAnswer:
        """Answer what changes nothing that lasts."""
        if isinstance(request, m.Hello):
            self._audience.greet(peer, owner)
            return self._welcome()
        session = self._session(peer)
        match request:
            case m.Have():
                missing = [ref.sha256 for ref in request.arrays if not self._arrays.has(ref)]
                return m.Missing(tuple(missing))
            case m.Attach():
                job = self._store.job(request.job)
                first = max(self._store.first_seq(job), request.last_seq + 1)
                session.cursors[job.id] = first - 1
                self._store.told.add(job.id)
                return m.Attached(first)
            case m.Detach():
                session.cursors.pop(request.job, None)
                return m.Fine()
            case m.ListJobs():
                return self._list(request.limit)
            case m.TakeInfo():
                return self._foreman.details(self._store.job_of_take(request.take))
            case m.OpenView():
                return self._view_door()
        raise MessageError(
            f"Expected {type(request).__name__} on the bulk socket, got it on the other.",
            "Update the extension.",
        )

    def _act(self, session: Session, request: m.AnyRequest) -> m.AnyAnswer:
        """Do what a client asks for; within one transaction."""
        match request:
            case m.Submit():
                return self._foreman.submit(request.shot, session.owner)
            case m.SubmitLarge():
                return self._submit_large(request.shot, session.owner)
            case m.Cancel():
                self._foreman.cancel(self._own(session, request))
            case m.Resume():
                self._foreman.resume(self._own(session, request))
            case m.Remove():
                job = self._own(session, request)
                unused = self._foreman.remove(job)
                self._afterwards.append(lambda: self._foreman.erase(job, unused))
            case m.Shutdown():
                self._afterwards.append(self._shutdown)
        return m.Fine()

    def _submit_large(self, ref: ArrayRef, owner: str) -> m.AnyAnswer:
        if not self._arrays.has(ref):
            return m.Missing((ref.sha256,))
        try:
            data = np.asarray(self._arrays.read(ref)).tobytes()
            shot = decoded(data, Shot, msgspec.msgpack.decode)
        except DECODING_ERRORS as err:
            raise ShotError("Shot", f"expected a shot, got: {err}.", "Export it again.") from err
        return self._foreman.submit(shot, owner)

    def _session(self, peer: bytes) -> Session:
        session = self._audience.of(peer)
        if session is None:
            raise RefusedError("Expected a hello first, got another request.", "Connect again.")
        return session

    def _own(self, session: Session, request: m.Cancel | m.Resume | m.Remove) -> Job:
        job = self._store.job(request.job)
        if job.owner != session.owner and not request.take_over:
            raise RefusedError(
                "This job was submitted by another install of Impetus.", "Take it over first."
            )
        return job

    def _list(self, limit: int) -> m.Jobs:
        infos = [self._foreman.info(job) for job in self._store.jobs(limit)]
        while len(msgspec.msgpack.encode(infos)) > MAX_REPLY:
            infos = infos[: len(infos) // 2]
        return m.Jobs(tuple(infos))

    def _explain(self, err: Exception) -> ImpetusError:
        if isinstance(err, sqlite3.OperationalError) and "full" in str(err):
            return DiskFullError("The disk of the backend is full.", "Free some space, try again.")
        return explain(err, self._foreman.home)


def _encode(id: str, answer: m.AnyAnswer) -> bytes:
    return msgspec.msgpack.encode(m.Reply(id, answer))
