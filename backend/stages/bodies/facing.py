"""Which sides of still and keyframed bodies the camera ever sees; others need few splats."""

import numpy as np
from numpy.typing import NDArray

from ...contract.arrays import ArraySet
from ...contract.shot import Body, Shot
from .shape import Shape, pose_at

HIDDEN_DENSITY = 0.125
"Splats on sides that no frame shows, relative to others: they still cast shadows."


def faced(shot: Shot, arrays: ArraySet, body: Body, shape: Shape) -> NDArray[np.bool_]:
    """Return for each triangle (F,) whether the camera is on its front side in some frame.

    All of them for what the camera may see from behind, an open mesh, for what changes its shape,
    and for dynamic bodies: what is simulated does not depend on the camera.
    """
    if body.role == "dynamic" or body.vertex_cache is not None or not shape.closed:
        return np.ones(len(shape.triangles), bool)
    seen = np.zeros(len(shape.triangles), bool)
    corner = shape.vertices[shape.triangles[:, 0]]
    height = np.einsum("fd,fd->f", corner, shape.face_normals)
    cameras = arrays.of(shot.camera.camera_to_world)
    parallel = np.zeros(len(cameras), bool)
    if shot.camera.orthographic is not None:
        parallel = arrays.of(shot.camera.orthographic).astype(bool)
    for frame, camera, is_parallel in zip(shot.frames.numbers, cameras, parallel, strict=True):
        pose = pose_at(shot, arrays, body.poses, frame)
        if is_parallel:
            seen |= shape.face_normals @ (pose[:3, :3].T @ camera[:3, 2]) < 0
            continue
        eye = pose[:3, :3].T @ (camera[:3, 3] - pose[:3, 3])
        seen |= shape.face_normals @ eye > height
    return seen


def shown_area(shape: Shape, seen: NDArray[np.bool_]) -> float:
    """Return a body's area in m^2, sides that are never seen counted by their density."""
    return float(shape.areas[seen].sum() + HIDDEN_DENSITY * shape.areas[~seen].sum())
