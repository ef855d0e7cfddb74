"""How many time steps a frame will take, told before any is made; called by prepare."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from ....kernels.mpm.materials.table import longest_step, viscous_step
from ....kernels.mpm.solver import MOST_STEPS, SWEEP, Domain
from ...contract.arrays import ArraySet
from ...contract.errors import ShotError
from ...contract.materials import Material, Rigid, Water
from ...contract.shot import Shot
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
    low = np.asarray(domain.origin)
    high = low + domain.spacing * np.asarray(domain.shape)
    for body, shape in zip(shot.bodies, shapes, strict=True):
        poses = arrays.of(body.poses)[shot.frames.simulation_start - shot.frames.tracked.start :]
        if body.role != "kinematic" or body.contact is None or len(poses) < 2:
            continue
        reach = float(np.linalg.norm(shape.high - shape.low)) / 2
        middle = poses[:, :3, :3] @ ((shape.low + shape.high) / 2) + poses[:, :3, 3]
        turn = poses[1:, :3, :3] @ poses[:-1, :3, :3].swapaxes(1, 2)
        way = np.linalg.norm(np.diff(middle, axis=0), axis=1)
        way += reach * Rotation.from_matrix(turn).magnitude()
        least = np.minimum(middle[1:], middle[:-1]) - reach
        most = np.maximum(middle[1:], middle[:-1]) + reach
        way *= ((least <= high) & (most >= low)).all(axis=1)
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


def _cause(material: Material, domain: Domain) -> str:
    """Name what bounds the step."""
    law = law_of(material)
    if isinstance(material, Water):
        viscous = viscous_step([law], domain.spacing) <= longest_step(law, domain.spacing)
        return "viscosity" if viscous else "bulk modulus"
    return "Young's modulus"
