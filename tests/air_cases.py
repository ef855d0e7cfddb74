"""Small shots with smoke and fire, and frames of gas made by hand, for tests."""

from pathlib import Path
from typing import Any

import numpy as np

from impetus.backend.contract import shot as s
from impetus.backend.contract.air import Gas, GasLooks
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.stages.air.gas import GasFrame
from impetus.backend.stages.air.simulated import Simulated
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.simulate import Simulation, motion_key, simulate_key, track_digests
from impetus.kernels.fluids.grid import FluidDomain

from . import shots

SMALL = Gas(
    resolution=12, domain=s.Box((-0.6, -0.6, 0.0), (0.6, 0.6, 1.2)), looks=GasLooks(splats=3000)
)


class Quiet:
    """A listener that says nothing."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.said: list[str] = []

    def progress(self, stage: str, done: float, total: float, eta: float | None) -> None:
        if stage == "simulate":
            self.told.append(done)

    def frame(self, number: int) -> None: ...

    def log(self, level: str, text: str) -> None:
        self.said.append(text)

    def check(self) -> None: ...


def emitter(arrays: ArraySet, name: str = "Torch", **fields: Any) -> s.Emitter:
    """A ball that smokes, at (0, 0, 0.25) unless `poses` say otherwise."""
    vertices, triangles = fields.pop("mesh", shots.sphere(0.15, 2))
    poses = np.asarray(fields.pop("poses", shots.place((0, 0, 0.25))), float).reshape(-1, 4, 4)
    mesh = s.Mesh(arrays.add(vertices), arrays.add(triangles))
    return s.Emitter(name=name, mesh=mesh, poses=arrays.add(poses), **fields)


def smoking(frames: tuple[int, int] = (1, 3), **fields: Any) -> tuple[s.Shot, ArraySet]:
    """A smoking ball over a floor, and a cube in the way of what rises."""
    arrays = ArraySet()
    source = emitter(arrays, **fields.pop("source", {}))
    bodies = [
        shots.body(arrays, "Floor", shots.plane(), role="static", color=(0.7, 0.7, 0.7)),
        shots.body(arrays, "Lid", shots.cube(0.3), role="static", poses=shots.place((0, 0, 0.8))),
    ]
    settings = {"gas": SMALL, "render": s.RenderSettings(splats=1500), "emitters": (source,)}
    return shots.shot(arrays, bodies, frames=frames, **(settings | fields)), arrays


def simulated(shot: s.Shot, arrays: ArraySet, folder: Path) -> Simulated:
    """How the bodies of a shot move: simulated as far as asked for."""
    prepared = prepare(shot, arrays)
    cache = FrameCache(folder / simulate_key(shot, arrays, prepared))
    bodies = Simulation(shot, arrays, prepared, cache, Quiet(), keeps_places=True)
    key = motion_key(shot, arrays, prepared.domain)
    return Simulated(key, track_digests(shot, arrays), bodies.record_of)


def gas_frame(
    smoke: np.ndarray, *, heat: float = 0.0, spacing: float = 0.1, number: int = 1, **fields: Any
) -> GasFrame:
    """A frame of gas from its `smoke` (nx, ny, nz), still unless `velocity` is given."""
    shape = smoke.shape
    opened = (True,) * 3
    origin = fields.pop("origin", tuple(-spacing * n / 2 for n in shape))
    velocity = np.zeros((*(n + 1 for n in shape), 3), np.float32)
    velocity[:] = fields.pop("velocity", (0.0, 0.0, 0.0))
    return GasFrame(
        number, FluidDomain(shape, spacing, origin, opened, opened), smoke.astype(np.float32),
        np.full(shape, heat, np.float32), np.zeros(0, np.float32), velocity,
    )  # fmt: skip
