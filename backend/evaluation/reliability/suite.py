"""The suite `reliability`: a shot made while worker and server are killed, and a million bad calls.

What must hold: the take is byte-equal to an undisturbed one, no finished frame is made again, no
event is lost or doubled, and the server neither grows nor stops answering.
"""

import hashlib
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import zmq

from ...contract import messages as m
from ...contract.arrays import ArraySet
from ...contract.client import Client
from ...contract.errors import InternalError
from ...contract.keys import client_keys, make_keypair, read_connection
from ...contract.launch import connect_or_start
from ...contract.shot import Shot
from ...contract.shot_file import read_shot
from ...contract.sockets import CONTROL, client_socket
from ...contract.take_files import SUFFIX, frame_path
from .mutation import mutate
from .tumble import tumble

WORKER_KILLS = 20
SERVER_KILLS = 5
MESSAGES = 1_000_000
WARM_MESSAGES = 20_000
GROWTH_BYTES = 16 << 20
SHOT_SECONDS = 3600.0
SPREAD = 1.5
"Kills come after 0 to SPREAD times as many new frames as would use up the shot."
MARGIN = 3
"With no more frames left than this and one for each kill, a kill does not wait for its moment."


@dataclass
class Made:
    """How one shot was made: when each frame was told of, what was done to it, what it became."""

    seconds: float = 0.0
    frames: dict[int, float] = field(default_factory=dict)
    kills: list[tuple[float, str]] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    told_twice: int = 0
    rewritten: int = 0
    sums: dict[str, str] = field(default_factory=dict)


def run(
    out: Path,
    *,
    shot: Path | None = None,
    kills: tuple[int, int] = (WORKER_KILLS, SERVER_KILLS),
    messages: int = MESSAGES,
) -> dict[str, Any]:
    """Return the figures; homes, takes and the plot reliability.png are left in `out`.

    `shot` is a .shot file; a small one of our own if not given. `kills` are of worker and server.
    """
    out.mkdir(parents=True, exist_ok=True)
    made = read_shot(shot) if shot else tumble()
    with _Run(out / "calm", *made) as undisturbed:
        calm = undisturbed.make([])
    plan = ["worker"] * kills[0] + ["server"] * kills[1]
    random.Random(1).shuffle(plan)
    with _Run(out / "stormy", *made) as stormy:
        storm = stormy.make(plan)
        doors = _doors(stormy.home)
        fuzz = _fuzz(stormy, messages)
    _plot(calm, storm, fuzz["samples"], out / "reliability.png")
    return {
        "frames": len(calm.frames),
        "seconds_calm": calm.seconds,
        "seconds_stormy": storm.seconds,
        "worker_kills": sum(kind == "worker" for _, kind in storm.kills),
        "server_kills": sum(kind == "server" for _, kind in storm.kills),
        "byte_equal": calm.sums == storm.sums,
        "files": len(storm.sums),
        "finished_frames_rewritten": storm.rewritten,
        "frames_told_twice": storm.told_twice,
        "first_difference": _first_difference(calm, storm),
        "events": len(storm.seqs),
        "events_gapless": storm.seqs == list(range(1, len(storm.seqs) + 1)),
        **doors,
        **{name: value for name, value in fuzz.items() if name != "samples"},
    }


class _Run:
    """A home of its own, in which the shot is made once."""

    def __init__(self, home: Path, shot: Shot, arrays: ArraySet) -> None:
        self.home = home.absolute()
        self._shot = shot
        self._arrays = arrays
        self._made = Made()
        self._began = 0.0
        self._stamps: dict[Path, tuple[int, int]] = {}
        self.client = connect_or_start(self.home, Path(sys.executable))

    def make(self, plan: list[str]) -> Made:
        """Make the shot, killing what the plan says at random moments between frames."""
        chance, made = random.Random(2), self._made
        plan, barren = list(plan), 0
        self._began = time.monotonic()
        accepted = self.client.submit(self._shot, self._arrays)
        folder = Path(self.client.take(accepted.take).folder)
        self.client.attach(accepted.job)
        total = len(self._shot.frames.numbers)
        stride = int(SPREAD * total / max(1, len(plan)))
        at_frames, at_time = 0, self._moment(chance)
        frames_before = 0
        while not self._hear(folder):
            if not plan or len(made.frames) < at_frames:
                at_time = self._moment(chance)
                continue
            hurry = total - len(made.frames) <= len(plan) + MARGIN
            if not (hurry or time.monotonic() >= at_time) or not self._kill(plan[-1]):
                continue
            plan.pop()
            barren = barren + 1 if len(made.frames) == frames_before else 0
            frames_before = len(made.frames)
            # Never four kills in a row without a frame: a job may give up after five.
            room = (total - frames_before - MARGIN) // max(1, len(plan))
            at_frames = frames_before + chance.randint(int(barren >= 2), max(1, min(stride, room)))
            at_time = self._moment(chance)
        made.seconds = time.monotonic() - self._began
        made.rewritten = sum(_stamp(path) != stamp for path, stamp in self._stamps.items())
        made.sums = {str(path.relative_to(folder)): _sum(path) for path in sorted(self._stamps)}
        if not plan:
            return made
        raise InternalError(
            f"The shot was done before {len(plan)} of the kills.", "Take a shot with more frames."
        )

    def __enter__(self) -> "_Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.shutdown()
        self.client.close()

    def server(self) -> psutil.Process:
        return psutil.Process(read_connection(self.home).pid)

    def _moment(self, chance: random.Random) -> float:
        """Return a random moment, soon: kills fall before, within and after making frames."""
        return time.monotonic() + chance.uniform(0.0, 3.0)

    def _hear(self, folder: Path) -> bool:
        """Take in events; return whether the shot is done."""
        made = self._made
        for event in self.client.events(0.05):
            made.seqs.append(event.seq)
            match event.body:
                case m.FrameReady(frame=frame):
                    made.told_twice += frame in made.frames
                    made.frames[frame] = time.monotonic() - self._began
                    for file in SUFFIX:
                        path = frame_path(folder, file, frame)
                        self._stamps[path] = _stamp(path)
                case m.Failed(sentence=sentence, remedy=remedy):
                    raise InternalError(f"The shot failed: {sentence}", remedy)
                case m.StateChanged(state="done"):
                    return True
        if time.monotonic() - self._began > SHOT_SECONDS:
            raise InternalError(f"The shot was not done within {SHOT_SECONDS:.0f} s.")
        return False

    def _kill(self, kind: str) -> bool:
        """Kill the worker, or the server and start another; False where there is none just now."""
        server = self.server()
        victims = server.children() if kind == "worker" else [server]
        alive = [victim for victim in victims if victim.status() != psutil.STATUS_ZOMBIE]
        if not alive:
            return False
        alive[0].kill()
        self._made.kills.append((time.monotonic() - self._began, kind))
        if kind == "server":
            psutil.wait_procs([server], timeout=5.0)
            connect_or_start(self.home, Path(sys.executable)).close()
        return True


def _first_difference(calm: Made, storm: Made) -> str:
    names = sorted(calm.sums.keys() | storm.sums.keys())
    return next((name for name in names if calm.sums.get(name) != storm.sums.get(name)), "")


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _doors(home: Path) -> dict[str, bool]:
    """Knock as a peer without CURVE and as one with an unknown key."""
    connection = read_connection(home)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        plain = context.socket(zmq.DEALER)
        plain.setsockopt(zmq.IMMEDIATE, 1)
        unknown = client_socket(context, make_keypair(), CONTROL, connection.server_key)
        for peer in (plain, unknown):
            peer.connect(f"tcp://{connection.host}:{connection.control}")
        return {
            "null_peer_refused": not plain.poll(2000, zmq.POLLOUT),
            "unknown_key_refused": not unknown.poll(2000, zmq.POLLOUT),
        }
    finally:
        context.destroy(linger=0)


def _fuzz(stormy: _Run, messages: int) -> dict[str, Any]:
    """Send mutated messages; measure the server's memory and ask it something honest after."""
    connection, keys, server = (
        read_connection(stormy.home),
        client_keys(stormy.home),
        stormy.server(),
    )
    mutate(connection, keys, min(WARM_MESSAGES, messages), seed=3)
    before, answered, samples = server.memory_info().rss, 0, []
    began, share = time.monotonic(), max(1, messages // 20)
    for part in range(0, messages, share):
        answered += mutate(connection, keys, min(share, messages - part), seed=4 + part)
        samples.append((part + share, server.memory_info().rss))
    with Client(read_connection(stormy.home)) as client:
        honest = bool(client.hello().version) and bool(client.jobs())
    growth = samples[-1][1] - before
    return {
        "mutated_messages": messages,
        "mutated_seconds": time.monotonic() - began,
        "mutated_answered": answered,
        "same_server": stormy.server().pid == server.pid,
        "honest_answered": honest,
        "growth_bytes": growth,
        "growth_within_limit": growth < GROWTH_BYTES,
        "samples": samples,
    }


def _plot(calm: Made, storm: Made, samples: list[tuple[int, int]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for made, name in ((calm, "undisturbed"), (storm, "disturbed")):
        moments = sorted(made.frames.values())
        left.step(moments, range(1, len(moments) + 1), where="post", label=name)
    for kind, color in (("worker", "tab:red"), ("server", "tab:purple")):
        times = [at for at, what in storm.kills if what == kind]
        left.vlines(
            times, 0, len(storm.frames), color=color, alpha=0.5, lw=1, label=f"{kind} killed"
        )
    left.set(xlabel="seconds", ylabel="frames finished", title="A shot under kill -9")
    left.legend()
    right.plot([n / 1e3 for n, _ in samples], [rss / 2**20 for _, rss in samples])
    right.set(xlabel="thousand mutated messages", ylabel="server memory [MiB]", ylim=(0, None))
    right.set_title("Malformed messages")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
