"""Materials as the kernels' laws: one for a body, or several where its regions differ."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....kernels.mpm.materials.laws import (
    BrittleLaw,
    CreamLaw,
    ElasticLaw,
    Law,
    MetalLaw,
    PlasticineLaw,
    RubberLaw,
    SandLaw,
    SnowLaw,
    WaterLaw,
)
from ...contract.arrays import ArraySet
from ...contract.materials import (
    Brittle,
    Cream,
    Elastic,
    Material,
    Metal,
    Plasticine,
    Rigid,
    Rubber,
    Sand,
    Snow,
    Water,
)
from ...contract.regions import Scale, scaled
from ...contract.shot import Body, Shot
from .groups import group_weight

LAWS: dict[type[Material], type[Law]] = {
    Elastic: ElasticLaw,
    Rubber: RubberLaw,
    Metal: MetalLaw,
    Plasticine: PlasticineLaw,
    Brittle: BrittleLaw,
    Sand: SandLaw,
    Snow: SnowLaw,
    Cream: CreamLaw,
    Water: WaterLaw,
}
STIFFNESS_SHARE, DENSITY_SHARE = 0.02, 0.1
"""Share by which particles of one law may differ: their stiffness is the law's to a fiftieth; of
density, which each has for its own, the law's bounds the time step alone."""


def law_of(material: Material | None) -> Law:
    """Return the law of a dynamic body's material; both name their parameters alike."""
    assert not isinstance(material, Rigid | None)
    values = msgspec.structs.asdict(material)
    del values["friction"]
    return LAWS[type(material)](**values)


def factors(
    shot: Shot, arrays: ArraySet, body: Body, scale: Scale | None, position: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return a scale's factors (n,) at `position` (n, 3) m, world, at the simulation's start."""
    if scale is None:
        return np.ones(len(position))
    weight = group_weight(shot, arrays, body, scale.group, position)
    return np.asarray(scale.low + (scale.high - scale.low) * weight.astype(np.float64))


def laws_of(
    material: Material | None, stiffness: NDArray[np.float64], density: NDArray[np.float64]
) -> tuple[list[Law], NDArray[np.int32]]:
    """Return laws for particles with these factors (n,), and which of them each follows (n,).

    A law has the mean stiffness of its particles, and the least of their densities.
    """
    assert material is not None
    steps = [
        np.round(np.log(values) / np.log1p(share))
        for values, share in ((stiffness, STIFFNESS_SHARE), (density, DENSITY_SHARE))
    ]
    kinds, index = np.unique(np.stack(steps), axis=1, return_inverse=True)
    index = index.reshape(-1)
    mean = np.bincount(index, stiffness) / np.bincount(index)
    least = np.full(kinds.shape[1], np.inf)
    np.minimum.at(least, index, density)
    pairs = zip(mean, least, strict=True)
    return [law_of(scaled(material, float(s), float(d))) for s, d in pairs], np.asarray(
        index, np.int32
    )


def hardest(body: Body, arrays: ArraySet) -> Material:
    """Return a dynamic body's material as stiff as it gets anywhere, and as light."""
    assert body.material is not None
    stiffness, density = (
        _range(body, arrays, scale) for scale in (body.stiffness_scale, body.density_scale)
    )
    return scaled(body.material, stiffness[1], density[0])


def _range(body: Body, arrays: ArraySet, scale: Scale | None) -> tuple[float, float]:
    """Return the least and the largest factor on a body's surface, where all of it gets its own."""
    if scale is None:
        return 1.0, 1.0
    used = arrays.of(scale.group.weights)[np.unique(arrays.of(body.mesh.triangles))]
    ends = scale.low + (scale.high - scale.low) * np.array([used.min(), used.max()], np.float64)
    return float(ends.min()), float(ends.max())
