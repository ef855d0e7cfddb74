"""Liquid: particles that carry what a staggered grid makes free of divergence; 2 or 3 dimensions.

Affine particle-in-cell transfers (Jiang et al. 2015), pressure with a free surface (Bridson 2015,
chapters 5 and 8), and the particles' crowding evened out by a second solve, so that the volume is
kept (Kugelstadt et al., Implicit Density Projection for Volume Conserving Liquids, 2019).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, distance_transform_edt

from . import particles
from .grid import AIR, FLUID, SOLID, FluidDomain, cell_field, extend_known, face_field
from .pressure import PressureSolver, Solved

Floats = NDArray[np.float32]

COURANT = 1.0
"Cells that the fastest particle may cross in a substep."
MOST_SUBSTEPS = 256
LAYERS = 3
"Cells beyond the liquid to which its velocity is continued."
SPREAD = 0.5
"Share of the crowding that a substep evens out."
MOST_CROWDING = 0.5
LEFT_CROWDED = 0.05
"Share of the greatest crowding that may be left: it is only approached, substep by substep."
CARRIED = ("_position", "_velocity", "_slopes", "_index")
MARGIN = 0.01
"Cells between a particle and the wall that it was put back before."


@dataclass(frozen=True)
class LiquidSettings:
    """SI units."""

    gravity: tuple[float, ...]
    "Acceleration [m/s^2]."
    per_axis: int = 2
    "Particles of a full cell along each axis."
    seed: int = 0
    "Of where in their cells the particles lie at the start."


class Liquid:
    """Particles, velocity and obstacles that stand still. Nothing leaves through closed sides.

    `fluid` (shape) is true where the cells are full at the start, `obstacle` where nothing may be.
    """

    def __init__(
        self,
        domain: FluidDomain,
        settings: LiquidSettings,
        fluid: NDArray[np.bool_],
        obstacle: NDArray[np.bool_] | None = None,
    ) -> None:
        solid = np.zeros(domain.shape, bool) if obstacle is None else np.asarray(obstacle, bool)
        n = domain.dimension
        if {solid.shape, np.shape(fluid)} != {domain.shape} or len(settings.gravity) != n:
            shapes = np.shape(fluid), solid.shape, settings.gravity
            raise ValueError(f"expected fluid and obstacles {domain.shape}, got {shapes}")
        self.domain = domain
        self._settings, self._solid = settings, solid
        self._gravity = np.array(settings.gravity, np.float32)
        self._next = 0
        self._pending = 0.0
        self._position = np.empty((0, n), np.float32)
        self._velocity = np.empty((0, n), np.float32)
        self._slopes = np.empty((0, n, n), np.float32)
        self._index = np.empty(0, np.int64)
        self._start = np.zeros(domain.cells + 1, np.int32)
        passes = domain.open_faces(solid)
        self._open = passes > 0
        self._passes = face_field(domain)
        self._passes.from_numpy(passes)
        self._kind = cell_field(domain, ti.i32)
        self._u, self._known, self._spare, self._spare_known = (
            face_field(domain) for _ in range(4)
        )
        self._count = cell_field(domain)
        self._solver = PressureSolver(domain)
        self._free = distance_transform_edt(solid, return_distances=False, return_indices=True)
        self._walled = self._wall_share()
        self.solved = Solved(0, 0.0)
        self.fill(np.asarray(fluid, bool))

    # ---- particles

    def fill(self, cells: NDArray[np.bool_], velocity: tuple[float, ...] | None = None) -> None:
        """Fill those of the cells (shape) that are empty, with liquid of this velocity [m/s]."""
        self._sort()
        empty = np.diff(self._start).reshape(self.domain.shape) == 0
        corners = np.argwhere(cells & ~self._solid & empty)
        n, side = self.domain.dimension, self._settings.per_axis
        grid = np.stack(np.meshgrid(*[np.arange(side)] * n, indexing="ij"), -1).reshape(-1, n)
        rng = np.random.default_rng((self._settings.seed, self._next))
        jitter = rng.uniform(0.25, 0.75, (len(corners), side**n, n))
        position = (corners[:, None] + (grid + jitter) / side).reshape(-1, n)
        new = len(position)
        moving = np.tile(np.array(velocity or (0.0,) * n, np.float32), (new, 1))
        self._position = np.concatenate([self._position, position.astype(np.float32)])
        self._velocity = np.concatenate([self._velocity, moving])
        self._slopes = np.concatenate([self._slopes, np.zeros((new, n, n), np.float32)])
        self._index = np.concatenate([self._index, self._next + np.arange(new)])
        self._next += new

    @property
    def position(self) -> Floats:
        """(n, dimension) [m]."""
        return np.asarray(self._position * self.domain.spacing + self.domain.origin, np.float32)

    @property
    def index(self) -> NDArray[np.int64]:
        """(n,) the number of each particle, in the order of the arrays; it keeps it for life."""
        return self._index.copy()

    @property
    def velocity(self) -> Floats:
        """(n, dimension) [m/s], less half a substep of gravity."""
        return self._velocity.copy()

    def crowding(self) -> Floats:
        """How full the cells are (shape): 1 within resting liquid; walls count as full."""
        self._sort()
        particles.crowding(self._kind, self._start, self._position, self._count)
        rest = self._settings.per_axis**self.domain.dimension
        return np.asarray(self._count.to_numpy() / rest + self._walled)

    def within(self) -> NDArray[np.bool_]:
        """Which cells (shape) are liquid and lie beside no air."""
        self._sort()
        self._mark()
        liquid = np.asarray(self._kind.to_numpy()) == FLUID
        return np.asarray(liquid & ~self._solver.beside_air(liquid, self._open))

    def grid_velocity(self) -> tuple[Floats, NDArray[np.bool_]]:
        """The velocity on the faces (faces, dimension) [m/s] and which cells (shape) are liquid."""
        kind = np.asarray(self._kind.to_numpy())
        return np.asarray(self._u.to_numpy()), kind == FLUID

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that the next step reads."""
        return {
            "position": self._position.copy(), "velocity": self._velocity.copy(),
            "slopes": self._slopes.copy(), "index": self._index.copy(),
            "next": np.array(self._next),
            "pending": np.array(self._pending),
        }  # fmt: skip

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from `state`, to the bit."""
        self._position = np.array(state["position"], np.float32)
        self._velocity = np.array(state["velocity"], np.float32)
        self._slopes = np.array(state["slopes"], np.float32)
        self._index = np.array(state["index"], np.int64)
        self._next = int(state["next"])
        self._pending = float(state["pending"])

    # ---- stepping

    def advance(self, seconds: float) -> None:
        """Let time pass; the substeps follow from the speed."""
        left = seconds
        pull = float(np.abs(self._gravity).max())
        for k in range(MOST_SUBSTEPS):
            h = self.domain.spacing
            speed = float(np.abs(self._velocity).max(initial=0)) + math.sqrt(pull * h)
            count = math.ceil(left * speed / (COURANT * h) - 1e-6)
            count = min(max(count, 1), MOST_SUBSTEPS - k)
            self._substep(left / count)
            left -= left / count
            if count == 1:
                return

    def _substep(self, dt: float) -> None:
        if not len(self._position):
            return
        self._sort()
        self._mark()
        particles.to_faces(
            self._kind, self._start, self._position, self._velocity, self._slopes, self._u,
            self._known,
        )  # fmt: skip
        # Half of gravity's push acts before the move, half after it: what falls freely then falls
        # exactly. That half waits for the next step's pressure, lest what rests had a velocity.
        u = self._u.to_numpy() + self._gravity * np.float32(self._pending + dt / 2)
        self._pending = dt / 2
        self._u.from_numpy(np.where(self._open, u, 0).astype(np.float32))
        self.solved = self._solver.project(self._u, self._kind, self._passes)
        self._extend()
        particles.to_particles(self._kind, self._u, self._position, self._velocity, self._slopes)
        particles.move(self._kind, self._u, dt / self.domain.spacing, self._position)
        self._hold()
        self._spread()

    def _sort(self) -> None:
        """Order the particles by cell."""
        cell = np.floor(self._position).astype(np.int64)
        cell = np.clip(cell, 0, np.array(self.domain.shape) - 1)
        number = np.ravel_multi_index(tuple(cell.T), self.domain.shape)
        order = np.argsort(number, kind="stable")
        for name in CARRIED:
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[order]))
        count = np.bincount(number, minlength=self.domain.cells)
        self._start = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)

    def _mark(self) -> None:
        """Say which cells are liquid: those with particles."""
        full = np.diff(self._start).reshape(self.domain.shape) > 0
        kind = np.where(self._solid, SOLID, np.where(full, FLUID, AIR))
        self._kind.from_numpy(kind.astype(np.int32))

    def _extend(self) -> None:
        """Continue the velocity into the air: particles at the surface read it there."""
        kind = self._kind.to_numpy()
        liquid = np.zeros((*self.domain.faces, self.domain.dimension), np.float32)
        for d in range(self.domain.dimension):
            ends = [(1, 1) if k == d else (0, 0) for k in range(self.domain.dimension)]
            line = np.moveaxis(np.pad(kind == FLUID, ends), d, 0)
            liquid[self.domain.along(d)] = np.moveaxis(line[:-1] | line[1:], 0, d)
        self._known.from_numpy(liquid)
        u, new_u, known, new_known = self._u, self._spare, self._known, self._spare_known
        for _ in range(LAYERS):
            extend_known(u, known, new_u, new_known)
            u, new_u, known, new_known = new_u, u, new_known, known
        self._u, self._spare, self._known, self._spare_known = u, new_u, known, new_known

    def _hold(self) -> None:
        """Drop what left through open sides; put back before its wall what went into one."""
        size = np.array(self.domain.shape, np.float32)
        low, high = np.array(self.domain.open_low), np.array(self.domain.open_high)
        left = ((self._position < 0) & low) | ((self._position > size) & high)
        left |= ~np.isfinite(self._position)
        if left.any():
            stays = ~left.any(1)
            for name in CARRIED:
                setattr(self, name, getattr(self, name)[stays])
        margin = np.float32(MARGIN)
        self._position = np.clip(self._position, margin, size - margin)
        cell = tuple(np.floor(self._position).astype(np.int64).T)
        if self._solid[cell].any():
            inside = self._solid[cell]
            target = self._free[(slice(None), *(c[inside] for c in cell))].T.astype(np.float32)
            held = np.clip(self._position[inside], target + margin, target + 1 - margin)
            self._position[inside] = held

    def _spread(self) -> None:
        """Move crowded particles apart, and those within the liquid together where they are thin.

        Beside air only crowding counts: a surface is never full.
        """
        full = np.clip(self.crowding() - 1, -MOST_CROWDING, MOST_CROWDING)
        within = self.within()
        liquid = self._kind.to_numpy() == FLUID
        wanted = SPREAD * np.where(within, full, np.where(liquid, np.maximum(full, 0), 0))
        way = self._spare
        way.fill(0)
        self._solver.project(
            way, self._kind, self._passes, tolerance=LEFT_CROWDED,
            wanted=wanted.astype(np.float32),
        )  # fmt: skip
        particles.shift(self._kind, way, self._position)
        self._hold()

    def _wall_share(self) -> Floats:
        """The share of each cell's crowding that walls take, as if they were full."""
        n = self.domain.dimension
        wall = np.pad(self._solid, 1, constant_values=False).astype(np.float32)
        for d in range(n):
            ends = np.moveaxis(wall, d, 0)
            ends[0] = np.where(self.domain.open_low[d], ends[0], 1)
            ends[-1] = np.where(self.domain.open_high[d], ends[-1], 1)
        for d in range(n):
            wall = convolve1d(wall, [1 / 8, 3 / 4, 1 / 8], axis=d, mode="nearest")
        inner = wall[(slice(1, -1),) * n]
        return np.where(self._solid, 0, inner).astype(np.float32)
