"""Slow NumPy twin of splats/project.py and splats/raster.py: one splat after another, float64.

Written from the formulas, not from the kernels: covariances and regressions by matrix algebra.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impetus.kernels.splats.project import SplatPose, View

Floats = NDArray[np.float64]

DILATION, SHARPNESS, BLUR, SURFACE, STACK = 0.3, 0.02, 1e-3, 0.2, 40
STOP, CAP, LEAST = 1e-4, 0.999, 1 / 255


@dataclass
class Reference:
    """The passes (h, w, …), and `fragile` (h, w): a threshold there hangs on the last bits."""

    color: Floats
    alpha: Floats
    depth: Floats
    normal: Floats
    index: NDArray[np.int32]
    median: Floats
    coverage: Floats
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
    median, bare = np.full((height, width), np.inf), np.ones((height, width))
    fragile = np.zeros((height, width), bool)
    others = [after, before]
    moved = [np.zeros((height, width, 3)) for _ in others]
    local = _to_camera(pose.mean, view)
    for i in np.argsort(local[:, 2].astype(np.float32), kind="stable"):
        p = local[i]
        if not view.near <= p[2] <= view.far or opacity[i] < LEAST:
            continue
        axes = view.world_to_camera()[0] @ pose.axes[i].astype(np.float64)
        backing = 0.0 if pose.backing is None else pose.backing[i]
        offset, a, shape, keen, least = _alphas(p, axes, view, (opacity[i], backing), antialias)
        taken = (a >= LEAST) & (light >= STOP)
        w = np.where(taken, np.minimum(CAP, a) * light, 0)
        fragile |= _hangs(light, sharp_light, a, keen, least)
        keen = np.where(a >= least, keen, 0)
        looks = (keen >= LEAST) & ((light >= STOP) | (sharp_light >= SURFACE))
        bare = np.where(looks, bare * (1 - shape), bare)
        solid = (keen >= LEAST) & (sharp_light >= SURFACE)
        surely = np.where(solid, np.minimum(CAP, keen) * sharp_light, 0)
        sharp_light = sharp_light - surely
        g = surely + BLUR * np.where(light >= SURFACE, w, 0)
        inverse, steps = _regressions(i, p, axes, view, pose, others)
        z = _held(inverse[0] + offset @ inverse[1], inverse)
        z = z if view.orthographic else 1 / z
        surface, deep = surface + g, deep + g * z
        total, facing = total + w[..., None] * color[i], facing + g[..., None] * normal[i]
        for k, other in enumerate(others):
            if other is not None:
                follow = _follow_parallel if view.orthographic else _follow
                moved[k] += g[..., None] * follow(x, y, z, offset, steps[k], view, other[1])
        fragile |= (light > 0.5) & (np.abs(light - w - 0.5) < 1e-5)
        fragile |= (light > 0.5) & (w > 0) & (heaviest > 0) & (np.abs(w - heaviest) < 1e-5)
        owns = (light > 0.5) & (w > 0) & ((light - w <= 0.5) | (w > heaviest))
        owner[owns], heaviest[owns], median[owns] = index[i], w[owns], z[owns]
        light = light - w
    frames = [other and other[1] for other in others]
    sums = [total, facing, deep, surface]
    elected = (owner, median, 1 - bare)
    return _finish(view, frames, light, sums, moved, elected, fragile)


def _finish(
    view: View,
    frames: list[View | None],
    light: Floats,
    sums: list[Floats],
    moved: list[Floats],
    elected: tuple[NDArray[np.int32], Floats, Floats],
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
            motion[..., :2] = 0 if view.orthographic else _background(x, y, view, other)
            motion = np.where((alpha >= 0.5)[..., None], moved[k] * share[..., None], motion)
        fields.append(motion)
    return Reference(
        color=total,
        alpha=alpha,
        depth=np.where(alpha > 0, deep * share, np.inf),
        normal=facing / np.maximum(length, 1e-20),
        index=elected[0],
        median=elected[1],
        coverage=elected[2],
        forward=fields[0][..., :2],
        backward=fields[1][..., :2],
        depth_after=fields[0][..., 2],
        depth_before=fields[1][..., 2],
        # Normals that nearly cancel leave a direction that hangs on the last bits too.
        fragile=fragile | (np.abs(alpha - 0.5) < 1e-5) | (length[..., 0] < 0.15 * surface),
    )


def _to_camera(points: Floats, view: View) -> Floats:
    rotation, translation = view.world_to_camera()
    return np.asarray(points, np.float64) @ rotation.T + translation


def _seen(p: Floats, view: View) -> Floats:
    """What the lens magnifies: the ray's slopes, or the place where rays are parallel."""
    return p[:2] if view.orthographic else p[:2] / p[2]


def _jacobian(x: float, y: float, z: float, view: View) -> Floats:
    fx, fy = view.intrinsics[:2]
    if view.orthographic:
        return np.array([[fx, 0, 0], [0, fy, 0]])
    return np.array([[fx / z, 0, -fx * x / z], [0, fy / z, -fy * y / z]])


def _held_inside(p: Floats, view: View) -> tuple[float, float]:
    """Where the Jacobian is taken: inside 1.3 times the view."""
    fx, fy, cx, cy = view.intrinsics
    margin = 0.15 * view.width / fx, 0.15 * view.height / fy
    x, y = _seen(p, view)
    x = np.clip(x, -cx / fx - margin[0], (view.width - cx) / fx + margin[0])
    y = np.clip(y, -cy / fy - margin[1], (view.height - cy) / fy + margin[1])
    return float(x), float(y)


def _blending_covariances(p: Floats, axes: Floats, view: View) -> tuple[Floats, Floats]:
    """Zwicker et al. 2002: blurred, and not."""
    b = _jacobian(*_held_inside(p, view), p[2], view) @ axes
    s = b @ b.T
    flat = 1e-4 + 1e-7 * np.trace(s)
    return s + DILATION * np.eye(2), s + (SHARPNESS + flat) * np.eye(2)


def _hangs(
    light: Floats, sharp_light: Floats, a: Floats, keen: Floats, least: float
) -> NDArray[np.bool_]:
    """Where the last bits decide whether this splat is taken, or counts for the surface."""
    near = (np.abs(sharp_light - SURFACE) < 1e-4) | (np.abs(light - STOP) < 1e-6)
    hangs = (light > 1e-3) & (np.abs(a / LEAST - 1) < 1e-3)
    hangs |= (a >= LEAST) & (np.abs(light - SURFACE) < 1e-4)
    hangs |= (keen >= LEAST) & (near | (np.abs(a / least - 1) < 1e-3))
    return hangs | (np.abs(keen / LEAST - 1) < 1e-3)


def _alphas(
    p: Floats, axes: Floats, view: View, look: tuple[float, float], antialias: bool
) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Pixels from the mean (h, w, 2), blurred alpha, the sharp shape and what it hides.

    And the blurred alpha from which on that counts. `look` is opacity and backing.
    """
    y, x = np.mgrid[0 : view.height, 0 : view.width] + 0.5
    center = _seen(p, view) * view.intrinsics[:2] + view.intrinsics[2:]
    offset = np.stack([x - center[0], y - center[1]], -1)
    blurred, sharp = _blending_covariances(p, axes, view)
    strength = look[0] * (_compensation(blurred) if antialias else 1)
    inset = _inset(p, axes, view, look[1], strength)
    a = strength * np.exp(-0.5 * _mahalanobis(offset - inset, blurred))
    least = 1 / STACK if inset.any() else LEAST
    shape = np.exp(-0.5 * _mahalanobis(offset, sharp))
    return offset, a, shape, strength * shape, least


def _compensation(blurred: Floats) -> float:
    narrow = np.linalg.det(blurred - DILATION * np.eye(2))
    return float(np.sqrt(narrow / np.linalg.det(blurred)))


def _inset(p: Floats, axes: Floats, view: View, backing: float, strength: float) -> Floats:
    """By what (2,) [px] the blurred footprint is drawn back into what backs it.

    As far as the dilation takes a STACK-th to hide, along the tilt of the disc's plane; but not
    beyond the middle of what backs it.
    """
    if backing == 0:
        return np.zeros(2)
    own = _blending_covariances(p, axes, view)[0] - DILATION * np.eye(2)
    normal = np.cross(axes[:, 0], axes[:, 1])
    normal *= np.sign(backing * normal @ axes[:, 2]) / np.linalg.norm(normal)
    across = normal[:2] / view.intrinsics[:2]
    across /= np.linalg.norm(across)
    sigma = np.sqrt(across @ own @ across)
    beyond = np.sqrt(2 * np.log(max(1, STACK * strength)))
    wider = np.sqrt(sigma**2 + DILATION) - sigma
    x, y = _held_inside(p, view)
    thick = _jacobian(x, y, p[2], view) @ (backing * axes[:, 2])
    return -min(np.hypot(*normal[:2]) * beyond * wider, abs(thick @ across) / 2) * across


def _mahalanobis(offset: Floats, covariance: Floats) -> Floats:
    return np.einsum("...i,ij,...j->...", offset, np.linalg.inv(covariance), offset)


def _regressions(
    i: int,
    p: Floats,
    axes: Floats,
    view: View,
    pose: SplatPose,
    others: list[tuple[SplatPose, View] | None],
) -> tuple[tuple[float, Floats, float], list[tuple[Floats, Floats] | None]]:
    """Value at the mean and slope, of 1/z and of (p' - p)/z for each other time.

    Of z and p' - p where rays are parallel. Of the first also one sigma of its change.
    """
    b = _jacobian(*_seen(p, view), p[2], view) @ axes
    flat = 1e-4 + 1e-7 * np.trace(b @ b.T)
    gain = b.T @ np.linalg.inv(b @ b.T + flat * np.eye(2))
    inverse = np.zeros(3) if view.orthographic else -axes[2] / p[2] ** 2
    scale = 1.0 if view.orthographic else 1 / p[2]
    steps: list[tuple[Floats, Floats] | None] = []
    for other in others:
        if other is None:
            steps.append(None)
            continue
        step = _to_camera(other[0].mean[i], other[1]) - p
        axes_there = other[1].world_to_camera()[0] @ other[0].axes[i].astype(np.float64)
        change = (axes_there - axes) * scale + np.outer(step, inverse)
        steps.append((step * scale, change @ gain))
    rising = axes[2] if view.orthographic else inverse
    value = p[2] if view.orthographic else 1 / p[2]
    return (value, rising @ gain, float(np.linalg.norm(rising))), steps


def _held(free: Floats, plane: tuple[float, Floats, float]) -> Floats:
    w, slope, sigma = plane
    spread = 4 * sigma + np.linalg.norm(slope)
    return np.clip(free, max(w - spread, 0.25 * w), min(w + spread, 4 * w))


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


def _follow_parallel(
    x: Floats,
    y: Floats,
    z: Floats,
    offset: Floats,
    step: tuple[Floats, Floats],
    view: View,
    there: View,
) -> Floats:
    """As `_follow` where rays are parallel in both frames: the place plus the step."""
    place = (np.stack([x, y], -1) - view.intrinsics[2:]) / view.intrinsics[:2]
    moved = step[0] + offset @ step[1].T
    pixel = (place + moved[..., :2]) * there.intrinsics[:2] + there.intrinsics[2:]
    return np.stack([pixel[..., 0] - x, pixel[..., 1] - y, z + moved[..., 2]], -1)


def _background(x: Floats, y: Floats, view: View, there: View) -> Floats:
    fx, fy, cx, cy = view.intrinsics
    ray = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], -1)
    local = ray @ (there.world_to_camera()[0] @ view.world_to_camera()[0].T).T
    pixel = local[..., :2] / local[..., 2:] * there.intrinsics[:2] + there.intrinsics[2:]
    return pixel - np.stack([x, y], -1)
