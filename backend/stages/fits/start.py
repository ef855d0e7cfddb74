"""The splats that a fit begins with: of the surface, denser where texture and curvature want it."""

import numpy as np
import torch
from numpy.typing import NDArray

from ...contract.arrays import ArraySet
from ...contract.shot import Body
from ...splatting.drawing import draw
from ...splatting.engines import EngineName
from ..bodies.looks import BodySplats, concatenate, surface_splats
from ..bodies.sampling import PLASTIC, folded
from ..bodies.shape import Shape, shape_of
from ..bodies.textures import surface_colors
from .finer import finer_mesh
from .splats import parameters_of
from .targets import Targets

Floats = NDArray[np.float64]

COLOR_STEP, TURN_STEP = 0.04, 0.25
"""Spread of a texture's colours (0..1), and turn of a surface (radians), inside a patch of a splat
and a half, that make it twice as dense."""
DENSEST = 8.0
SMOOTHING = 2
"Rounds in which neighbouring triangles even out how dense they are."
PATCH = 1.5
PROBES = folded((np.arange(1, 13)[:, None] * PLASTIC) % 1.0)
"Barycentric points (12, 3) of a triangle where its texture is read, at no distance twice."
FAINT, NEAR = 0.9, 0.02
"""A colour is read where alpha is more than this, and the depth agrees to this share of the extent
and one sigma."""


def first_splats(
    body: Body, arrays: ArraySet, targets: Targets, count: int, *, seed: int, engine: EngineName
) -> dict[str, torch.Tensor]:
    """Return the free numbers of about `count` splats, coloured as the views see them."""
    splats = detailed_splats(body, arrays, count, np.random.default_rng(seed))
    color = seen_colors(splats, targets, engine)
    return parameters_of(splats.mean, splats.axes, color, splats.opacity)


def detailed_splats(
    body: Body, arrays: ArraySet, count: int, rng: np.random.Generator
) -> BodySplats:
    """Spread about `count` discs over a body: up to DENSEST times as dense where there is detail.

    Density comes in powers of two, each sampled by itself: the samplers spread points evenly.
    """
    spacing = float(np.sqrt(shape_of(body, arrays).area / count))
    fine, kept = finer_mesh(body, arrays, 4 * spacing)
    shape = shape_of(fine, kept)
    level = np.floor(np.log2(detail(fine, kept, shape, spacing))).astype(int)
    weight = np.where(shape.areas > 0, shape.areas * 2.0**level, 0.0)
    parts = []
    for which in np.unique(level):
        part = level == which
        share = round(count * weight[part].sum() / weight.sum())
        if share > 0:
            parts.append(surface_splats(fine, kept, shape, part, share, rng))
    return concatenate(parts)


def detail(body: Body, arrays: ArraySet, shape: Shape, spacing: float) -> Floats:
    """Return for each triangle (F,) how many times as dense its splats should be, 1 to DENSEST.

    By how much texture and surface change within PATCH spacings [m].
    """
    textured = _change_of_color(body, arrays, shape, PATCH * spacing) / COLOR_STEP
    curved = _turn(shape, PATCH * spacing) / TURN_STEP
    wanted = 1 + np.maximum(textured, curved)
    corners = shape.triangles.ravel()
    count = np.maximum(np.bincount(corners, minlength=len(shape.vertices)), 1)
    for _ in range(SMOOTHING):
        total = np.bincount(corners, np.repeat(wanted, 3), minlength=len(shape.vertices))
        wanted = (total / count)[shape.triangles].mean(axis=1)
    dense: Floats = np.clip(wanted, 1.0, DENSEST)
    return dense


def seen_colors(splats: BodySplats, targets: Targets, engine: EngineName) -> NDArray[np.float32]:
    """Return the linear colour (n, 3) that the views show of each splat; its own where none does.

    Views count by how straight they look at it.
    """
    device = "cuda" if engine == "gsplat" else "cpu"
    mean, normal = (torch.from_numpy(a).to(device) for a in (splats.mean, splats.normal))
    axes, color, opacity = (
        torch.from_numpy(a).to(device) for a in (splats.axes, splats.albedo, splats.opacity)
    )
    reach = NEAR * targets.extent + axes.norm(dim=1).amax(dim=1)
    total = torch.zeros(len(mean), 3, device=device)
    weights = torch.zeros(len(mean), device=device)
    for index in range(len(targets)):
        camera = targets.camera(index)
        with torch.no_grad():
            depth = draw(mean, axes, color, opacity, camera, engine=engine).depth
        pose, lens = camera.camera_to_world.to(mean), camera.intrinsics.to(mean)
        local = (mean - pose[:3, 3]) @ pose[:3, :3]
        pixel = (local[:, :2] / local[:, 2:] * lens[:2] + lens[2:]).floor().long()
        column = pixel[:, 0].clamp(0, camera.width - 1)
        row = pixel[:, 1].clamp(0, camera.height - 1)
        inside = (column == pixel[:, 0]) & (row == pixel[:, 1])
        seen = inside & ((local[:, 2] - depth[row, column]).abs() < reach)
        picture = targets.linear(index)[row, column]
        facing = torch.nn.functional.normalize(pose[:3, 3] - mean, dim=1)
        weight = (facing * normal).sum(dim=1).clamp(min=0) * (seen & (picture[:, 3] > FAINT))
        total += weight[:, None] * picture[:, :3] / picture[:, 3:].clamp(min=FAINT)
        weights += weight
    found = (total / weights.clamp(min=1e-6)[:, None]).cpu().numpy()
    return np.where((weights > 1e-3).cpu().numpy()[:, None], found, splats.albedo)


def _change_of_color(body: Body, arrays: ArraySet, shape: Shape, width: float) -> Floats:
    """Spread (F,) of the colours, as a screen shows them, that a triangle would have over `width`.

    What changes evenly changes the more, the wider one looks.
    """
    count = len(shape.triangles)
    triangle = np.repeat(np.arange(count), len(PROBES))
    color, _ = surface_colors(
        body,
        arrays,
        shape,
        triangle,
        np.tile(PROBES, (count, 1)),
        footprint=np.full(len(triangle), width / 4),
    )
    shown = np.clip(color, 0, 1) ** (1 / 2.2)
    spread = shown.reshape(count, len(PROBES), 3).std(axis=1).max(axis=1)
    size = np.sqrt(np.maximum(shape.areas, 1e-30))
    return np.asarray(spread * np.clip(width / size, 0.0, 4.0), np.float64)


def _turn(shape: Shape, width: float) -> Floats:
    """Angle (F,) [rad] by which the shading normal turns over `width` on each triangle."""
    first, second, third = np.moveaxis(shape.corner_normals.astype(np.float64), 1, 0)
    pairs = ((first, second), (second, third), (third, first))
    angle = np.max([np.arccos(np.clip((a * b).sum(axis=1), -1, 1)) for a, b in pairs], axis=0)
    size = np.sqrt(np.maximum(shape.areas, 1e-30))
    return np.asarray(angle * np.clip(width / size, 0.0, 4.0), np.float64)
