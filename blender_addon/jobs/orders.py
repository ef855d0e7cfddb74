"""What the main thread asks of the I/O thread (orders), and what it hears back (notices)."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.messages import Event, TakeDetails
from impetus.backend.contract.shot import Shot

# --- orders


@dataclass(frozen=True)
class Connect:
    """Find the backend of `home`, or start it with `python`."""

    home: Path
    python: Path


@dataclass(frozen=True)
class Submit:
    """Send a shot; `key` is the caller's name for it."""

    key: str
    shot: Shot
    arrays: ArraySet


@dataclass(frozen=True)
class Follow:
    """Hear of a job from `last_seq` on, and pull its take into `folder`."""

    job: str
    take: str
    folder: Path
    last_seq: int


@dataclass(frozen=True)
class Leave:
    """Follow nothing any more; jobs go on."""


@dataclass(frozen=True)
class Tell:
    """Ask one thing of a job."""

    job: str
    verb: str
    "cancel, resume or remove."


@dataclass(frozen=True)
class Run:
    """Step a piece of work; what it yields are notices. `close()` on it cancels."""

    key: str
    work: "Generator[Notice, None, None]"


@dataclass(frozen=True)
class Stop:
    """Cancel the work of this key."""

    key: str


@dataclass(frozen=True)
class Disconnect:
    """Let go of the backend; its jobs go on."""


Order = Connect | Submit | Follow | Leave | Tell | Run | Stop | Disconnect

# --- notices


@dataclass(frozen=True)
class Linked:
    """The backend is there."""

    version: str
    devices: tuple[str, ...]
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unlinked:
    """The backend is not there; the sentence is empty where that was asked for."""

    sentence: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Stepped:
    """Work of this key goes on."""

    key: str
    text: str
    factor: float


@dataclass(frozen=True)
class Finished:
    """Work of this key is done; `result` is what it was for."""

    key: str
    result: object = None


@dataclass(frozen=True)
class Accepted:
    """The shot of this key is a job."""

    key: str
    job: str
    take: str


@dataclass(frozen=True)
class Told:
    """An event of a job; a frame that it speaks of is on disk."""

    event: Event


@dataclass(frozen=True)
class Known:
    """What a take is, on attaching and at its end; the frames listed are on disk."""

    job: str
    details: TakeDetails


@dataclass(frozen=True)
class Trouble:
    """Something asked for (by key, or by job) did not work out."""

    about: str
    code: str
    sentence: str
    remedy: str


Notice = Linked | Unlinked | Stepped | Finished | Accepted | Told | Known | Trouble
