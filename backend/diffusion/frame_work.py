"""The steps of a frame that a method makes: how many are done, and whether to go on."""

from collections.abc import Callable


class FrameWork:
    """Counts the steps of a frame, and asks at each whether to go on."""

    def __init__(self, check: Callable[[], None], progress: Callable[[int, int], None]) -> None:
        self._check, self._progress = check, progress
        self._done, self._total = 0, 1

    def begin(self, total: int) -> None:
        self._check()
        self._done, self._total = -1, total

    def step(self, _: int) -> None:
        """Say that another step begins, the ones before it being done."""
        self._check()
        self._done += 1
        self._progress(self._done, self._total)

    def end(self) -> None:
        self._check()
        self._progress(self._total, self._total)
