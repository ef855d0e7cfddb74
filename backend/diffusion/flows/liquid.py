"""Liquid in the plane of the picture: it carries what it is made of (MotionCraft's glass, man).

The film's bottom and sides are walls; its top is open.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ...contract.arrays import ArraySet
from ...contract.image_motions import LiquidMotion
from ..motion import Bools
from .masks import PlaneGrid, disc
from .step import FlowStep, as_floats

BLOB = ((0.5, 0.3), 0.18)
"Centre and radius of the liquid where none is given."
NEIGHBOURS = 4
"Particles whose ways a pixel follows, the nearer ones more."
WITHIN = 0.75
"Cells from a particle up to which a pixel is liquid."


class LiquidFlow:
    """Particles over the film; one step a frame. Taichi must have been started."""

    def __init__(
        self, settings: LiquidMotion, arrays: ArraySet, size: tuple[int, int], fps: float, seed: int
    ) -> None:
        from ....kernels.fluids.grid import FluidDomain
        from ....kernels.fluids.liquid import Liquid, LiquidSettings

        self._grid = PlaneGrid(size, settings.resolution)
        self._seconds = 1 / fps
        fluid = arrays.of(settings.fluid) if settings.fluid is not None else disc(size, *BLOB)
        obstacle = inflow = np.zeros((size[1], size[0]), bool)
        if settings.obstacle is not None:
            obstacle = arrays.of(settings.obstacle) != 0
        if settings.inflow is not None:
            inflow = arrays.of(settings.inflow) != 0
        walls = (False, True), (False, False)
        domain = FluidDomain(self._grid.shape, self._grid.spacing, (0.0, 0.0), *walls)
        physics = LiquidSettings(settings.gravity, seed=seed)
        self._inflow = self._grid.share(inflow) > 0.5
        faster = fps / size[1]
        self._inflow_velocity = tuple(part * faster for part in settings.inflow_velocity)
        solid = self._grid.share(obstacle) > 0.5
        self._liquid = Liquid(domain, physics, self._grid.share(fluid) > 0.5, solid)

    def advance(self) -> FlowStep:
        if self._inflow.any():
            self._liquid.fill(self._inflow, self._inflow_velocity)
        index, before = self._liquid.index, self._liquid.position
        self._liquid.advance(self._seconds)
        _, was, now = np.intersect1d(
            index, self._liquid.index, assume_unique=True, return_indices=True
        )
        way = (self._liquid.position[now] - before[was]) * self._grid.size[1]
        forward, liquid = self._on_pixels(before[was], way)
        _, active = self._on_pixels(self._liquid.position, None)
        nearness = np.where(liquid, 1.0, np.inf)
        return FlowStep(as_floats(forward), active, nearness=as_floats(nearness))

    def positions(self) -> NDArray[np.float32]:
        """(n, 2) where the particles are [px]."""
        return as_floats(self._liquid.position * self._grid.size[1])

    def _on_pixels(
        self, position: NDArray[np.float32], way: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.float64], Bools]:
        """The particles' ways (n, 2) at the pixels near them (H, W, 2), and which those are."""
        width, height = self._grid.size
        motion = np.zeros((height * width, 2))
        near = np.zeros(height * width, bool)
        count = min(NEIGHBOURS, len(position))
        if count:
            within = WITHIN * self._grid.spacing
            far, index = cKDTree(position).query(
                self._grid.places(), k=[*range(1, count + 1)], distance_upper_bound=within
            )
            near = np.isfinite(far[:, 0])
            if way is not None:
                weight = np.where(np.isfinite(far), 1 / (far + 0.1 * within), 0)[near]
                ways = np.concatenate([way, np.zeros((1, 2), np.float32)])[index[near]]
                motion[near] = (weight[..., None] * ways).sum(1) / weight.sum(1, keepdims=True)
        return motion.reshape(height, width, 2), near.reshape(height, width)
