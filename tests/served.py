"""A real server and a real worker in processes of their own, to be talked to and killed."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from impetus.backend.contract import messages as m
from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import LinkError
from impetus.backend.contract.keys import read_connection

from . import shots

SERVE = Path(__file__).with_name("serve_sleepy.py")
PATIENCE = 20.0


def wait_for(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.01)


class Served:
    """A home, and the server that serves it now."""

    def __init__(self, home: Path, idle: float = 900.0) -> None:
        self.home = home
        self._idle = idle
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        with (self.home.parent / "server.out").open("ab") as stream:
            command = [sys.executable, "-P", str(SERVE), str(self.home), str(self._idle)]
            self.process = subprocess.Popen(command, stdout=stream, stderr=stream)
        wait_for(self.is_up)

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.output
        try:
            return read_connection(self.home).pid == self.process.pid
        except LinkError:
            return False

    @property
    def output(self) -> str:
        return (self.home.parent / "server.out").read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def worker(self) -> psutil.Process | None:
        """The worker that runs now."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it ends just now
                if "engine_sleepy" in " ".join(child.cmdline()):
                    return child
        return None

    def kill_worker(self) -> bool:
        worker = self.worker()
        if worker is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
            return True
        return False

    def client(self) -> Client:
        return Client(read_connection(self.home))

    def tell_engine(self, **settings: object) -> None:
        """Set what the sleepy engine reads when it starts a job: `behave`, `pause`."""
        (self.home / "cache").mkdir(exist_ok=True, parents=True)
        for name, value in settings.items():
            (self.home / "cache" / name).write_text(str(value))

    def engine_calls(self) -> list[str]:
        path = self.home / "cache" / "calls"
        return path.read_text().splitlines() if path.exists() else []


@contextlib.contextmanager
def serve(folder: Path, idle: float = 900.0) -> Iterator[Served]:
    served = Served(folder / "home", idle)
    served.start()
    try:
        yield served
    finally:
        served.kill()


def submit(client: Client, frames: tuple[int, int] = (1, 8), name: str = "Tiny") -> m.Accepted:
    return client.submit(*shots.falling_cube(frames, name=name))


def follow(
    client: Client, job: str, until: Callable[[m.Event], bool], seconds: float = PATIENCE
) -> list[m.Event]:
    """Return a job's events up to one that `until` holds for, and what came along with it."""
    found: list[m.Event] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        came = [event for event in client.events(0.2) if event.job == job]
        found += came
        if any(map(until, came)):
            return found
    raise AssertionError(f"not seen in {seconds} s; got {[event.body for event in found]}")


def is_state(*states: str) -> Callable[[m.Event], bool]:
    return lambda event: isinstance(event.body, m.StateChanged) and event.body.state in states


def is_frame(event: m.Event) -> bool:
    return isinstance(event.body, m.FrameReady)


def bodies(events: list[m.Event], kind: type) -> list[object]:
    return [event.body for event in events if isinstance(event.body, kind)]


def gapless(events: list[m.Event], first: int = 1) -> bool:
    return [event.seq for event in events] == list(range(first, first + len(events)))


def take_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of beauty/ and passes/ by its name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for sub in ("beauty", "passes")
        for path in sorted((folder / sub).iterdir())
    }
