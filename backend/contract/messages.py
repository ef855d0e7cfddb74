"""What the two sides say: one MessagePack header frame, then raw frames where a message says so.

Client to server: `Call(id, protocol, request)`. Server to client: `Reply(id, answer)` to each call,
and `Event`s of the jobs that the client attached to. Resending a call with the same id does
nothing twice: one that changes something gets the answer that it got before, also after a restart
of the server; the others only look. A control connection says `Hello` first.
"""

import secrets
import time
from typing import Annotated, Literal

import msgspec

from .arrays import ArrayRef
from .part import FrameNumber, Name
from .shot import Shot

PROTOCOL = (1, 0)
CHUNK_BYTES = 4 << 20
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]{8,64}$(?!\n)")]
"Python's `$` also matches before a last newline; the look-ahead refuses that one."
Text = Annotated[str, msgspec.Meta(max_length=4000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Stage = Literal["prepare", "simulate", "splat", "render", "diffuse", "deliver"]
JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
FrameFile = Literal["beauty", "passes", "points"]
TakeFile = Literal["preview.mp4", "contact_sheet.png", "take.json", "simulation.json"]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what a client may ask."""


class Answer(msgspec.Struct, frozen=True):
    """Base of what the server answers; unknown fields of newer servers are ignored."""


class EventBody(msgspec.Struct, frozen=True):
    """Base of what a job tells; unknown fields of newer servers are ignored."""


# --- requests


class Hello(Request, frozen=True, tag="hello"):
    """First words; the server refuses another major version and names both."""

    build: Text


class Have(Request, frozen=True, tag="have"):
    """Ask which of these arrays are there already."""

    arrays: Annotated[tuple[ArrayRef, ...], msgspec.Meta(max_length=10_000)]


class Put(Request, frozen=True, tag="put"):
    """One chunk of one array (bulk socket); the bytes follow as one raw frame."""

    array: ArrayRef
    offset: Count


class Submit(Request, frozen=True, tag="submit"):
    """Make this shot; the answer is Missing if some of its arrays are not there."""

    shot: Shot


class SubmitLarge(Request, frozen=True, tag="submit_large"):
    """Submit, for a shot too large for a control message: its MessagePack, put as a `u1` array."""

    shot: ArrayRef


class Cancel(Request, frozen=True, tag="cancel"):
    """End this job at the next step; what is finished stays.

    A job belongs to the install that submitted it; another one says `take_over` to act on it.
    """

    job: Id
    take_over: bool = False


class Attach(Request, frozen=True, tag="attach"):
    """Send this job's events after `last_seq`, then each new one."""

    job: Id
    last_seq: Count = 0


class Detach(Request, frozen=True, tag="detach"):
    """Stop sending this job's events."""

    job: Id


class ListJobs(Request, frozen=True, tag="list"):
    """All jobs, newest first."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class TakeInfo(Request, frozen=True, tag="take_info"):
    """All about one take."""

    take: Id


class ReadFrame(Request, frozen=True, tag="read_frame"):
    """One chunk of one frame's file (bulk socket); the bytes come back as one raw frame."""

    take: Id
    file: FrameFile
    frame: FrameNumber
    offset: Count = 0


class ReadFile(Request, frozen=True, tag="read_file"):
    """One chunk of one file of the take as a whole (bulk socket)."""

    take: Id
    file: TakeFile
    offset: Count = 0


class Remove(Request, frozen=True, tag="remove"):
    """Forget a job that has ended, and delete its take from the backend's store."""

    job: Id
    take_over: bool = False


class Resume(Request, frozen=True, tag="resume"):
    """Queue a paused, failed or cancelled job again; it goes on at the first missing frame."""

    job: Id
    take_over: bool = False


class OpenView(Request, frozen=True, tag="open_view"):
    """Have a viewer run, and say where it listens; see views.py."""


class Shutdown(Request, frozen=True, tag="shutdown"):
    """End the server; its running jobs resume at the next start."""


AnyRequest = (
    Hello
    | Have
    | Put
    | Submit
    | SubmitLarge
    | Cancel
    | Attach
    | Detach
    | ListJobs
    | TakeInfo
    | ReadFrame
    | ReadFile
    | Remove
    | Resume
    | OpenView
    | Shutdown
)


# --- answers


class Welcome(Answer, frozen=True, tag="welcome"):
    """The server's own words, after Hello."""

    version: Text
    devices: tuple[Text, ...]
    features: tuple[Text, ...] = ()
    store: Text = ""
    models: tuple[Text, ...] = ()
    "Names of the diffusion models that methods may use."


class Missing(Answer, frozen=True, tag="missing"):
    """The sha256 of the arrays that must be put."""

    arrays: tuple[str, ...]


class Stored(Answer, frozen=True, tag="stored"):
    """A chunk is written; `complete` when the whole array is there and its sha256 right."""

    complete: bool


class Accepted(Answer, frozen=True, tag="accepted"):
    """The shot is queued as this job, and will grow this take."""

    job: Id
    take: Id


class Attached(Answer, frozen=True, tag="attached"):
    """The job's events follow from `first_seq` on; older ones are forgotten (ask TakeInfo)."""

    first_seq: Count


class Fine(Answer, frozen=True, tag="fine"):
    """Done as asked."""


class JobInfo(Answer, frozen=True, tag="job"):
    """One job's state; times in seconds since the epoch, for showing only."""

    job: Id
    take: Id
    name: Name
    state: JobState
    created: float
    frames_done: Count
    frames_total: Count
    last_seq: Count
    sentence: Text = ""


class Jobs(Answer, frozen=True, tag="jobs"):
    jobs: tuple[JobInfo, ...]


class TakeDetails(Answer, frozen=True, tag="take"):
    """A take's frames and settings. `folder` is meaningful on the server's machine only."""

    info: JobInfo
    first: FrameNumber
    last: FrameNumber
    fps: float
    width: Count
    height: Count
    shot_hash: str
    folder: Text
    frames: tuple[FrameNumber, ...]
    files: tuple[TakeFile, ...] = ()


class Chunk(Answer, frozen=True, tag="chunk"):
    """The bytes at `offset` follow as one raw frame; `size` is the whole file's.

    `version` changes when the file is replaced: chunks of two versions are not one file.
    """

    offset: Count
    size: Count
    version: str = ""


class ViewDoor(Answer, frozen=True, tag="view_door"):
    """Where the viewer listens, and its public key; port 0 while it starts: ask again."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    key: Text = ""


class Refused(Answer, frozen=True, tag="refused"):
    """An error of errors.py by its code."""

    code: Text
    sentence: Text
    remedy: Text = ""


AnyAnswer = (
    Welcome | Missing | Stored | Accepted | Attached | Fine | JobInfo | Jobs | TakeDetails | Chunk
    | ViewDoor | Refused
)  # fmt: skip


# --- events


class StateChanged(EventBody, frozen=True, tag="state"):
    state: JobState


class Progress(EventBody, frozen=True, tag="progress"):
    """`done` of `total` units of a stage; `eta` seconds left for the whole job, where known."""

    stage: Stage
    done: float
    total: float
    eta: float | None = None


class FrameReady(EventBody, frozen=True, tag="frame"):
    """A frame's files are whole on disk."""

    frame: FrameNumber


class PointsReady(EventBody, frozen=True, tag="points"):
    """A thinned look at a frame's particles is whole on disk; the frame itself may come later."""

    frame: FrameNumber


class Log(EventBody, frozen=True, tag="log"):
    level: Literal["info", "warning"]
    text: Text


class Failed(EventBody, frozen=True, tag="failed"):
    code: Text
    sentence: Text
    remedy: Text = ""
    log: Text = ""
    "Path of the full log, on the server's machine."


class Done(EventBody, frozen=True, tag="done"):
    """All frames are there."""

    seconds: float


AnyEvent = StateChanged | Progress | FrameReady | PointsReady | Log | Failed | Done


# --- envelopes


class Call(msgspec.Struct, frozen=True, tag="call"):
    id: Id
    protocol: tuple[int, int]
    request: AnyRequest


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    id: Id
    answer: AnyAnswer


class Event(msgspec.Struct, frozen=True, tag="event"):
    """`seq` counts a job's events from 1 without a gap."""

    job: Id
    seq: Count
    body: AnyEvent


FromServer = Reply | Event


def new_id() -> str:
    """Return a new ULID of 26 characters; its time is for people, no decision hangs on it."""
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(CROCKFORD[value >> shift & 31] for shift in range(125, -5, -5))
