"""Mass, centre and inertia of a closed mesh; called when rigid bodies are made ready."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mass:
    """How a solid resists: `inertia` (3, 3) kg m^2 about `center` (3,) m, in the mesh's axes."""

    mass: float
    center: Floats
    inertia: Floats
    volume: float
    "m^3."


def mass_of(vertices: NDArray[np.float32], triangles: NDArray[np.int32], density: float) -> Mass:
    """Integrate over the inside of a closed mesh; exact but for rounding.

    `vertices` (V, 3) m, `triangles` (F, 3) counter-clockwise seen from outside. The volume is the
    signed sum of the tetrahedra between one point and the faces, over each of which polynomials of
    second degree have closed forms (as Mirtich 1996, "Fast and accurate computation of polyhedral
    mass properties", by the divergence theorem). Raises ValueError for a volume that is not
    positive.
    """
    points = np.asarray(vertices, np.float64)
    # About a point near the mesh, or far from the origin digits cancel.
    near = points[np.unique(triangles)].mean(axis=0)
    corners = points[np.asarray(triangles, np.int64)] - near
    six = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    volume = six.sum() / 6
    if not volume > 0:
        raise ValueError(f"Expected a mesh with a volume above zero, got {volume:.3g} m^3.")
    total = corners.sum(axis=1)
    center = six @ total / 24 / volume
    # Integral of x x^T over a tetrahedron with a corner at zero: V / 20 (s s^T + sum c c^T).
    second = np.einsum("n,ni,nj->ij", six, total, total)
    second += np.einsum("n,nki,nkj->ij", six, corners, corners)
    second = second / 120 - volume * np.outer(center, center)
    inertia = density * (np.trace(second) * np.eye(3) - second)
    inertia = (inertia + inertia.T) / 2
    return Mass(density * float(volume), near + center, inertia, float(volume))


def mass_of_points(points: NDArray[np.float32], density: Floats, volume: float) -> Mass:
    """Sum up matter of a density that differs from place to place.

    `points` (n, 3) m stand for equal shares of `volume` m^3, `density` (n,) is theirs in kg/m^3.
    Each share counts as a cube that is filled evenly.
    """
    share = volume / len(points)
    mass, places = density * share, np.asarray(points, np.float64)
    total = float(mass.sum())
    center = mass @ places / total
    arm = places - center
    second = np.einsum("n,ni,nj->ij", mass, arm, arm) + total * share ** (2 / 3) / 12 * np.eye(3)
    return Mass(total, center, np.trace(second) * np.eye(3) - second, volume)
