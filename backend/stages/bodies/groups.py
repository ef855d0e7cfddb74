"""Which share of a vertex group the matter inside of a body has; called by stages."""

import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import closest_point
from ...contract.arrays import ArraySet
from ...contract.forces import Group
from ...contract.shot import Body, Shot
from .shape import pose_at


def group_weight(
    shot: Shot, arrays: ArraySet, body: Body, group: Group, position: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return weights (n,) at `position` (n, 3) m, world, at the simulation's start.

    Each takes that of the nearest point of the surface, between the corners of its triangle.
    """
    pose = pose_at(shot, arrays, body.poses, shot.frames.simulation_start)
    local = ((position - pose[:3, 3]) @ pose[:3, :3]).astype(np.float32)
    vertices, triangles = arrays.of(body.mesh.vertices), arrays.of(body.mesh.triangles)
    vertices = np.ascontiguousarray(vertices, np.float32)
    triangles = np.ascontiguousarray(triangles, np.int32)
    face, corner, _ = closest_point(np.ascontiguousarray(local), vertices, triangles)
    weights = arrays.of(group.weights).astype(np.float32)[triangles[face]]
    return np.asarray((weights * corner).sum(axis=1), np.float32)
