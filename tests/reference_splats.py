"""Slow NumPy twin of splats/project.py and splats/raster.py: one splat after another, float64.

Written from the formulas, not from the kernels: covariances and regressions by matrix algebra.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impetus.kernels.splats.project import SplatPose, View

Floats = NDArray[np.float64]

DILATION, SHARPNESS, BLUR, SURFACE = 0.3, 0.02, 1e-3, 0.2
STOP, CAP, LEAST = 1e-4, 0.999, 1 / 255


@dataclass
class Reference:
    """The passes (h, w, …), and `fragile` (h, w): a threshold there hangs on the last bits."""

    color: Floats
    alpha: Floats
    depth: Floats
    normal: Floats
    index: NDArray[np.int32]
    forward: Floats
    backward: Floats
    depth_after: Floats
    depth_before: Floats
    fragile: NDArray[np.bool_]


def reference_render(
    pose: SplatPose,
    view: View,
    *,
    color: Floats,
    opacity: Floats,
    normal: Floats,
    index: NDArray[np.int32],
    before: tuple[SplatPose, View] | None = None,
    after: tuple[SplatPose, View] | None = None,
    antialias: bool = False,
) -> Reference:
    height, width = view.height, view.width
    y, x = np.mgrid[0:height, 0:width] + 0.5
    light, surface = np.ones((height, width)), np.zeros((height, width))
    sharp_light = light
    total, deep = np.zeros((height, width, 3)), np.zeros((height, width))
    facing, heaviest = np.zeros((height, width, 3)), np.zeros((height, width))
    owner = np.full((height, width), -1, np.int32)
    fragile = np.zeros((height, width), bool)
    others = [after, before]
    moved = [np.zeros((height, width, 3)) for _ in others]
    local = _to_camera(pose.mean, view)
    for i in np.argsort(local[:, 2].astype(np.float32), kind="stable"):
        p = local[i]
        if not view.near <= p[2] <= view.far or opacity[i] < LEAST:
            continue
        center = p[:2] / p[2] * view.intrinsics[:2] + view.intrinsics[2:]
        offset = np.stack([x - center[0], y - center[1]], -1)
        axes = view.world_to_camera()[0] @ pose.axes[i].astype(np.float64)
        blurred, sharp = _blending_covariances(p, axes, view)
        strength = opacity[i] * (_compensation(blurred) if antialias else 1)
        a = strength * np.exp(-0.5 * _mahalanobis(offset, blurred))
        keen = strength * np.exp(-0.5 * _mahalanobis(offset, sharp))
        alpha = np.minimum(CAP, a)
        taken = (a >= LEAST) & (light >= STOP)
        w = np.where(taken, alpha * light, 0)
        fragile |= (light > 1e-3) & (np.abs(a / LEAST - 1) < 1e-3)
        fragile |= taken & (np.abs(light - SURFACE) < 1e-4)
        fragile |= (sharp_light > 1e-3) & (np.abs(keen / LEAST - 1) < 1e-3)
        fragile |= (keen >= LEAST) & (np.abs(sharp_light - SURFACE) < 1e-4)
        solid = (keen >= LEAST) & (sharp_light >= SURFACE)
        surely = np.where(solid, np.minimum(CAP, keen) * sharp_light, 0)
        sharp_light = sharp_light - surely
        g = surely + BLUR * np.where(light >= SURFACE, w, 0)
        inverse, steps = _regressions(i, p, axes, view, pose, others)
        z = 1 / _held(inverse[0] + offset @ inverse[1], 1 / p[2], axes[2] / p[2] ** 2, inverse[1])
        surface, deep = surface + g, deep + g * z
        total, facing = total + w[..., None] * color[i], facing + g[..., None] * normal[i]
        for k, other in enumerate(others):
            if other is not None:
                moved[k] += g[..., None] * _follow(x, y, z, offset, steps[k], view, other[1])
        fragile |= (light > 0.5) & (np.abs(light - w - 0.5) < 1e-5)
        fragile |= (light > 0.5) & (w > 0) & (heaviest > 0) & (np.abs(w - heaviest) < 1e-5)
        owns = (light > 0.5) & (w > 0) & ((light - w <= 0.5) | (w > heaviest))
        owner[owns], heaviest[owns] = index[i], w[owns]
        light = light - w
    frames = [other and other[1] for other in others]
    sums = [total, facing, deep, surface]
    return _finish(view, frames, light, sums, moved, owner, fragile)


def _finish(
    view: View,
    frames: list[View | None],
    light: Floats,
    sums: list[Floats],
    moved: list[Floats],
    owner: NDArray[np.int32],
    fragile: NDArray[np.bool_],
) -> Reference:
    total, facing, deep, surface = sums
    y, x = np.mgrid[0 : view.height, 0 : view.width] + 0.5
    alpha = 1 - light
    share = 1 / np.maximum(surface, 1e-12)
    length = np.linalg.norm(facing, axis=-1, keepdims=True)
    fields = []
    for k, other in enumerate(frames):
        motion = np.zeros((view.height, view.width, 3))
        motion[..., 2] = np.inf
        if other is not None:
            motion[..., :2] = _background(x, y, view, other)
            motion = np.where((alpha >= 0.5)[..., None], moved[k] * share[..., None], motion)
        fields.append(motion)
    return Reference(
        color=total,
        alpha=alpha,
        depth=np.where(alpha > 0, deep * share, np.inf),
        normal=facing / np.maximum(length, 1e-20),
        index=owner,
        forward=fields[0][..., :2],
        backward=fields[1][..., :2],
        depth_after=fields[0][..., 2],
        depth_before=fields[1][..., 2],
        fragile=fragile | (np.abs(alpha - 0.5) < 1e-5),
    )


def _to_camera(points: Floats, view: View) -> Floats:
    rotation, translation = view.world_to_camera()
    return np.asarray(points, np.float64) @ rotation.T + translation


def _jacobian(x: float, y: float, z: float, view: View) -> Floats:
    fx, fy = view.intrinsics[:2]
    return np.array([[fx / z, 0, -fx * x / z], [0, fy / z, -fy * y / z]])


def _blending_covariances(p: Floats, axes: Floats, view: View) -> tuple[Floats, Floats]:
    """Zwicker et al. 2002, with the Jacobian taken inside 1.3 times the view: blurred, and not."""
    fx, fy, cx, cy = view.intrinsics
    margin = 0.15 * view.width / fx, 0.15 * view.height / fy
    x = np.clip(p[0] / p[2], -cx / fx - margin[0], (view.width - cx) / fx + margin[0])
    y = np.clip(p[1] / p[2], -cy / fy - margin[1], (view.height - cy) / fy + margin[1])
    b = _jacobian(x, y, p[2], view) @ axes
    s = b @ b.T
    flat = 1e-4 + 1e-7 * np.trace(s)
    return s + DILATION * np.eye(2), s + (SHARPNESS + flat) * np.eye(2)


def _compensation(blurred: Floats) -> float:
    narrow = np.linalg.det(blurred - DILATION * np.eye(2))
    return float(np.sqrt(narrow / np.linalg.det(blurred)))


def _mahalanobis(offset: Floats, covariance: Floats) -> Floats:
    return np.einsum("...i,ij,...j->...", offset, np.linalg.inv(covariance), offset)


def _regressions(
    i: int,
    p: Floats,
    axes: Floats,
    view: View,
    pose: SplatPose,
    others: list[tuple[SplatPose, View] | None],
) -> tuple[tuple[float, Floats], list[tuple[Floats, Floats] | None]]:
    """Value at the mean and slope, of 1/z and of (p' - p)/z for each other time."""
    b = _jacobian(p[0] / p[2], p[1] / p[2], p[2], view) @ axes
    flat = 1e-4 + 1e-7 * np.trace(b @ b.T)
    gain = b.T @ np.linalg.inv(b @ b.T + flat * np.eye(2))
    inverse = -axes[2] / p[2] ** 2
    steps: list[tuple[Floats, Floats] | None] = []
    for other in others:
        if other is None:
            steps.append(None)
            continue
        step = _to_camera(other[0].mean[i], other[1]) - p
        axes_there = other[1].world_to_camera()[0] @ other[0].axes[i].astype(np.float64)
        change = (axes_there - axes) / p[2] + np.outer(step, inverse)
        steps.append((step / p[2], change @ gain))
    return (1 / p[2], inverse @ gain), steps


def _held(inverse: Floats, w: float, sigma: Floats, slope: Floats) -> Floats:
    spread = 4 * np.linalg.norm(sigma) + np.linalg.norm(slope)
    return np.clip(inverse, max(w - spread, 0.25 * w), min(w + spread, 4 * w))


def _follow(
    x: Floats,
    y: Floats,
    z: Floats,
    offset: Floats,
    step: tuple[Floats, Floats],
    view: View,
    there: View,
) -> Floats:
    """Motion and depth there, (h, w, 3): the pixel's ray plus the step, projected again."""
    fx, fy, cx, cy = view.intrinsics
    ray = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], -1)
    moved = ray + step[0] + offset @ step[1].T
    # The kernel holds the change of depth alone; the sideways part stays.
    ahead = np.maximum(moved[..., 2], 0.05)
    pixel = moved[..., :2] / ahead[..., None] * there.intrinsics[:2] + there.intrinsics[2:]
    return np.stack([pixel[..., 0] - x, pixel[..., 1] - y, z * ahead], -1)


def _background(x: Floats, y: Floats, view: View, there: View) -> Floats:
    fx, fy, cx, cy = view.intrinsics
    ray = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], -1)
    local = ray @ (there.world_to_camera()[0] @ view.world_to_camera()[0].T).T
    pixel = local[..., :2] / local[..., 2:] * there.intrinsics[:2] + there.intrinsics[2:]
    return pixel - np.stack([x, y], -1)
