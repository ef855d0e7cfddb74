"""Decides which job is made, and what a worker's word or death means for it.

queued ─> running ─> done | failed | cancelled | paused (disk full); all but done may be resumed.
"""

import logging
import time
from pathlib import Path

from ..contract import messages as m
from ..contract.errors import CancelledError, DiskFullError, InternalError, RefusedError
from ..contract.keys import private_folder
from ..contract.shot import Shot
from ..contract.shot_check import array_refs, check_shot, shot_hash
from .executor import Executor
from .kept.array_store import ArrayStore
from .kept.store import Job, Store
from .kept.takes import Takes
from .pipe import Ended, FromWorker, Glimpsed, Landed, Moved, Order, Said
from .worker_process import Died

RESTARTS = 5
"Restarts of a worker without a new frame after which a job fails."
PROGRESS_SECONDS = 0.1
SENTENCE = 1000
"Characters of a sentence that goes into a message."
log = logging.getLogger(__name__)


class Foreman:
    """The jobs of one home, and the executor that makes them."""

    def __init__(
        self, home: Path, store: Store, arrays: ArrayStore, takes: Takes, executor: Executor
    ) -> None:
        self.home = home
        self._store = store
        self._arrays = arrays
        self._takes = takes
        self._executor = executor
        self._logs = private_folder(home / "logs")
        self._cache = private_folder(home / "cache")
        self._held: dict[str, m.Progress] = {}
        self._told: dict[str, float] = {}
        self._cancelled: set[str] = set()
        self._closing = False

    # --- what clients ask

    def submit(self, shot: Shot, owner: str) -> m.Accepted | m.Missing:
        """Queue a shot whose arrays are there; inside `change`. Raises ShotError, OSError."""
        refs = {ref.sha256: ref for ref in array_refs(shot)}
        missing = tuple(sha256 for sha256, ref in refs.items() if not self._arrays.has(ref))
        if missing:
            return m.Missing(missing)
        check_shot(shot, self._arrays.collect(refs))
        take = self._takes.create(shot.name)
        job = self._store.add_job(m.new_id(), take, owner, shot, shot_hash(shot), set(refs))
        self._store.tell(job, m.StateChanged("queued"))
        return m.Accepted(job.id, take)

    def cancel(self, job: Job) -> None:
        """End a job at its next step; inside `change`."""
        if job.state == "running":
            self._cancelled.add(job.id)
            self._executor.cancel(job.id)
        elif job.state in ("queued", "paused"):
            self._store.set_state(job, "cancelled")

    def resume(self, job: Job) -> None:
        """Queue a job again that has ended early; inside `change`."""
        if job.state in ("paused", "failed", "cancelled"):
            self._store.set_deaths(job, 0)
            self._store.set_state(job, "queued")
        elif job.state == "done":
            raise RefusedError("This job is done already.", "Submit the shot again for a new take.")

    def remove(self, job: Job) -> list[str]:
        """Forget an ended job; return the arrays that nobody needs any more. Inside `change`."""
        if not job.ended:
            raise RefusedError(f"This job is {job.state}.", "Cancel it first.")
        return self._store.remove_job(job)

    def erase(self, job: Job, unused: list[str]) -> None:
        """Delete what a removed job leaves on the disk, once it is forgotten."""
        self._takes.remove(job.take)
        self._log_path(job).unlink(missing_ok=True)
        for sha256 in unused:
            try:
                self._arrays.remove(sha256)
            except OSError as err:  # Windows keeps what a worker has mapped
                log.info("an array stays: %s", err)

    def info(self, job: Job) -> m.JobInfo:
        count = self._store.frame_count(job)
        return m.JobInfo(
            job=job.id, take=job.take, name=job.name, state=job.state, created=job.created,
            frames_done=count, frames_total=job.total, last_seq=job.last_seq,
            sentence=job.sentence[:SENTENCE],
        )  # fmt: skip

    def details(self, job: Job) -> m.TakeDetails:
        shot = job.read_shot()
        return m.TakeDetails(
            info=self.info(job), first=shot.frames.first, last=shot.frames.last,
            fps=shot.frames.fps, width=shot.film.width, height=shot.film.height,
            shot_hash=job.shot_hash, folder=str(self._takes.folder(job.take)),
            frames=tuple(self._store.frames(job)), files=self._takes.files(job.take),
        )  # fmt: skip

    # --- what happens by itself

    def recover(self) -> None:
        """Take up what a server left: running jobs are queued again, whole frames counted."""
        for job in self._store.in_state("queued", "running", "paused"):
            self._takes.sweep(job.take)
            with self._store.change():
                if job.state == "running":
                    self._store.set_state(job, "queued")
                self._adopt(job)

    @property
    def busy(self) -> bool:
        return self._executor.job is not None or self._store.next_queued() is not None

    @property
    def next_flush(self) -> float | None:
        """When the progress that is held back is due, on the monotonic clock."""
        due = [self._told.get(job, 0.0) + PROGRESS_SECONDS for job in self._held]
        return min(due, default=None)

    def step(self) -> None:
        """Start the next job where nothing runs; tell held progress that is due."""
        now = time.monotonic()
        for job in [j for j in self._held if now >= self._told.get(j, 0.0) + PROGRESS_SECONDS]:
            with self._store.change():
                self._flush(self._store.job(job))
        self._executor.watch()
        if self._executor.job is None and not self._closing:
            job_queued = self._store.next_queued()
            if job_queued is not None:
                self._start(job_queued)

    def stop(self) -> None:
        """Let the running job end at its next step, to be taken up by the next server."""
        self._closing = True
        if self._executor.job is not None:
            self._executor.cancel(self._executor.job)

    def hear(self, message: FromWorker | Died, running: str | None) -> None:
        """Act on what the worker of job `running` said; inside `change`. Raises sqlite3.Error."""
        if running is None or (isinstance(message, Ended) and message.job != running):
            return
        job = self._store.job(running)
        match message:
            case Moved():
                self._held[job.id] = m.Progress(
                    message.stage, message.done, message.total, message.eta
                )
            case Landed():
                if self._takes.whole_frames(job.take, [message.frame]):
                    self._store.add_frame(job, message.frame)
            case Glimpsed():
                self._store.tell(job, m.PointsReady(message.frame))
            case Said():
                self._store.tell(job, m.Log(message.level, message.text[:SENTENCE]))
            case Ended():
                self._end(job, message)
            case Died():
                self._mourn(job, message)

    def _start(self, job: Job) -> None:
        self._cancelled.discard(job.id)
        order = Order(
            job.id, job.shot.encode(), str(self.home), str(self._cache),
            str(self._takes.folder(job.take)), str(self._log_path(job)),
        )  # fmt: skip
        with self._store.change():
            self._store.set_state(job, "running")
            try:
                self._executor.start(order)
            except OSError as err:
                remedy = "Set up the backend again."
                self._fail(job, InternalError.code, f"The worker does not start: {err}.", remedy)

    def _end(self, job: Job, ended: Ended) -> None:
        self._flush(job)
        self._store.add_seconds(job, ended.seconds)
        self._adopt(job)
        asked = job.id in self._cancelled
        if ended.code == "":
            self._finish(job, ended.seconds)
        elif ended.code == CancelledError.code:
            self._store.set_state(job, "queued" if self._closing and not asked else "cancelled")
        elif ended.code == DiskFullError.code:
            self._takes.sweep(job.take)
            sentence = f"{ended.sentence} {ended.remedy}"[:SENTENCE]
            self._store.tell(job, m.Log("warning", sentence))
            self._store.set_state(job, "paused", sentence)
        else:
            self._fail(job, ended.code, ended.sentence, ended.remedy)

    def _finish(self, job: Job, seconds: float) -> None:
        """Believe "done" only where every frame is on the disk."""
        missing = job.total - self._store.frame_count(job)
        if missing:
            self._fail(
                job, InternalError.code,
                f"The worker said that it is done; {missing} of {job.total} frames are missing.",
                "Resume the job; if it fails again, report it with its log.",
            )  # fmt: skip
            return
        self._store.tell(job, m.Done(job.seconds + seconds))
        self._store.set_state(job, "done")

    def _mourn(self, job: Job, died: Died) -> None:
        """Go on with a job whose worker died, unless it keeps dying."""
        self._flush(job)
        self._takes.sweep(job.take)
        self._adopt(job)
        if job.id in self._cancelled:
            self._store.set_state(job, "cancelled")
            return
        if self._closing:
            self._store.set_state(job, "queued")
            return
        deaths = self._store.job(job.id).deaths + 1
        self._store.set_deaths(job, deaths)
        if deaths > RESTARTS:
            self._fail(
                job, InternalError.code,
                f"The worker died {deaths} times without a new frame, last by {died.sentence}.",
                "It may have run out of memory: lower resolution or splats. The log tells more.",
            )  # fmt: skip
            return
        text = f"The worker died ({died.sentence}); going on at the first missing frame."
        self._store.tell(job, m.Log("warning", text))
        self._store.set_state(job, "queued")

    def _fail(self, job: Job, code: str, sentence: str, remedy: str) -> None:
        path = str(self._log_path(job))
        body = m.Failed(code, sentence[:SENTENCE], remedy[:SENTENCE], path)
        self._store.tell(job, body)
        self._store.set_state(job, "failed", f"{body.sentence} {body.remedy}".strip())

    def _adopt(self, job: Job) -> None:
        """Commit frames that are whole on the disk and that nobody told of."""
        shot = job.read_shot()
        for frame in self._takes.whole_frames(job.take, shot.frames.numbers):
            self._store.add_frame(job, frame)

    def _flush(self, job: Job) -> None:
        if progress := self._held.pop(job.id, None):
            self._told[job.id] = time.monotonic()
            self._store.tell(job, progress)

    def _log_path(self, job: Job) -> Path:
        return self._logs / f"{job.id}.log"
