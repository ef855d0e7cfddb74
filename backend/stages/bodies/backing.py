"""How thick solids are behind the discs on their surface; for looks.

The rasteriser draws discs back into what backs them, so that outlines are where surfaces end.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ....kernels.mesh_distance import winding_number
from .shape import Shape

Floats = NDArray[np.float32]

SOLID = 0.25
"""Of the mean of the winding numbers before and behind a surface, which is 0.5 where the mesh is
closed and 0 on a flat sheet: from this on, one side is the inside of something."""
BESIDE = 0.1
"Standard deviations from a disc's middle where it is looked whether that is inside."
STEPS = (0.5, 2.0, 8.0, 32.0)
"Standard deviations behind a disc where it is looked for the other side."
OPPOSED = -0.3
"Of two normals' product: discs of a larger one are not two sides of a wall."


def backing_of(shape: Shape, mean: Floats, axes: Floats) -> Floats:
    """Return the backing (n,) of a body's discs, as in SplatPose.

    `mean` (n, 3) and `axes` (n, 3, 3), the third upright on the surface: metres in the body's
    space. A mesh with holes has an inside too, which grows vague towards the holes; a sheet has
    none. What is thicker than some dozens of splats counts as so thick.
    """
    place = mean.astype(np.float64)
    width = np.linalg.norm(axes[:, :, :2], axis=1).max(axis=1)
    length = np.linalg.norm(axes[:, :, 2], axis=1)
    normal = axes[:, :, 2].astype(np.float64) / length[:, None]
    side = _sides(shape, place, normal, BESIDE * width)
    depth = 2 * STEPS[-1] * width
    # Far from all discs a tree of cells as wide as high is searched three times as fast.
    tree = cKDTree(place, balanced_tree=False, compact_nodes=False)
    sought = np.flatnonzero(side)
    for step in STEPS:
        inward = -side[sought, None] * normal[sought]
        probe = place[sought] + step * width[sought, None] * inward
        other = tree.query(probe, workers=-1)[1]
        behind = np.einsum("nd,nd->n", place[other] - place[sought], inward)
        facing = np.einsum("nd,nd->n", normal[other], normal[sought])
        found = (facing < OPPOSED) & (behind > 0)
        depth[sought[found]] = behind[found]
        sought = sought[~found]
    backing: Floats = (side * depth / length).astype(np.float32)
    return backing


def _sides(
    shape: Shape,
    place: NDArray[np.float64],
    normal: NDArray[np.float64],
    beside: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return 1 where the inside is against the normal (n,), -1 where it is along it, or 0."""
    if shape.closed:
        return np.ones(len(place))
    behind = (place - beside[:, None] * normal).astype(np.float32)
    # Through a surface the number falls by 1.
    middle = winding_number(behind, shape.vertices, shape.triangles).astype(np.float64) - 0.5
    return np.where(np.abs(middle) < SOLID, 0.0, np.sign(middle))
