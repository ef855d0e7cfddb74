"""Small rigid scenes for the tests: meshes, bodies, worlds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impetus.kernels.mpm.colliders import rotation_matrix
from impetus.kernels.mpm.solver import Push
from impetus.kernels.rigid.mass import mass_of
from impetus.kernels.rigid.shape import Solid, solid_of
from impetus.kernels.rigid.world import RigidBody, RigidWorld

Array = NDArray[Any]
Mesh = tuple[Array, Array]

EARTH = (0.0, 0.0, -9.81)
NO_POSES = np.zeros((0, 4, 4))
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
SIDES = [
    (0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3),
]  # fmt: skip


def box_mesh(size: ArrayLike) -> Mesh:
    """A box about the origin."""
    faces = [half for a, b, c, d in SIDES for half in ((a, b, c), (a, c, d))]
    return (CORNERS * np.asarray(size)).astype(np.float32), np.array(faces, np.int32)


def ball_mesh(radius: float, around: int = 32) -> Mesh:
    """A sphere of meridians and half as many parallels."""
    rings = around // 2
    polar = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    turn = 2 * np.pi * np.arange(around) / around
    ring = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar) + 0 * turn], -1
    )
    vertices = np.concatenate([[[0, 0, 1]], ring.reshape(-1, 3), [[0, 0, -1]]])
    faces = []
    for j in range(around):
        k = (j + 1) % around
        faces.append((0, 1 + j, 1 + k))
        for i in range(rings - 2):
            a, b = 1 + i * around + j, 1 + i * around + k
            faces += [(a, a + around, b + around), (a, b + around, b)]
        last = 1 + (rings - 2) * around
        faces.append((len(vertices) - 1, last + k, last + j))
    return (radius * vertices).astype(np.float32), np.array(faces, np.int32)


def pose(at: ArrayLike, turn: ArrayLike = (0, 0, 0)) -> Array:
    result = np.eye(4)
    result[:3, :3] = rotation_matrix(np.asarray(turn, float))
    result[:3, 3] = at
    return result


def body(
    mesh: Mesh,
    at: ArrayLike,
    turn: ArrayLike = (0, 0, 0),
    *,
    solid: Solid | None = None,
    density: float = 1000.0,
    **how: Any,
) -> RigidBody:
    """A rigid body at rest, of friction 0.5, that does not bounce."""
    how = {"velocity": (0, 0, 0), "spin": (0, 0, 0), "friction": 0.5, "restitution": 0.0} | how
    return RigidBody(solid or solid_of(*mesh), mass_of(*mesh, density), pose(at, turn), **how)


def run(
    world: RigidWorld,
    seconds: float,
    gravity: ArrayLike = EARTH,
    *,
    poses: Sequence[Array] = (NO_POSES, NO_POSES),
    fps: int = 24,
    watch: Callable[[], None] = lambda: None,
) -> None:
    for _ in range(round(seconds * fps)):
        world.advance(1 / fps, Push([], gravity, poses[0], poses[1]))
        watch()
