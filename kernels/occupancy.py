"""Where matter is, of its particles: how full the nodes of a grid are, and how far its surface is.

A particle gives its volume to the eight nodes around it, by a hat of one spacing, so a node is half
full where a flat surface passes through it. How far it is from one follows from how full it is: a
half-space whose surface lies d spacings above a node fills it by 1/2 + d - d|d|/2, |d| < 1.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray
from scipy.ndimage import (
    distance_transform_edt,
    generate_binary_structure,
    maximum_filter,
    minimum_filter,
)
from scipy.spatial import cKDTree

from .array_types import Cell, Vec3s, Vec4s, ivec3, template, vec4

Floats = NDArray[np.float32]

EDGES = 2.0
"Spacings of the nodes, in edges of the cube that a particle stands for: eight to a cell."
MARGIN = 3
"Nodes kept around the matter."
EXACT = 3.0
"Nodes from the surface within which distances are told from places on it."
ACROSS = generate_binary_structure(3, 1)
"A node and those that it shares a face with."


@dataclass(frozen=True)
class Occupied:
    """Matter on a grid whose node i lies at origin + i * spacing.

    `distance` (nx, ny, nz) [m] to where it is half full, negative inside; `velocity`
    (nx, ny, nz, 3) [m/s], the mass-weighted mean, of the nearest matter where there is none.
    """

    distance: Floats
    velocity: Floats
    origin: NDArray[np.float64]
    spacing: float


def occupied(
    before: Floats, after: Floats, *, share: float, seconds: float, volume: float, most: int
) -> Occupied | None:
    """Find what particles fill on their way from `before` to `after` (n, 3) [m].

    `share` of the way is done, which takes `seconds`; each stands for `volume` [m^3]. The grid is
    made coarser where it would have more than `most` nodes; it stands still while the matter moves
    through it, so that what rests does not flicker. None where nothing is half full.
    """
    at = before + np.float32(share) * (after - before)
    if not len(at):
        return None
    low, high = at.min(axis=0).astype(np.float64), at.max(axis=0).astype(np.float64)
    spacing = EDGES * float(np.cbrt(volume))
    spacing = max(spacing, float(np.prod(high - low + 2 * MARGIN * spacing) / most) ** (1 / 3))
    first = np.floor(low / spacing).astype(np.int64) - MARGIN
    last = np.ceil(high / spacing).astype(np.int64) + MARGIN
    shape = tuple(int(n) for n in last - first + 1)
    # Places are told from the first node: far from the origin single precision is coarse.
    origin = first * spacing
    inside = np.ascontiguousarray((at - origin) / spacing, np.float32)
    moved = np.ascontiguousarray((after - before) / np.float32(seconds), np.float32)
    total = np.zeros((int(np.prod(shape)), 4), np.float32)
    serial = ti.cfg.arch in (ti.x64, ti.arm64)  # in one order: the same input, the same bits
    _give(serial, ivec3(*shape), inside, moved, total)
    total = total.reshape(*shape, 4)
    full = total[..., 3] * np.float32(volume / spacing**3)
    distance = distance_to_half(full, spacing)
    if distance is None:
        return None
    some = total[..., 3] > 0
    nearest = distance_transform_edt(~some, return_distances=False, return_indices=True)
    mean = total[..., :3] / np.maximum(total[..., 3:], np.float32(1e-12))
    return Occupied(distance, mean[tuple(nearest)], origin, spacing)


def distance_to_half(full: Floats, spacing: float) -> Floats | None:
    """Signed distances [m] of all nodes to where `full` (nx, ny, nz) is 1/2; None if it never is.

    Each node beside the surface tells a place on it, by how full it is and where that rises. The
    nearest of these places counts, within EXACT nodes; beyond, that of the nearest node.
    """
    over = np.clip(full, 0, 1) - np.float32(0.5)
    if not (over > 0).any():
        return None
    high, low = (pick(over, footprint=ACROSS) for pick in (maximum_filter, minimum_filter))
    beside = (high > 0) & (low <= 0)
    partly = beside & (np.abs(over) < 0.5)  # full and empty ones only say that it is farther
    beside = partly if partly.any() else beside
    depth = np.sign(over) * (1 - np.sqrt(np.maximum(1 - 2 * np.abs(over), 0)))
    rise = np.stack([part[beside] for part in np.gradient(over)], axis=-1)
    rise /= np.maximum(np.linalg.norm(rise, axis=-1, keepdims=True), 1e-6)
    surface = np.argwhere(beside) - depth[beside][:, None] * rise
    away, nearest = distance_transform_edt(~beside, return_indices=True)
    near = away <= EXACT
    number = np.cumsum(beside).reshape(full.shape)[tuple(nearest)] - 1
    away[~near] = np.linalg.norm(np.argwhere(~near) - surface[number[~near]], axis=-1)
    away[near] = cKDTree(surface).query(np.argwhere(near))[0]
    return np.asarray(np.where(over > 0, -away, away) * spacing, np.float32)


@ti.kernel
def _give(
    serial: template,
    size: Cell,
    place: Vec3s,  # [n] spacings from the first node
    moved: Vec3s,  # [n] m/s
    total: Vec4s,  # [nodes] sums of weight times velocity, and of weights
):
    ti.loop_config(serialize=serial)
    for p in place:
        x = place[p]
        base = ti.floor(x, ti.i32)
        part = x - base
        v = moved[p]
        for o in range(8):
            node, weight = base, 1.0
            for k in ti.static(range(3)):
                bit = (o >> k) & 1
                node[k] += bit
                weight *= part[k] if bit == 1 else 1.0 - part[k]
            row = (node[0] * size[1] + node[1]) * size[2] + node[2]
            total[row] += weight * vec4(v[0], v[1], v[2], 1.0)
