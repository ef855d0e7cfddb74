"""What captured splats enclose, as a closed mesh: their shell, its inside by the parity of rays.

After the filling of Xie et al., PhysGaussian, 2024, with three differences. The shell's density is
how much light a cell's splats stop, in optical thicknesses, so that it depends neither on how many
splats a capture has nor on its scale. All six directions vote, so that a hole (the foot that the
table hid) loses one vote and not the body. The result is a surface that solids, liquids, rigid
bodies and colliders take as they take a mesh's, laid through the splats themselves.
Time and memory are bounded by the grid and by the count of samples, whatever the covariances say.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_fill_holes,
    distance_transform_edt,
    gaussian_filter,
    label,
    map_coordinates,
    maximum_filter,
    uniform_filter,
)
from scipy.spatial import cKDTree
from scipy.special import ndtri

from ....kernels.surface_nets import surface_nets
from ...contract.errors import ShotError
from .own import OwnSplats

Floats = NDArray[np.float32]
Grid = NDArray[np.float32]
Mask = NDArray[np.bool_]
Mesh = tuple[Floats, NDArray[np.int32]]

CELLS = 64
"Along the longest side."
MARGIN = 4
"Empty cells around."
MOST_SAMPLES = 20_000_000
STEPS = (0.25, 0.5, 1.0, 2.0, 4.0, np.inf)
"Splats of up to so many cells are spread over 1, 4, 16, ... points."
CHUNK = 1 << 20
STOPS = 0.7
"Optical thickness, through a cell, of what counts as shell: it stops half of the light."
SPREAD, SMOOTH = 0.7, 1.0
"Standard deviations in cells over which the density is smoothed, and the distances after it."
VOTES, WALLS = 5, 5
"Of six directions: odd ones, and ones that meet a wall, for a cell to be inside."
LEAST_PART = 0.01
"Share of the largest piece below which a piece floats, and is no matter."
OPAQUE = 0.3
"Splats that the surface is laid through are at least so opaque."
NEAREST = 16
FLAT, FACING = 0.3, 0.5
"A disc is thinner than this share of its width; one that faces elsewhere tells nothing here."
LEAST_HALF = 0.35
"Cells that a thin sheet keeps on each side."


def hull_of(name: str, own: OwnSplats) -> Mesh:
    """Return the closed surface, vertices (V, 3) [m] and triangles (F, 3), of body `name`.

    Splats whose axes had to be shortened take no part. Raises ShotError where none stop the light.
    """
    own = own.only(~own.shortened)
    if not len(own.mean):
        raise _nothing_there(name)
    sigma = own.sigma[:, 2]
    size = float((own.high - own.low).max())
    reach = min(float(np.percentile(2 * sigma, 95)), 0.5 * size)  # what the outermost ones cover
    spacing = max(size + 2 * reach, 1e-6) / CELLS
    low = own.low - reach - (MARGIN + 0.5) * spacing
    shape = np.ceil((own.high + reach - low) / spacing + MARGIN + 0.5).astype(int)
    density = density_grid(own, low, spacing, shape)
    density[_border(density.shape)] = 0
    solid = _largest_parts(_filled(density > STOPS))
    if not solid.any():
        raise _nothing_there(name)
    depth = distance_transform_edt(solid) - distance_transform_edt(~solid)
    depth = gaussian_filter(depth - 0.5 * np.sign(depth), SMOOTH).astype(np.float32)
    centre = low + 0.5 * spacing
    vertices, triangles = surface_nets(depth, origin=centre, spacing=spacing)
    cells = (vertices - centre) / spacing
    near = own.only(own.opacity > OPAQUE)
    moved = cells - _inwards(cells, depth, near, centre, spacing)
    return (centre + spacing * moved).astype(np.float32), triangles


def _nothing_there(name: str) -> ShotError:
    return ShotError(
        f"{name}, capture",
        "expected splats that hide what is behind them, got none as dense as that.",
        "Lower its opacity threshold, or take the physics off it.",
    )


def density_grid(
    own: OwnSplats, low: NDArray[np.float64], spacing: float, shape: NDArray[np.int64]
) -> Grid:
    """Return the optical thickness of every cell from `low` on, by points spread as the splats are.

    A splat of half axes a, b stops as much as an area of 2 pi a b (o + o^2/4 + ...) that stops all:
    the integral of its optical thickness, whichever way its third axis points.
    """
    sigma = own.sigma.astype(np.float64)
    stopped = own.opacity * (1 + 0.6 * own.opacity)  # the dilogarithm to 1 %
    weight = 2 * np.pi * sigma[:, 1] * sigma[:, 2] * stopped / spacing**2
    steps = np.searchsorted(STEPS, sigma[:, 2] / spacing)
    while (4.0**steps).sum() > MOST_SAMPLES:
        steps = np.maximum(steps - 1, 0)
    total = np.zeros(int(np.prod(shape)))
    points = _normal_points(4 ** (len(STEPS) - 1))
    for step in np.unique(steps):
        count = 4**step
        members = np.flatnonzero(steps == step)
        for first in range(0, len(members), max(CHUNK // count, 1)):
            rows = members[first : first + max(CHUNK // count, 1)]
            away = np.einsum("nij,kj->nki", own.axes[rows], points[:count] * (count > 1))
            cell = np.floor((own.mean[rows, None] + away - low) / spacing).astype(np.int64)
            inside = ((cell >= 0) & (cell < shape)).all(axis=2)
            where = np.ravel_multi_index(tuple(cell[inside].T), tuple(shape))
            share = np.broadcast_to((weight[rows] / count)[:, None], inside.shape)[inside]
            total += np.bincount(where, share, len(total))
    return np.asarray(gaussian_filter(total.reshape(shape), SPREAD), np.float32)


def _normal_points(count: int) -> Floats:
    """Return points (count, 3) of a standard normal distribution, evenly, in any first part.

    The R3 sequence (Roberts, 2018) through the inverse of the normal distribution.
    """
    step = 1.2207440846057596 ** -np.arange(1.0, 4.0)
    even = (0.5 + np.arange(1, count + 1)[:, None] * step) % 1
    return np.asarray(ndtri(even), np.float32)


def _filled(shell: Mask) -> Mask:
    """Return shell and inside: cells that most rays leave through an odd count of walls."""
    odd = np.zeros(shell.shape, np.int8)
    met = np.zeros(shell.shape, np.int8)
    for axis in range(3):
        before = np.zeros_like(shell)
        part = [slice(None)] * 3
        part[axis] = slice(1, None)
        rest = [slice(None)] * 3
        rest[axis] = slice(None, -1)
        before[tuple(part)] = shell[tuple(rest)]
        behind = np.cumsum(shell & ~before, axis=axis, dtype=np.int16)
        last = [slice(None)] * 3
        last[axis] = slice(-1, None)
        ahead = behind[tuple(last)] - behind
        for walls in (behind, ahead):
            odd += (walls & 1).astype(np.int8)
            met += (walls > 0).astype(np.int8)
    inside = ~shell & (odd >= VOTES) & (met >= WALLS)
    # along grazing rays walls merge, and single cells miscount: their neighbours outvote them
    inside = (uniform_filter((inside | shell).astype(np.float32), 3) > 0.5) & ~shell
    return np.asarray(binary_fill_holes(shell | inside), bool)


def _largest_parts(solid: Mask) -> Mask:
    """Leave out pieces that float about."""
    part, count = label(solid, np.ones((3, 3, 3)))
    sizes = np.bincount(part.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.asarray((sizes >= max(LEAST_PART * sizes.max(), 1))[part], bool)


def _border(shape: tuple[int, ...]) -> Mask:
    border = np.ones(shape, bool)
    border[MARGIN:-MARGIN, MARGIN:-MARGIN, MARGIN:-MARGIN] = False
    return border


def _inwards(
    cells: NDArray[np.float64],
    depth: Grid,
    splats: OwnSplats,
    centre: NDArray[np.float64],
    spacing: float,
) -> NDArray[np.float64]:
    """Return how each vertex (V, 3) moves, in cells against outwards, to lie among the splats.

    A cell counts as shell when a splat is anywhere near; the true surface lies up to a cell and a
    half below: in the planes of discs, at the centres of others. A sheet keeps some thickness.
    """
    slope = np.stack(
        [map_coordinates(part, cells.T, order=1) for part in np.gradient(depth)], axis=1
    )
    outwards = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    count = min(NEAREST, len(splats.mean))
    if count == 0:
        return np.zeros_like(cells)
    place = (splats.mean - centre) / spacing
    away, index = cKDTree(place).query(cells, k=list(range(1, count + 1)), workers=-1)
    sigma = splats.sigma / spacing
    weight = np.exp(-0.5 * (away / np.maximum(sigma[:, 2], 1)[index]) ** 2)
    normal = splats.flat_normals()[index]
    normal = np.where((sigma[:, 0] < FLAT * sigma[:, 1])[index, None], normal, outwards[:, None])
    facing = np.einsum("vkd,vd->vk", normal, outwards)
    height = np.einsum("vkd,vkd->vk", place[index] - cells[:, None], normal)
    seen = np.abs(facing) > FACING
    weight = np.where(seen, weight, 0)
    needed = -(weight * height / np.where(seen, facing, 1)).sum(axis=1)
    needed /= np.maximum(weight.sum(axis=1), 1e-12)
    half = map_coordinates(maximum_filter(depth, size=5), cells.T, order=1)
    moved = np.clip(needed, 0, np.maximum(half - LEAST_HALF, 0))
    return np.asarray(moved[:, None] * outwards)
