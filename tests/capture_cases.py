"""Captures made of meshes' own splats, for tests: their truth is the mesh."""

from collections.abc import Callable

import numpy as np

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.captures.gaussians import BAND_0
from impetus.backend.stages.bodies.looks import BodySplats, body_splats
from impetus.backend.stages.bodies.shape import shape_of
from impetus.backend.stages.captures.own import OwnSplats, own_splats

from . import shots

Mesh = tuple[Array, Array]


def torus(radius: float = 0.3, tube: float = 0.1) -> Mesh:
    """Return a ring about z: vertices and outward triangles."""
    u, w = np.meshgrid(np.arange(64) * np.pi / 32, np.arange(32) * np.pi / 16, indexing="ij")
    out = radius + tube * np.cos(w)
    vertices = np.stack([out * np.cos(u), out * np.sin(u), tube * np.sin(w)], -1).reshape(-1, 3)
    a, b = np.arange(64)[:, None] * 32, np.arange(32)
    near, far, up = a + b, (a + 32) % 2048 + b, (b + 1) % 32
    quads = np.stack([near, far, (a + 32) % 2048 + up, a + up], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return vertices.astype(np.float32), triangles.astype(np.int32)


def splats_on(
    mesh: Mesh, count: int = 20_000, color: tuple[float, float, float] = (0.6, 0.3, 0.2)
) -> BodySplats:
    """Cover a mesh with splats."""
    arrays = ArraySet()
    body = shots.body(arrays, "Seen", mesh, role="static", color=color)
    shape = shape_of(body, arrays)
    seen, rng = np.ones(len(shape.triangles), bool), np.random.default_rng(0)
    return body_splats(body, arrays, shape, seen=seen, count=count, thickness=0.0, rng=rng)


def captured(
    arrays: ArraySet,
    splats: BodySplats,
    harmonics: Array | None = None,
    kept: Callable[[Array], Array] = lambda mean: np.ones(len(mean), bool),
) -> s.Capture:
    """Return splats as a capture: by default of one colour, their albedo, in linear light."""
    rows = kept(splats.mean)
    if harmonics is None:
        harmonics = ((splats.albedo - 0.5) / BAND_0)[:, None].astype(np.float32)
    refs = (splats.mean, splats.opacity, harmonics, splats.axes)
    return s.Capture(*(arrays.add(array[rows]) for array in refs), linear=True)


def own_of(splats: BodySplats, **fields: object) -> OwnSplats:
    arrays = ArraySet()
    return own_splats(captured(arrays, splats, **fields), arrays)  # type: ignore[arg-type]


def box_of(arrays: ArraySet, capture: s.Capture) -> Mesh:
    """Return the box around a capture."""
    mean = arrays.of(capture.mean)
    vertices, triangles = shots.cube(1.0)
    low, high = mean.min(axis=0), mean.max(axis=0)
    return ((low + high) / 2 + vertices * (high - low)).astype(np.float32), triangles


def body(arrays: ArraySet, name: str, capture: s.Capture, **fields: object) -> s.Body:
    """Return a captured body."""
    return shots.body(arrays, name, box_of(arrays, capture), capture=capture, **fields)  # type: ignore[arg-type]
