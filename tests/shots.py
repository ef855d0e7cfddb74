"""Tiny shots made without Blender, for tests of everything behind the extension."""

from collections.abc import Sequence

import msgspec
import numpy as np

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet

CUBE_VERTICES = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], np.float32)
CUBE_TRIANGLES = np.array(
    [
        [0, 2, 3],
        [0, 3, 1],
        [4, 5, 7],
        [4, 7, 6],
        [0, 1, 5],
        [0, 5, 4],
        [2, 6, 7],
        [2, 7, 3],
        [0, 4, 6],
        [0, 6, 2],
        [1, 3, 7],
        [1, 7, 5],
    ],
    np.int32,
)


def cube(size: float = 0.4) -> tuple[Array, Array]:
    """Return vertices (8, 3) and outward triangles (12, 3) of a cube about the origin."""
    return CUBE_VERTICES * np.float32(size / 2), CUBE_TRIANGLES


def sphere(radius: float = 0.25, subdivisions: int = 3) -> tuple[Array, Array]:
    """Return an icosphere's vertices and outward triangles."""
    phi = (1 + 5**0.5) / 2
    points = [
        (-1, phi, 0),
        (1, phi, 0),
        (-1, -phi, 0),
        (1, -phi, 0),
        (0, -1, phi),
        (0, 1, phi),
        (0, -1, -phi),
        (0, 1, -phi),
        (phi, 0, -1),
        (phi, 0, 1),
        (-phi, 0, -1),
        (-phi, 0, 1),
    ]
    faces = [
        (0, 11, 5),
        (0, 5, 1),
        (0, 1, 7),
        (0, 7, 10),
        (0, 10, 11),
        (1, 5, 9),
        (5, 11, 4),
        (11, 10, 2),
        (10, 7, 6),
        (7, 1, 8),
        (3, 9, 4),
        (3, 4, 2),
        (3, 2, 6),
        (3, 6, 8),
        (3, 8, 9),
        (4, 9, 5),
        (2, 4, 11),
        (6, 2, 10),
        (8, 6, 7),
        (9, 8, 1),
    ]
    vertices, triangles = np.array(points, float), np.array(faces)
    for _ in range(subdivisions):
        edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, inverse = np.unique(edges, axis=0, return_inverse=True)
        middle = len(vertices) + inverse.reshape(-1, 3)
        vertices = np.concatenate([vertices, vertices[unique].mean(axis=1)])
        a, b, c = triangles.T
        ab, bc, ca = middle.T
        triangles = np.concatenate(
            [np.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
    vertices *= radius / np.linalg.norm(vertices, axis=1, keepdims=True)
    return vertices.astype(np.float32), triangles.astype(np.int32)


def plane(size: float = 4.0) -> tuple[Array, Array]:
    """Return a square in z = 0 that faces up."""
    h = size / 2
    return (
        np.array([[-h, -h, 0], [h, -h, 0], [h, h, 0], [-h, h, 0]], np.float32),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )


def place(location: Sequence[float] = (0, 0, 0), rotation: Array | None = None) -> Array:
    """Return a rigid pose (4, 4)."""
    pose = np.eye(4)
    pose[:3, 3] = location
    if rotation is not None:
        pose[:3, :3] = rotation
    return pose


def look_at(eye: Sequence[float], target: Sequence[float]) -> Array:
    """Return `camera_to_world` (4, 4) in OpenCV axes, world Z up in the picture."""
    forward = np.subtract(target, eye).astype(float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    return place(eye, np.stack([right, np.cross(forward, right), forward], axis=1))


def body(
    arrays: ArraySet, name: str, mesh: tuple[Array, Array], role: str = "dynamic", **fields: object
) -> s.Body:
    """Return a body; `poses` may be one pose or a track, `color` its base colour."""
    poses = np.asarray(fields.pop("poses", np.eye(4)), float).reshape(-1, 4, 4)
    color = fields.pop("color", (0.6, 0.3, 0.2))
    defaults: dict[str, object] = {"looks": s.Looks(surfaces=(s.Surface(base_color=color),))}  # type: ignore[arg-type]
    if role == "dynamic":
        defaults["material"] = materials.Elastic()
    else:
        defaults["contact"] = s.Contact()
    return s.Body(
        name=name,
        role=role,
        mesh=s.Mesh(arrays.add(mesh[0]), arrays.add(mesh[1])),  # type: ignore[arg-type]
        poses=arrays.add(poses),
        **(defaults | fields),  # type: ignore[arg-type]
    )


def shot(arrays: ArraySet, bodies: Sequence[s.Body], **fields: object) -> s.Shot:
    """Return a small shot: `frames` (first, last), a still camera, one sun, a ground at z = 0."""
    first, last = fields.pop("frames", (1, 4))  # type: ignore[misc]
    width, height = fields.pop("size", (64, 36))  # type: ignore[misc]
    count = last - first + 1
    pose = fields.pop("camera_pose", look_at((0, -3, 1.2), (0, 0, 0.4)))
    poses = np.broadcast_to(pose, (count, 4, 4))  # type: ignore[call-overload]
    k = np.broadcast_to([1.2 * width, 1.2 * width, width / 2, height / 2], (count, 4))
    sun = place((0, 0, 5), np.array([[1, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]]))
    defaults: dict[str, object] = {
        "name": "Tiny",
        "frames": s.FrameRange(first, last, 24.0, first),
        "film": s.Film(width, height),
        "camera": s.CameraTrack(arrays.add(poses), arrays.add(k)),
        "gravity": arrays.add(np.array([[0, 0, -9.81]])),
        "lights": (s.Light("Sun", "sun", arrays.add(sun[None]), power=3.0),),
        "world": s.World(ground=s.Ground()),
        "simulation": s.SimulationSettings(
            resolution=24, domain=s.Box((-1, -1, -0.2), (1, 1, 1.8))
        ),
        "render": s.RenderSettings(splats=3000),
    }
    return s.Shot(bodies=tuple(bodies), **(defaults | fields))  # type: ignore[arg-type]


def falling_cube(frames: tuple[int, int] = (1, 4), **fields: object) -> tuple[s.Shot, ArraySet]:
    """A jelly cube above a visible floor."""
    arrays = ArraySet()
    bodies = [
        body(arrays, "Cube", cube(), poses=place((0, 0, 0.8))),
        body(arrays, "Floor", plane(), role="static", color=(0.5, 0.5, 0.5)),
    ]
    return shot(arrays, bodies, frames=frames, **fields), arrays


def three_materials(frames: tuple[int, int] = (1, 4), **fields: object) -> tuple[s.Shot, ArraySet]:
    """Jelly, sand and water side by side, struck by a keyframed ball."""
    arrays = ArraySet()
    count = frames[1] - frames[0] + 1
    swing = np.stack([place((-0.9 + 0.15 * t, 0, 0.3)) for t in range(count)])
    bodies = [
        body(arrays, "Jelly", cube(0.3), poses=place((-0.4, 0, 0.2)), color=(0.7, 0.1, 0.2)),
        body(
            arrays,
            "Sand",
            sphere(0.2),
            poses=place((0.1, 0, 0.25)),
            material=materials.Sand(),
            color=(0.7, 0.5, 0.3),
        ),
        body(
            arrays,
            "Water",
            cube(0.3),
            poses=place((0.6, 0, 0.2)),
            material=materials.Water(),
            color=(0.2, 0.4, 0.7),
        ),
        body(arrays, "Ball", sphere(0.15), role="kinematic", poses=swing, color=(0.2, 0.2, 0.2)),
        body(arrays, "Floor", plane(), role="static", color=(0.5, 0.5, 0.5)),
    ]
    return shot(arrays, bodies, frames=frames, **fields), arrays


def changed(value: s.Shot, **fields: object) -> s.Shot:
    """Return the shot with some fields replaced."""
    return msgspec.structs.replace(value, **fields)
