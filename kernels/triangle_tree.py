"""A balanced tree of boxes over triangles, with what nearest-point and winding queries need.

The tree is implicit: node n has the children 2n+1 and 2n+2; the leaves hold LEAF triangles each.
Every node also keeps the dipole of its triangles, so far ones count as one (Barill et al. 2018,
"Fast Winding Numbers for Soups and Clouds", equation 6).
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .array_types import Vec3, f32, i32, template, vec3

LEAF = 4
FAR = 3.0
"""A node is far where its distance exceeds this many of its radii."""
SLACK = 0.01
STACK = 64
EMPTY = 1e18


@dataclass(frozen=True)
class TriangleTree:
    """Boxes and dipoles of all nodes, and the triangles' corners in the order of the leaves."""

    low: NDArray[np.float32]
    "(N, 3) m; +EMPTY where the node is empty."
    high: NDArray[np.float32]
    "(N, 3) m; -EMPTY where the node is empty."
    center: NDArray[np.float32]
    "(N, 3) m, area-weighted."
    normal: NDArray[np.float32]
    "(N, 3) m^2, sum of the area vectors."
    radius: NDArray[np.float32]
    "(N,) m, of a sphere about `center` that holds all corners."
    corners: NDArray[np.float32]
    "(L * LEAF * 3, 3) m."
    triangle: NDArray[np.int32]
    "(L * LEAF,): which triangle of the mesh; -1 where the slot is empty."


def build_tree(
    vertices: NDArray[np.float32],
    triangles: NDArray[np.int32],
    slots: NDArray[np.int32] | None = None,
) -> TriangleTree:
    """Split at the median of the longest axis, level by level.

    `vertices` (V, 3) m, `triangles` (F, 3) with F > 0. `slots`, the `triangle` of an earlier tree
    of the same triangles, keeps its order: quick, and good as long as the mesh is not crumpled.
    """
    corners = np.asarray(vertices, np.float32)[np.asarray(triangles, np.int64)]
    leaves = 1
    while leaves * LEAF < len(corners):
        leaves *= 2
    if slots is None:
        slots = _split_order(corners.mean(axis=1), leaves).astype(np.int32)
    filled = slots >= 0
    corners = np.where(filled[:, None, None], corners[slots], np.float32(0))
    low, high, center, normal, radius = _fold_up(corners.astype(np.float64), filled, leaves)
    return TriangleTree(
        low=low,
        high=high,
        center=center,
        normal=normal,
        radius=radius,
        corners=np.ascontiguousarray(corners.reshape(-1, 3), np.float32),
        triangle=slots,
    )


def _split_order(centroids: NDArray[np.float32], leaves: int) -> NDArray[np.int64]:
    """Return which triangle goes into which slot, (leaves * LEAF,), -1 for none."""
    slots = np.full(leaves * LEAF, -1, np.int64)
    slots[: len(centroids)] = np.arange(len(centroids))
    parts = 1
    while parts < leaves:
        rows = slots.reshape(parts, -1)
        points = np.where((rows >= 0)[..., None], centroids[rows], np.nan)
        extent = np.full((parts, 3), -1.0)
        some = (rows >= 0).any(axis=1)
        extent[some] = np.nanmax(points[some], axis=1) - np.nanmin(points[some], axis=1)
        axis = extent.argmax(axis=1)
        keys = np.take_along_axis(points, axis[:, None, None], axis=2)[..., 0]
        keys[np.isnan(keys)] = np.inf
        # Empty slots go last, so whole subtrees stay empty and are pruned at once.
        slots = np.take_along_axis(rows, keys.argsort(axis=1, kind="stable"), axis=1).reshape(-1)
        parts *= 2
    return slots


def _fold_up(
    corners: NDArray[np.float64], filled: NDArray[np.bool_], leaves: int
) -> tuple[NDArray[np.float32], ...]:
    """Return low, high, center, normal, radius of all nodes from the leaves' triangles."""
    area_vector = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(area_vector, axis=1)
    low, high, center, normal, radius = [], [], [], [], []
    parts = leaves
    while parts >= 1:
        some = filled.reshape(parts, -1, 1, 1)
        corner = corners.reshape(parts, -1, 3, 3)
        low.append(np.where(some, corner, EMPTY).min(axis=(1, 2)))
        high.append(np.where(some, corner, -EMPTY).max(axis=(1, 2)))
        weight = area.reshape(parts, -1) + 1e-30 * filled.reshape(parts, -1)
        total = np.maximum(weight.sum(axis=1), 1e-300)
        middle = (weight[..., None] * corner.mean(axis=2)).sum(axis=1) / total[:, None]
        center.append(middle)
        normal.append(area_vector.reshape(parts, -1, 3).sum(axis=1))
        away = np.linalg.norm(corner - middle[:, None, None], axis=-1)
        radius.append(np.where(some[..., 0], away, 0.0).max(axis=(1, 2)))
        parts //= 2
    levels = (low, high, center, normal, radius)
    return tuple(np.concatenate(level[::-1]).astype(np.float32) for level in levels)


@ti.func
def box_distance2(p: Vec3, low: Vec3, high: Vec3) -> f32:
    """Squared distance from p to a box, 0 inside."""
    away = ti.max(low - p, p - high, 0.0)
    return away.dot(away)


@ti.func
def _closest_on_edges(p: Vec3, a: Vec3, b: Vec3, c: Vec3) -> Vec3:
    """Barycentric coordinates of the nearest point of a triangle that has no area."""
    result = vec3(1.0, 0.0, 0.0)
    best = ti.f32(EMPTY)
    for edge in ti.static(range(3)):
        start, end = (a, b, c)[edge], (b, c, a)[edge]
        along = end - start
        t = ti.math.clamp((p - start).dot(along) / ti.max(along.dot(along), 1e-30), 0.0, 1.0)
        away = start + t * along - p
        if away.dot(away) < best:
            best = away.dot(away)
            result = vec3(0.0)
            result[edge] = 1.0 - t
            result[(edge + 1) % 3] = t
    return result


@ti.func
def closest_barycentric(p: Vec3, a: Vec3, b: Vec3, c: Vec3) -> Vec3:
    """Barycentric coordinates of the point of a triangle nearest to p (Ericson 2005, 5.1.5)."""
    ab, ac, ap, bp, cp = b - a, c - a, p - a, p - b, p - c
    d1, d2 = ab.dot(ap), ac.dot(ap)
    d3, d4 = ab.dot(bp), ac.dot(bp)
    d5, d6 = ab.dot(cp), ac.dot(cp)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    result = vec3(1.0, 0.0, 0.0)
    across = ab.cross(ac)
    if across.dot(across) <= 1e-10 * ab.dot(ab) * ac.dot(ac):
        result = _closest_on_edges(p, a, b, c)
    elif d1 <= 0.0 and d2 <= 0.0:
        result = vec3(1.0, 0.0, 0.0)
    elif d3 >= 0.0 and d4 <= d3:
        result = vec3(0.0, 1.0, 0.0)
    elif d6 >= 0.0 and d5 <= d6:
        result = vec3(0.0, 0.0, 1.0)
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        t = d1 / ti.max(d1 - d3, 1e-30)
        result = vec3(1.0 - t, t, 0.0)
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        t = d2 / ti.max(d2 - d6, 1e-30)
        result = vec3(1.0 - t, 0.0, t)
    elif va <= 0.0 and d4 >= d3 and d5 >= d6:
        t = (d4 - d3) / ti.max((d4 - d3) + (d5 - d6), 1e-30)
        result = vec3(0.0, 1.0 - t, t)
    else:
        total = ti.max(va + vb + vc, 1e-30)
        result = vec3(va, vb, vc) / total
    return result


@ti.func
def slot_distance2(p: Vec3, corners: template, slot: i32) -> f32:
    """Squared distance from p to the triangle in a slot."""
    a, b, c = corners[3 * slot], corners[3 * slot + 1], corners[3 * slot + 2]
    w = closest_barycentric(p, a, b, c)
    away = w[0] * a + w[1] * b + w[2] * c - p
    return away.dot(away)


@ti.func
def search_bound(best_d2: f32, exact: f32) -> f32:
    """Squared distance below which a box is still worth opening."""
    return ti.max(ti.min(best_d2, exact * exact), best_d2 * (1.0 - SLACK) ** 2)


@ti.func
def nearest_slot(
    p: Vec3,
    start: i32,
    exact: f32,
    low: template,
    high: template,
    corners: template,
    triangle: template,
) -> i32:
    """Slot of the triangle nearest to p; a good `start` (or -1) makes the search short.

    Beyond the distance `exact` the answer may be farther than the nearest by a part of SLACK.
    """
    first_leaf = low.shape[0] // 2
    best = start
    best_d2 = ti.f32(EMPTY)
    if start >= 0:
        best_d2 = slot_distance2(p, corners, start)
    bound = search_bound(best_d2, exact)
    stack = ti.Vector.zero(ti.i32, STACK)
    top = 1
    while top > 0:
        top -= 1
        node = stack[top]
        if box_distance2(p, low[node], high[node]) < bound:
            if node >= first_leaf:
                for c in range(LEAF):
                    slot = (node - first_leaf) * LEAF + c
                    if triangle[slot] >= 0:
                        d2 = slot_distance2(p, corners, slot)
                        if d2 < best_d2:
                            best_d2 = d2
                            best = slot
                bound = search_bound(best_d2, exact)
            else:
                near, far = 2 * node + 1, 2 * node + 2
                if box_distance2(p, low[near], high[near]) > box_distance2(p, low[far], high[far]):
                    near, far = far, near
                stack[top] = far
                stack[top + 1] = near
                top += 2
    return best


@ti.func
def solid_angle(a: Vec3, b: Vec3, c: Vec3) -> f32:
    """Signed solid angle of a triangle seen from the origin (Van Oosterom and Strackee 1983)."""
    la, lb, lc = a.norm(), b.norm(), c.norm()
    under = la * lb * lc + a.dot(b) * lc + b.dot(c) * la + c.dot(a) * lb
    return 2.0 * ti.atan2(a.dot(b.cross(c)), under)


@ti.func
def winding_at(
    p: Vec3,
    center: template,
    normal: template,
    radius: template,
    corners: template,
    triangle: template,
) -> f32:
    """Generalised winding number of all triangles about p."""
    first_leaf = radius.shape[0] // 2
    total = 0.0
    stack = ti.Vector.zero(ti.i32, STACK)
    top = 1
    while top > 0:
        top -= 1
        node = stack[top]
        r = center[node] - p
        d2 = r.dot(r)
        if d2 > (FAR * radius[node]) ** 2:
            total += normal[node].dot(r) / (d2 * ti.sqrt(d2))
        elif node >= first_leaf:
            for c in range(LEAF):
                slot = (node - first_leaf) * LEAF + c
                if triangle[slot] >= 0:
                    total += solid_angle(
                        corners[3 * slot] - p, corners[3 * slot + 1] - p, corners[3 * slot + 2] - p
                    )
        else:
            stack[top] = 2 * node + 1
            stack[top + 1] = 2 * node + 2
            top += 2
    return total / (4.0 * ti.math.pi)
