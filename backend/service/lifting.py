"""One picture lifted in the foreground: what `impetus lift` does; it tells and ends refinements."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ..contract.errors import CancelledError
from .foreground import Ending, clock_time, interruption

LINE_SECONDS = 1.0


def lift_in_foreground(
    picture: Path, out: Path, options: Mapping[str, Any], *, device: str, cache: Path
) -> str:
    """Make the body of a picture; return what it is.

    While splats are refined, standard output has a line a second at most: `refine 45 %, 0:20 left`.
    Raises LiftError, CaptureError, ModelError, CancelledError.
    """
    from ..stages.lifts.command import lift_picture

    with interruption() as ending:
        teller = _Teller(Console(soft_wrap=True), ending)
        return lift_picture(picture, out, options, device=device, cache=cache, listener=teller)


class _Teller:
    """Says how far a refinement is, and ends it between two epochs."""

    def __init__(self, console: Console, ending: Ending) -> None:
        self._console, self._ending = console, ending
        self._told = 0.0
        self._first: tuple[float, int] | None = None

    def stepped(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:  # the first epoch compiles
            self._first = now, done
        if now - self._told < LINE_SECONDS and done < total:
            return
        self._told = now
        begun, since = self._first
        left = ""
        if since < done < total:
            left = f", {clock_time((total - done) * (now - begun) / (done - since))} left"
        text = f"refine {100 * done // total} %{left}"
        self._console.print(text, markup=False, highlight=False)

    def check(self) -> None:
        if self._ending.asked:
            raise CancelledError("The lift was interrupted.", "Run the same command; it goes on.")
