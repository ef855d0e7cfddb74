"""A body as far as an outlook needs it: where it stands at the start, how much of it there is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..materials import Flowing, Material, Rigid

Floats = NDArray[np.float64]

DEFAULT_THICKNESS = 2.0
"Cells given to an open mesh: what touches its surface reaches no deeper into the grid."
LEAST_PARTICLES = 64
"A body smaller than the grid can show is sampled more finely, to at least about this many."


@dataclass(frozen=True)
class Standing:
    """One body at the simulation's start; metres, world."""

    name: str
    low: Floats
    "(3,) least corner of its bounds."
    high: Floats
    "(3,)."
    material: Material | None = None
    "None for what is not dynamic."
    collides: bool = True
    "Whether others touch it; all that is dynamic does."
    moves: bool = False
    "Whether a collider is animated."
    volume: float = 0.0
    "m^3 inside a closed mesh; 0 for an open one."
    area: float = 0.0
    "m^2 of an open mesh."
    extent: tuple[float, float, float] | None = None
    "m, of its bounds in its own axes; where absent, those of the world count."
    thickness: float = 0.0
    "m given to an open mesh; 0 leaves it to the grid."
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    carried: tuple[Floats, Floats] | None = None
    "Bounds of all places that pins take it to."

    @property
    def is_dynamic(self) -> bool:
        return self.material is not None

    @property
    def is_rigid(self) -> bool:
        return isinstance(self.material, Rigid)

    @property
    def flows(self) -> bool:
        return isinstance(self.material, Flowing)

    def filled(self, spacing: float) -> float:
        """Return the volume in m^3 that its particles fill on a grid of `spacing` metres."""
        return self.volume or self.area * (self.thickness or DEFAULT_THICKNESS * spacing)

    def particles(self, spacing: float, particles_per_cell: int) -> int:
        """Return about how many particles it is made of on a grid of `spacing` metres."""
        extent = self.high - self.low if self.extent is None else np.array(self.extent)
        if not self.volume:
            extent = extent + (self.thickness or DEFAULT_THICKNESS * spacing)
        return particle_count(self.filled(spacing), extent, spacing, particles_per_cell)


def particle_edge(volume: float, spacing: float, particles_per_cell: int) -> float:
    """Return the edge in metres of the cube that one particle of a body of `volume` stands for."""
    cell = spacing / particles_per_cell ** (1 / 3)
    return float(min(cell, (volume / LEAST_PARTICLES) ** (1 / 3)))


def particle_count(volume: float, extent: Floats, spacing: float, particles_per_cell: int) -> int:
    """Return about how many particles fill a body of `volume` m^3.

    They come one to each cell of a lattice that fits the body's bounds in its own axes, `extent`
    (3,) m, so that a box is filled evenly.
    """
    edge = particle_edge(volume, spacing, particles_per_cell)
    cells = np.maximum(np.round(extent / edge), 1)
    return round(volume * float(np.prod(cells / np.maximum(extent, 1e-30))))


def mesh_size(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32]
) -> tuple[float, float, bool]:
    """Return the enclosed volume in m^3 (0 of an open mesh), the area in m^2, whether it is closed.

    `vertices` (V, 3), `triangles` (F, 3). Closed: each edge is shared by exactly two faces, once
    per direction.
    """
    points = np.asarray(vertices, np.float64)
    points = points - points.mean(axis=0)
    a, b, c = (points[triangles[:, i]] for i in range(3))
    area = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
    edges = np.concatenate([triangles[:, [i, (i + 1) % 3]] for i in range(3)]).astype(np.int64)
    forward = np.sort(edges[:, 0] * len(points) + edges[:, 1])
    backward = np.sort(edges[:, 1] * len(points) + edges[:, 0])
    closed = bool((np.diff(forward) > 0).all() and (forward == backward).all())
    volume = abs(float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)) if closed else 0.0
    return volume, area, closed
