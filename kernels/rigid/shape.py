"""What a solid touches with: distances, and points of its surface; called when it is made ready.

A body meets another with its points against the other's distances, and the other way round.
Vertices alone miss a face that lies on a face, and in a distance grid they lie just where two
identical boxes have their edges; so points of the faces, a little inside of their borders, go too.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ..mesh_distance import signed_distance_grid

Floats = NDArray[np.float64]

NODES = 40
"""Distance nodes along the longest side."""
MARGIN = 3
"""Nodes around it."""
VERTICES, SAMPLES = 192, 288
"""Most points of a body, at its vertices and on its faces."""
INSET = 0.06
"""Share of a face that its corners' points lie inside of it."""
FEW_FACES = 400
ROUND = 2e-4
"""Share of the radius to which the vertices of a ball lie on a sphere."""
SAGITTA = 0.95
"""Share of the radius that the middles of a ball's faces are away from its centre."""
LEAST_BALL = 40
"""Vertices from which a mesh may count as a ball."""


@dataclass(frozen=True)
class Solid:
    """A shape in its body's own space, metres."""

    distance: NDArray[np.float32]
    "(nx, ny, nz) m, negative inside."
    origin: Floats
    "(3,) place of distance[0, 0, 0]."
    spacing: float
    points: Floats
    "(p, 3) on the surface; of a ball its centre alone."
    ball: float = 0.0
    "Radius of a shape that is a ball about `points[0]`; 0 for others."

    def about(self, center: Floats) -> "Solid":
        """Return the shape with `center` (3,) as its space's origin."""
        return replace(self, origin=self.origin - center, points=self.points - center)

    def distances(self, places: Floats) -> Floats:
        """Distance [m] at places (n, 3) in the shape's space; endless outside of its grid."""
        nodes = (np.asarray(places, np.float64) - self.origin) / self.spacing
        return np.asarray(map_coordinates(self.distance, nodes.T, order=1, cval=np.inf), np.float64)

    @property
    def reach(self) -> float:
        """Radius about the space's origin of all that belongs to the shape."""
        return float(np.linalg.norm(self.points, axis=1).max()) + self.ball


def solid_of(vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> Solid:
    """Make the shape of a closed mesh.

    A mesh whose vertices lie on a sphere counts as that ball: it rolls smoothly, not over facets.
    """
    used = np.asarray(vertices, np.float64)[np.unique(triangles)]
    low, high = used.min(axis=0), used.max(axis=0)
    spacing = float((high - low).max() / NODES)
    # Flat sides lie between nodes, where their distance is exact.
    origin = low - (MARGIN - 0.5) * spacing
    count = np.ceil((high - low) / spacing - 1e-6).astype(int) + 2 * MARGIN
    distance = signed_distance_grid(
        vertices,
        triangles,
        origin=origin,
        spacing=spacing,
        shape=(int(count[0]), int(count[1]), int(count[2])),
    )
    middle, radius = _sphere(used)
    gap = np.abs(np.linalg.norm(used - middle, axis=1) - radius).max()
    faces = np.asarray(vertices, np.float64)[triangles].mean(axis=1)
    shallowest = np.linalg.norm(faces - middle, axis=1).min()
    # The rings of a cylinder lie on a sphere too: its faces do not.
    if len(used) >= LEAST_BALL and gap < ROUND * radius and shallowest > SAGITTA * radius:
        return Solid(distance, origin, spacing, middle[None], radius)
    return Solid(distance, origin, spacing, surface_points(vertices, triangles))


def surface_points(vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> Floats:
    """Choose points that stand for a mesh's surface, (p, 3), evenly, the same on every call."""
    places = np.asarray(vertices, np.float64)
    corners = places[np.asarray(triangles, np.int64)]
    chosen = [_spread(np.unique(corners.reshape(-1, 3), axis=0), VERTICES)]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1)
    on_faces = []
    if len(triangles) <= FEW_FACES:
        weights = INSET / 2 + (1 - 1.5 * INSET) * np.eye(3)
        on_faces.append(np.einsum("wk,nki->nwi", weights, corners).reshape(-1, 3))
    rng = np.random.default_rng(0)
    face = np.searchsorted(np.cumsum(area) / area.sum(), rng.random(4 * SAMPLES)).clip(
        max=len(area) - 1
    )
    u, v = rng.random((2, len(face)))
    over = u + v > 1
    u[over], v[over] = 1 - u[over], 1 - v[over]
    a, b, c = np.moveaxis(corners[face], 1, 0)
    scattered = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    on_faces.append(scattered)
    chosen.append(_spread(np.concatenate(on_faces), SAMPLES))
    return np.concatenate(chosen)


def _spread(points: Floats, most: int) -> Floats:
    """Take at most so many points, each as far as can be from those before."""
    if len(points) <= most:
        return points
    order = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmax())]
    away = np.linalg.norm(points - points[order[0]], axis=1)
    while len(order) < most:
        order.append(int(away.argmax()))
        away = np.minimum(away, np.linalg.norm(points - points[order[-1]], axis=1))
    return points[order]


def _sphere(points: Floats) -> tuple[Floats, float]:
    """Fit a sphere by least squares: |x|^2 = 2 c x + (r^2 - c^2)."""
    start = points.mean(axis=0)
    x = points - start
    system = np.concatenate([2 * x, np.ones((len(x), 1))], axis=1)
    answer = np.linalg.lstsq(system, (x**2).sum(axis=1), rcond=None)[0]
    center = answer[:3]
    return start + center, float(np.sqrt(max(answer[3] + center @ center, 0.0)))
