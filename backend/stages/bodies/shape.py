"""A body's geometry, ready to be sampled: oriented, measured; and where tracks stand at a frame."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....kernels.mesh_distance import is_closed, mesh_volume, winding_number
from ...contract.arrays import Array, ArrayRef, ArraySet
from ...contract.errors import ShotError
from ...contract.outlook.standing import DEFAULT_THICKNESS
from ...contract.shot import Body, FrameRange, Shot

FLAT = 1e-5
"A closed mesh whose mean thickness (2 V / A) is below this share of its diagonal has no volume."

LOOKS = 8000
"Places in a mesh's bounds at which it is looked whether they are inside."
CROSSED = 0.05
"Share by which the volume that the faces enclose differs from what is inside, where they cross."


@dataclass(frozen=True)
class Shape:
    """A body's mesh in its own space, metres.

    `vertices` (V, 3) f32, `triangles` (F, 3) i32 counter-clockwise seen from outside,
    `corner_normals` (F, 3, 3) f32 unit (shading), `face_normals` (F, 3) f32 unit, `areas` (F,) m^2;
    `volume` in m^3, 0 for an open mesh; `turned`: the mesh came inside out, and its corners run
    backwards now; `crossed`: its parts overlap or some are inside out, so that its faces enclose
    another volume than there is inside, which is what counts.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    corner_normals: NDArray[np.float32]
    face_normals: NDArray[np.float32]
    areas: NDArray[np.float64]
    closed: bool
    volume: float
    turned: bool
    crossed: bool = False

    @property
    def area(self) -> float:
        return float(self.areas.sum())

    @property
    def low(self) -> NDArray[np.float64]:
        return np.asarray(self.vertices[self.triangles].min(axis=(0, 1)), np.float64)

    @property
    def high(self) -> NDArray[np.float64]:
        return np.asarray(self.vertices[self.triangles].max(axis=(0, 1)), np.float64)


def shape_of(
    body: Body,
    arrays: ArraySet,
    hull: tuple[NDArray[np.float32], NDArray[np.int32]] | None = None,
) -> Shape:
    """Measure a body's mesh, or what is given in its place: vertices (V, 3), triangles (F, 3).

    Raises ShotError when it has no area, or is closed without volume.
    """
    vertices, triangles = hull or (arrays.of(body.mesh.vertices), arrays.of(body.mesh.triangles))
    vertices = np.ascontiguousarray(vertices, np.float32)
    triangles = np.ascontiguousarray(triangles, np.int32)
    corners = vertices[triangles].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(cross, axis=1) / 2
    diagonal = float(np.linalg.norm(corners.max(axis=(0, 1)) - corners.min(axis=(0, 1))))
    if areas.sum() <= FLAT**2 * diagonal**2 or diagonal == 0.0:
        raise ShotError(
            f"{body.name}, mesh",
            f"expected faces with an area, got {areas.sum():.3g} m² in all.",
            "Scale the object up, or remove its physics.",
        )
    face_normals = cross / np.maximum(2 * areas, np.finfo(np.float64).tiny)[:, None]
    closed = is_closed(triangles)
    volume = float(mesh_volume(vertices, triangles)) if closed else 0.0
    crossed = False
    if body.role == "dynamic" and closed and hull is None:
        inside, error = _inside_volume(vertices, triangles, abs(volume))
        crossed = abs(abs(volume) - inside) > CROSSED * inside + error
        volume = float(np.copysign(inside, volume)) if crossed else volume
    if body.role == "dynamic" and closed and 2 * abs(volume) < FLAT * diagonal * areas.sum():
        raise ShotError(
            f"{body.name}, mesh",
            f"expected a closed mesh with a volume, got {abs(volume):.3g} m³.",
            "Give it thickness (a Solidify modifier), or make it static.",
        )
    normals = None if hull is not None else body.mesh.normals
    shading = None if normals is None else arrays.of(normals)
    turned = volume < 0
    return Shape(
        vertices,
        np.ascontiguousarray(triangles[:, ::-1]) if turned else triangles,
        _corner_normals(face_normals, shading, turned),
        (-face_normals if turned else face_normals).astype(np.float32),
        areas,
        closed,
        abs(volume),
        turned,
        crossed,
    )


def _inside_volume(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32], told: float
) -> tuple[float, float]:
    """Return the volume in m^3 of what lies inside of a closed mesh, and what that may err by.

    By places strewn over its bounds, one in each cell of a lattice: parts that overlap count once,
    those that are inside out count as well. `told` [m^3] is what the faces enclose.
    """
    low, high = vertices[triangles].min(axis=(0, 1)), vertices[triangles].max(axis=(0, 1))
    extent = (high - low).astype(np.float64)
    counts = _lattice(extent)
    cells = np.mgrid[: counts[0], : counts[1], : counts[2]].reshape(3, -1).T
    places = low + (cells + np.random.default_rng(0).random(cells.shape)) * extent / counts
    hits = winding_number(places.astype(np.float32), vertices, triangles)
    cell = max(float((extent / counts).prod()), np.finfo(np.float64).tiny)
    inside = int((np.abs(hits) > 0.5).sum())
    return cell * inside, 4 * cell * float(np.sqrt(max(inside, told / cell) + 1))


def _lattice(extent: NDArray[np.float64]) -> NDArray[np.int64]:
    """Part a box into about LOOKS cells, as near to cubes as it is thick."""
    long = extent > 0
    while True:
        edge = float((extent[long].prod() / LOOKS) ** (1 / long.sum()))
        thin = long & (extent < edge)
        if not thin.any():
            return np.where(long, np.maximum(np.round(extent / edge), 1), 1).astype(np.int64)
        long &= ~thin


def _corner_normals(
    face_normals: NDArray[np.float64], shading: Array | None, turned: bool
) -> NDArray[np.float32]:
    """Return unit shading normals at the corners (F, 3, 3), in the order of the turned corners."""
    flat = np.repeat(face_normals[:, None, :], 3, axis=1)
    if shading is None:
        normals = flat
    else:
        length = np.linalg.norm(shading, axis=2, keepdims=True)
        normals = np.where(length > 1e-6, shading / np.maximum(length, 1e-6), flat)
    return (-normals[:, ::-1] if turned else normals).astype(np.float32)


def solidify(
    shape: Shape, thickness: float
) -> tuple[NDArray[np.float32], NDArray[np.int32]] | None:
    """Give an open mesh a back, `thickness` behind its front, and a rim: a closed mesh.

    Its front stays where it is, so that what lies on a sheet lies on what is seen. Returns None for
    a mesh whose faces do not agree on a front (an edge that two faces use in the same direction).
    """
    triangles = shape.triangles
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    count = len(shape.vertices)
    forward = edges[:, 0] * count + edges[:, 1]
    if len(np.unique(forward)) != len(forward):
        return None
    rim = edges[~np.isin(forward, edges[:, 1] * count + edges[:, 0])]
    normals = np.zeros((count, 3))
    weighted = np.repeat(shape.face_normals * shape.areas[:, None], 3, axis=0)
    np.add.at(normals, triangles.ravel(), weighted)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    back = shape.vertices - normals * thickness
    a, b = rim.T
    sides = np.concatenate(
        [np.stack([b, a, a + count], axis=1), np.stack([b, a + count, b + count], axis=1)]
    )
    closed = np.concatenate([triangles, triangles[:, ::-1] + count, sides])
    vertices = np.concatenate([shape.vertices, back])
    return vertices.astype(np.float32), closed.astype(np.int32)


def behind(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32], thickness: float
) -> NDArray[np.float32]:
    """Return a sheet's vertices and those of its back, (2 V, 3) m: see solidify."""
    corners = vertices[triangles].astype(np.float64)
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros(vertices.shape)
    np.add.at(normals, triangles.ravel(), np.repeat(areas, 3, axis=0))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    return np.concatenate([vertices, vertices - thickness * normals]).astype(np.float32)


def solid_shape(shape: Shape, thickness: float) -> Shape:
    """Return what is solid of a collider: a sheet that has a front gets a back."""
    mesh = None if shape.closed else solidify(shape, thickness)
    if mesh is None:
        return shape
    return replace(shape, vertices=mesh[0], triangles=mesh[1], closed=True)


def thickness_of(body: Body, shape: Shape, spacing: float) -> float:
    """Return the thickness in metres that an open mesh is given; 0 for a closed one."""
    return 0.0 if shape.closed else body.thickness or DEFAULT_THICKNESS * spacing


def track_row(frames: FrameRange, track: Array, frame: float) -> Array:
    """Return a track's row at a frame (clamped to the frames that it speaks of)."""
    if len(track) == 1:
        return np.asarray(track[0])
    index = round(frame) - frames.tracked.start
    return np.asarray(track[min(max(index, 0), len(track) - 1)])


def pose_at(shot: Shot, arrays: ArraySet, poses: ArrayRef, frame: float) -> NDArray[np.float64]:
    """Return a body-to-world pose (4, 4) at a frame."""
    return np.asarray(track_row(shot.frames, arrays.of(poses), frame), np.float64)
