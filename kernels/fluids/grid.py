"""The staggered grid of the fluids, and how fields on it are read; used by all their kernels.

Nothing here knows how many dimensions there are: fields say it. Cell I has its centre at I + 1/2
in cells from the origin. Component d of a velocity lives on the lower face of a cell along d, at
I + 1/2 - e_d / 2; so a field of faces is one longer than the cells along every axis.
(Harlow and Welch 1965; Bridson, Fluid Simulation for Computer Graphics, 2015, chapter 2.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import taichi as ti
from numpy.typing import NDArray

if TYPE_CHECKING:
    Field: TypeAlias = Any
    Numbers: TypeAlias = Any
else:
    Field = ti.types.ndarray()  # of any dimension and element
    Numbers = ti.types.ndarray(dtype=ti.f32, ndim=1)

AIR, FLUID, SOLID = 0, 1, 2
"Kinds of cells. Air has no pressure."


@dataclass(frozen=True)
class FluidDomain:
    """A box of square cells; as many dimensions as `shape` has."""

    shape: tuple[int, ...]
    "Cells along each axis."
    spacing: float
    "Of the cells [m]."
    origin: tuple[float, ...]
    "Lower corner [m]."
    open_low: tuple[bool, ...]
    "Whether fluid passes through the lower side of each axis; else it is a wall without friction."
    open_high: tuple[bool, ...]

    def __post_init__(self) -> None:
        lengths = {len(part) for part in (self.shape, self.origin, self.open_low, self.open_high)}
        if lengths not in ({2}, {3}) or min(self.shape) < 2 or not 0 < self.spacing < np.inf:
            raise ValueError(f"expected two or three axes of two cells and more, got {self}")

    @classmethod
    def closed(cls, shape: Sequence[int], spacing: float = 1.0) -> "FluidDomain":
        """A box with walls all round, its corner at 0."""
        shut = (False,) * len(shape)
        return cls(tuple(shape), spacing, (0.0,) * len(shape), shut, shut)

    @property
    def dimension(self) -> int:
        return len(self.shape)

    @property
    def cells(self) -> int:
        return math.prod(self.shape)

    @property
    def faces(self) -> tuple[int, ...]:
        return tuple(n + 1 for n in self.shape)

    def along(self, d: int) -> tuple[Any, ...]:
        """Index of the faces along d in a field of faces (faces, dimension)."""
        return (*(slice(0, m + (k == d)) for k, m in enumerate(self.shape)), d)

    def open_faces(self, solid: NDArray[Any]) -> NDArray[np.float32]:
        """How much of each face fluid passes through, 0 or 1: none into `solid` cells (shape)."""
        n = self.dimension
        passes = np.zeros((*self.faces, n), np.float32)
        free = ~np.asarray(solid, bool)
        for d in range(n):
            wide = np.pad(free, [(1, 1) if k == d else (0, 0) for k in range(n)])
            line = np.moveaxis(wide, d, 0)
            line[0] = line[1] & self.open_low[d]
            line[-1] = line[-2] & self.open_high[d]
            both = np.moveaxis(line[:-1] & line[1:], 0, d)
            passes[self.along(d)] = both
        return passes


def cell_field(domain: FluidDomain, dtype: Any = ti.f32) -> Any:
    """A field of numbers in the cells, zero."""
    field = ti.ndarray(dtype, domain.shape)
    field.fill(0)
    return field


def face_field(domain: FluidDomain) -> Any:
    """A field of vectors on the faces, zero."""
    field = ti.Vector.ndarray(domain.dimension, ti.f32, domain.faces)
    field.fill(0)
    return field


def face_places(domain: FluidDomain, d: int) -> NDArray[np.float64]:
    """The middles (faces along d, dimension) [m] of the faces along axis d."""
    counts = [n + (k == d) for k, n in enumerate(domain.shape)]
    axes = [np.arange(n) + 0.5 * (k != d) for k, n in enumerate(counts)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return np.asarray(grid * domain.spacing + np.asarray(domain.origin))


# Loops below run at run time, not unrolled: the kernels that inline them would take minutes to
# compile in three dimensions.


@ti.func
def size_of(field: ti.template()):
    """How many elements a field has."""
    count = 1
    for k in ti.static(range(len(field.shape))):
        count *= field.shape[k]
    return count


@ti.func
def cell_at(field: ti.template(), number):
    """The index of an element by its number, the last axis first."""
    I = ti.Vector([0 for _ in ti.static(range(len(field.shape)))])
    rest = number
    for k in ti.static(range(len(field.shape) - 1, -1, -1)):
        I[k] = rest % field.shape[k]
        rest //= field.shape[k]
    return I


@ti.func
def corner(I, o):
    """Corner o (0 to 2^n - 1) of the cells that an interpolation from I reads."""
    J = I
    for k in ti.static(range(I.n)):
        J[k] += (o >> k) & 1
    return J


@ti.func
def corner_weight(a, o):
    """Share of corner o at the place a (0..1 along each axis) between the corners."""
    weight = 1.0
    for k in ti.static(range(a.n)):
        weight *= a[k] if (o >> k) & 1 == 1 else 1.0 - a[k]
    return weight


@ti.func
def held(field: ti.template(), I):
    """I, moved to the nearest cell of the field."""
    J = I
    for k in ti.static(range(I.n)):
        J[k] = ti.math.clamp(I[k], 0, field.shape[k] - 1)
    return J


@ti.func
def is_cell(field: ti.template(), I):
    """Whether the field has a cell I."""
    result = 1
    for k in ti.static(range(I.n)):
        if I[k] < 0 or I[k] >= field.shape[k]:
            result = 0
    return result


@ti.func
def sample_cells(field: ti.template(), x):
    """A field of cells at x [cells from the origin]; beyond the frame the edge's value."""
    base = ti.cast(ti.floor(x - 0.5), ti.i32)
    a = x - 0.5 - base
    total = 0.0
    for o in range(2**x.n):
        total += corner_weight(a, o) * field[held(field, corner(base, o))]
    return total


@ti.func
def face_held(field: ti.template(), I, d):
    """I, moved to the nearest face along d that exists."""
    J = I
    for k in ti.static(range(I.n)):
        J[k] = ti.math.clamp(I[k], 0, field.shape[k] - 1 - int(k != d))
    return J


@ti.func
def face_centre(I, d):
    x = ti.cast(I, ti.f32)
    for k in ti.static(range(I.n)):
        x[k] += 0.5 * int(k != d)
    return x


@ti.func
def is_face(field: ti.template(), I, d):
    """Whether the field's element I has a face along d: the last rows have it along one axis."""
    result = 1
    for k in ti.static(range(I.n)):
        if k != d and I[k] >= field.shape[k] - 1:
            result = 0
    return result


@ti.func
def sample_component(field: ti.template(), x, d):
    """Component d of a field of faces at x [cells]; beyond the frame the edge's value."""
    shifted = x - 0.5
    shifted[d] += 0.5
    base = ti.cast(ti.floor(shifted), ti.i32)
    a = shifted - base
    total = 0.0
    for o in range(2**x.n):
        total += corner_weight(a, o) * field[face_held(field, corner(base, o), d)][d]
    return total


@ti.func
def sample_faces(field: ti.template(), x):
    """The vector of a field of faces at x [cells]."""
    result = x * 0.0
    for d in range(x.n):
        result[d] = sample_component(field, x, d)
    return result


@ti.func
def trace(u: ti.template(), x, step):
    """Where x [cells] goes along u in step [s per m of spacing]: Ralston's third order."""
    place, way = x, x * 0.0
    for k in range(3):
        v = sample_faces(u, place)
        way += step * v * (k + 2 if k < 2 else 4.0) / 9.0
        place = x + step * v * (0.5 + 0.25 * k)
    return x + way


@ti.kernel
def trace_points(u: Field, step: ti.f32, points: Field):
    """Move `points` (n,) vectors [cells] along u."""
    for p in points:
        points[p] = trace(u, points[p], step)


@ti.kernel
def extend_known(u: Field, known: Field, u_new: Field, known_new: Field):
    """Give faces beside known ones (1) the mean of those; one layer further."""
    for I in ti.grouped(u):
        v, k = u[I], known[I]
        for d in range(I.n):
            if is_face(u, I, d) and known[I][d] == 0.0:
                total, count = 0.0, 0.0
                for e in range(I.n):
                    for side in range(2):
                        J = I
                        J[e] += 2 * side - 1
                        J = face_held(u, J, d)
                        total += u[J][d] * known[J][d]
                        count += known[J][d]
                if count > 0.0:
                    v[d], k[d] = total / count, 1.0
        u_new[I], known_new[I] = v, k
