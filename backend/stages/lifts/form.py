"""The closed form of an object from its silhouette, or from depth given for its front.

It is found in the pixels' own space, whose third axis is disparity, w = 1 / z: there a sphere
before a camera is an ellipsoid whose halves are mirror images, however near it stands. Front and
back are so about a surface between them: a plane where nothing is known but the silhouette; else
what spans the rim of the depth as smoothly as it goes. They close on the silhouette, along the rays
through it, as round things do.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...contract.errors import LiftError
from ..bodies.shape import Shape
from .depth_maps import DepthMap
from .inflate import beyond, harmonic, inflated
from .lattice import Bools, Doubles, Lattice, lattice_over
from .nets import surface_net
from .picture import Floats
from .seen import Seen

NODES = 80
"Nodes of the lattice along the object's longer side."
MOST_LAYERS = 320
"Nodes along the view: relief deeper than that is resolved more coarsely."
DEEPEST = 0.7
"Share of the distance's disparity that a form reaches at most to either side: the back is finite."
THINNEST = 0.75
"Layers that a part is thick at least, to either side: thinner ones would fall between the nodes."
LEAST_BACK = 0.8
"Share of the round height that a front is thick at least, to either side: flat ones are."
KNOWN = 0.5
"Share of the object that depth must be known for."
RANGE = (2.0, 98.0)
"Percentiles that stand for nearest and farthest of a depth without unit."


@dataclass(frozen=True)
class Form:
    """An object's mesh in body space, and what it was made of, on the lattice.

    `front` and `back` (rows, columns): metres along the camera's axis, NaN outside.
    """

    shape: Shape
    lattice: Lattice
    front: Doubles
    back: Doubles


def form_of(
    mask: Floats, seen: Seen, *, depth: DepthMap | None = None, roundness: float = 1.0
) -> Form:
    """Make the form of what a mask (H, W) holds.

    `roundness` scales how far it reaches along the view: with 1 a disc becomes a sphere, and depth
    without a unit spans what roundness would give. Raises LiftError.
    """
    lattice = lattice_over(mask, NODES)
    nearness = 1 / seen.distance
    height = _height(lattice, seen, roundness)
    middle = np.full(height.shape, nearness)
    if depth is not None:
        front = _front(depth, lattice, seen, height)
        middle, height = _mirrored(lattice.inside, front, height)
    shape = _closed(lattice, seen, middle, height)
    known = np.where(lattice.inside, height, np.nan)
    return Form(shape, lattice, 1 / (middle + known), 1 / (middle - known))


def _height(lattice: Lattice, seen: Seen, roundness: float) -> Doubles:
    """Return how far a round form reaches to either side, in disparity [1/m], (rows, columns).

    A sphere whose silhouette has the tangent t reaches t / sqrt(1 + t^2) of its distance's.
    """
    tangent = lattice.step / seen.focal
    rows, columns = np.nonzero(lattice.inside)
    widest = max(np.ptp(rows), np.ptp(columns)) * tangent / 2
    share = roundness * tangent * np.sqrt(inflated(lattice)) / np.hypot(1, widest)
    bounded = share / (1 + (share / DEEPEST) ** 8) ** (1 / 8)
    return np.asarray(bounded / seen.distance)


def _front(depth: DepthMap, lattice: Lattice, seen: Seen, height: Doubles) -> Doubles:
    """Return the given depth as disparity [1/m], (rows, columns), everywhere finite."""
    values = np.asarray(depth.values, np.float64)
    known = np.isfinite(values)
    share = lattice.sampled(known.astype(np.float64))
    total = lattice.sampled(np.where(known, values, 0.0))
    good = lattice.inside & (share > 0.25)
    if good.sum() < KNOWN * lattice.inside.sum():
        raise LiftError(
            f"Expected depth for at least {KNOWN:.0%} of the object, got it for "
            f"{good.sum() / lattice.inside.sum():.0%}.",
            "Check that depth and mask belong to the picture.",
        )
    read = np.where(good, total / np.maximum(share, 1e-9), 0.0)
    nearest = ndimage.distance_transform_edt(~good, return_distances=False, return_indices=True)
    read = read[tuple(nearest)]
    inside = read[lattice.inside]
    if depth.kind == "metric":
        return np.asarray(np.median(inside) / seen.distance / read)
    low, high = np.percentile(inside, RANGE)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        raise LiftError(
            "Expected depth that varies over the object, got one value.", "Leave the depth out."
        )
    along = (read - low) / (high - low)
    # what is round reaches from here to there
    far, near = 1 / seen.distance + np.percentile(height[lattice.inside], RANGE)
    if depth.kind == "disparity":
        return np.asarray(np.clip(far + along * (near - far), far / 2, 2 * near))
    return np.asarray(1 / np.clip(1 / near + along * (1 / far - 1 / near), 0.5 / near, 2 / far))


def _mirrored(inside: Bools, front: Doubles, height: Doubles) -> tuple[Doubles, Doubles]:
    """Return middles and heights (rows, columns) [1/m] of a front and its mirror image.

    The front's rim lies before the surface that mirrors it by as much as a round one would.
    """
    rim = inside & ~ndimage.binary_erosion(inside)
    spanned = harmonic(inside, rim, front - height)
    half = np.minimum(np.maximum(front - spanned, LEAST_BACK * height), DEEPEST / 2 * front)
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    middle = (front - half)[tuple(nearest)]
    return middle, np.where(inside, half, 0.0)


def _closed(lattice: Lattice, seen: Seen, middle: Doubles, height: Doubles) -> Shape:
    """Return the surface where the distance from the middle is the height, in body space."""
    unit = lattice.step / seen.focal / seen.distance
    low = float((middle - height)[lattice.inside].min()) - 2 * unit
    low = max(low, 0.05 / seen.distance)
    high = float((middle + height)[lattice.inside].max()) + 2 * unit
    layers = int(min(np.ceil((high - low) / unit) + 1, MOST_LAYERS))
    spacing = (high - low) / (layers - 1)
    thick = np.where(lattice.inside, np.maximum(height, THINNEST * spacing), 0.0)
    squared = beyond(lattice, (thick / unit) ** 2) * unit**2
    w = low + spacing * np.arange(layers)
    vertices, triangles = surface_net(squared[:, :, None] - (w - middle[:, :, None]) ** 2)
    x = lattice.x[0] + lattice.step * vertices[:, 1]
    y = lattice.y[0] + lattice.step * vertices[:, 0]
    points = seen.to_body(x, y, 1 / (low + spacing * vertices[:, 2]))
    # Rows, columns and layers run along down, right and towards the eye: a right-handed frame.
    return smooth_shape(points.astype(np.float32), triangles)


def smooth_shape(vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> Shape:
    """Return a closed mesh (V, 3), (F, 3) with normals that turn smoothly from face to face."""
    corners = vertices[triangles].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    twice = np.linalg.norm(cross, axis=1)
    around = np.zeros((len(vertices), 3))
    np.add.at(around, triangles.ravel(), np.repeat(cross, 3, axis=0))
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-30)
    centred = corners - corners.mean(axis=(0, 1))
    volume = np.einsum("ij,ij->", centred[:, 0], np.cross(centred[:, 1], centred[:, 2])) / 6
    return Shape(
        vertices=vertices,
        triangles=np.ascontiguousarray(triangles, np.int32),
        corner_normals=around[triangles].astype(np.float32),
        face_normals=(cross / np.maximum(twice, 1e-30)[:, None]).astype(np.float32),
        areas=twice / 2,
        closed=True,
        volume=float(volume),
        turned=False,
    )
