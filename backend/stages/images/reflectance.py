"""Looks as artists give them, as light meets them; called by render, once for a shot."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...contract.arrays import Array
from ...contract.materials import Water
from ...contract.shot import Shot

if TYPE_CHECKING:
    from ..bodies.prepare import SplatLooks

DIELECTRIC = 0.08
"Reflectance at normal incidence of a fully specular dielectric, as in Blender's Principled BSDF."


@dataclass(frozen=True)
class Surface:
    """The splats of a whole shot as light meets them, one row each, f32; the same in every frame.

    `albedo`, `diffuse`, `specular`, `emission` (n, 3), `roughness`, `wrap`, `opacity` (n,);
    `lit` (n,) bool: the albedo holds the light already; `water` (n,) bool.
    """

    albedo: Array
    diffuse: Array
    specular: Array
    emission: Array
    roughness: Array
    wrap: Array
    opacity: Array
    lit: Array
    water: Array

    def without(self, gone: Array | None) -> "Surface":
        """Return the surface with nothing to be seen of some splats, (n,) bool."""
        if gone is None:
            return self
        opacity = np.where(gone, np.float32(0), self.opacity)
        return replace(self, opacity=opacity, water=self.water & ~gone)


def surface_of(shot: Shot, looks: "SplatLooks") -> Surface:
    """Turn looks as artists give them into reflectances."""
    is_water = np.array([isinstance(body.material, Water) for body in shot.bodies], bool)
    water = is_water[looks.body]
    albedo = np.asarray(looks.albedo, np.float32)
    metallic = looks.metallic[:, None]
    specular = (1 - metallic) * DIELECTRIC * looks.specular[:, None] + metallic * albedo
    diffuse = albedo * (1 - metallic)
    return Surface(
        albedo=albedo,
        diffuse=np.ascontiguousarray(diffuse, np.float32),
        specular=specular.astype(np.float32),
        emission=np.asarray(looks.emission, np.float32),
        roughness=np.asarray(looks.roughness, np.float32),
        wrap=np.zeros(len(water), np.float32),
        opacity=np.asarray(looks.opacity, np.float32),
        lit=np.asarray(looks.lit, bool),
        water=water,
    )
