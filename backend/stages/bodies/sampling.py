"""Points on and inside meshes: blue noise on surfaces and in volumes, jittered lattices.

Blue noise: Yuksel, Sample Elimination for Generating Poisson Disk Sample Sets, 2015 (weights of
its equation 2, alpha 8), done in rounds over independent sets, so that NumPy does each round at
once, and finished by filling the largest holes, which elimination alone leaves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.spatial import cKDTree

from ....kernels.mesh_distance import closest_point, winding_number
from .creases import Creases, creases_of
from .shape import Shape

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

OVERSAMPLING = 3
"Candidates for each sample that stays."
ROUND_SHARE = 0.5
"Share of the locally heaviest candidates that one round removes: smaller is slower and more even."
FILL_SHARE = 0.1
"Share of the samples that is placed into holes."
FACING = 0.3
"Samples whose normals have a smaller product do not see each other: two sides of a sheet or edge."
PLASTIC = np.array([0.7548776662466927, 0.5698402909980532])
"Steps of the R2 low-discrepancy sequence (Roberts 2018)."
JITTER = 0.7
"Edge of the box, in cells, that a lattice point is moved within."


@dataclass(frozen=True)
class SurfaceSamples:
    """Blue-noise points of a surface, body space.

    `triangle` (n,), `barycentric` (n, 3), `position` (n, 3) m, `normal` (n, 3) unit, geometric;
    `spacing` is sqrt(area / n) in metres, `cover` (n,) the radius in metres of the patch that is
    nearest to each sample; `creases` are those of the surface, in steps of that spacing.
    """

    triangle: Indices
    barycentric: Floats
    position: Floats
    normal: Floats
    spacing: float
    cover: Floats
    creases: Creases


def surface_samples(
    shape: Shape, part: NDArray[np.bool_], count: int, rng: np.random.Generator
) -> SurfaceSamples:
    """Spread exactly `count` points, by area and as evenly as they go, over a part of a surface.

    `part` (F,) tells which triangles take part; they have an area.
    """
    areas = np.where(part, shape.areas, 0.0)
    triangle, barycentric = _candidates(areas, count * OVERSAMPLING, rng)
    corners = shape.vertices[shape.triangles[triangle]].astype(np.float64)
    position = np.einsum("nk,nkd->nd", barycentric, corners)
    normal = shape.face_normals[triangle].astype(np.float64)
    spacing = float(np.sqrt(areas.sum() / count))
    # the radius of the densest packing of discs on this area, for the samples before the filling
    packed = spacing / np.sqrt(2 * np.sqrt(3.0) * (1 - FILL_SHARE))
    creases = creases_of(shape, spacing)
    rim = _rim_distance(creases, position, normal, 2 * packed)
    kept = _spread(position, normal, rim, packed=packed, count=count)
    reach, owner = cKDTree(position[kept]).query(position, workers=-1)
    cover = np.zeros(count)
    np.maximum.at(cover, owner, reach)
    return SurfaceSamples(
        triangle[kept], barycentric[kept], position[kept], normal[kept], spacing, cover, creases
    )


def volume_samples(
    shape: Shape, count: int, thickness: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Spread `count` points (n, 3) through a body as evenly as they go, body space.

    A body too thin for its candidates gets as many points as fell into it.
    """
    volume = shape.volume or shape.area * thickness
    cell = (volume / (count * OVERSAMPLING)) ** (1 / 3)
    candidates = lattice_inside(shape, cell, thickness, rng)[0].astype(np.float64)
    if len(candidates) <= count:
        return candidates.astype(np.float32)
    # the densest packing of balls: Yuksel 2015, equation 1
    packed = (volume / (4 * np.sqrt(2.0) * count * (1 - FILL_SHARE))) ** (1 / 3)
    inner = np.full(len(candidates), np.inf)
    kept = _spread(candidates, None, inner, packed=packed, count=count)
    return candidates[kept].astype(np.float32)


def lattice_inside(
    shape: Shape, cell: float, thickness: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], float]:
    """Return one jittered point (n, 3) for each lattice cell inside a body, and a cell's volume.

    Cells have edges of about `cell` metres, so that they fit the body's bounds: a box is filled
    evenly. Inside is by winding number for a closed mesh, by half the thickness for an open one.
    """
    margin = 0.0 if shape.closed else thickness / 2
    low, high = shape.low - margin, shape.high + margin
    counts = np.maximum(np.round((high - low) / cell), 1).astype(int)
    edges = (high - low) / counts
    inside = []
    layers = max(1, 2_000_000 // int(counts[1] * counts[2]))
    for first in range(0, counts[0], layers):
        slab = np.mgrid[first : min(first + layers, counts[0]), : counts[1], : counts[2]]
        points = slab.reshape(3, -1).T + 0.5
        points += JITTER * (rng.random(points.shape) - 0.5)
        world = (low + points * edges).astype(np.float32)
        inside.append(world[is_inside(shape, world, thickness)])
    return np.concatenate(inside), float(edges.prod())


def is_inside(shape: Shape, points: NDArray[np.float32], thickness: float) -> NDArray[np.bool_]:
    """Whether each point (n, 3), body space, lies in the body."""
    if shape.closed:
        return np.asarray(np.abs(winding_number(points, shape.vertices, shape.triangles)) > 0.5)
    distance = closest_point(points, shape.vertices, shape.triangles)[2]
    return np.asarray(distance < thickness / 2)


def folded(points: Floats) -> Floats:
    """Return points (n, 2) of the unit square as barycentric (n, 3), one half folded back."""
    u, v = points.T
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    return np.stack([1 - u - v, u, v], axis=1)


def _candidates(areas: Floats, count: int, rng: np.random.Generator) -> tuple[Indices, Floats]:
    """Return triangle (count,) and barycentric (count, 3), an R2 sequence in each triangle."""
    ends = np.cumsum(areas)
    along = (np.arange(count) + rng.random(count)) / count * ends[-1]
    triangle = np.minimum(np.searchsorted(ends, along, side="right"), len(ends) - 1)
    rank = np.arange(count) - np.searchsorted(triangle, triangle)
    start = rng.random((len(ends), 2))
    return triangle, folded((start[triangle] + rank[:, None] * PLASTIC) % 1.0)


def _rim_distance(creases: Creases, position: Floats, normal: Floats, reach: float) -> Floats:
    """Return each point's distance (n,) to the nearest crease in its plane, inf beyond reach."""
    distance = np.full(len(position), np.inf)
    close, vector, counts = creases.near(position, normal, reach)
    distance[close] = np.where(counts, np.linalg.norm(vector, axis=2), np.inf).min(axis=1)
    return distance


def _spread(
    position: Floats, normal: Floats | None, rim: Floats, *, packed: float, count: int
) -> Indices:
    """Return `count` indices of candidates that lie as far apart as they can.

    `packed` is the radius in metres of as many balls in their densest packing. A point sees its own
    mirror image beyond the rim, twice `rim` (n,) away: the first row keeps half a spacing from it.
    """
    kept = _eliminate(position, normal, rim, 2 * packed, round(count * (1 - FILL_SHARE)))
    away = np.minimum(cKDTree(position[kept]).query(position, workers=-1)[0], 2 * rim)
    while len(kept) < count:
        order = np.argsort(-away, kind="stable")[: 4 * (count - len(kept))]
        order = order[away[order] > 0]
        pairs = cKDTree(position[order]).query_pairs(1.4 * packed, output_type="ndarray")
        alone = np.ones(len(order), bool)
        alone[pairs.max(axis=1)] = False  # of two near ones the one farther from the others stays
        new = order[alone][: count - len(kept)]
        kept = np.concatenate([kept, new])
        if len(kept) < count:
            away = np.minimum(away, cKDTree(position[new]).query(position, workers=-1)[0])
    return kept


def _eliminate(
    position: Floats, normal: Floats | None, rim: Floats, reach: float, count: int
) -> Indices:
    """Return the indices of the `count` candidates that stay (Yuksel 2015, algorithm 1)."""
    near = _weights(position, normal, reach)
    mirrored = ((1 - np.minimum(2 * rim / reach, 1)) ** 8).astype(np.float32)
    index = np.arange(len(position))
    while len(index) > count:
        heavy = np.asarray(near.sum(axis=1)) + mirrored[index]
        rival = np.zeros(len(index), np.float32)
        social = np.diff(near.indptr) > 0
        if social.any():
            starts = near.indptr[:-1][social]
            rival[social] = np.maximum.reduceat(heavy[near.indices], starts)
        peaks = np.flatnonzero(heavy >= rival)
        leaving = min(len(index) - count, max(int(len(peaks) * ROUND_SHARE), 1))
        stays = np.ones(len(index), bool)
        stays[peaks[np.argsort(-heavy[peaks], kind="stable")[:leaving]]] = False
        near = near[stays][:, stays]
        index = index[stays]
    return index


def _weights(position: Floats, normal: Floats | None, reach: float) -> csr_array:
    """Return the sparse (n, n) weights (1 - d / reach)^8 of candidates on each other."""
    first, second = cKDTree(position).query_pairs(reach, output_type="ndarray").T
    if normal is not None:
        facing = np.einsum("nd,nd->n", normal[first], normal[second]) > FACING
        first, second = first[facing], second[facing]
    distance = np.linalg.norm(position[first] - position[second], axis=1)
    weight = ((1 - distance / reach) ** 8).astype(np.float32)
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    size = (len(position), len(position))
    return coo_array((np.concatenate([weight, weight]), (rows, columns)), shape=size).tocsr()
