"""Make a velocity free of divergence: the pressure that does it, by conjugate gradients.

The equation of a fluid cell i with open faces w_ij: sum w_ij (q_i - q_j) = - sum w_ij u_ij, where
u_ij flows out and q = dt p / (rho h); q is 0 in air and beyond open sides (Bridson 2015, chapter
5; fractions of faces: Batty et al. 2007). A symmetric red-black Gauss-Seidel sweep is the
preconditioner. Sums are made line by line, in order: the same input gives the same bits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray
from scipy.ndimage import generate_binary_structure, label

from ..array_types import i32
from .grid import FLUID, Field, FluidDomain, cell_at, cell_field, is_cell, is_face, size_of

CHECK_EVERY = 4
"Iterations between two looks at the residual."
FEW = 1 << 14
"Cells up to which one thread is faster: the others would only be waited for."
RHO, SLOPE, SIZE = 0, 1, 2
"Places in the solver's scalars: r.z, p.Ap, and the largest residual."


@dataclass(frozen=True)
class Solved:
    """What a solve took and left."""

    iterations: int
    residual: float
    "Largest divergence left in a cell, as a share of the largest at the start."


class PressureSolver:
    """The working arrays of the solves on one domain."""

    def __init__(self, domain: FluidDomain) -> None:
        self.domain = domain
        self.pressure = cell_field(domain)
        self._b, self._r, self._z, self._p, self._ap = (cell_field(domain) for _ in range(5))
        self._lines = ti.ndarray(ti.f64, domain.shape[:-1])
        self._peaks = ti.ndarray(ti.f32, domain.shape[:-1])
        self._scalars = ti.ndarray(ti.f64, 3)

    def project(
        self,
        u: Any,
        kind: Any,
        passes: Any,
        *,
        tolerance: float = 3e-4,
        most: int = 1000,
        wanted: NDArray[np.float32] | None = None,
        enough: float = 0.0,
        guess: NDArray[np.float32] | None = None,
    ) -> Solved:
        """Take the pressure's gradient from u, so that every fluid cell keeps its volume.

        `u` and `passes`, the open part of each face, are fields of faces; `kind` one of cells.
        What u is on closed faces stays: the velocity of walls. `wanted` (shape) [1/s cells] is
        the divergence that should be left. Pockets without a way out get their mean. It ends at a
        share `tolerance` of the largest divergence, or at `enough` [velocity per cell]; a `guess`
        (shape) at the pressure, as of a step before, saves a part of the way.
        """
        _divergence(u, passes, kind, self._b)
        self._level(kind, passes, wanted)
        if guess is None:
            self.pressure.fill(0)
        else:
            self.pressure.from_numpy(guess)
        solved = self._solve(kind, passes, tolerance, most, enough)
        _subtract_gradient(self.pressure, kind, passes, u)
        return solved

    def divergence(self, u: Any, kind: Any, passes: Any) -> NDArray[np.float32]:
        """The divergence of the fluid cells (shape), in velocities per cell."""
        _divergence(u, passes, kind, self._b)
        return -np.asarray(self._b.to_numpy())

    def _level(self, kind: Any, passes: Any, wanted: NDArray[np.float32] | None) -> None:
        """Add what is wanted; in pockets with no air take the mean away, or nothing solves it."""
        fluid = kind.to_numpy() == FLUID
        b = self._b.to_numpy()
        if wanted is not None:
            b = np.where(fluid, b + wanted, 0).astype(np.float32)
        pockets, count = label(fluid, generate_binary_structure(fluid.ndim, 1))
        airy = np.unique(pockets[self.beside_air(fluid, passes.to_numpy() > 0)])
        for pocket in set(range(1, count + 1)) - set(airy.tolist()):
            inside = pockets == pocket
            b[inside] -= b[inside].mean(dtype=np.float64)
        self._b.from_numpy(b)

    def beside_air(self, fluid: NDArray[np.bool_], passes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The `fluid` cells (shape) with a face that `passes` (faces, dimension) to no fluid."""
        n, found = fluid.ndim, np.zeros(fluid.shape, bool)
        for d in range(n):
            ends = [(1, 1) if k == d else (0, 0) for k in range(n)]
            wide = np.moveaxis(np.pad(fluid, ends), d, 0)
            faces = np.moveaxis(passes[self.domain.along(d)], d, 0)
            leads = (faces[:-1] & ~wide[:-2]) | (faces[1:] & ~wide[2:])
            found |= np.moveaxis(leads, 0, d)
        return found & fluid

    def _solve(self, kind: Any, passes: Any, tolerance: float, most: int, enough: float) -> Solved:
        serial = self.domain.cells <= FEW
        cells, r, p = (kind, passes), self._r, self._p
        dots = (self._lines, self._peaks, self._scalars)
        first = float(np.abs(self._b.to_numpy()).max())
        _begin(serial, self._b, *cells, self.pressure, r)
        _aim(serial, 1, *cells, r, self._z, p, *dots)
        left = float(self._scalars.to_numpy()[SIZE])
        done, target = 0, max(tolerance * first, enough)
        while left > target and done < most:
            for _ in range(CHECK_EVERY):
                _descend(serial, *cells, p, self._ap, self.pressure, r, self._lines, self._scalars)
                _aim(serial, 0, *cells, r, self._z, p, *dots)
            done += CHECK_EVERY
            left = float(self._scalars.to_numpy()[SIZE])
        return Solved(done, left / first if first > 0 else 0.0)


@ti.func
def _neighbours(q: ti.template(), kind: ti.template(), passes: ti.template(), I):
    """The sum of w_ij q_j over fluid neighbours, and that of w_ij over all."""
    total, diagonal = 0.0, 0.0
    for d in ti.static(range(I.n)):
        for side in ti.static(range(2)):
            face, J = I, I
            face[d] += side
            J[d] += 2 * side - 1
            w = passes[face][d]
            diagonal += w
            if w > 0.0 and is_cell(kind, J) and kind[J] == FLUID:
                total += w * q[J]
    return total, diagonal


@ti.func
def _diagonal(passes: ti.template(), I):
    """The sum of w_ij."""
    result = 0.0
    for d in ti.static(range(I.n)):
        face = I
        face[d] += 1
        result += passes[I][d] + passes[face][d]
    return result


@ti.func
def _color(I):
    result = 0
    for d in ti.static(range(I.n)):
        result += I[d]
    return result % 2


@ti.func
def _relax(
    color: ti.template(),
    z: ti.template(),
    r: ti.template(),
    kind: ti.template(),
    passes: ti.template(),
    I,
):
    """Solve a cell's equation for it, its neighbours being what they are."""
    if kind[I] == FLUID and _color(I) == color:
        total, diagonal = _neighbours(z, kind, passes, I)
        z[I] = (r[I] + total) / diagonal if diagonal > 0.0 else 0.0


@ti.func
def _in_line(J, k):
    """Cell k of line J."""
    I = ti.Vector([0 for _ in ti.static(range(J.n + 1))])
    for d in ti.static(range(J.n)):
        I[d] = J[d]
    I[J.n] = k
    return I


@ti.func
def _dot_line(a: ti.template(), b: ti.template(), J):
    total = ti.cast(0.0, ti.f64)
    for k in range(a.shape[ti.static(J.n)]):
        I = _in_line(J, k)
        total += ti.cast(a[I], ti.f64) * b[I]
    return total


@ti.func
def _peak_line(a: ti.template(), J):
    peak = 0.0
    for k in range(a.shape[ti.static(J.n)]):
        peak = ti.max(peak, ti.abs(a[_in_line(J, k)]))
    return peak


@ti.func
def _peak(lines: ti.template()):
    peak = 0.0
    for J in ti.grouped(ti.ndrange(*lines.shape)):
        peak = ti.max(peak, lines[J])
    return peak


@ti.func
def _sum(lines: ti.template()):
    total = ti.cast(0.0, ti.f64)
    for J in ti.grouped(ti.ndrange(*lines.shape)):
        total += lines[J]
    return total


@ti.kernel
def _begin(serial: ti.template(), b: Field, kind: Field, passes: Field, q: Field, r: Field):
    """Find what a guess leaves to be solved; where there is no fluid it is nothing."""
    ti.loop_config(serialize=serial)
    for cell in range(size_of(b)):
        I = cell_at(b, cell)
        r[I] = b[I]
        if kind[I] == FLUID:
            total, diagonal = _neighbours(q, kind, passes, I)
            r[I] += total - diagonal * q[I]
        else:
            q[I] = 0.0


@ti.kernel
def _aim(
    serial: ti.template(),
    first: i32,  # whether there is no search direction yet
    kind: Field,
    passes: Field,
    r: Field,
    z: Field,  # written: r, preconditioned
    p: Field,  # the search direction
    lines: Field,
    peaks: Field,
    scalars: Field,
):
    """Find the next search direction (Golub and Van Loan 2013, algorithm 11.5.1)."""
    ti.loop_config(serialize=serial)
    for cell in range(size_of(r)):
        I = cell_at(r, cell)
        z[I] = 0.0
        if kind[I] == FLUID and _color(I) == 0:  # its neighbours are 0 still
            diagonal = _diagonal(passes, I)
            z[I] = r[I] / diagonal if diagonal > 0.0 else 0.0
    ti.loop_config(serialize=serial)
    for cell in range(size_of(r)):
        _relax(1, z, r, kind, passes, cell_at(r, cell))
    ti.loop_config(serialize=serial)
    for cell in range(size_of(r)):
        _relax(0, z, r, kind, passes, cell_at(r, cell))
    ti.loop_config(serialize=serial)
    for line in range(size_of(lines)):
        J = cell_at(lines, line)
        lines[J], peaks[J] = _dot_line(r, z, J), _peak_line(r, J)
    for _ in range(1):
        scalars[SLOPE] = scalars[RHO]
        scalars[RHO] = _sum(lines)
        scalars[SIZE] = _peak(peaks)
    ti.loop_config(serialize=serial)
    for cell in range(size_of(r)):
        I = cell_at(r, cell)
        beta = 0.0
        if first == 0 and scalars[SLOPE] > 0.0:
            beta = ti.cast(scalars[RHO] / scalars[SLOPE], ti.f32)
        p[I] = z[I] + beta * p[I]


@ti.kernel
def _descend(
    serial: ti.template(),
    kind: Field,
    passes: Field,
    p: Field,
    ap: Field,  # written: the equation's left side of p
    q: Field,
    r: Field,
    lines: Field,
    scalars: Field,
):
    """Go along the search direction as far as it leads down."""
    ti.loop_config(serialize=serial)
    for cell in range(size_of(p)):
        I = cell_at(p, cell)
        ap[I] = 0.0
        if kind[I] == FLUID:
            total, diagonal = _neighbours(p, kind, passes, I)
            ap[I] = diagonal * p[I] - total
    ti.loop_config(serialize=serial)
    for line in range(size_of(lines)):
        J = cell_at(lines, line)
        lines[J] = _dot_line(p, ap, J)
    for _ in range(1):
        scalars[SLOPE] = _sum(lines)
    ti.loop_config(serialize=serial)
    for cell in range(size_of(p)):
        I = cell_at(p, cell)
        if scalars[SLOPE] > 0.0:
            alpha = ti.cast(scalars[RHO] / scalars[SLOPE], ti.f32)
            q[I] += alpha * p[I]
            r[I] -= alpha * ap[I]


@ti.kernel
def _divergence(u: Field, passes: Field, kind: Field, b: Field):
    """Right side of the equation: what flows in. A closed face carries its wall's velocity."""
    for I in ti.grouped(b):
        total = 0.0
        if kind[I] == FLUID:
            for d in range(I.n):
                J = I
                J[d] += 1
                low, high = passes[I][d], passes[J][d]
                total += u[I][d] * (low if low > 0.0 else 1.0)
                total -= u[J][d] * (high if high > 0.0 else 1.0)
        b[I] = total


@ti.kernel
def _subtract_gradient(q: Field, kind: Field, passes: Field, u: Field):
    for I in ti.grouped(u):
        for d in range(I.n):
            if is_face(u, I, d) and passes[I][d] > 0.0:
                low = I
                low[d] -= 1
                step = 0.0
                if is_cell(kind, I) and kind[I] == FLUID:
                    step += q[I]
                if is_cell(kind, low) and kind[low] == FLUID:
                    step -= q[low]
                u[I][d] -= step
