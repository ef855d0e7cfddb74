"""Five things of known form, as signed distances with colours; traced into pictures with depth.

Distances of primitives follow Quilez's catalogue; they are at most the true ones, so that sphere
tracing (Hart, 1996) never passes a surface.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....kernels.splats.project import View
from ...stages.lifts.seen import SENSOR, TO_BODY

Doubles = NDArray[np.float64]

LENS = 50.0
AWAY = 2.4
"Metres from the camera to the middle of a thing, which is about a metre large."
STEPS, NEAR = 96, 5e-4
LIGHTS = ((0.5, -0.7, 0.6), (-0.8, -0.5, 0.1))
BRIGHT = (0.75, 0.2)
AMBIENT = 0.22


@dataclass(frozen=True)
class Thing:
    """`distance` (n,) and `color` (n, 3), linear, of points (n, 3); metres, z up."""

    name: str
    distance: Callable[[Doubles], Doubles]
    color: Callable[[Doubles], Doubles]


@dataclass(frozen=True)
class Traced:
    """What a camera sees: `color` (h, w, 3) linear, premultiplied; `mask` (h, w) 0..1.

    And `depth` (h, w) [m] along the axis, inf where empty.
    """

    color: Doubles
    mask: Doubles
    depth: Doubles


def camera(size: int, turn: float = 0.0) -> View:
    """Return the camera that sees things, turned by `turn` degrees about the vertical axis."""
    angle = np.radians(turn)
    sine, cosine = np.sin(angle), np.cos(angle)
    around = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3] = around @ TO_BODY
    pose[:3, 3] = around @ np.array([0.0, -AWAY, 0.0])
    focal = LENS / SENSOR * size
    return View(pose, np.array([focal, focal, size / 2, size / 2]), size, size, 0.05, 50.0)


def trace(thing: Thing, view: View, *, finer: int = 2) -> Traced:
    """Look at a thing; a pixel is the mean of finer x finer rays, its depth that of the nearest."""
    height, width = view.height * finer, view.width * finer
    y, x = (np.mgrid[:height, :width] + 0.5) / finer
    fx, fy, cx, cy = view.intrinsics
    local = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1).reshape(-1, 3)
    length = np.linalg.norm(local, axis=1)
    ray = local / length[:, None] @ view.camera_to_world[:3, :3].T
    eye = view.camera_to_world[:3, 3]
    along, hit = _march(thing, eye, ray)
    color = np.zeros((len(ray), 3))
    points = eye + along[hit, None] * ray[hit]
    color[hit] = thing.color(points) * _light(thing, points)[:, None]
    depth = np.where(hit, along / length, np.inf)

    def tiles(values: Doubles) -> Doubles:
        return values.reshape(view.height, finer, view.width, finer, -1)

    return Traced(
        tiles(color).mean(axis=(1, 3)),
        tiles(hit.astype(np.float64)).mean(axis=(1, 3))[..., 0],
        tiles(depth).min(axis=(1, 3))[..., 0],
    )


def _march(thing: Thing, eye: Doubles, ray: Doubles) -> tuple[Doubles, NDArray[np.bool_]]:
    along = np.full(len(ray), AWAY - 1.0)
    moving = np.arange(len(ray))
    hit = np.zeros(len(ray), bool)
    for _ in range(STEPS):
        free = thing.distance(eye + along[moving, None] * ray[moving])
        arrived = free < NEAR
        hit[moving[arrived]] = True
        along[moving] += np.maximum(free, 0)
        moving = moving[~arrived & (along[moving] < AWAY + 1.0)]
        if not len(moving):
            break
    return along, hit


def _light(thing: Thing, points: Doubles) -> Doubles:
    step = 1e-4
    slope = [thing.distance(points + step * axis) - thing.distance(points - step * axis)
             for axis in np.eye(3)]  # fmt: skip
    normal = np.stack(slope, axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    total = np.full(len(points), AMBIENT)
    for direction, power in zip(LIGHTS, BRIGHT, strict=True):
        unit = np.array(direction) / np.linalg.norm(direction)
        total += power * np.maximum(normal @ unit, 0)
    return total


# --- primitives


def _ball(p: Doubles, centre: tuple[float, float, float], radius: float) -> Doubles:
    return np.asarray(np.linalg.norm(p - centre, axis=1) - radius)


def _rod(p: Doubles, start: tuple[float, ...], end: tuple[float, ...], radius: float) -> Doubles:
    a, b = np.array(start), np.array(end)
    share = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.asarray(np.linalg.norm(p - a - share[:, None] * (b - a), axis=1) - radius)


def _can(p: Doubles, radius: float, half: float, rounded: float) -> Doubles:
    across = np.linalg.norm(p[:, :2], axis=1) - radius + rounded
    up = np.abs(p[:, 2]) - half + rounded
    outside = np.hypot(np.maximum(across, 0), np.maximum(up, 0))
    return np.asarray(outside + np.minimum(np.maximum(across, up), 0) - rounded)


def _ring(p: Doubles, centre: tuple[float, ...], large: float, small: float) -> Doubles:
    """Lie in the xz plane, as a handle before the camera does."""
    q = p - np.array(centre)
    return np.asarray(np.hypot(np.hypot(q[:, 0], q[:, 2]) - large, q[:, 1]) - small)


def _box(p: Doubles, centre: tuple[float, ...], half: tuple[float, ...], rounded: float) -> Doubles:
    q = np.abs(p - np.array(centre)) - np.array(half) + rounded
    outside = np.linalg.norm(np.maximum(q, 0), axis=1)
    return np.asarray(outside + np.minimum(q.max(axis=1), 0) - rounded)


def _joined(*distances: Doubles, soft: float) -> Doubles:
    """Union, its seams rounded over `soft` metres (polynomial)."""
    result = distances[0]
    for other in distances[1:]:
        share = np.clip(0.5 + 0.5 * (other - result) / soft, 0, 1)
        result = other + share * (result - other) - soft * share * (1 - share)
    return result


def _waves(p: Doubles, low: tuple[float, ...], high: tuple[float, ...], pitch: float) -> Doubles:
    """Mix two colours by waves through space: texture that shows whether detail is kept."""
    q = 2 * np.pi / pitch * p
    share = 0.5 + 0.25 * (np.sin(q[:, 0] + 1.3 * np.sin(q[:, 2])) + np.sin(q[:, 2] - q[:, 1]))
    mixed = np.array(low) + share[:, None] * (np.array(high) - np.array(low))
    return np.asarray(mixed, np.float64)


# --- things


def _mug(p: Doubles) -> Doubles:
    hollow = _can(p - (0, 0, 0.12), 0.25, 0.38, 0.02)
    wall = np.maximum(_can(p, 0.3, 0.4, 0.03), -hollow)
    return _joined(wall, _ring(p, (0.32, 0, 0.0), 0.19, 0.05), soft=0.03)


def _mushroom(p: Doubles) -> Doubles:
    flat = p * (1, 1, 1.5)
    cap = np.maximum(_ball(flat, (0, 0, 0.1), 0.44) / 1.5, 0.04 - p[:, 2])
    return _joined(cap, _rod(p, (0, 0, -0.38), (0, 0, 0.1), 0.12), soft=0.08)


def _bear(p: Doubles) -> Doubles:
    head = _ball(p, (0, 0, 0.16), 0.26)
    ears = np.minimum(_ball(p, (-0.2, 0, 0.36), 0.1), _ball(p, (0.2, 0, 0.36), 0.1))
    body = _ball(p * (1, 1, 0.9), (0, 0.02, -0.25), 0.28)
    arms = np.minimum(_rod(p, (-0.22, -0.05, -0.1), (-0.38, -0.18, -0.25), 0.08),
                      _rod(p, (0.22, -0.05, -0.1), (0.38, -0.18, -0.25), 0.08))  # fmt: skip
    return _joined(head, ears, _ball(p, (0, -0.2, 0.08), 0.12), body, arms, soft=0.06)


def _robot(p: Doubles) -> Doubles:
    parts = [
        _box(p, (0, 0, 0.3), (0.2, 0.18, 0.15), 0.03),
        _box(p, (0, 0, -0.08), (0.28, 0.18, 0.22), 0.04),
        _rod(p, (-0.36, -0.02, 0.06), (-0.4, -0.12, -0.22), 0.06),
        _rod(p, (0.36, -0.02, 0.06), (0.4, -0.12, -0.22), 0.06),
        _rod(p, (-0.14, 0, -0.3), (-0.14, 0, -0.44), 0.08),
        _rod(p, (0.14, 0, -0.3), (0.14, 0, -0.44), 0.08), _rod(p, (0, 0, 0.4), (0, 0, 0.5), 0.03),
    ]  # fmt: skip
    return np.asarray(np.min(parts, axis=0))


THINGS = (
    Thing("ball", lambda p: _ball(p, (0, 0, 0), 0.42),
          lambda p: _waves(p, (0.85, 0.12, 0.08), (0.95, 0.8, 0.25), 0.21)),
    Thing("mug", _mug, lambda p: _waves(p, (0.06, 0.2, 0.5), (0.75, 0.85, 0.9), 0.24)),
    Thing("mushroom", _mushroom, lambda p: np.where(
        p[:, 2:] > 0.04, _waves(p, (0.7, 0.06, 0.04), (0.9, 0.7, 0.55), 0.26),
        _waves(p, (0.7, 0.6, 0.45), (0.85, 0.8, 0.7), 0.12))),
    Thing("bear", _bear, lambda p: _waves(p, (0.3, 0.14, 0.05), (0.65, 0.4, 0.18), 0.17)),
    Thing("robot", _robot, lambda p: _waves(p, (0.15, 0.35, 0.2), (0.6, 0.75, 0.5), 0.3)),
)  # fmt: skip
