"""A simulation's record as curves over time, body by body and for all of them; for inspect."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import ShotError
from ...contract.simulation_record import BodyState, SimulationRecord

Floats = NDArray[np.float64]

LEAST_FRAMES = 2


@dataclass(frozen=True)
class Curves:
    """One body's sums, or those of all, over the T frames that are known; SI, world.

    Energies [J] (T,): `gravity` is counted from the first frame, and None where gravity changes
    over time. `momentum` and `angular_momentum` (T, 3), the latter about the world's origin.
    What is not there any more counts as nothing.
    """

    name: str
    material: str
    mass: Floats
    volume: Floats
    momentum: Floats
    angular_momentum: Floats
    kinetic: Floats
    elastic: Floats
    gravity: Floats | None

    @property
    def energy(self) -> Floats | None:
        """Kinetic, elastic and gravity's; None where the last is not defined."""
        return None if self.gravity is None else self.kinetic + self.elastic + self.gravity

    @property
    def volume_ratio(self) -> Floats:
        """Volume over that of the first frame, of what is still there."""
        first = self.volume[0] / max(self.mass[0], 1e-300)
        return np.asarray(self.volume / np.maximum(self.mass, 1e-300) / max(first, 1e-300))


def curves_of(record: SimulationRecord) -> tuple[Curves, ...]:
    """Return the curves of each body that moved, in the shot's order.

    Raises ShotError where fewer than two frames are known.
    """
    if len(record.frames) < LEAST_FRAMES:
        raise ShotError(
            record.name,
            f"expected a record of at least {LEAST_FRAMES} frames, got {len(record.frames)}: the "
            "others came from a cache that was filled before such records were kept.",
            "Clear the cache, or change the seed, and make the shot again.",
        )
    present = sorted({body.body for frame in record.frames for body in frame.bodies})
    return tuple(_curves(record, number) for number in present)


def all_together(bodies: tuple[Curves, ...]) -> Curves:
    """Add up the bodies' curves."""
    names = ("mass", "volume", "momentum", "angular_momentum", "kinetic", "elastic")
    added = {name: np.sum([getattr(body, name) for body in bodies], axis=0) for name in names}
    known = [body.gravity for body in bodies if body.gravity is not None]
    gravity = np.sum(known, axis=0) if len(known) == len(bodies) else None
    return Curves("All", "", gravity=gravity, **added)


def _curves(record: SimulationRecord, number: int) -> Curves:
    nothing = BodyState(number, 0.0, 0.0, (0, 0, 0), (0, 0, 0), 0.0, 0.0, 0.0)
    states = [
        next((body for body in frame.bodies if body.body == number), nothing)
        for frame in record.frames
    ]

    def each(name: str) -> Floats:
        return np.array([getattr(state, name) for state in states], np.float64)

    gravity = each("gravity")
    return Curves(
        name=record.bodies[number],
        material=record.materials[number],
        mass=each("mass"),
        volume=each("volume"),
        momentum=each("momentum"),
        angular_momentum=each("angular_momentum"),
        kinetic=each("kinetic"),
        elastic=each("elastic"),
        gravity=gravity - gravity[0] if record.has_steady_gravity else None,
    )
