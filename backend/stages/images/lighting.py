"""Light on splats: from lamps and surroundings to the colour of each splat; used by render."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....kernels.splats.project import SplatPose
from ....kernels.splats.shade import Reflectance, ShadowMap, add_lamp
from ...contract.arrays import Array
from ..air.veil import Veil
from .lamps import Lamp
from .nearness import Nearness
from .reflectance import Surface
from .water import wet

TURNED_AWAY = -0.15
"A normal that turns away from the camera by more than this cosine belongs to a thin sheet's back."
LIGHT_FROM_BELOW = 0.5
"Share of the surroundings' light that reaches a surface that looks straight down."
SKIN_THICKNESSES, SKIN_SIZES = 2.0, 0.7
"Parts of a splat's sigma along its normal, and of its size, that make its skin."


@dataclass(frozen=True)
class Shaded:
    """What the rasteriser shows: radiance `color` (n, 3), `opacity` (n,), `normal` (n, 3)."""

    color: Array
    opacity: Array
    normal: Array


def face_camera(normal: Array, to_eye: Array) -> Array:
    """Turn the normals (n, 3) of a thin sheet's back to the camera; `to_eye` (n, 3) unit."""
    away = np.einsum("ij,ij->i", normal, to_eye) < TURNED_AWAY
    return np.where(away[:, None], -normal, normal).astype(np.float32)


def surroundings_at(direction: Array, ambient: Array) -> Array:
    """Return the radiance (n, 3) that a surface facing `direction` (n, 3) gathers all around."""
    height = 0.5 + 0.5 * direction[:, 2:]
    gathered: Array = ambient * (LIGHT_FROM_BELOW + (1 - LIGHT_FROM_BELOW) * height)
    return gathered


def skin_of(pose: SplatPose, normal: Array) -> Array:
    """Return how deep (n,) [m] each splat's surface may waver: by its own thickness and size."""
    along = np.linalg.norm(np.einsum("ijk,ij->ik", pose.axes, normal), axis=1)
    size = np.sqrt(np.einsum("ijk,ijk->i", pose.axes, pose.axes))
    skin: Array = SKIN_THICKNESSES * along + SKIN_SIZES * size
    return skin.astype(np.float32)


def shade(
    surface: Surface,
    pose: SplatPose,
    normal: Array,
    *,
    eye: Array,
    ambient: Array,
    lamps: Sequence[tuple[Lamp, ShadowMap | None]],
    nearness: Nearness | None = None,
    veil: Veil | None = None,
) -> Shaded:
    """Return the colour of splats in this pose, seen from `eye` (3,) [m].

    `normal` (n, 3) world, unit or zero; `ambient` (3,) radiance from everywhere, which without
    `nearness` reaches all splats alike; `veil` is the gas between lamps and splats.
    """
    if not len(pose.mean):
        return Shaded(surface.emission, surface.opacity, np.asarray(normal, np.float32))
    mean = np.ascontiguousarray(pose.mean, np.float32)
    to_eye = (eye - mean).astype(np.float32)
    to_eye /= np.maximum(np.linalg.norm(to_eye, axis=1, keepdims=True), 1e-9)
    normal = face_camera(np.asarray(normal, np.float32), to_eye)
    facing = np.einsum("ij,ij->i", normal, to_eye)
    surface = wet(surface, pose, facing, nearness.openness if nearness else None)
    radiance = surface.emission.copy()
    reflectance = Reflectance(
        surface.diffuse, surface.specular, surface.roughness, skin_of(pose, normal),
        surface.wrap,
    )  # fmt: skip
    for lamp, shadow in lamps:
        given = radiance if veil is None else np.zeros_like(radiance)
        add_lamp(
            given, lamp.record, mean=mean, normal=normal, eye=np.asarray(eye, np.float32),
            reflectance=reflectance, shadow=shadow,
        )  # fmt: skip
        if veil is not None:
            radiance += given * veil.left(mean, lamp)[:, None]
    if nearness is None:
        radiance += surroundings(surface, normal, to_eye, ambient)
    else:
        lent = nearness.lent(np.where(surface.lit[:, None], surface.albedo, radiance))
        around = surroundings(surface, normal, to_eye, ambient)
        radiance += around * nearness.openness[:, None] + surface.diffuse * lent
    color = np.where(surface.lit[:, None], surface.albedo, radiance)
    return Shaded(color, surface.opacity, normal)


def surroundings(surface: Surface, normal: Array, to_eye: Array, ambient: Array) -> Array:
    """Return the radiance (n, 3) that splats reflect of the light from everywhere.

    The glossy part is the analytic fit of Karis, Physically Based Shading on Mobile, 2014.
    """
    facing = np.clip(np.einsum("ij,ij->i", normal, to_eye), 0, 1)
    diffuse = surface.diffuse * surroundings_at(normal, ambient)
    mirrored = 2 * facing[:, None] * normal - to_eye
    rough = surface.roughness
    x, y = 1 - rough, 0.0425 - 0.0275 * rough
    tilt = np.minimum(x * x, np.exp2(-9.28 * facing)) * x + y
    scale = -1.04 * tilt + 1.04 - 0.572 * rough
    shift = 1.04 * tilt - 0.04 + 0.022 * rough
    glossy = surface.specular * scale[:, None] + shift[:, None] * (surface.specular > 0)
    radiance: Array = diffuse + glossy * surroundings_at(mirrored, ambient)
    return radiance.astype(np.float32)
