"""The client: one way to talk to the server, for the extension, the command line and the tests."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from . import messages as m
from .arrays import ArrayRef, ArraySet
from .conversation import TRIES, Body, Conversation, unexpected
from .errors import LinkError, MessageError
from .keys import Connection, KeyPair, client_keys, read_connection
from .shot import Shot
from .shot_check import array_refs
from .sockets import CONTROL

ATTEMPTS = 3
HAVE_BATCH = 4000
LARGE_SHOT = CONTROL.message // 2
VIEWER_SECONDS, DOOR_SECONDS = 20.0, 0.1

AnswerType = TypeVar("AnswerType", bound=m.Answer)
OnProgress = Callable[[int, int], None]


class Client:
    """A client of the server that `connection` speaks of, and of each that follows it in its home.

    It asks again on silence, finds a restarted server, and goes on with each job's events where it
    stopped. One thread uses it.
    """

    def __init__(
        self,
        connection: Connection,
        keys: KeyPair | None = None,
        *,
        build: str = "impetus",
        tries: int = TRIES,
    ) -> None:
        own = keys or client_keys(Path(connection.home))
        self._home = Path(connection.home)
        self._talk = Conversation(connection, own, build, tries)

    @property
    def tries(self) -> int:
        """How often a call is sent before silence is an error."""
        return self._talk.tries

    @tries.setter
    def tries(self, count: int) -> None:
        self._talk.tries = count

    @property
    def connected(self) -> bool:
        """Whether the server of now has welcomed us."""
        return self._talk.welcomed

    def hello(self) -> m.Welcome:
        """Greet. Raises VersionError on another major version, RefusedError on an unknown key."""
        return self._ask(m.Hello("impetus"), m.Welcome)

    def submit(
        self, shot: Shot, arrays: ArraySet, on_progress: OnProgress | None = None
    ) -> m.Accepted:
        """Send what is missing of `arrays`, then `shot`; `on_progress(done, total)` in bytes."""
        needed = {ref.sha256: ref for ref in array_refs(shot)}
        sent = ArraySet({sha256: arrays[sha256] for sha256 in needed})
        encoded = msgspec.msgpack.encode(shot)
        request: m.AnyRequest = m.Submit(shot)
        if len(encoded) > LARGE_SHOT:
            ref = sent.add(np.frombuffer(encoded, np.uint8))
            needed[ref.sha256] = ref
            request = m.SubmitLarge(ref)
        for _ in range(ATTEMPTS):
            self._put(self._missing(needed), sent, on_progress)
            answer = self._talk.ask(request)[0]
            if isinstance(answer, m.Accepted):
                return answer
        raise LinkError("The backend lost arrays that it had been sent.", "Submit the shot again.")

    def bring(self, shot: Shot, arrays: ArraySet) -> ArrayRef:
        """Send a shot and its arrays without having it made; return what a Look names it by."""
        needed = {ref.sha256: ref for ref in array_refs(shot)}
        sent = ArraySet({sha256: arrays[sha256] for sha256 in needed})
        ref = sent.add(np.frombuffer(msgspec.msgpack.encode(shot), np.uint8))
        self._put(self._missing(needed | {ref.sha256: ref}), sent, None)
        return ref

    def view_door(self, timeout: float = VIEWER_SECONDS) -> m.ViewDoor:
        """Have the backend start its viewer, and return where it listens.

        Raises LinkError where it does not come up within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        while True:
            door = self._ask(m.OpenView(), m.ViewDoor)
            if door.port:
                return door
            if time.monotonic() > end:
                raise LinkError(
                    "The backend's viewer did not start in time.", "Its log tells more."
                )
            time.sleep(DOOR_SECONDS)

    def cancel(self, job: str, *, take_over: bool = False) -> None:
        self._ask(m.Cancel(job, take_over), m.Fine)

    def resume(self, job: str, *, take_over: bool = False) -> None:
        self._ask(m.Resume(job, take_over), m.Fine)

    def remove(self, job: str, *, take_over: bool = False) -> None:
        self._talk.unfollow(job)
        self._ask(m.Remove(job, take_over), m.Fine)

    def jobs(self, limit: int = 1000) -> tuple[m.JobInfo, ...]:
        return self._ask(m.ListJobs(limit), m.Jobs).jobs

    def take(self, take: str) -> m.TakeDetails:
        return self._ask(m.TakeInfo(take), m.TakeDetails)

    def shutdown(self) -> None:
        """End the server; its running job goes on when the next server starts."""
        try:
            self._ask(m.Shutdown(), m.Fine)
        except LinkError:
            if self._is_served():
                raise

    def attach(self, job: str, last_seq: int = 0) -> int:
        """Follow a job's events after `last_seq`; return the seq of the first that will come.

        It is above `last_seq + 1` only where the server has forgotten older events.
        """
        return self._talk.follow(job, last_seq)

    def detach(self, job: str) -> None:
        self._talk.unfollow(job)
        self._ask(m.Detach(job), m.Fine)

    def events(self, timeout: float) -> list[m.Event]:
        """Return what the attached jobs told, in order, no gap, none twice; wait up to `timeout` s.

        A lost server is looked for meanwhile. Raises what a server said when it would not go on.
        """
        end = time.monotonic() + timeout
        while True:
            remaining = end - time.monotonic()
            self._talk.pump(0.0 if self._talk.inbox else max(0.0, min(remaining, 0.1)))
            self._talk.raise_trouble()
            if self._talk.inbox or remaining <= 0:
                found, self._talk.inbox = list(self._talk.inbox), deque()
                return found

    def fetch_frame(self, take: str, file: m.FrameFile, frame: int, target: Path) -> None:
        """Copy one frame's file to `target`, whole or not at all."""
        self._fetch(lambda offset: m.ReadFrame(take, file, frame, offset), target)

    def fetch_file(self, take: str, file: m.TakeFile, target: Path) -> None:
        """Copy one file of the take to `target`, whole or not at all."""
        self._fetch(lambda offset: m.ReadFile(take, file, offset), target)

    def close(self) -> None:
        """Let go of the server; jobs go on."""
        self._talk.drop_link()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_served(self) -> bool:
        try:
            read_connection(self._home)
        except LinkError:
            return False
        return True

    def _ask(self, request: m.AnyRequest, expected: type[AnswerType]) -> AnswerType:
        answer, _ = self._talk.ask(request)
        if not isinstance(answer, expected):
            raise unexpected(answer)
        return answer

    def _missing(self, needed: Mapping[str, ArrayRef]) -> list[ArrayRef]:
        refs = tuple(needed.values())
        missing: list[ArrayRef] = []
        for start in range(0, len(refs), HAVE_BATCH):
            answer = self._ask(m.Have(refs[start : start + HAVE_BATCH]), m.Missing)
            missing += [needed[sha256] for sha256 in answer.arrays]
        return missing

    def _put(
        self, missing: list[ArrayRef], arrays: ArraySet, on_progress: OnProgress | None
    ) -> None:
        done, total = 0, sum(ref.nbytes for ref in missing)
        for ref in missing:
            for attempt in range(ATTEMPTS):
                try:
                    for sent, _ in enumerate(self._talk.ask_all(_chunks(ref, arrays)), 1):
                        if on_progress:
                            on_progress(done + min(sent * m.CHUNK_BYTES, ref.nbytes), total)
                    break
                except MessageError:
                    # A server that was restarted has forgotten the chunks before this one.
                    if attempt == ATTEMPTS - 1:
                        raise
            done += ref.nbytes

    def _fetch(self, request: Callable[[int], m.AnyRequest], target: Path) -> None:
        part = target.with_name(target.name + ".tmp")
        try:
            for _ in range(ATTEMPTS):
                if self._fetch_once(request, part):
                    os.replace(part, target)
                    return
        finally:
            part.unlink(missing_ok=True)
        raise LinkError(f"{target.name} changed each time it was read.", "Try again later.")

    def _fetch_once(self, request: Callable[[int], m.AnyRequest], part: Path) -> bool:
        """Return whether all chunks were of one version of the file."""
        with part.open("wb") as stream:
            first, data = self._talk.ask(request(0))
            if not isinstance(first, m.Chunk):
                raise unexpected(first)
            stream.write(data)
            offsets = range(len(data), first.size, m.CHUNK_BYTES)
            for answer, more in self._talk.ask_all((request(at), None) for at in offsets):
                if not isinstance(answer, m.Chunk) or answer.version != first.version:
                    return False
                stream.write(more)
            stream.flush()
            os.fsync(stream.fileno())
            return stream.tell() == first.size


def _chunks(ref: ArrayRef, arrays: ArraySet) -> Iterator[tuple[m.AnyRequest, Body]]:
    array = arrays.of(ref)
    data = array.data.cast("B") if array.size else memoryview(b"")
    for offset in range(0, max(1, len(data)), m.CHUNK_BYTES):
        yield m.Put(ref, offset), data[offset : offset + m.CHUNK_BYTES]
