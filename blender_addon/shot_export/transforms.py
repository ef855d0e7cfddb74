"""World matrices taken apart: a rigid pose per frame, and the scale that goes into the vertices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.errors import ShotError

Floats = NDArray[np.float64]
SCALE_TOLERANCE = 1e-4
HUGE = 1e18
"Blender turns infinity into the largest float, which no arithmetic survives."


@dataclass(frozen=True)
class Placing:
    """`world = poses @ stretch`, lengths in metres."""

    poses: Floats
    "(1 or T, 4, 4), rigid, right-handed."
    stretch: Floats
    "(3, 3), symmetric; its determinant is negative where the object is mirrored."
    stretches: Floats
    "(1 or T, 3, 3): that of every frame, where it changes."


def place(
    where: str, matrices: Floats, reference: int, metres: float, *, may_stretch: bool = False
) -> Placing:
    """Take (T, 4, 4) world matrices apart; the stretch is that of row `reference`.

    `metres` is the length of one Blender unit. Raises ShotError for numbers that are not finite,
    for a scale of zero along two axes, and for a scale that changes over time and may not, or that
    mirrors what it did not.
    """
    require_finite_matrices(where, matrices)
    moves = not (matrices == matrices[:1]).all()
    used = matrices if moves else matrices[:1]
    rotation, stretch = polar(where, used[:, :3, :3])
    still = stretch[reference if moves else 0]
    change = np.abs(stretch - still).max() / np.abs(still).max()
    changes = change > SCALE_TOLERANCE
    if changes and not may_stretch:
        raise ShotError(
            where,
            f"expected the same scale and shear in every frame, got a change of {change:.2%}.",
            "Remove its scale animation, or the uneven scale of its parent.",
        )
    sides = np.linalg.det(stretch)
    if changes and sides.min() < 0 < sides.max():
        raise ShotError(
            where,
            "expected a scale that keeps its sign, got one that mirrors it on the way.",
            "Keep its scale above zero, and that of its parent.",
        )
    poses = np.tile(np.eye(4), (len(used), 1, 1))
    poses[:, :3, :3] = rotation
    poses[:, :3, 3] = used[:, :3, 3] * metres
    return Placing(poses, still * metres, (stretch if changes else still[None]) * metres)


def rigid(where: str, matrices: Floats, metres: float) -> Floats:
    """Return (1 or T, 4, 4) rigid poses, whatever the scale; one row where nothing moves."""
    require_finite_matrices(where, matrices)
    used = matrices if not (matrices == matrices[:1]).all() else matrices[:1]
    poses = np.tile(np.eye(4), (len(used), 1, 1))
    poses[:, :3, :3] = polar(where, used[:, :3, :3])[0]
    poses[:, :3, 3] = used[:, :3, 3] * metres
    return poses


def require_finite_matrices(where: str, matrices: Floats) -> None:
    """Raise ShotError if a world matrix holds NaN, or infinity as Blender keeps it."""
    good = np.abs(matrices) < HUGE
    if not good.all():
        bad = matrices[~good][0]
        raise ShotError(
            where,
            f"expected a transform of finite numbers, got {bad:.3g}.",
            "Clear its transform (Alt G, Alt R, Alt S), or that of its parent.",
        )


def polar(where: str, linear: Floats) -> tuple[Floats, Floats]:
    """Factor (T, 3, 3) into rotations and symmetric stretches; mirroring goes to the stretch."""
    u, sigma, vt = np.linalg.svd(linear)
    if (sigma[:, 1] <= 1e-9 * np.maximum(sigma[:, 0], 1e-30)).any():
        raise ShotError(
            where,
            "expected a scale above zero, got zero along two axes or more.",
            "Set its scale, or hide it from render.",
        )
    mirrored = np.linalg.det(u @ vt) < 0
    # A flat object (one singular value zero) may take either sign there: choose the rotation.
    flat = sigma[:, 2] <= 1e-9 * sigma[:, 0]
    u[mirrored & flat, :, 2] *= -1
    sign = np.where(mirrored & ~flat, -1.0, 1.0)[:, None, None]
    stretch = np.swapaxes(vt, -1, -2) @ (sigma[..., None] * vt)
    return sign * (u @ vt), sign * stretch
