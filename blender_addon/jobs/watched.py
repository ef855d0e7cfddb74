"""A child process, watched without waiting for it; runs on the I/O thread. Knows nothing of bpy."""

import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from impetus.backend.contract.errors import ImpetusError

PAUSE = 0.1
OURS = "impetus: "
"How the backend's commands begin the line that says why they end."


class ChildError(ImpetusError):
    """A child process ended badly; the last lines that it said are in `tail`."""

    code = "CHILD"

    def __init__(self, sentence: str, remedy: str, tail: tuple[str, ...]) -> None:
        super().__init__(sentence, remedy)
        self.tail = tail


def watch(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str], what: str
) -> Generator[str, None, None]:
    """Yield each line that a command says, and "" while it says nothing; its words go to `log`.

    Closing the generator ends the process. Raises ChildError if it does not end well.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # Named by Windows only
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with log.open("wb") as sink, log.open(encoding="utf-8", errors="replace") as words:
        child = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            env=dict(environment), creationflags=flags,
        )  # fmt: skip
        try:
            ended = False
            while not ended:
                ended = child.poll() is not None
                yield from (line.rstrip() for line in words)
                if not ended:
                    time.sleep(PAUSE)
                    yield ""
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if child.returncode:
        tail = tuple(log.read_text("utf-8", "replace").strip().splitlines()[-8:])
        said = tail[-1][:300] if tail else "it said nothing"
        if said.startswith(OURS):  # a sentence, and what to do
            raise ChildError(said.removeprefix(OURS), "", tail)
        raise ChildError(
            f"{what} ended with {child.returncode}: {said.rstrip('.')}.", f"See {log}.", tail
        )
