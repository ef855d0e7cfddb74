"""Bodies that change their shape: where their surface is in each frame, and the splats on it."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import closest_point
from ...contract.arrays import ArraySet
from ...contract.shot import Body, Shot
from .shape import Shape, behind, shape_of, solidify, thickness_of, track_row

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

FLAT = 1e-9
"Area over longest edge squared below which a triangle has no directions of its own."


def cached_vertices(shot: Shot, arrays: ArraySet, body: Body, frame: float) -> Floats:
    """Return where a body's moving vertices (V, 3) are at a frame, m in body space."""
    assert body.vertex_cache is not None
    track = arrays.of(body.vertex_cache.vertices)
    return np.ascontiguousarray(track_row(shot.frames, track, frame), np.float32)


class MovingSurface:
    """What others touch of a body that changes its shape: a closed mesh, or a shell."""

    def __init__(self, shot: Shot, arrays: ArraySet, body: Body, spacing: float) -> None:
        """`spacing` [m] is that of the grid, from which a sheet may get its thickness."""
        assert body.vertex_cache is not None
        self._shot, self._arrays, self._body = shot, arrays, body
        as_it_moves = msgspec.structs.replace(body, mesh=body.vertex_cache.mesh)
        self.shape: Shape = shape_of(as_it_moves, arrays)
        "As it is at the simulation's start."
        self._thickness = thickness_of(body, self.shape, spacing)
        solid = None if self.shape.closed else solidify(self.shape, self._thickness)
        self._has_back = solid is not None
        self.triangles = self.shape.triangles if solid is None else solid[1]
        "(F, 3)."

    @property
    def shell(self) -> float:
        """Thickness [m] of a sheet that has no front; 0 where the triangles are closed."""
        return 0.0 if self.shape.closed or self._has_back else self._thickness

    def at(self, frame: float) -> Floats:
        """Return the vertices (V, 3) of `triangles` at a frame, m in body space."""
        vertices = cached_vertices(self._shot, self._arrays, self._body, frame)
        if not self._has_back:
            return vertices
        return behind(vertices, self.shape.triangles, self._thickness)


@dataclass(frozen=True)
class BoundSplats:
    """Splats of a body that changes its shape, k of them, on the nearest triangles of its mesh."""

    corner: NDArray[np.int32]
    "(k, 3) vertices."
    weight: Reals
    "(k, 3) barycentric, of the nearest point."
    offset: Reals
    "(k, 3) m from that point, at the simulation's start."
    rest: Reals
    "(k, 3, 3): inverse frames of the triangles then; 0 where they have no area."

    @classmethod
    def of(cls, mean: Floats, body: Body, arrays: ArraySet) -> "BoundSplats":
        """Bind splats at `mean` (k, 3) m, body space, at the simulation's start."""
        assert body.vertex_cache is not None
        mesh = body.vertex_cache.mesh
        vertices = np.ascontiguousarray(arrays.of(mesh.vertices), np.float32)
        triangles = np.ascontiguousarray(arrays.of(mesh.triangles), np.int32)
        points = np.ascontiguousarray(mean, np.float32)
        found, near, _ = closest_point(points, vertices, triangles)
        corner, weight = triangles[found], near.astype(np.float64)
        places = vertices[corner].astype(np.float64)
        frames, flat = _frames(places)
        frames[flat] = np.eye(3)
        rest = np.asarray(np.linalg.inv(frames), np.float64)
        rest[flat] = 0.0
        offset = points - np.einsum("kc,kcd->kd", weight, places)
        return cls(corner, weight, offset, rest)

    def at(self, vertices: Floats) -> tuple[Floats, Floats]:
        """Return means (k, 3) m and deformations (k, 3, 3) where the vertices (V, 3) m are."""
        places = vertices[self.corner].astype(np.float64)
        bent = _frames(places)[0] @ self.rest
        bent[(self.rest == 0).all(axis=(1, 2))] = np.eye(3)
        mean = np.einsum("kc,kcd->kd", self.weight, places)
        mean += np.einsum("kij,kj->ki", bent, self.offset)
        return mean.astype(np.float32), bent.astype(np.float32)


def _frames(places: Reals) -> tuple[Reals, NDArray[np.bool_]]:
    """Return two edges and the unit normal of triangles as columns (k, 3, 3); which are flat."""
    first, second = places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]
    across = np.cross(first, second)
    area = np.linalg.norm(across, axis=1)
    longest = np.maximum((first**2).sum(axis=1), (second**2).sum(axis=1))
    normal = across / np.maximum(area, np.finfo(np.float64).tiny)[:, None]
    return np.stack([first, second, normal], axis=2), area <= FLAT * longest
