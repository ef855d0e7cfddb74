"""One thread that talks to the backend; the window never waits for it. Knows nothing of bpy.

The main thread puts orders in and takes notices out; nothing else is shared. A slow piece of work
(a bake, the set-up) is a generator that the thread steps between its other duties.
"""

import contextlib
import os
import queue
import shutil
import threading
import time
import traceback
from collections import deque
from collections.abc import Generator
from pathlib import Path

from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import (
    ImpetusError,
    InternalError,
    LinkError,
    ResourceError,
    UnknownJobError,
    UnknownTakeError,
)
from impetus.backend.contract.launch import connect_or_start
from impetus.backend.contract.messages import (
    Done,
    Event,
    FrameFile,
    FrameReady,
    PointsReady,
    StateChanged,
    TakeFile,
)
from impetus.backend.contract.take_files import frame_path

from .orders import (
    Accepted,
    Connect,
    Disconnect,
    Follow,
    Known,
    Leave,
    Linked,
    Notice,
    Order,
    Run,
    Stepped,
    Stop,
    Submit,
    Tell,
    Told,
    Trouble,
    Unlinked,
)

START_SECONDS = 60.0
LOST_SECONDS = 5.0
"A server that stays away this long while a job runs is started again."
DISK_SECONDS = 5.0
IDLE_WAIT, BUSY_WAIT = 0.2, 0.05


class Link:
    """The I/O thread, its orders and its notices."""

    def __init__(self) -> None:
        self.notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def order(self, order: Order) -> None:
        """Ask for something; the answer comes as notices."""
        if self._thread is None or not self._thread.is_alive():
            # A daemon: quitting Blender never waits for the network.
            self._thread = threading.Thread(target=self._main, name="impetus-link", daemon=True)
            self._thread.start()
        self._orders.put(order)

    def close(self, timeout: float = 3.0) -> None:
        """End the thread; work is cancelled, jobs go on."""
        if self._thread is not None and self._thread.is_alive():
            self._orders.put(None)
            self._thread.join(timeout)
        self._thread = None

    def _main(self) -> None:
        worker = _Worker(self.notices)
        try:
            while self._take_orders(worker):
                worker.step()
        finally:
            worker.close()

    def _take_orders(self, worker: "_Worker") -> bool:
        """Carry out all waiting orders; return whether to go on."""
        wait = 0.0 if worker.is_busy else IDLE_WAIT
        while True:
            try:
                order = self._orders.get(timeout=wait) if wait else self._orders.get_nowait()
            except queue.Empty:
                return True
            if order is None:
                return False
            worker.carry_out(order)
            wait = 0.0


class _Worker:
    """What the thread owns."""

    def __init__(self, notices: "queue.SimpleQueue[Notice]") -> None:
        self._notices = notices
        self._client: Client | None = None
        self._backend: Connect | None = None
        self._followed: dict[str, Follow] = {}
        self._sources: dict[str, Path | None] = {}
        self._work: dict[str, Generator[Notice, None, None]] = {}
        self._inbox: deque[Event] = deque()
        self._pause_until = 0.0
        self._heard = time.monotonic()

    @property
    def is_busy(self) -> bool:
        return self._client is not None or bool(self._work)

    def carry_out(self, order: Order) -> None:
        """Do one order; what goes wrong is a notice."""
        about = getattr(order, "key", "") or getattr(order, "job", "")
        try:
            self._do(order)
        except ImpetusError as error:
            self._report(about, error, is_connecting=isinstance(order, Connect))
        except Exception as error:  # a defect must not end the thread that all jobs hang on
            traceback.print_exc()
            self._report(about, InternalError(f"{type(error).__name__}: {error}."))

    def step(self) -> None:
        """Hear the events that came, and step the work."""
        for key, work in list(self._work.items()):
            self._step_work(key, work)
        if self._client is None:
            if self._work:
                time.sleep(BUSY_WAIT)
            return
        try:
            self._inbox.extend(self._client.events(BUSY_WAIT))
            self._hear_all()
            self._watch()
        except LinkError as error:
            self._lose(error)
        except ImpetusError as error:
            self._report("", error)
        except Exception as error:  # as above
            traceback.print_exc()
            self._report("", InternalError(f"{type(error).__name__}: {error}."))

    def close(self) -> None:
        """Cancel the work and let go of the backend."""
        for work in self._work.values():
            work.close()
        self._work.clear()
        self._drop()

    def _do(self, order: Order) -> None:
        match order:
            case Connect():
                self._connect(order)
            case Submit():
                self._submit(order)
            case Follow():
                self._follow(order)
            case Leave():
                for job in list(self._followed):
                    self._forget(job)
            case Tell(job, verb):
                self._tell(job, verb)
            case Run(key, work):
                self._work[key] = work
            case Stop(key):
                if key in self._work:
                    self._work.pop(key).close()
            case Disconnect():
                self._drop()
                self._notices.put(Unlinked())

    def _connect(self, order: Connect) -> None:
        self._drop()
        self._backend = order
        self._client = connect_or_start(order.home, order.python, timeout=START_SECONDS)
        welcome = self._client.hello()
        self._heard = time.monotonic()
        self._notices.put(Linked(welcome.version, welcome.devices, welcome.models))

    def _require(self) -> Client:
        if self._client is None:
            raise LinkError("Expected a backend, got none.", "Connect first.")
        return self._client

    def _submit(self, order: Submit) -> None:
        def tell(done: int, total: int) -> None:
            self._notices.put(Stepped(order.key, "Send", done / max(total, 1)))

        accepted = self._require().submit(order.shot, order.arrays, tell)
        self._notices.put(Accepted(order.key, accepted.job, accepted.take))

    def _follow(self, order: Follow) -> None:
        client = self._require()
        self._followed[order.job] = order
        client.attach(order.job, order.last_seq)
        self._know(order)

    def _know(self, order: Follow) -> None:
        """Pull what is there already: older events may be forgotten, and files removed here."""
        details = self._require().take(order.take)
        source = Path(details.folder) if details.folder else None
        self._sources[order.job] = source if source and source.is_dir() else None
        for frame in details.frames:
            self._pull_frame(order, frame)
        for name in details.files:
            self._pull_file(order, name)
        self._notices.put(Known(order.job, details))

    def _forget(self, job: str) -> None:
        self._followed.pop(job, None)
        self._sources.pop(job, None)
        if self._client is not None:
            self._client.detach(job)

    def _tell(self, job: str, verb: str) -> None:
        client = self._require()
        match verb:
            case "cancel":
                client.cancel(job)
            case "resume":
                client.resume(job)
            case "remove":
                self._followed.pop(job, None)
                client.remove(job)
            case _:
                raise InternalError(f"Expected cancel, resume or remove, got {verb!r}.")

    def _hear_all(self) -> None:
        """Carry the events on in order; one whose files cannot be written waits, and is kept."""
        while self._inbox and time.monotonic() >= self._pause_until:
            try:
                self._hear(self._inbox[0])
            except OSError as error:
                self._pause_until = time.monotonic() + DISK_SECONDS
                sentence = f"The take's files cannot be written: {error.strerror or error}."
                remedy = "Free some space, or save the blend file elsewhere; it goes on by itself."
                self._report(self._inbox[0].job, ResourceError(sentence, remedy))
            else:
                self._inbox.popleft()

    def _hear(self, event: Event) -> None:
        self._heard = time.monotonic()
        order = self._followed.get(event.job)
        if order is None:
            return
        if isinstance(event.body, FrameReady):
            self._pull_frame(order, event.body.frame)
        elif isinstance(event.body, PointsReady):
            self._pull_points(order, event.body.frame)
        elif isinstance(event.body, Done) or event.body == StateChanged("done"):
            self._know(order)  # what is told to be done is wholly here
        self._followed[event.job] = Follow(order.job, order.take, order.folder, event.seq)
        self._notices.put(Told(event))

    def _pull_frame(self, order: Follow, frame: int) -> None:
        kinds: tuple[FrameFile, ...] = ("passes", "beauty")  # the beauty tells that both are there
        for kind in kinds:
            target = frame_path(order.folder, kind, frame)
            name = target.relative_to(order.folder).as_posix()
            if not target.exists() and not self._link_or_copy(order, name, target):
                self._require().fetch_frame(order.take, kind, frame, target)

    def _pull_points(self, order: Follow, frame: int) -> None:
        """Pull a look at the particles; a newer run of the same frame replaces it."""
        target = frame_path(order.folder, "points", frame)
        name = target.relative_to(order.folder).as_posix()
        target.unlink(missing_ok=True)
        if not self._link_or_copy(order, name, target):
            with contextlib.suppress(UnknownTakeError):  # its take was tidied up meanwhile
                self._require().fetch_frame(order.take, "points", frame, target)

    def _pull_file(self, order: Follow, name: TakeFile) -> None:
        target = order.folder / name
        target.unlink(missing_ok=True)  # these change while a take grows
        if not self._link_or_copy(order, name, target):
            self._require().fetch_file(order.take, name, target)

    def _link_or_copy(self, order: Follow, name: str, target: Path) -> bool:
        """Take a file straight from the backend's folder where that is on this machine."""
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = self._sources.get(order.job)
        if folder is None or not (folder / name).is_file():
            return False
        part = target.with_name(target.name + ".tmp")
        part.unlink(missing_ok=True)
        try:
            os.link(folder / name, part)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(folder / name, part)
        os.replace(part, target)
        return True

    def _step_work(self, key: str, work: Generator[Notice, None, None]) -> None:
        try:
            self._notices.put(next(work))
        except StopIteration:
            self._work.pop(key, None)
        except ImpetusError as error:
            self._work.pop(key, None)
            self._report(key, error)
        except Exception as error:  # as above
            traceback.print_exc()
            self._work.pop(key, None)
            self._report(key, InternalError(f"{type(error).__name__}: {error}."))

    def _watch(self) -> None:
        """Start the backend again when it stays away while somebody waits for a job."""
        client = self._require()
        if client.connected or not self._followed:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > LOST_SECONDS:
            self._lose(LinkError("The backend does not answer.", "It is being started again."))

    def _lose(self, error: LinkError) -> None:
        backend, followed = self._backend, dict(self._followed)
        self._drop()
        self._notices.put(Unlinked(error.sentence, error.remedy))
        if backend is None or not followed:
            return
        self.carry_out(backend)
        for order in followed.values() if self._client is not None else ():
            self.carry_out(order)

    def _drop(self) -> None:
        self._followed.clear()
        self._sources.clear()
        self._inbox.clear()  # what was not carried on is sent again
        if self._client is not None:
            self._client.close()
            self._client = None

    def _report(self, about: str, error: ImpetusError, *, is_connecting: bool = False) -> None:
        if isinstance(error, UnknownJobError | UnknownTakeError):
            self._followed.pop(about, None)
        if is_connecting:
            self._drop()
            self._notices.put(Unlinked(error.sentence, error.remedy))
        else:
            self._notices.put(Trouble(about, error.code, error.sentence, error.remedy))
