"""Progress lines with seconds, and the error that says what is missing; used by all of tools/."""

import sys
import time
from typing import TextIO


class BuildError(Exception):
    """Ends a command: one sentence on what is missing or failed, then what to do."""

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(f"{sentence}\n  {remedy}" if remedy else sentence)


class Console:
    """Prints one calm line at a time, each with the seconds since the command began."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.started = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def say(self, text: str) -> None:
        print(f"[{self.seconds():6.1f} s] {text}", file=self.stream, flush=True)

    def plain(self, text: str) -> None:
        """Print without the time: a result rather than a step."""
        print(text, file=self.stream, flush=True)
