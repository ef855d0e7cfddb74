"""A body's mesh with smaller triangles, and all that lies on its corners; called by start."""

import msgspec
import numpy as np

from ...contract.arrays import Array, ArrayRef, ArraySet
from ...contract.shot import Body, Mesh

MOST_TRIANGLES = 200_000


def finer_mesh(body: Body, arrays: ArraySet, longest: float) -> tuple[Body, ArraySet]:
    """Quarter every triangle until no edge is longer than `longest` [m], or there are too many.

    The surface, and what it looks like, stays as it is.
    """
    kept = ArraySet(dict(arrays))
    while True:
        vertices = kept.of(body.mesh.vertices).astype(np.float64)
        triangles = kept.of(body.mesh.triangles)
        corners = vertices[triangles]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
        if edges.max() <= longest or 4 * len(triangles) > MOST_TRIANGLES:
            return body, kept
        body = _quartered(body, kept)


def _quartered(body: Body, arrays: ArraySet) -> Body:
    vertices, triangles = arrays.of(body.mesh.vertices), arrays.of(body.mesh.triangles)
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    middle = len(vertices) + inverse.reshape(-1, 3)
    points = np.concatenate([vertices, vertices[unique].mean(axis=1)])
    names = np.concatenate([triangles, middle], axis=1)[:, _CHILDREN].reshape(-1, 3)

    def corners(ref: ArrayRef | None) -> ArrayRef | None:
        return None if ref is None else arrays.add(_split(arrays.of(ref)))

    index = body.looks.surface_index
    looks = msgspec.structs.replace(
        body.looks,
        surface_index=None if index is None else arrays.add(np.repeat(arrays.of(index), 4)),
        uv=corners(body.looks.uv),
        colors=corners(body.looks.colors),
    )
    mesh = Mesh(
        arrays.add(points.astype(np.float32)),
        arrays.add(names.astype(np.int32)),
        corners(body.mesh.normals),
    )
    return msgspec.structs.replace(body, mesh=mesh, looks=looks)


_CHILDREN = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]])
"Corners 0 to 2 of a triangle and the middles 3 to 5 of its edges, as its four children have them."


def _split(values: Array) -> Array:
    """Return corner values (4 F, 3, k) of the children, between those (F, 3, k) of triangles."""
    between = (values + np.roll(values, -1, axis=1)) / 2
    six = np.concatenate([values, between], axis=1).astype(values.dtype)
    return np.ascontiguousarray(six[:, _CHILDREN].reshape(-1, 3, values.shape[2]))
