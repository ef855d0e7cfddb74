"""Light on splats: diffuse and glossy reflection of lamps, soft shadows; called by stages/lighting.

Symbols: p a splat's mean, n its normal, l to the light, v to the camera, h between them.
Glossy: GGX (Walter et al., Microfacet Models for Refraction, 2007, eq. 33) with Smith's masking in
Hammon's form (PBR Diffuse Lighting for GGX+Smith Microsurfaces, 2017) and Schlick's Fresnel term.
Shadows: Fernando, Percentage-Closer Soft Shadows, 2005; each tap is compared with the receiver's
tangent plane, so slopes need no bias.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from .project import View

Floats = NDArray[np.float32]

SEARCH_TAPS, FILTER_TAPS = 12, 32
SMALLEST_FILTER, LARGEST_FILTER = 1.3, 48.0
"Radius of the shadow's filter in texels."
BIAS_TEXELS = 0.75
STEEPEST = 6.0
"Tangent planes seen flatter than this slope are taken to have it."
GOLDEN_ANGLE = 2.399963229728653
SMALLEST_ALPHA = 0.02

# A lamp's record, and its shadow map's.
POSITION, AXIS, RADIANT, RIGHT, UP = 0, 3, 6, 9, 12
SUN, FLAT, CONE, CONE_BLEND, SIZE = 15, 16, 17, 18, 19
LAMP_COLUMNS = 20
ROTATION, TRANSLATION, FOCAL, CENTER_X, CENTER_Y, NEAREST, SPREAD, PARALLEL = (
    0, 9, 12, 13, 14, 15, 16, 17
)  # fmt: skip
SHADOW_COLUMNS = 18


@dataclass(frozen=True)
class Reflectance:
    """How splats reflect, one row each, f32.

    `diffuse` (n, 3) and `specular` (n, 3) reflectances, `roughness` (n,) as artists give it,
    `skin` (n,) how deep behind what a lamp sees a splat still belongs to the same surface [m],
    `wrap` (n,) 0..1: how far light creeps round.
    """

    diffuse: Floats
    specular: Floats
    roughness: Floats
    skin: Floats
    wrap: Floats


@dataclass(frozen=True)
class ShadowMap:
    """What a lamp sees: depth (h, w) [m] from `view`, +inf where nothing is.

    `size` is the lamp's radius [m], of parallel light the tangent of its half angle. What casts
    shadows is mostly not nearer to the lamp than `nearest` [m].
    """

    depth: Floats
    view: View
    size: float
    nearest: float
    parallel: bool


def add_lamp(
    radiance: Floats,
    lamp: Floats,
    *,
    mean: Floats,
    normal: Floats,
    eye: Floats,
    reflectance: Reflectance,
    shadow: ShadowMap | None,
) -> None:
    """Add one lamp's reflected radiance (n, 3) in place.

    `lamp` (LAMP_COLUMNS,), `mean` (n, 3) metres, `normal` (n, 3) unit or zero (lit alike from all
    sides), `eye` (3,) the camera.
    """
    depth = shadow.depth if shadow else np.zeros((1, 1), np.float32)
    record = _shadow_record(shadow) if shadow else np.zeros(SHADOW_COLUMNS, np.float32)
    _add_lamp(
        mean,
        normal,
        eye,
        reflectance.diffuse,
        reflectance.specular,
        reflectance.roughness,
        reflectance.skin,
        reflectance.wrap,
        lamp,
        depth,
        record,
        int(shadow is not None),
        radiance,
    )


def _shadow_record(shadow: ShadowMap) -> Floats:
    rotation, translation = shadow.view.world_to_camera()
    fx, _, cx, cy = (float(value) for value in shadow.view.intrinsics)
    tail = [fx, cx, cy, shadow.nearest, shadow.size, float(shadow.parallel)]
    return np.concatenate([rotation.ravel(), translation, tail]).astype(np.float32)


@ti.func
def _vector(array: ti.template(), start):  # type: ignore[valid-type]
    return ti.Vector([array[start], array[start + 1], array[start + 2]])


@ti.func
def _row(array: ti.template(), i):  # type: ignore[valid-type]
    return ti.Vector([array[i, 0], array[i, 1], array[i, 2]])


@ti.func
def _penumbra(z, blocker, s: ti.template()):  # type: ignore[valid-type]
    """Radius [m] at the receiver of the lamp's blurred image."""
    gap = ti.max(z - blocker, 0.0)
    return s[SPREAD] * ti.select(s[PARALLEL] > 0.5, gap, gap / ti.max(blocker, 1e-6))


@ti.func
def _tap(q, count, turn):
    """The q-th of `count` points of a spiral that fills the unit disc evenly (Vogel, 1979)."""
    radius = ti.sqrt((q + 0.5) / count)
    angle = q * GOLDEN_ANGLE + turn
    return radius * ti.Vector([ti.cos(angle), ti.sin(angle)])


@ti.func
def _plane_depth(plane, x, y, z, slack):
    """Depth of the receiver's tangent plane along the ray through (x, y, 1)."""
    across = plane[0] * x + plane[1] * y + plane[2]
    met = z
    if ti.abs(across) > 1e-6:
        met = plane[3] / across
    return ti.math.clamp(met, z - slack, z + slack)


@ti.func
def _lit_share(p, n, skin, turn, depth: ti.template(), s: ti.template()):  # type: ignore[valid-type]
    """The part of the lamp that p sees, 0..1; 1 outside its map."""
    rotation = ti.Matrix([[s[3 * r + c] for c in range(3)] for r in range(3)])
    local = rotation @ p + _vector(s, TRANSLATION)
    share = 1.0
    z = local[2]
    if z > 1e-4:
        facing = rotation @ n
        plane = ti.Vector([facing[0], facing[1], facing[2], facing.dot(local)])
        texel = z / s[FOCAL]
        center = ti.Vector([local[0], local[1]]) / texel + ti.Vector([s[CENTER_X], s[CENTER_Y]])
        bias = BIAS_TEXELS * texel + skin
        wide = _penumbra(z, ti.min(s[NEAREST], z), s) / texel
        wide = ti.math.clamp(wide, SMALLEST_FILTER, LARGEST_FILTER)
        found, total = 0.0, 0.0
        for q in range(SEARCH_TAPS):
            at = center + wide * _tap(ti.cast(q, ti.f32), float(SEARCH_TAPS), turn)
            blocker = _depth_at(depth, at)
            if blocker < _met(plane, at, z, texel, wide, s) - bias:
                found += 1.0
                total += blocker
        if found > 0.0:
            narrow = _penumbra(z, total / found, s) / texel
            narrow = ti.math.clamp(narrow, SMALLEST_FILTER, LARGEST_FILTER)
            share = 0.0
            for q in range(FILTER_TAPS):
                at = center + narrow * _tap(ti.cast(q, ti.f32), float(FILTER_TAPS), turn)
                if _depth_at(depth, at) >= _met(plane, at, z, texel, narrow, s) - bias:
                    share += 1.0 / FILTER_TAPS
    return share


@ti.func
def _met(plane, at, z, texel, radius, s: ti.template()):  # type: ignore[valid-type]
    x, y = (at[0] - s[CENTER_X]) / s[FOCAL], (at[1] - s[CENTER_Y]) / s[FOCAL]
    return _plane_depth(plane, x, y, z, STEEPEST * texel * (radius + 1.0))


@ti.func
def _depth_at(depth: ti.template(), at):  # type: ignore[valid-type]
    x, y = ti.floor(at[0], ti.i32), ti.floor(at[1], ti.i32)
    found = ti.math.inf
    if 0 <= x < depth.shape[1] and 0 <= y < depth.shape[0]:
        found = depth[y, x]
    return found


@ti.func
def _arriving(p, offset, lamp: ti.template()):  # type: ignore[valid-type]
    """Unit vector to the lamp, distance, and irradiance on a surface that faces it."""
    axis = _vector(lamp, AXIS)
    to_light = -axis
    distance = 1e8
    strength = 1.0
    if lamp[SUN] < 0.5:
        to_light = _vector(lamp, POSITION) + offset - p
        distance = ti.max(to_light.norm(), 1e-4)
        to_light /= distance
        strength = 1.0 / (distance * distance)
        along = -to_light.dot(axis)
        if lamp[FLAT] > 0.5:
            strength *= ti.max(along, 0.0)
        if lamp[CONE] > -0.999:
            t = ti.math.clamp((along - lamp[CONE]) / lamp[CONE_BLEND], 0.0, 1.0)
            strength *= t * t * (3.0 - 2.0 * t)
    return to_light, distance, strength * _vector(lamp, RADIANT)


@ti.func
def _wrapped(n, l, wrap):
    """The cosine that light arrives with; with `wrap` it creeps round, the energy kept."""
    creep = wrap
    if n.norm_sqr() < 0.25:
        creep = 1.0
    return ti.max(n.dot(l) + creep, 0.0) / ((1.0 + creep) * (1.0 + creep))


@ti.func
def _glossy(n, l, v, specular, roughness, widening):
    """GGX reflection times the cosine, for a lamp that spans `widening` radians."""
    h = (l + v).normalized(1e-8)
    a = ti.math.clamp(roughness * roughness, SMALLEST_ALPHA, 1.0)
    # A lamp with a size blurs its highlight: Karis, Real Shading in Unreal Engine 4, 2013.
    wide = ti.min(a + 0.5 * widening, 1.0)
    nl, nv, nh = ti.max(n.dot(l), 0.0), ti.max(n.dot(v), 1e-3), ti.max(n.dot(h), 0.0)
    base = nh * nh * (wide * wide - 1.0) + 1.0
    distribution = wide * wide / (ti.math.pi * base * base)
    masking = 0.5 / ti.max(ti.math.mix(2.0 * nl * nv, nl + nv, a), 1e-4)
    # What reflects less than 2 % head-on is no smooth surface: it does not glance either.
    glance = ti.math.clamp(50.0 * specular.max(), 0.0, 1.0)
    fresnel = specular + (glance - specular) * ti.max(1.0 - ti.max(l.dot(h), 0.0), 0.0) ** 5
    # Without a light side there is no highlight: n is zero inside a cloud of splats.
    return ti.select(nl > 0.0, distribution * masking * nl, 0.0) * fresnel


@ti.kernel
def _add_lamp(
    mean: ti.types.ndarray(ti.f32, 2),
    normal: ti.types.ndarray(ti.f32, 2),
    eye: ti.types.ndarray(ti.f32, 1),
    diffuse: ti.types.ndarray(ti.f32, 2),
    specular: ti.types.ndarray(ti.f32, 2),
    roughness: ti.types.ndarray(ti.f32, 1),
    skin: ti.types.ndarray(ti.f32, 1),
    wrap: ti.types.ndarray(ti.f32, 1),
    lamp: ti.types.ndarray(ti.f32, 1),
    depth: ti.types.ndarray(ti.f32, 2),
    shadow: ti.types.ndarray(ti.f32, 1),
    shadowed: ti.i32,  # type: ignore[valid-type]
    radiance: ti.types.ndarray(ti.f32, 2),
):
    for i in range(mean.shape[0]):
        p, n = _row(mean, i), _row(normal, i)
        v = (_vector(eye, 0) - p).normalized(1e-8)
        reflected = ti.Vector([0.0, 0.0, 0.0])
        # The quarters of an area lamp shine one by one.
        quarters = ti.select(lamp[FLAT] > 0.5, 4, 1)
        for quarter in range(quarters):
            aside = (
                ti.Vector([quarter % 2 - 0.5, quarter // 2 - 0.5]) * 0.5 * lamp[SIZE] * lamp[FLAT]
            )
            offset = aside[0] * _vector(lamp, RIGHT) + aside[1] * _vector(lamp, UP)
            l, distance, light = _arriving(p, offset, lamp)
            span = ti.select(lamp[SUN] > 0.5, lamp[SIZE], lamp[SIZE] / distance)
            cosine = _wrapped(n, l, wrap[i])
            gloss = _glossy(n, l, v, _row(specular, i), roughness[i], span)
            reflected += light * (_row(diffuse, i) * (cosine / ti.math.pi) + gloss) / quarters
        if reflected.max() > 0.0:
            if shadowed == 1:
                # The golden ratio spreads the turns of neighbours; they stay with their splat.
                turn = 6.2831853 * ti.math.fract(0.6180339887 * ti.cast(i % 65536, ti.f32))
                reflected *= _lit_share(p, n, skin[i], turn, depth, shadow)
            for c in ti.static(range(3)):
                radiance[i, c] += reflected[c]
