"""Scenes of dense flat splats whose motion is known exactly; for the motion suite and the tests.

A body is a unit sphere or a square plate in rest space, x(t) = deform(t) X + place(t) in the world.
Rays are taken back to rest space and met there in closed form, so the truth has no splat in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....kernels.splats.project import SplatPose, View

Floats = NDArray[np.float64]
Affine = Callable[[float], tuple[Floats, Floats]]
"Time in frames to (deform (3, 3), place (3,))."

TURN = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]
"So that the pattern's waves lie along no axis."
THINNESS = 0.01


@dataclass(frozen=True)
class Body:
    """A shape, where it is at each time, and how many splats cover it."""

    shape: Literal["sphere", "plate"]
    motion: Affine
    splats: int
    texture: float = 6.0
    "Radians per unit of rest space: how fine the pattern is."


@dataclass(frozen=True)
class Scene:
    """Bodies in front of a camera, both moving."""

    name: str
    bodies: tuple[Body, ...]
    camera: Callable[[float], View]


@dataclass(frozen=True)
class Truth:
    """What every pixel (h, w) of a frame truly does until another time.

    `index` body or -1; `depth` [m]; `motion` (h, w, 2) px and `depth_there` [m] of the surface
    point in the other frame; `visible`: that point is in the other frame and first on its ray.
    """

    index: NDArray[np.int32]
    depth: Floats
    motion: Floats
    depth_there: Floats
    visible: NDArray[np.bool_]


@dataclass(frozen=True)
class SplatScene:
    """All bodies' splats at rest: what `render_splats` takes beside poses."""

    mean: Floats
    axes: Floats
    backing: NDArray[np.float32]
    normal: Floats
    color: NDArray[np.float32]
    opacity: NDArray[np.float32]
    index: NDArray[np.int32]


def cover(scene: Scene) -> SplatScene:
    """Cover the bodies with flat discs as wide as their spacing, thickness 1 % of that."""
    parts = [_discs(body) for body in scene.bodies]
    mean, normal, sigma = (np.concatenate(column) for column in zip(*parts, strict=True))
    index = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]).astype(np.int32)
    tangent = np.cross(normal, np.where(np.abs(normal[:, 2:]) < 0.9, [[0, 0, 1]], [[1, 0, 0]]))
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    frame = np.stack([tangent, np.cross(normal, tangent), THINNESS * normal], -1)
    thick = np.array([2.0 if body.shape == "sphere" else 0.0 for body in scene.bodies])
    fine = np.array([body.texture for body in scene.bodies])[index, None]
    shift = 1.7 * index[:, None] + np.array([0.0, 2.0, 4.0])
    color = 0.5 + 0.4 * np.sin(fine * mean @ TURN + shift)
    return SplatScene(
        mean=mean,
        axes=frame * sigma[:, None, None],
        backing=(thick[index] / (THINNESS * sigma)).astype(np.float32),
        normal=normal,
        color=color.astype(np.float32),
        opacity=np.full(len(mean), 0.99, np.float32),
        index=index,
    )


def pose_at(scene: Scene, splats: SplatScene, time: float) -> tuple[SplatPose, NDArray[np.float32]]:
    """Return the splats' pose and world normals (n, 3) at a time in frames."""
    mean, axes, normal = splats.mean.copy(), splats.axes.copy(), splats.normal.copy()
    for k, body in enumerate(scene.bodies):
        own = splats.index == k
        deform, place = body.motion(time)
        mean[own] = mean[own] @ deform.T + place
        axes[own] = deform @ axes[own]
        normal[own] = normal[own] @ np.linalg.inv(deform)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    pose = SplatPose(mean.astype(np.float32), axes.astype(np.float32), splats.backing)
    return pose, normal.astype(np.float32)


def trace(scene: Scene, time: float, other: float) -> Truth:
    """Cast a ray through every pixel centre and follow what it meets to the other time."""
    view, there = scene.camera(time), scene.camera(other)
    y, x = np.mgrid[0 : view.height, 0 : view.width] + 0.5
    pixels = np.stack([x, y], -1).reshape(-1, 2)
    index, distance, rest = _first_hit(scene, view, time, pixels)
    moved = np.zeros_like(rest)
    for k, body in enumerate(scene.bodies):
        deform, place = body.motion(other)
        moved[index == k] = rest[index == k] @ deform.T + place
    rotation, translation = there.world_to_camera()
    far = index < 0
    local = np.where(far[:, None], _directions(view, pixels) @ rotation.T, moved @ rotation.T)
    local += np.where(far[:, None], 0, translation)
    target = local[:, :2] / local[:, 2:] * there.intrinsics[:2] + there.intrinsics[2:]
    hit_there, distance_there, _rest = _first_hit(scene, there, other, target)
    inside = (local[:, 2] > 0) & np.all((target >= 0) & (target <= [view.width, view.height]), 1)
    same = np.abs(distance_there - local[:, 2]) < 1e-6 * (1 + np.abs(local[:, 2]))
    visible = inside & np.where(far, hit_there < 0, same & (hit_there == index))
    size = (view.height, view.width)
    return Truth(
        index=index.reshape(size),
        depth=distance.reshape(size),
        motion=(target - pixels).reshape(*size, 2),
        depth_there=np.where(far, np.inf, local[:, 2]).reshape(size),
        visible=visible.reshape(size),
    )


def _directions(view: View, pixels: Floats) -> Floats:
    """World directions (n, 3) whose component along the camera axis is 1."""
    fx, fy, cx, cy = view.intrinsics
    local = np.column_stack([(pixels - [cx, cy]) / [fx, fy], np.ones(len(pixels))])
    return local @ np.asarray(view.camera_to_world)[:3, :3].T


def _first_hit(
    scene: Scene, view: View, time: float, pixels: Floats
) -> tuple[NDArray[np.int32], Floats, Floats]:
    """Body (n,) or -1, z [m] or inf, and the point in rest space (n, 3) first on each ray."""
    origin, ray = np.asarray(view.camera_to_world)[:3, 3], _directions(view, pixels)
    index = np.full(len(pixels), -1, np.int32)
    nearest, rest = np.full(len(pixels), np.inf), np.zeros((len(pixels), 3))
    for k, body in enumerate(scene.bodies):
        deform, place = body.motion(time)
        back = np.linalg.inv(deform)
        start, step = back @ (origin - place), ray @ back.T
        reach = _meet_sphere(start, step) if body.shape == "sphere" else _meet_plate(start, step)
        closer = reach < nearest
        index[closer], nearest[closer] = k, reach[closer]
        rest[closer] = start + reach[closer, None] * step[closer]
    return index, nearest, rest


def _meet_sphere(start: Floats, step: Floats) -> Floats:
    a, b, c = (step**2).sum(1), step @ start, start @ start - 1
    inside = b * b - a * c
    reach = (-b - np.sqrt(np.maximum(inside, 0))) / a
    return np.where((inside > 0) & (reach > 0), reach, np.inf)


def _meet_plate(start: Floats, step: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -start[2] / step[:, 2]
        point = start[:2] + reach[:, None] * step[:, :2]
        hit = (reach > 0) & (np.abs(point) <= 1).all(1)
    return np.where(hit, reach, np.inf)


def _discs(body: Body) -> tuple[Floats, Floats, Floats]:
    """Evenly spread points, normals and sigmas in rest space."""
    if body.shape == "sphere":
        # Fibonacci's lattice.
        k = np.arange(body.splats) + 0.5
        z, turn = 1 - 2 * k / body.splats, np.pi * (1 + 5**0.5) * k
        flat = np.sqrt(1 - z * z)
        mean = np.column_stack([flat * np.cos(turn), flat * np.sin(turn), z])
        return mean, mean.copy(), np.full(body.splats, 0.6 * np.sqrt(4 * np.pi / body.splats))
    side = int(np.sqrt(body.splats))
    line = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = (grid.ravel() for grid in np.meshgrid(line, line))
    mean = np.column_stack([x, y, np.zeros(side * side)])
    normal = np.tile([0.0, 0.0, 1.0], (side * side, 1))
    return mean, normal, np.full(side * side, 0.6 * 2 / side)


def scenes(width: int = 320, height: int = 180, density: float = 1.0) -> tuple[Scene, ...]:
    """The six scenes of the suite; `density` scales the splat counts."""
    still, size = _camera(width, height), (width, height)
    ball, plate = int(60_000 * density), int(60_000 * density)
    slide = Body("sphere", _affine(place=(-0.3, 0.1, 0), velocity=(0.06, -0.03, 0.05)), ball)
    spin = Body("sphere", _affine(spin=0.09), ball)
    tilted = Body("plate", _affine(tilt=0.9, spin=0.12), plate)
    drawn = Body("sphere", _affine(tilt=0.4, stretch=0.08), ball)
    pulled = Body("plate", _affine(tilt=-0.7, place=(0, 0, 0.6), stretch=0.05, spin=0.02), plate)
    sheared = Body("plate", _affine(tilt=0.5, shear=0.12), plate)
    rest = Body("plate", _affine(tilt=-1.2, place=(0, 0.8, 1.0), scale=3.0), 4 * plate, 18.0)
    lone = Body("sphere", _affine(place=(0.2, -0.3, 0.2), scale=0.6), ball)
    wall = Body("plate", _affine(place=(0, 0, 1.5), scale=3.0), 4 * plate, 18.0)
    passing = Body("sphere", _affine(velocity=(0.15, 0.02, 0), scale=0.7, spin=0.05), ball)
    return (
        Scene("rigid", (slide,), still),
        Scene("spin", (spin, tilted), _camera(width, height, place=(0, 0, -3.5))),
        Scene("shear", (sheared,), still),
        Scene("stretch", (drawn, pulled), still),
        Scene("camera", (rest, lone), _camera(*size, velocity=(0.05, 0.02, 0.1), turn=0.02)),
        Scene("occlusion", (wall, passing), _camera(*size, velocity=(0.03, 0, 0))),
    )


def _affine(
    *,
    place: tuple[float, float, float] = (0.0, 0.0, 0.0),
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
    tilt: float = 0.0,
    spin: float = 0.0,
    shear: float = 0.0,
    stretch: float = 0.0,
) -> Affine:
    """Tilt about x once; spin [rad/frame] about a slanted axis, shear [1/frame] along x.

    Stretch [1/frame] along x, thinning in y so that the area stays.
    """

    def at(time: float) -> tuple[Floats, Floats]:
        lean = np.eye(3)
        lean[0, 1] = shear * time
        lean[0, 0], lean[1, 1] = np.exp(stretch * time), np.exp(-stretch * time)
        turn = _turn((0.3, 1.0, 0.4), spin * time) @ _turn((1.0, 0.0, 0.0), tilt)
        return scale * turn @ lean, np.array(place) + time * np.array(velocity)

    return at


def _camera(
    width: int,
    height: int,
    *,
    place: tuple[float, float, float] = (0.0, 0.0, -3.0),
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0),
    turn: float = 0.0,
) -> Callable[[float], View]:
    """A camera that looks along z, moves [m/frame] and turns [rad/frame]."""

    def at(time: float) -> View:
        pose = np.eye(4)
        pose[:3, :3] = _turn((0.2, 1.0, 0.1), turn * time)
        pose[:3, 3] = np.array(place) + time * np.array(velocity)
        focal = 0.8 * width
        lens = np.array([focal, focal, width / 2, height / 2])
        return View(pose, lens, width, height, near=0.05, far=100.0)

    return at


def _turn(axis: tuple[float, float, float], angle: float) -> Floats:
    """Rodrigues' rotation (3, 3)."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: Floats = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn
