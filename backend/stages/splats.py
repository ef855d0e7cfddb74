"""Splats of one frame: carried by tracers, or by their body's pose; feeds render.

Covariances follow F S F^T (Xie et al., PhysGaussian, 2024, equation 5) with the total F, by turning
the half axes: axes' = F axes. One solid splat stretches up to a limit. What stretches farther has
torn: there F grows without end, and the splat shrinks back to its own size, a crumb with gaps
around it (splitting such splats is not done).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...kernels.splats.project import SplatPose
from ..contract.arrays import ArraySet
from ..contract.shot import Shot
from .air.splats import GasSplats
from .bodies.deforming import cached_vertices
from .bodies.prepare import Prepared
from .bodies.shape import pose_at
from .simulate import SimulatedFrame

Floats = NDArray[np.float32]

POLAR_STEPS = 6
LONGEST, SHORTEST = 3.0, 0.2
"Limits of a solid splat's stretch along any direction: beyond them splats become needles."
SMALLEST_ROUND, LARGEST_ROUND = 0.5, 1.5
"Limits of a round splat's scale J^(1/3)."


@dataclass(frozen=True)
class PosedSplats:
    """All splats of the shot at one frame, in the world: pose, and unit `normal` (n, 3).

    `gas` are those of smoke and fire, which are others in every frame.
    `turn` (c, 3, 3) are the rotations of captured ones since they were captured, if there are any.
    `gone` (n,) bool are those that have left the domain, which are not seen; `domain` (2, 3) its
    corners [m] where it has grown.
    """

    pose: SplatPose
    normal: Floats
    gas: GasSplats | None = None
    turn: Floats | None = None
    gone: NDArray[np.bool_] | None = None
    domain: NDArray[np.float64] | None = None


def pose_splats(
    shot: Shot, arrays: ArraySet, prepared: Prepared, simulated: SimulatedFrame
) -> PosedSplats:
    """Bring every splat to where it is at `simulated.frame`."""
    mean, axes = prepared.rest_mean.copy(), prepared.rest_axes.copy()
    normal = prepared.rest_normal.copy()
    for index, body in enumerate(shot.bodies):
        if body.role == "dynamic":
            continue
        pose = pose_at(shot, arrays, body.poses, simulated.frame)
        chosen = _slice_of(prepared.looks.body, index)
        turn = pose[:3, :3].astype(np.float32)
        if (bound := prepared.bound.get(index)) is not None:
            place, bent = bound.at(cached_vertices(shot, arrays, body, simulated.frame))
            mean[chosen], axes[chosen] = place, bent @ axes[chosen]
            normal[chosen] = deformed_normals(normal[chosen], bent)
        mean[chosen] = mean[chosen] @ pose[:3, :3].T + pose[:3, 3]
        axes[chosen] = turn @ axes[chosen]
        normal[chosen] = normal[chosen] @ turn.T
    carried = prepared.tracer_splat
    mean[carried] = simulated.mean
    round_ = prepared.round[carried]
    solid, loose = carried[~round_], carried[round_]
    deformation = simulated.deformation[~round_]
    axes[solid] = deformed_axes(axes[solid], deformation)
    normal[solid] = deformed_normals(normal[solid], deformation)
    axes[loose] *= round_scale(simulated.deformation[round_])[:, None, None]
    normal[loose] = _or_else(simulated.surface_normal[round_], normal[loose])
    gone = None
    if simulated.gone is not None:
        gone = np.zeros(len(mean), bool)
        gone[carried] = simulated.gone
    where = SplatPose(mean, axes, prepared.rest_backing)
    posed = PosedSplats(where, normal, gone=gone, domain=simulated.domain)
    if prepared.captured is None or prepared.captured.harmonics.shape[1] == 1:
        return posed
    return replace(posed, turn=_turns(shot, arrays, prepared, simulated))


def _turns(shot: Shot, arrays: ArraySet, prepared: Prepared, simulated: SimulatedFrame) -> Floats:
    """Return the rotations (c, 3, 3) of captured splats; what flows carries splats unturned."""
    assert prepared.captured is not None
    which = prepared.captured.splat
    body = prepared.looks.body[which]
    turn = np.empty((len(which), 3, 3), np.float32)
    for index in np.unique(body):
        role, chosen = shot.bodies[index].role, body == index
        frame = simulated.frame if role != "dynamic" else shot.frames.simulation_start
        pose = pose_at(shot, arrays, shot.bodies[index].poses, frame)
        turn[chosen] = pose[:3, :3]
        if role == "dynamic":
            tracer = np.searchsorted(prepared.tracer_splat, which[chosen])
            tracer = tracer[~prepared.round[which[chosen]]]
            if len(tracer):
                turn[chosen] = rotations(simulated.deformation[tracer]) @ turn[chosen]
    return turn


def rotations(deformation: Floats) -> Floats:
    """Return the rotations R (n, 3, 3) of F = R S, with S symmetric; of what is torn, any.

    Higham, Computing the Polar Decomposition, 1986, equation 2.6: R <- (a R + R^-T / a) / 2.
    """
    turn = np.array(deformation, np.float32)
    cofactor, determinant = _cofactors(turn)
    size = np.sqrt(np.einsum("nij,nij->n", turn, turn))
    lost = np.abs(determinant) < 1e-3 * np.maximum(size, 1e-6) ** 3
    turn[lost] = np.eye(3)
    for _ in range(POLAR_STEPS):
        cofactor, determinant = _cofactors(turn)
        inverse = cofactor / determinant[:, None, None]  # transposed
        scale = np.sqrt(
            np.sqrt(np.einsum("nij,nij->n", inverse, inverse) / np.einsum("nij,nij->n", turn, turn))
        )[:, None, None]
        turn = 0.5 * (scale * turn + inverse / scale)
    return np.asarray(turn * np.sign(np.linalg.det(turn))[:, None, None], np.float32)


def _cofactors(matrix: Floats) -> tuple[Floats, Floats]:
    """Return cofactors (n, 3, 3), in the places of their elements, and determinants (n,)."""
    a, b, c = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    cofactor = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    return cofactor, np.einsum("ni,ni->n", a, cofactor[:, 0])


def deformed_axes(axes: Floats, deformation: Floats) -> Floats:
    """Return F @ axes (n, 3, 3), its stretch (the singular values of F) held within the limits."""
    gram = np.einsum("nki,nkj->nij", deformation, deformation)
    # Gershgorin: all singular values lie surely within the limits where these bounds do
    off = np.abs(gram).sum(axis=2) - np.abs(np.diagonal(gram, axis1=1, axis2=2))
    centre = np.diagonal(gram, axis1=1, axis2=2)
    wild = ((centre + off) > LONGEST**2).any(axis=1) | ((centre - off) < SHORTEST**2).any(axis=1)
    result: Floats = deformation @ axes
    if wild.any():
        u, stretch, vt = np.linalg.svd(deformation[wild])
        torn = np.maximum(LONGEST**2 / np.maximum(stretch, LONGEST), 1.0)
        held = np.where(stretch > LONGEST, torn, np.maximum(stretch, SHORTEST))
        result[wild] = (u * held[:, None, :]) @ (vt @ axes[wild])
    return result


def deformed_normals(normal: Floats, deformation: Floats) -> Floats:
    """Carry unit normals (n, 3) by F^-T, as cofactors: right also where F turns inside out."""
    a, b, c = np.moveaxis(deformation, 2, 0)
    cofactor = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=2)
    carried = np.einsum("nij,nj->ni", cofactor, normal)
    determinant = np.einsum("ni,ni->n", a, cofactor[:, :, 0])
    carried *= np.where(determinant < 0, -1.0, 1.0)[:, None]
    return _or_else(carried, normal)


def round_scale(deformation: Floats) -> Floats:
    """Return J^(1/3) (n,), clamped."""
    volume = np.linalg.det(deformation)
    scale = np.cbrt(np.maximum(volume, 0.0))
    return np.asarray(np.clip(scale, SMALLEST_ROUND, LARGEST_ROUND), np.float32)


def _or_else(vectors: Floats, fallback: Floats) -> Floats:
    """Return unit vectors (n, 3), taking `fallback` where there is hardly a length."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), fallback)
    return np.asarray(unit, np.float32)


def _slice_of(body: NDArray[np.int32], index: int) -> slice:
    """Return where a body's splats stand; they are contiguous."""
    start, stop = np.searchsorted(body, [index, index + 1])
    return slice(int(start), int(stop))
