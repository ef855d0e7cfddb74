"""Smoke in the plane of the picture: it carries along what it covers (MotionCraft's dragons)."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ...contract.arrays import ArraySet
from ...contract.image_motions import SmokeMotion
from ..motion import Floats
from .masks import PlaneGrid, disc
from .step import FlowStep, as_floats

THICK = 0.25
"Density from which on a pixel moves with the smoke; what is thinner moves in proportion."
SPOT = ((0.5, 0.88), 0.06)
"Centre and radius of the source where none is given."
FILLING = 8.0
"Of its source that smoke fills in a second, at an emission of 1."
CURL_RATE = 20.0
"Confinement [1/s] of a vorticity of 1."
FLICKER = 0.4
"Share by which the source's strength varies from place to place and frame to frame."
COOLING, THINNING = 0.2, 0.1
"Losses in a second."


class SmokeFlow:
    """Stable fluids over the film; one step a frame. Taichi must have been started."""

    def __init__(
        self, settings: SmokeMotion, arrays: ArraySet, size: tuple[int, int], fps: float, seed: int
    ) -> None:
        from ....kernels.fluids.grid import FluidDomain
        from ....kernels.fluids.smoke import Smoke, SmokeSettings

        self._grid = PlaneGrid(size, settings.resolution)
        self._seconds, self._seed, self._frame = 1 / fps, seed, 0
        source = disc(size, *SPOT)
        if settings.source is not None:
            source = arrays.of(settings.source) != 0
        self._source = source
        self._emission = settings.emission * FILLING * self._grid.share(source)
        obstacle = None
        if settings.obstacle is not None:
            obstacle = self._grid.share(arrays.of(settings.obstacle)) > 0.5
        open_sides = (True, True)
        domain = FluidDomain(
            self._grid.shape, self._grid.spacing, (0.0, 0.0), open_sides, open_sides
        )
        wind = (settings.wind[0] * fps / size[1], settings.wind[1] * fps / size[1])
        physics = SmokeSettings(
            (0.0, -1.0), settings.buoyancy, vorticity=CURL_RATE * settings.vorticity,
            cooling=COOLING, thinning=THINNING, wind=wind,
        )  # fmt: skip
        self._smoke = Smoke(domain, physics, obstacle)
        # Of a plume that has begun already: in the first frame it would else stand still.
        self._before = self._reach()

    def advance(self) -> FlowStep:
        weight = np.minimum(self._grid.on_pixels(self._smoke.density()) / THICK, 1)
        self._smoke.advance(self._seconds, self._flickering())
        after = self._reach()
        way, self._before = (self._before + after) / 2, after
        return FlowStep(as_floats(weight[..., None] * way), self._source.copy())

    def density(self) -> Floats:
        """How thick the smoke is on the later frame's pixels (H, W), 0..1."""
        return self._grid.on_pixels(self._smoke.density())

    def _reach(self) -> NDArray[np.float64]:
        """How far the air carries each pixel in a frame (H, W, 2) [px], as it moves now."""
        places = self._grid.places()
        moved = self._smoke.trace(places, self._seconds) - places
        width, height = self._grid.size
        return np.asarray(moved.reshape(height, width, 2) * height)

    def _flickering(self) -> Floats:
        """The source of this frame: fires are never even, and perfect symmetry looks dead."""
        rng = np.random.default_rng((self._seed, self._frame // 3))
        self._frame += 1
        noise = gaussian_filter(rng.normal(size=self._grid.shape), 2.0, mode="wrap")
        noise /= noise.std()
        return as_floats(self._emission * np.clip(1 + FLICKER * noise, 0, 2))
