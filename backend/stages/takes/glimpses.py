"""Thinned looks at the particles, put into the take while it is made, for whoever watches."""

from collections.abc import Callable, Mapping

from ...contract.arrays import Array
from ...contract.points import encode_points
from .landing import land_bytes
from .take import Take

OnPoints = Callable[[int], None]


class Glimpses:
    """What of the simulation is shown before there is a picture; nothing without a listener."""

    def __init__(self, take: Take, on_points: OnPoints | None) -> None:
        self._take, self._on_points = take, on_points
        self._shown: set[int] = set()

    @property
    def wanted(self) -> bool:
        return self._on_points is not None

    def show(self, frame: int, note: Mapping[str, Array]) -> None:
        """Put a frame's points into the take, once, and tell of them. Raises DiskFullError."""
        if self._on_points is None or frame in self._shown or "point_place" not in note:
            return
        self._shown.add(frame)
        land_bytes(self._take.path("points", frame), encode_points(note))
        self._on_points(frame)
