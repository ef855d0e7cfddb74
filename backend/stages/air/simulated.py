"""How the simulated bodies of a shot move, for the air and the flocks around them.

A frame of the simulation keeps where its particles are, in whole 65,535ths of what they extend
over: 6 bytes each; of rigid bodies their poses are there already. Between frames all go straight.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....kernels.mpm.input import Particles
from ...contract.arrays import Array

Record = dict[str, Array]
Floats = NDArray[np.float32]

STEPS = 65_535
"Of what particles extend over, along each axis."
REMEMBERED = 3
"Frames that are not read again."


@dataclass(frozen=True)
class Whereabouts:
    """Where simulated bodies are at a frame.

    `poses` (k, 4, 4) of the rigid ones, in the shot's order; of each other body, by its index,
    its particles' `places` (n, 3) [m] and what each of them stands for, `volumes` [m^3].
    """

    poses: NDArray[np.float64]
    places: Mapping[int, Floats]
    volumes: Mapping[int, float]
    left: Mapping[int, NDArray[np.bool_]]
    "(n,) which of them have left the domain: those are not there any more."


def packed_places(
    position: Floats, particles: Particles, bodies: int, left: NDArray[np.bool_]
) -> Record:
    """Take what a frame keeps of particles at `position` (n, 3) [m], of so many `bodies`.

    `left` (n,) are those that have left the domain.
    """
    order = np.argsort(particles.body, kind="stable")
    reach = np.zeros((2, 3))
    if len(position):
        reach = np.array([position.min(axis=0), position.max(axis=0)], np.float64)
    share = (position[order] - reach[0]) / np.maximum(reach[1] - reach[0], 1e-9)
    volume = np.zeros(bodies)
    volume[particles.body] = particles.volume
    return {
        "places": np.rint(share * STEPS).astype(np.uint16),
        "reach": reach,
        "counts": np.bincount(particles.body, minlength=bodies).astype(np.int32),
        "volumes": volume,
        "left": np.packbits(left[order]),
    }


def has_places(record: Record) -> bool:
    """Whether a frame was kept with them."""
    return "places" in record


def whereabouts(record: Record) -> Whereabouts:
    """Read them from a frame that has them."""
    low, high = record["reach"]
    places = (low + record["places"] / STEPS * (high - low)).astype(np.float32)
    ends = np.cumsum(record["counts"])[:-1]
    parts = np.split(places, ends)
    left = np.split(np.unpackbits(record["left"], count=len(places)).astype(bool), ends)
    return Whereabouts(
        record.get("poses", np.zeros((0, 4, 4))),
        {i: part for i, part in enumerate(parts) if len(part)},
        {i: float(volume) for i, volume in enumerate(record["volumes"])},
        {i: part for i, part in enumerate(left) if len(part)},
    )


class Simulated:
    """The simulated bodies of a shot, frame by frame.

    `key` names all that their motion depends on, but for tracks; `digests` those up to each frame.
    `record_of` gives what is kept of a frame, and computes it or returns None where it is not.
    """

    def __init__(
        self,
        key: str,
        digests: Mapping[int, bytes],
        record_of: Callable[[int], Record | None],
    ) -> None:
        self.key, self.digests = key, digests
        self._record_of = record_of
        self._known: dict[int, Whereabouts] = {}

    def knows(self, frame: int) -> bool:
        """Whether it can tell of a frame."""
        return self._find(frame) is not None

    def at(self, frame: int) -> Whereabouts:
        """Return where the bodies are at a frame that it `knows`."""
        found = self._find(frame)
        assert found is not None
        return found

    def _find(self, frame: int) -> Whereabouts | None:
        if frame not in self._known:
            record = self._record_of(frame)
            if record is None or not has_places(record):
                return None
            self._known[frame] = whereabouts(record)
            while len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
        return self._known[frame]
