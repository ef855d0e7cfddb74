"""A small shot that needs no Blender: a jelly cube tumbles onto a floor past a swinging bar."""

import numpy as np

from ...contract import shot as s
from ...contract.arrays import Array, ArraySet
from ...contract.materials import Elastic

FRAMES = 48
CORNERS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], np.float32) / 2
FACES = np.array(
    [[0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4],
     [2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5]], np.int32,
)  # fmt: skip


def tumble(frames: int = FRAMES) -> tuple[s.Shot, ArraySet]:
    """Return the shot and its arrays, the same every time."""
    arrays = ArraySet()
    turn = np.linspace(-0.9, 0.9, frames)
    swing = np.stack([_pose((0.0, 0.1, 0.45), np.pi / 2 * angle) for angle in turn])
    bodies = (
        _body(arrays, "Jelly", (0.4, 0.4, 0.4), _pose((0, 0, 1.0), 0.5)[None], (0.7, 0.1, 0.15)),
        _body(arrays, "Bar", (0.9, 0.12, 0.12), swing, (0.2, 0.3, 0.5), "kinematic"),
        _body(arrays, "Floor", (3.0, 3.0, 0.1), _pose((0, 0, -0.05))[None], (0.5,) * 3, "static"),
    )
    camera = np.broadcast_to(_camera((0.0, -3.2, 1.4), 0.32), (frames, 4, 4))
    intrinsics = np.broadcast_to([380.0, 380.0, 160.0, 90.0], (frames, 4))
    shot = s.Shot(
        name="Tumble",
        frames=s.FrameRange(1, frames, 24.0, 1),
        film=s.Film(320, 180),
        camera=s.CameraTrack(arrays.add(camera), arrays.add(intrinsics)),
        gravity=arrays.add(np.array([[0.0, 0.0, -9.81]])),
        bodies=bodies,
        lights=(s.Light("Sun", "sun", arrays.add(_pose((0, 0, 5), 0.6)[None]), power=3.0),),
        world=s.World(ambient=(0.3, 0.3, 0.35)),
        simulation=s.SimulationSettings(
            resolution=32, domain=s.Box((-1.0, -1.0, -0.1), (1.0, 1.0, 1.6))
        ),
        render=s.RenderSettings(splats=20_000),
    )
    return shot, arrays


def _body(
    arrays: ArraySet,
    name: str,
    size: tuple[float, float, float],
    poses: Array,
    color: tuple[float, ...],
    role: str = "dynamic",
) -> s.Body:
    mesh = s.Mesh(arrays.add(CORNERS * np.array(size, np.float32)), arrays.add(FACES))
    red, green, blue = color
    looks = s.Looks(surfaces=(s.Surface(base_color=(red, green, blue)),))
    return s.Body(
        name=name,
        role=role,  # type: ignore[arg-type]
        mesh=mesh,
        poses=arrays.add(poses),
        looks=looks,
        material=Elastic() if role == "dynamic" else None,
        contact=None if role == "dynamic" else s.Contact(),
    )


def _pose(location: tuple[float, float, float], angle: float = 0.0) -> Array:
    """Return a rigid pose (4, 4) turned about Y [rad]."""
    pose = np.eye(4)
    cos, sin = np.cos(angle), np.sin(angle)
    pose[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    pose[:3, 3] = location
    return pose


def _camera(eye: tuple[float, float, float], down: float) -> Array:
    """Return `camera_to_world` that looks along +Y and `down` [rad], OpenCV axes."""
    pose = np.eye(4)
    cos, sin = np.cos(down), np.sin(down)
    pose[:3, 0] = (1, 0, 0)
    pose[:3, 1] = (0, -sin, -cos)
    pose[:3, 2] = (0, cos, -sin)
    pose[:3, 3] = eye
    return pose
