"""Splats fitted in the foreground, without a server: what `impetus fit` does, Blender calls it."""

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console

from ..contract.errors import CancelledError, ImpetusError, InternalError
from ..contract.fits.files import read_views, write_fitted
from .endings import DONE, exit_code, explain
from .foreground import Ending, clock_time, interruption

LINE_SECONDS = 1.0
RECENT = 0.02
"Weight of the last step in the seconds that a step takes."


@dataclass(frozen=True)
class FitOrder:
    """What to fit, and where what is made goes."""

    views: Path
    out: Path
    cache: Path
    splats: int
    steps: int
    seed: int = 0


def fit_views(order: FitOrder, *, device: str) -> int:
    """Fit splats to a views file and write them; return an exit code of endings.py.

    What it says on standard output is one line for what begins, and one a second at most for
    steps: `fit 45 %, ...`.
    """
    console = Console(soft_wrap=True)
    with interruption() as ending:
        try:
            _fit(order, device, console, ending)
        except Exception as raised:
            error = explain(raised, order.out.absolute().parent)
            if isinstance(error, InternalError):
                traceback.print_exc()
            console.print(f"impetus: {error}", style="red", markup=False, highlight=False)
            return exit_code(error)
    return DONE


def _fit(order: FitOrder, device: str, console: Console, ending: Ending) -> None:
    from ..splatting.engines import choose_engine
    from ..stages.device import DeviceName, start_device

    teller = _Teller(console, ending)
    teller.began("load torch")
    found = start_device(cast(DeviceName, device))
    try:
        from ..stages.fits.fit import fit, settings_for
    except ImportError as err:
        raise ImpetusError(
            f"A fit needs torch, which is not here: {err}.", "Set up diffusion, which brings it."
        ) from err
    views, arrays = read_views(order.views)
    engine = choose_engine(found.name)
    size = f"{views.film.width} x {views.film.height}"
    count = views.pictures.shape[0]
    console.print(
        f"{views.name}: {count} views of {size} on {found.description}; {engine.name}: "
        f"{engine.reason}", markup=False,
    )  # fmt: skip
    settings = settings_for(order.splats, order.steps, order.seed)
    fitted, made = fit(
        views, arrays, settings, cache=order.cache, engine=engine.name, listener=teller
    )
    teller.began("write splats")
    order.out.parent.mkdir(parents=True, exist_ok=True)
    write_fitted(order.out, fitted, made)
    splats = fitted.mean.shape[0]
    console.print(f"{splats:,} splats, {fitted.match:.1f} dB, in {order.out}", markup=False)


class _Teller:
    """Says how far a fit is, and ends it between two steps."""

    def __init__(self, console: Console, ending: Ending) -> None:
        self._console, self._ending = console, ending
        self._told = 0.0
        self._before = time.monotonic()
        self._each: float | None = None
        self._percent = 0

    def began(self, what: str) -> None:
        self._say(what)

    def stepped(self, done: int, total: int, *, match: float, splats: int) -> None:
        now = time.monotonic()
        took, self._before = now - self._before, now
        if self._told:  # the first step compiles
            self._each = took if self._each is None else (1 - RECENT) * self._each + RECENT * took
        if now - self._told < LINE_SECONDS and done < total:
            return
        self._told = now
        left = f", {clock_time((total - done) * self._each)} left" if self._each else ""
        self._percent = 100 * done // total
        self._say(f"{match:.1f} dB, {splats:,} splats{left}")

    def _say(self, text: str) -> None:
        self._console.print(f"fit {self._percent} %, {text}", markup=False, highlight=False)

    def check(self) -> None:
        if self._ending.asked:
            raise CancelledError("The fit was interrupted.", "Run the same command; it goes on.")
