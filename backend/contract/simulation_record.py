"""What a simulation was like, frame by frame: simulation.json of a take. SI units, world.

Written by the simulate stage's owner, read by `impetus inspect` and, for the machine's speed, by
the extension. Numbers are kept to nine digits.
"""

from pathlib import Path
from typing import Literal

import msgspec

from .errors import ShotError
from .part import Vector3

RECORD = "simulation.json"


class BodyState(msgspec.Struct, frozen=True):
    """Sums over what is left of a body in the domain."""

    body: int
    "Index into the record's bodies."
    mass: float
    volume: float
    "m^3 as it is now, plastic parts included."
    momentum: Vector3
    angular_momentum: Vector3
    "About the world's origin."
    kinetic: float
    elastic: float
    gravity: float
    "J, relative to the world's origin, in the gravity of that frame."


class FrameState(msgspec.Struct, frozen=True):
    """A frame, and what it took to come to it from the one before; nothing for the first."""

    frame: int
    substeps: int
    smallest_step: float
    "s; 0 for the first."
    top_speed: float
    "m/s, along the fastest axis, since the frame before."
    particles: int
    left: int
    "Particles outside of the open domain so far."
    seconds: float
    "What it took on the machine that made it, files included."
    bodies: tuple[BodyState, ...]
    domain: tuple[Vector3, Vector3] | None = None
    "Low and high corner of the grid's domain; it may grow."


class SimulationRecord(msgspec.Struct, frozen=True):
    """All simulated frames that are known, in order."""

    name: str
    fps: float
    simulation_start: int
    spacing: float
    "m, of the grid."
    bodies: tuple[str, ...]
    "Names, in the shot's order."
    materials: tuple[str, ...]
    "What each is made of; empty for what is not dynamic."
    has_steady_gravity: bool
    "Whether gravity is the same in every frame, so that its energy means something."
    frames: tuple[FrameState, ...]
    format: Literal[1] = 1

    @property
    def particle_steps(self) -> int:
        """Particles times substeps, over all frames."""
        return sum(each.particles * each.substeps for each in self.frames)

    @property
    def seconds(self) -> float:
        """What the frames took to make."""
        return sum(each.seconds for each in self.frames)

    def seconds_at(self, frame: int) -> float:
        """Return the time since the simulation's start."""
        return (frame - self.simulation_start) / self.fps


def read_simulation(folder: Path) -> SimulationRecord:
    """Read a take's record. Raises ShotError, with what to do, where there is none."""
    path = folder / RECORD
    if not (folder / "take.json").is_file() and not path.is_file():
        raise ShotError(
            str(folder), "expected the folder of a take, found no take.json in it.",
            "Choose a take's folder: the one that holds beauty/ and passes/.",
        )  # fmt: skip
    try:
        return msgspec.json.decode(path.read_bytes(), type=SimulationRecord)
    except FileNotFoundError as error:
        raise ShotError(
            str(folder),
            "expected the record of a simulation, found none: nothing in this take was simulated, "
            "or it was made before such records were kept.",
            "Make the shot again into a new take; its physics is computed anew where the cache "
            "has no record of it.",
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ShotError(
            str(path), f"expected the record of a simulation, got: {error}.",
            "Make the shot again into a new take.",
        ) from error  # fmt: skip
