"""How many time steps a frame will take, told before any is made; called by prepare."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ....kernels.mpm.materials.table import longest_step, viscous_step
from ....kernels.mpm.solver import MOST_STEPS, SWEEP, Domain
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.materials import Material, Rigid, Water
from ...contract.shot import Body, Shot
from .laws import hardest, law_of
from .shape import Shape

MANY_SUBSTEPS, MOST_SUBSTEPS = 4_000, 400_000
"A frame that takes more of them at rest is warned of, and refused: it would run for days."


def slow_bodies(shot: Shot, arrays: ArraySet, domain: Domain | None) -> tuple[str, ...]:
    """Say which bodies are so stiff or so thick that each frame takes long; raise ShotError."""
    if domain is None:
        return ()
    said = []
    for body in shot.bodies:
        if body.role != "dynamic" or isinstance(body.material, Rigid):
            continue
        material = hardest(body, arrays)
        step = longest_step(law_of(material), domain.spacing)
        count = 1 / shot.frames.fps / step
        takes = f"takes about {count:,.0f} time steps a frame"
        remedy = f"Lower its {_cause(material, domain)}, or the resolution."
        if count > MOST_SUBSTEPS:
            most = f"expected at most {MOST_SUBSTEPS:,} time steps a frame"
            raise ShotError(body.name, f"{most}, but it {takes}.", remedy)
        if count > MANY_SUBSTEPS:
            said.append(f"{body.name}: {takes}. {remedy}")
    return tuple(said)


def fast_colliders(
    shot: Shot, arrays: ArraySet, shapes: Sequence[Shape], domain: Domain | None
) -> tuple[str, ...]:
    """Say which colliders cross so many cells in a frame that it takes long; raise ShotError."""
    if domain is None:
        return ()
    said = []
    for body, shape in zip(shot.bodies, shapes, strict=True):
        if body.role != "kinematic" or body.contact is None:
            continue
        way = _ways(shot, arrays, body, shape, domain)
        if not len(way):
            continue
        frame, longest = int(way.argmax()) + shot.frames.simulation_start, float(way.max())
        count = longest / (SWEEP * domain.spacing)
        if count > MOST_STEPS:
            raise ShotError(
                body.name,
                f"expected to move by at most {MOST_STEPS * SWEEP * domain.spacing:.3g} m a frame, "
                f"got {longest:.3g} m after frame {frame}.",
                "Slow it down, or keep it out of the domain on its way.",
            )
        if count > MANY_SUBSTEPS:
            said.append(
                f"{body.name}: it moves with {longest * shot.frames.fps:,.0f} m/s after frame "
                f"{frame}, so that frame takes about {count:,.0f} time steps. Slow it down."
            )
    return tuple(said)


def _ways(
    shot: Shot, arrays: ArraySet, body: Body, shape: Shape, domain: Domain
) -> NDArray[np.float64]:
    """Return how far [m] a collider goes in each frame; 0 while it is outside of the domain."""
    first = shot.frames.simulation_start - shot.frames.tracked.start
    poses, low, high, own = arrays.of(body.poses), shape.low, shape.high, np.zeros(1)
    if body.vertex_cache is not None:
        track = arrays.of(body.vertex_cache.vertices)
        low = np.asarray(track.min(axis=(0, 1)), np.float64)
        high = np.asarray(track.max(axis=(0, 1)), np.float64)
        own = np.array([np.linalg.norm(b - a, axis=1).max() for a, b in pairwise(track[first:])])
    poses = poses[first:] if len(poses) > 1 else np.repeat(poses, len(own) + 1, axis=0)
    reach = float(np.linalg.norm(high - low)) / 2
    middle = poses[:, :3, :3] @ ((low + high) / 2) + poses[:, :3, 3]
    turn = poses[1:, :3, :3] @ poses[:-1, :3, :3].swapaxes(1, 2)
    way = own + np.linalg.norm(np.diff(middle, axis=0), axis=1)
    if len(way):
        way += reach * Rotation.from_matrix(turn).magnitude()
    least = np.minimum(middle[1:], middle[:-1]) - reach
    most = np.maximum(middle[1:], middle[:-1]) + reach
    corner = np.asarray(domain.origin)
    far = corner + domain.spacing * np.asarray(domain.shape)
    return np.asarray(way * ((least <= far) & (most >= corner)).all(axis=1))


def _cause(material: Material, domain: Domain) -> str:
    """Name what bounds the step."""
    law = law_of(material)
    if isinstance(material, Water):
        viscous = viscous_step([law], domain.spacing) <= longest_step(law, domain.spacing)
        return "viscosity" if viscous else "bulk modulus"
    return "Young's modulus"
