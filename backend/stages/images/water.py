"""How water looks: a film that mirrors, and a depth that tints; called by lighting.

A splat of water is a blob among thousands. Its share of the whole is set so that light fades with
the metres of water that it crosses, however many blobs those metres hold, and so that the film at
the free surface is seen once, although several blobs make it.
"""

from dataclasses import replace

import numpy as np

from ....kernels.splats.project import SplatPose
from ...contract.arrays import Array
from .reflectance import Surface

HEAD_ON = 0.02
"Reflectance of water at normal incidence (index of refraction 1.33)."
ROUGHNESS = 0.15
FADING = 55.0
"1/m at full alpha: what light loses on its way, to the water's own colour."
CROWDING = 0.74
"Optical depth per metre of blobs of opacity 1, times their sigma [m]: six tenths of a spacing."
FILM = 0.25
"Opacity of a surface blob seen head-on."
FILM_BLOBS = 3.0
"Blobs that make the film at any place."
SCATTER = 0.6
"Share of the colour that water sends back; the rest goes through."
BURIED, BARE = 0.35, 0.75
"Openness below which a blob is inside, and above which it is part of the film."
WRAP = 0.6
"Light goes into water and comes out elsewhere: its shade is soft."


def wet(surface: Surface, pose: SplatPose, facing: Array, openness: Array | None) -> Surface:
    """Return the surface with the reflectances and opacities that water has from here.

    `facing` (n,) cosine between normal and view; `openness` (n,) as of Nearness.
    """
    water = surface.water
    if not water.any():
        return surface
    sigma = np.sqrt(np.einsum("nij,nij->n", pose.axes[water], pose.axes[water]) / 3)
    cosine = np.clip(np.abs(facing[water]), 0, 1)
    bare = np.ones_like(sigma) if openness is None else openness[water]
    bare = np.clip((bare - BURIED) / (BARE - BURIED), 0, 1)
    bare = bare * bare * (3 - 2 * bare)
    depth = 1 - np.exp(-FADING * CROWDING * sigma * surface.opacity[water])
    film = bare * (FILM + (1 - FILM) * (1 - cosine) ** 3)
    opacity, specular, diffuse, roughness, wrap = (
        field.copy()
        for field in (
            surface.opacity, surface.specular, surface.diffuse, surface.roughness, surface.wrap
        )
    )  # fmt: skip
    opacity[water] = 1 - (1 - depth) * (1 - film)
    specular[water] = (HEAD_ON * bare / (FILM_BLOBS * opacity[water]))[:, None]
    diffuse[water] = SCATTER * surface.albedo[water]
    roughness[water], wrap[water] = ROUGHNESS, WRAP
    return replace(
        surface, opacity=opacity, specular=specular, diffuse=diffuse, roughness=roughness, wrap=wrap
    )
