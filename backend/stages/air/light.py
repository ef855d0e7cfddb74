"""Light in gas and through it: lamps scattered once and more, shade on what is behind; for render.

Single scattering by the phase function of Henyey and Greenstein; what is scattered more often is
told by octaves of ever less extinction, anisotropy and strength (Wrenninge et al., Oz: The Great
and Volumetric, 2013). The light's way through the gas is marched over its grid.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....kernels.splats.shade import Reflectance, ShadowMap, add_lamp
from ...contract.shot import Shot
from ..images.lamps import Lamp, point_lamp
from .splats import GasSplats
from .veil import Veil

Floats = NDArray[np.float32]

OCTAVES = 4
STRENGTH, REACH = 0.75, 0.4
"What an octave keeps of the strength, and of extinction and anisotropy, of the one before."
STRAIGHT, ASTRAY = 0.4, 0.15
"Shares of the extinction above that the surroundings' light meets, half of it each."
LAMPS = 3
"Lamps, one above the other, that flames shine as."


def lit_gas(
    shot: Shot,
    splats: GasSplats,
    lamps: Sequence[tuple[Lamp, ShadowMap | None]],
    *,
    veil: Veil,
    eye: NDArray[np.float64],
) -> Floats:
    """Return the radiance (n, 3) that a frame's Gaussians show to `eye` (3,) [m]."""
    count = len(splats.mean)
    radiance = np.zeros((count, 3), np.float32)
    if count == 0:
        return radiance
    toward = np.asarray(eye - splats.mean, np.float64)
    toward /= np.maximum(np.linalg.norm(toward, axis=1, keepdims=True), 1e-9)
    ambient = np.asarray(shot.world.ambient, np.float32)
    above = veil.along(splats.mean, (0.0, 0.0, 1.0), parallel=True)[:, None]
    radiance += ambient * (above**STRAIGHT + above**ASTRAY) / 2
    for lamp, shadow in lamps:
        passed = veil.left(splats.mean, lamp)
        way = lamp.axis[None] if lamp.light.kind == "sun" else splats.mean - lamp.position
        way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        cosine = np.asarray((way * toward).sum(axis=1))
        arrived = _arrived(lamp, shadow, splats, eye)
        radiance += arrived * _scattered(passed, cosine, shot.gas.looks.anisotropy)[:, None]
    return np.asarray(splats.albedo * radiance + splats.emission, np.float32)


def _scattered(passed: Floats, cosine: NDArray[np.float64], anisotropy: float) -> Floats:
    """The share of a lamp's irradiance that is scattered to the eye, for an albedo of 1 [1/sr]."""
    total, strength, g, power = np.zeros_like(passed), 1.0, anisotropy, 1.0
    for _ in range(OCTAVES):
        phase = (1 - g * g) / (4 * np.pi * (1 + g * g - 2 * g * cosine) ** 1.5)
        total += strength * passed**power * phase
        strength, g, power = strength * STRENGTH, g * REACH, power * REACH
    return np.asarray(total, np.float32)


def _arrived(
    lamp: Lamp, shadow: ShadowMap | None, splats: GasSplats, eye: NDArray[np.float64]
) -> Floats:
    """Irradiance (n, 3) [W/m^2] behind solids alone, as a surface that faces the lamp gets it.

    What has no normal is lit as by a quarter of its cosine, over pi: taken back here.
    """
    count = len(splats.mean)
    arrived = np.zeros((count, 3), np.float32)
    zero, none = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
    white = Reflectance(np.ones((count, 3), np.float32), zero, none, splats.sigma, none)
    add_lamp(
        arrived, lamp.record, mean=splats.mean, normal=zero, eye=np.asarray(eye, np.float32),
        reflectance=white, shadow=shadow,
    )  # fmt: skip
    return np.asarray(arrived * np.float32(4 * np.pi))


def flame_lamps(splats: GasSplats) -> list[Lamp]:
    """Return lamps that shine on all else as a frame's flames do; they cast no shadow.

    What a Gaussian of radiance L sends everywhere is L opacity 2 pi sigma^2 [W/sr].
    """
    power = splats.emission * (splats.opacity * 2 * np.pi * splats.sigma**2)[:, None]
    weight = power.sum(axis=1, dtype=np.float64)
    if weight.sum() <= 0:
        return []
    order = np.argsort(splats.mean[:, 2], kind="stable")
    part = np.minimum(np.cumsum(weight[order]) / weight.sum() * LAMPS, LAMPS - 1e-9).astype(int)
    lamps = []
    for n in range(LAMPS):
        mine = order[part == n]
        if (total := weight[mine].sum()) > 0:
            middle = (weight[mine] @ splats.mean[mine]) / total
            away = ((splats.mean[mine] - middle) ** 2).sum(axis=1)
            lamps.append(
                point_lamp(
                    "Flame", middle, power[mine].sum(axis=0), np.sqrt(weight[mine] @ away / total)
                )
            )
    return lamps
