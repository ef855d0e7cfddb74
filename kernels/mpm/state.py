"""The grid's layout and the arrays of particles and tracers; owned by the stepper.

A position is kept as the base node of its 3x3x3 stencil and the offset from the stencil's middle
node, in cells, in [-1/2, 1/2): float32 then resolves slow motion equally well everywhere.
Blocks are columns of BLOCK x BLOCK cells along z. Particles are sorted by block, then by cell.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from ..array_types import Cells, Floats, Ints, Mat3s, Mat4s, Vec3s, Vec8s

BLOCK = 4
PAD = 4
"""Nodes outside of the domain on every side: a stencil, a cell of drift, a look beyond."""
FROZEN = -1
"""The law of a particle that has left the domain."""


@dataclass(frozen=True)
class Layout:
    """Where the nodes of a padded grid lie in memory and in the world."""

    start: tuple[float, float, float]
    "World position [m] of the domain's corner before it grew."
    spacing: float
    cells: tuple[int, int, int]
    "Cells of the domain."
    gained: tuple[int, int, int] = (0, 0, 0)
    "Those of them that it has grown by before its first corner."

    @property
    def origin(self) -> tuple[float, float, float]:
        """World position [m] of the domain's corner, which is node (PAD, PAD, PAD)."""
        x, y, z = (at - self.spacing * n for at, n in zip(self.start, self.gained, strict=True))
        return x, y, z

    @property
    def nodes(self) -> tuple[int, int, int]:
        """Nodes along each axis, padding included; whole blocks along x and y."""
        nx, ny, nz = (count + 1 + 2 * PAD for count in self.cells)
        return -(-nx // BLOCK) * BLOCK, -(-ny // BLOCK) * BLOCK, nz

    @property
    def blocks(self) -> tuple[int, int]:
        return self.nodes[0] // BLOCK, self.nodes[1] // BLOCK

    @property
    def node_count(self) -> int:
        nx, ny, nz = self.nodes
        return nx * ny * nz

    def larger(self, sides: NDArray[np.int64]) -> "Layout":
        """Return the layout with so many cells more, (2, 3): before and behind along x, y, z."""
        (a, b, c), (x, y, z) = sides[0].tolist(), (sides.sum(axis=0) + self.cells).tolist()
        return Layout(self.start, self.spacing, (x, y, z), (a, b, c))

    def split(self, position: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Turn world positions (n, 3) into base nodes (n, 3) and offsets (n, 3)."""
        at = (position.astype(np.float64) - self.start) / self.spacing
        middle = np.floor(at + 0.5)
        base = middle.astype(np.int64) + np.array(self.gained) + PAD - 1
        base = base.clip(0, np.array(self.nodes) - 3)
        return base.astype(np.int32), (at - middle).astype(np.float32)

    def join(self, cell: NDArray[np.int32], offset: NDArray[np.float32]) -> NDArray[np.float64]:
        """Turn base nodes and offsets back into world positions (n, 3)."""
        # From where the domain began, so that nothing moves by a rounding as it grows.
        at = (cell - np.array(self.gained) + (1 - PAD) + offset.astype(np.float64)) * self.spacing
        return np.asarray(at + np.asarray(self.start))


@dataclass
class Points:
    """What rides the grid: arrays in sorted order. `index` tells each row's original place.

    Taichi has no empty arrays: a set of none has one row, frozen.
    """

    count: int
    cell: Any  # [n, 3] i32, base node
    offset: Any  # [n, 3] cells
    index: Any  # [n] i32

    @property
    def names(self) -> list[str]:
        return [field.name for field in fields(self) if field.name != "count"]

    @property
    def kept(self) -> list[str]:
        """What `save` returns."""
        return self.names

    @property
    def arrays(self) -> list[Any]:
        return [getattr(self, name) for name in self.names]

    def in_first_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """Put rows in the present order back into the order in which the points were given."""
        result = np.empty_like(values)
        result[self.index.to_numpy()] = values
        return result[: self.count]

    def save(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name).to_numpy()[: self.count] for name in self.names}

    def load(self, values: dict[str, NDArray[Any]]) -> None:
        for name in self.names:
            value = values[name]
            if self.count == 0:
                value = np.full((1, *value.shape[1:]), FROZEN if name == "law" else 0, value.dtype)
            getattr(self, name).from_numpy(np.ascontiguousarray(value))


@dataclass
class ParticleArrays(Points):
    """All that a particle carries.

    What the transfers read is padded to powers of two, so that four numbers are loaded at once.
    """

    motion: Any  # [n, 4, 4] rows: v [m/s] and 1, then the columns of APIC's C [1/s] and 0
    deformation: Any  # [n, 3, 3] F; what it holds depends on the law (materials)
    stress: Any  # [n, 8] Pa, Kirchhoff, xx yy zz yz xz xy, and two zeros
    mass: Any  # [n] kg
    volume: Any  # [n] m^3 at rest
    history: Any  # [n] what else a law remembers (materials)
    law: Any  # [n] i32, FROZEN once outside of the domain
    body: Any  # [n] i32

    def velocity(self) -> NDArray[np.float32]:
        """Velocities [m/s] (n, 3) in the present order."""
        return np.asarray(self.motion.to_numpy()[:, 0, :3])

    def gradient(self) -> NDArray[np.float32]:
        """The affine C [1/s] (n, 3, 3) in the present order."""
        return np.asarray(self.motion.to_numpy()[:, 1:, :3].transpose(0, 2, 1))

    @property
    def kept(self) -> list[str]:
        return ["velocity", "gradient", *(name for name in self.names if name != "motion")]

    def save(self) -> dict[str, NDArray[Any]]:
        """Return what there is without its padding: velocity and gradient, six of stress."""
        values = super().save()
        motion = values.pop("motion")
        values["velocity"] = motion[:, 0, :3].copy()
        values["gradient"] = motion[:, 1:, :3].transpose(0, 2, 1).copy()
        values["stress"] = values["stress"][:, :6].copy()
        return values

    def load(self, values: dict[str, NDArray[Any]]) -> None:
        motion = np.zeros((len(values["velocity"]), 4, 4), np.float32)
        motion[:, 0, :3], motion[:, 0, 3] = values["velocity"], 1.0
        motion[:, 1:, :3] = values["gradient"].transpose(0, 2, 1)
        stress = np.pad(values["stress"], ((0, 0), (0, 2)))
        super().load(values | {"motion": motion, "stress": stress})


@dataclass
class TracerArrays(Points):
    """All that a tracer carries."""

    deformation: Any  # [m, 3, 3] total F
    body: Any  # [m] i32
    gone: Any  # [m] i32, 1 from where it has left the domain


def empty_particles(count: int) -> ParticleArrays:
    """Allocate arrays for particles, all zero."""
    rows = max(count, 1)
    return ParticleArrays(
        count=count,
        cell=ti.Vector.ndarray(3, ti.i32, rows),
        offset=ti.Vector.ndarray(3, ti.f32, rows),
        index=ti.ndarray(ti.i32, rows),
        motion=ti.Matrix.ndarray(4, 4, ti.f32, rows),
        deformation=ti.Matrix.ndarray(3, 3, ti.f32, rows),
        stress=ti.Vector.ndarray(8, ti.f32, rows),
        mass=ti.ndarray(ti.f32, rows),
        volume=ti.ndarray(ti.f32, rows),
        history=ti.ndarray(ti.f32, rows),
        law=ti.ndarray(ti.i32, rows),
        body=ti.ndarray(ti.i32, rows),
    )


def empty_tracers(count: int) -> TracerArrays:
    """Allocate arrays for tracers, all zero."""
    rows = max(count, 1)
    return TracerArrays(
        count=count,
        cell=ti.Vector.ndarray(3, ti.i32, rows),
        offset=ti.Vector.ndarray(3, ti.f32, rows),
        index=ti.ndarray(ti.i32, rows),
        deformation=ti.Matrix.ndarray(3, 3, ti.f32, rows),
        body=ti.ndarray(ti.i32, rows),
        gone=ti.ndarray(ti.i32, rows),
    )


@ti.kernel
def take_particles(
    rows: Ints, cell: Cells, offset: Vec3s, index: Ints, motion: Mat4s, deformation: Mat3s,
    stress: Vec8s, mass: Floats, volume: Floats, history: Floats, law: Ints, body: Ints,
    to_cell: Cells, to_offset: Vec3s, to_index: Ints, to_motion: Mat4s, to_deformation: Mat3s,
    to_stress: Vec8s, to_mass: Floats, to_volume: Floats, to_history: Floats, to_law: Ints,
    to_body: Ints,
):  # fmt: skip
    for p in rows:
        r = rows[p]
        to_cell[p], to_offset[p], to_index[p] = cell[r], offset[r], index[r]
        to_motion[p], to_deformation[p], to_stress[p] = motion[r], deformation[r], stress[r]
        to_mass[p], to_volume[p], to_history[p] = mass[r], volume[r], history[r]
        to_law[p], to_body[p] = law[r], body[r]


@ti.kernel
def take_tracers(
    rows: Ints, cell: Cells, offset: Vec3s, index: Ints, deformation: Mat3s, body: Ints,
    gone: Ints, to_cell: Cells, to_offset: Vec3s, to_index: Ints, to_deformation: Mat3s,
    to_body: Ints, to_gone: Ints,
):  # fmt: skip
    for p in rows:
        r = rows[p]
        to_cell[p], to_offset[p], to_index[p] = cell[r], offset[r], index[r]
        to_deformation[p], to_body[p], to_gone[p] = deformation[r], body[r], gone[r]
