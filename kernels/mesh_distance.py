"""Distances, insides and volumes of triangle meshes; called when bodies are made ready.

Signs come from the generalised winding number (Jacobson et al. 2013), so small holes, loose
doubles and self-intersections do not turn a mesh inside out. The triangles' orientation as a whole
does not matter: a mesh whose normals all point inwards counts as solid too.
"""

import numpy as np
import taichi as ti
from numpy.typing import ArrayLike, NDArray

from .array_types import (
    Floats,
    Ints,
    IntVolume,
    Vec3,
    Vec3s,
    Vec3Volume,
    Volume,
    f32,
    i32,
    vec3,
)
from .triangle_tree import (
    TriangleTree,
    build_tree,
    closest_barycentric,
    nearest_slot,
    slot_distance2,
    winding_at,
)

EXACT = 3.0
"""Cells from the surface within which grid distances are exact; beyond, within 1 %."""
NEAR = 1.001
"""Cells up to which two nodes may have a surface between them: a bit over 1, for rounding."""
FARTHEST = 1e9
"""Metres given to all nodes of a mesh without triangles."""


def signed_distance_grid(
    vertices: NDArray[np.float32],
    triangles: NDArray[np.int32],
    *,
    origin: ArrayLike,
    spacing: float,
    shape: tuple[int, int, int],
    thickness: float = 0.0,
) -> NDArray[np.float32]:
    """Sample the distance to a mesh on a grid: metres, negative inside, float32 of `shape`.

    Node i lies at origin + i * spacing. Exact within EXACT cells of the surface, beyond at most
    1 % too large. With thickness > 0 (meant for open meshes) the mesh is a
    shell: unsigned distance - thickness / 2.
    """
    if len(triangles) == 0 or 0 in shape:
        return np.full(shape, FARTHEST, np.float32)
    tree, closed = build_tree(vertices, triangles), is_closed(triangles)
    start = vec3(*np.asarray(origin, np.float64))
    return _sampled(tree, start, spacing, shape, closed=closed, thickness=thickness)[0]


class MovingMesh:
    """A mesh whose vertices move: distances, and how fast its surface does.

    The order of its triangles in the tree is that of `vertices` (V, 3) m, which may be those of any
    moment: so a moment gives the same bits whatever was sampled before. With `thickness` [m] it is
    a shell, as for `signed_distance_grid`.
    """

    def __init__(
        self,
        vertices: NDArray[np.float32],
        triangles: NDArray[np.int32],
        thickness: float = 0.0,
    ) -> None:
        self._triangles = np.ascontiguousarray(triangles, np.int32)
        self._thickness, self._closed = thickness, is_closed(triangles)
        self._slots = build_tree(vertices, triangles).triangle

    def sample(
        self,
        vertices: NDArray[np.float32],
        velocity: NDArray[np.float32],
        *,
        origin: ArrayLike,
        spacing: float,
        shape: tuple[int, int, int],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return distances [m] of `shape`, and velocities [m/s] (*shape, 3) of the surface.

        Each node's is that of the point nearest to it. `vertices` (V, 3) m and their `velocity`
        (V, 3) m/s are those of one moment; nodes lie as for `signed_distance_grid`.
        """
        tree = build_tree(vertices, self._triangles, self._slots)
        start = vec3(*np.asarray(origin, np.float64))
        distance, nearest = _sampled(
            tree, start, spacing, shape, closed=self._closed, thickness=self._thickness
        )
        moved = np.asarray(velocity, np.float32)[self._triangles[np.maximum(tree.triangle, 0)]]
        result = np.zeros((*shape, 3), np.float32)
        corner_velocity = np.ascontiguousarray(moved.reshape(-1, 3))
        _surface_velocity(start, spacing, tree.corners, nearest, corner_velocity, result)
        return distance, result


def _sampled(
    tree: TriangleTree,
    start: Vec3,
    spacing: float,
    shape: tuple[int, int, int],
    *,
    closed: bool,
    thickness: float,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return distances, and the slots of the tree that hold the triangles nearest to the nodes."""
    distance, nearest = np.empty(shape, np.float32), np.empty(shape, np.int32)
    boxes = (tree.low, tree.high, tree.corners, tree.triangle)
    _distance_rows(start, spacing, *boxes, distance, nearest)
    if thickness > 0:
        distance -= np.float32(0.5 * thickness)
        return distance, nearest
    dipoles = (tree.center, tree.normal, tree.radius, tree.corners, tree.triangle)
    _sign_rows(start, spacing, int(closed), *dipoles, distance)
    return distance, nearest


def closest_point(
    points: NDArray[np.float32], vertices: NDArray[np.float32], triangles: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Find each point's nearest point of a mesh: triangle (P,), barycentric (P, 3), distance (P,).

    Raises ValueError for a mesh without triangles.
    """
    if len(triangles) == 0:
        raise ValueError("Expected a mesh with triangles, got none.")
    tree = build_tree(vertices, triangles)
    wanted = np.ascontiguousarray(points, np.float32)
    slot = np.zeros(len(wanted), np.int32)
    weights = np.zeros((len(wanted), 3), np.float32)
    distance = np.zeros(len(wanted), np.float32)
    if len(wanted):
        boxes = (tree.low, tree.high, tree.corners, tree.triangle)
        _closest_points(wanted, *boxes, slot, weights, distance)
    return tree.triangle[slot], weights, distance


def winding_number(
    points: NDArray[np.float32], vertices: NDArray[np.float32], triangles: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Generalised winding number at each point (P,): about 1 inside, 0 outside, within 0.03."""
    wanted = np.ascontiguousarray(points, np.float32)
    result = np.zeros(len(wanted), np.float32)
    if len(triangles) and len(wanted):
        tree: TriangleTree = build_tree(vertices, triangles)
        dipoles = (tree.center, tree.normal, tree.radius, tree.corners, tree.triangle)
        _windings(wanted, *dipoles, result)
    return result


def is_closed(triangles: NDArray[np.int32]) -> bool:
    """Tell whether every edge is shared by exactly two faces, once per direction."""
    faces = np.asarray(triangles, np.int64).reshape(-1, 3)
    if len(faces) == 0:
        return False
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = edges.max() + 1
    forward = np.sort(edges[:, 0] * count + edges[:, 1])
    backward = np.sort(edges[:, 1] * count + edges[:, 0])
    single = bool((np.diff(forward) > 0).all())
    return single and bool((edges[:, 0] != edges[:, 1]).all()) and bool((forward == backward).all())


def mesh_volume(vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> float:
    """Return the enclosed volume in m^3 by the divergence theorem; negative if inside out."""
    if len(triangles) == 0:
        return 0.0
    points = np.asarray(vertices, np.float64)
    a, b, c = np.moveaxis((points - points.mean(axis=0))[np.asarray(triangles, np.int64)], 1, 0)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


@ti.kernel
def _distance_rows(
    origin: Vec3,
    spacing: f32,
    low: Vec3s,
    high: Vec3s,
    corners: Vec3s,
    triangle: Ints,
    distance: Volume,  # [nx, ny, nz] m, written unsigned
    nearest: IntVolume,  # [nx, ny, nz] slot, written
):
    for i, j in ti.ndrange(distance.shape[0], distance.shape[1]):
        slot = -1
        for k in range(distance.shape[2]):
            p = origin + spacing * vec3(i, j, k)
            # The triangle nearest to the last node is nearly nearest to this one.
            slot = nearest_slot(p, slot, EXACT * spacing, low, high, corners, triangle)
            distance[i, j, k] = ti.sqrt(slot_distance2(p, corners, slot))
            nearest[i, j, k] = slot


@ti.kernel
def _surface_velocity(
    origin: Vec3,
    spacing: f32,
    corners: Vec3s,
    nearest: IntVolume,  # [nx, ny, nz] slot
    velocity: Vec3s,  # [slots * 3] m/s
    result: Vec3Volume,  # [nx, ny, nz] m/s, written
):
    for i, j, k in nearest:
        p = origin + spacing * vec3(i, j, k)
        at = 3 * nearest[i, j, k]
        w = closest_barycentric(p, corners[at], corners[at + 1], corners[at + 2])
        result[i, j, k] = w[0] * velocity[at] + w[1] * velocity[at + 1] + w[2] * velocity[at + 2]


@ti.kernel
def _sign_rows(
    origin: Vec3,
    spacing: f32,
    closed: i32,
    center: Vec3s,
    normal: Vec3s,
    radius: Floats,
    corners: Vec3s,
    triangle: Ints,
    distance: Volume,  # [nx, ny, nz] m, made negative inside
):
    for i, j in ti.ndrange(distance.shape[0], distance.shape[1]):
        inside = False
        last = 0.0
        for k in range(distance.shape[2]):
            now = distance[i, j, k]
            # No surface lies between two nodes that are farther from it than from each other;
            # only a closed surface settles the sign so, a hole has none to cross.
            if closed == 0 or k == 0 or ti.max(now, last) <= NEAR * spacing:
                p = origin + spacing * vec3(i, j, k)
                inside = abs(winding_at(p, center, normal, radius, corners, triangle)) > 0.5
            if inside:
                distance[i, j, k] = -now
            last = now


@ti.kernel
def _closest_points(
    points: Vec3s,
    low: Vec3s,
    high: Vec3s,
    corners: Vec3s,
    triangle: Ints,
    slot: Ints,
    weights: Vec3s,
    distance: Floats,
):
    for n in points:
        p = points[n]
        found = nearest_slot(p, -1, FARTHEST, low, high, corners, triangle)
        a, b, c = corners[3 * found], corners[3 * found + 1], corners[3 * found + 2]
        slot[n] = found
        weights[n] = closest_barycentric(p, a, b, c)
        distance[n] = ti.sqrt(slot_distance2(p, corners, found))


@ti.kernel
def _windings(
    points: Vec3s,
    center: Vec3s,
    normal: Vec3s,
    radius: Floats,
    corners: Vec3s,
    triangle: Ints,
    result: Floats,
):
    for n in points:
        result[n] = winding_at(points[n], center, normal, radius, corners, triangle)
