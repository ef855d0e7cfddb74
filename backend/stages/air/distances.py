"""How far places are from a body's mesh, in its own space; used by gas and flocks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ....kernels.mesh_distance import signed_distance_grid
from ...contract.arrays import ArraySet
from ...contract.shot import Body, Mesh
from ..bodies.shape import Shape, shape_of, solidify

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

MARGIN = 3
"Cells of distance kept around a mesh."
SHEET = 2.0
"Cells of thickness that an open mesh without one is given."
MOST_NODES = 2_000_000
"A mesh with more nodes than this is sampled more coarsely."
FINEST = 4
"A thin mesh is sampled more finely than asked for, by up to this factor."
WALL_NODES = 3.0
"Nodes through a mesh's mean thickness: its inside is lost between fewer."


@dataclass(frozen=True)
class MeshDistance:
    """Signed distance [m] to a mesh, negative inside, at nodes in the mesh's own space."""

    distance: Floats
    "(nx, ny, nz)."
    origin: Reals
    "(3,) m, of the first node."
    spacing: float

    @property
    def high(self) -> Reals:
        """The place (3,) [m] of the last node."""
        return self.origin + (np.array(self.distance.shape) - 1) * self.spacing

    @property
    def deepest(self) -> float:
        """How deep inside any place is [m]; below zero."""
        return float(self.distance.min())

    def at(self, places: Reals, pose: Reals) -> Floats:
        """Distances (n,) [m] of places (n, 3) in the world, the mesh being at `pose` (4, 4).

        Beyond the nodes it is the nearest node's distance and the way to it: too large by less
        than the margin.
        """
        local = (places - pose[:3, 3]) @ pose[:3, :3]
        held = np.clip(local, self.origin, self.high)
        nodes = ((held - self.origin) / self.spacing).T
        near = map_coordinates(self.distance, nodes, order=1, mode="nearest", prefilter=False)
        beyond = np.linalg.norm(local - held, axis=1)
        return np.asarray(near + beyond, np.float32)

    def box(self, pose: Reals) -> tuple[Reals, Reals]:
        """The bounds (3,), (3,) [m] in the world of all nodes, the mesh being at `pose`."""
        corners = np.array(np.meshgrid(*zip(self.origin, self.high, strict=True)))
        world = corners.reshape(3, -1).T @ pose[:3, :3].T + pose[:3, 3]
        return world.min(axis=0), world.max(axis=0)


def mesh_distance(shape: Shape, spacing: float, thickness: float = 0.0) -> MeshDistance:
    """Sample the distance to a mesh every `spacing` [m], or more finely where it is thin.

    An open mesh is a sheet of `thickness` [m], by default of SHEET spacings.
    """
    thick = 0.0 if shape.closed else thickness or SHEET * spacing
    closed = (shape.vertices, shape.triangles) if shape.closed else solidify(shape, thick)
    vertices, triangles = closed or (shape.vertices, shape.triangles)
    low = vertices.min(axis=0).astype(np.float64) - MARGIN * spacing
    high = vertices.max(axis=0).astype(np.float64) + MARGIN * spacing
    wall = 2 * shape.volume / shape.area if shape.closed else thick
    step = float(np.clip(wall / WALL_NODES, spacing / FINEST, spacing))
    step = max(step, float(np.prod(high - low) / MOST_NODES) ** (1 / 3))
    count = np.maximum(np.ceil((high - low) / step).astype(int) + 1, 2)
    distance = signed_distance_grid(
        vertices,
        triangles,
        origin=low,
        spacing=step,
        shape=(int(count[0]), int(count[1]), int(count[2])),
        thickness=0.0 if closed else thick,
    )
    return MeshDistance(distance, low, step)


def shape_of_mesh(name: str, mesh: Mesh, poses: object, arrays: ArraySet) -> Shape:
    """Measure a mesh that is no body's. Raises ShotError when it has no area."""
    return shape_of(Body(name=name, role="static", mesh=mesh, poses=poses), arrays)  # type: ignore[arg-type]
