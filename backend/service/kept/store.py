"""The truth about jobs, on disk: jobs, frames, events and answered requests in SQLite.

One thread writes: each change is one transaction, flushed before anybody is told of it.
No decision hangs on the wall clock: jobs are ordered by number, events by seq.
"""

import sqlite3
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...contract import messages as m
from ...contract.errors import UnknownJobError, UnknownTakeError
from ...contract.shot import Shot

RING = 20_000
"Events kept per job: at ten a second, half an hour of progress or any shot's frames."
SWEEP = 1_000
"Events above RING after which the oldest go, so that not every event deletes one."
ANSWERS = 65_536
"Answers kept for requests that come again."

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    take TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    total INTEGER NOT NULL,
    shot TEXT NOT NULL,
    shot_hash TEXT NOT NULL,
    state TEXT NOT NULL,
    sentence TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    last_seq INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS frame (
    job INTEGER NOT NULL REFERENCES job(number) ON DELETE CASCADE,
    frame INTEGER NOT NULL,
    PRIMARY KEY (job, frame)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    job INTEGER NOT NULL REFERENCES job(number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (job, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uses (
    sha256 TEXT NOT NULL,
    job INTEGER NOT NULL REFERENCES job(number) ON DELETE CASCADE,
    PRIMARY KEY (sha256, job)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uses_by_job ON uses (job);
CREATE TABLE IF NOT EXISTS unused (
    sha256 TEXT PRIMARY KEY,
    starts INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    request TEXT NOT NULL,
    reply BLOB NOT NULL,
    UNIQUE (owner, request)
);
"""

ENDED: tuple[m.JobState, ...] = ("done", "failed", "cancelled", "paused")


@dataclass(frozen=True)
class Job:
    """One row of the job table; `shot` is JSON."""

    number: int
    id: str
    take: str
    owner: str
    name: str
    total: int
    shot: str
    shot_hash: str
    state: m.JobState
    sentence: str
    created: float
    last_seq: int
    deaths: int
    seconds: float

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def read_shot(self) -> Shot:
        return msgspec.json.decode(self.shot, type=Shot)


class Store:
    """The database of one home, opened by one thread."""

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.told: set[str] = set()
        "Jobs with events that nobody has been sent yet."
        self._base = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        self._base.execute("PRAGMA foreign_keys = ON")
        if writes:
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.executescript(SCHEMA)
        else:
            self._base.execute("PRAGMA query_only = ON")

    def close(self) -> None:
        self._base.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All within happens, and is on the disk, or nothing of it. Raises sqlite3.Error."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise

    # --- jobs

    def add_job(
        self, job: str, take: str, owner: str, shot: Shot, shot_hash: str, arrays: set[str]
    ) -> Job:
        """Queue a shot; inside `change`."""
        text = msgspec.json.encode(shot).decode()
        cursor = self._base.execute(
            "INSERT INTO job (id, take, owner, name, total, shot, shot_hash, state, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
            (job, take, owner, shot.name, len(shot.frames.numbers), text, shot_hash, time.time()),
        )
        self._base.executemany(
            "INSERT INTO uses VALUES (?, ?)", [(sha256, cursor.lastrowid) for sha256 in arrays]
        )
        return self.job(job)

    def job(self, job: str) -> Job:
        """Raises UnknownJobError: a forgotten job is never a finished one."""
        found = self._one("id = ?", job)
        if found is None:
            raise UnknownJobError(
                f"No job {job!r} is known here.", "Look at the list of jobs again."
            )
        return found

    def job_of_take(self, take: str) -> Job:
        """Raises UnknownTakeError."""
        found = self._one("take = ?", take)
        if found is None:
            raise UnknownTakeError(f"No take {take!r} is known here.", "Look at the list again.")
        return found

    def jobs(self, limit: int = -1) -> list[Job]:
        """Newest first."""
        rows = self._base.execute("SELECT * FROM job ORDER BY number DESC LIMIT ?", (limit,))
        return [Job(*row) for row in rows]

    def next_queued(self) -> Job | None:
        return self._one("state = 'queued' ORDER BY number")

    def in_state(self, *states: m.JobState) -> list[Job]:
        marks = ", ".join("?" * len(states))
        rows = self._base.execute(
            f"SELECT * FROM job WHERE state IN ({marks}) ORDER BY number", states
        )
        return [Job(*row) for row in rows]

    def set_state(self, job: Job, state: m.JobState, sentence: str = "") -> None:
        """Move a job on and tell it as an event; inside `change`."""
        self._base.execute(
            "UPDATE job SET state = ?, sentence = ? WHERE number = ?", (state, sentence, job.number)
        )
        self.tell(job, m.StateChanged(state))

    def set_deaths(self, job: Job, deaths: int) -> None:
        self._base.execute("UPDATE job SET deaths = ? WHERE number = ?", (deaths, job.number))

    def add_seconds(self, job: Job, seconds: float) -> None:
        self._base.execute(
            "UPDATE job SET seconds = seconds + ? WHERE number = ?", (seconds, job.number)
        )

    def remove_job(self, job: Job) -> list[str]:
        """Forget a job; return the arrays that no other job uses. Inside `change`."""
        rows = self._base.execute(
            "SELECT sha256 FROM uses WHERE job = ? AND sha256 NOT IN "
            "(SELECT sha256 FROM uses WHERE job <> ?)",
            (job.number, job.number),
        )
        unused = [sha256 for (sha256,) in rows]
        self._base.execute("DELETE FROM job WHERE number = ?", (job.number,))
        return unused

    def used_arrays(self) -> set[str]:
        """Return the sha256 of all arrays that some job uses."""
        return {sha256 for (sha256,) in self._base.execute("SELECT DISTINCT sha256 FROM uses")}

    def outlived(self, present: Set[str], starts: int) -> set[str]:
        """Return those of the arrays `present` that no job used at `starts` starts in a row.

        Called once at each start, which is what it counts: the wall clock may jump.
        """
        idle = present - self.used_arrays()
        with self.change():
            known = dict(self._base.execute("SELECT sha256, starts FROM unused"))
            counted = [(sha256, known.get(sha256, 0) + 1) for sha256 in sorted(idle)]
            gone = {sha256 for sha256, seen in counted if seen >= starts}
            self._base.execute("DELETE FROM unused")
            kept = [(sha256, seen) for sha256, seen in counted if sha256 not in gone]
            self._base.executemany("INSERT INTO unused VALUES (?, ?)", kept)
        return gone

    def _one(self, where: str, *values: object) -> Job | None:
        row = self._base.execute(f"SELECT * FROM job WHERE {where} LIMIT 1", values).fetchone()
        return Job(*row) if row else None

    # --- frames

    def frames(self, job: Job) -> list[int]:
        rows = self._base.execute(
            "SELECT frame FROM frame WHERE job = ? ORDER BY frame", (job.number,)
        )
        return [frame for (frame,) in rows]

    def frame_count(self, job: Job) -> int:
        query = "SELECT count(*) FROM frame WHERE job = ?"
        return int(self._base.execute(query, (job.number,)).fetchone()[0])

    def add_frame(self, job: Job, frame: int) -> bool:
        """Commit a frame that is whole on disk; False when it was known. Inside `change`."""
        cursor = self._base.execute(
            "INSERT OR IGNORE INTO frame VALUES (?, ?)", (job.number, frame)
        )
        if not cursor.rowcount:
            return False
        self.set_deaths(job, 0)
        self.tell(job, m.FrameReady(frame))
        return True

    # --- events

    def tell(self, job: Job, body: m.AnyEvent) -> None:
        """Give an event the job's next seq; inside `change`."""
        row = self._base.execute(
            "UPDATE job SET last_seq = last_seq + 1 WHERE number = ? RETURNING last_seq",
            (job.number,),
        ).fetchone()
        if row is None:
            return  # the job was removed meanwhile
        seq = row[0]
        message = msgspec.msgpack.encode(m.Event(job.id, seq, body))
        self._base.execute("INSERT INTO event VALUES (?, ?, ?)", (job.number, seq, message))
        self.told.add(job.id)
        if seq % SWEEP == 0 and seq > RING:
            self._base.execute(
                "DELETE FROM event WHERE job = ? AND seq <= ?", (job.number, seq - RING)
            )

    def events(self, job: str, after: int, limit: int = 200) -> list[tuple[int, bytes]]:
        """Return (seq, encoded Event) of the next events after `after`."""
        return self._base.execute(
            "SELECT seq, message FROM event WHERE job = (SELECT number FROM job WHERE id = ?) "
            "AND seq > ? ORDER BY seq LIMIT ?",
            (job, after, limit),
        ).fetchall()

    def first_seq(self, job: Job) -> int:
        """Return the seq of the oldest event that is still known, or of the first to come."""
        query = "SELECT min(seq) FROM event WHERE job = ?"
        first = self._base.execute(query, (job.number,)).fetchone()[0]
        return job.last_seq + 1 if first is None else int(first)

    # --- requests

    def answered(self, owner: str, request: str) -> bytes | None:
        """Return the reply that this request got before."""
        row = self._base.execute(
            "SELECT reply FROM answered WHERE owner = ? AND request = ?", (owner, request)
        ).fetchone()
        return row[0] if row else None

    def remember(self, owner: str, request: str, reply: bytes) -> None:
        """Keep a reply for the case that its request comes again; inside `change`."""
        cursor = self._base.execute(
            "INSERT INTO answered (owner, request, reply) VALUES (?, ?, ?)", (owner, request, reply)
        )
        number = cursor.lastrowid or 0
        if number % 256 == 0:
            self._base.execute("DELETE FROM answered WHERE number <= ?", (number - ANSWERS,))
