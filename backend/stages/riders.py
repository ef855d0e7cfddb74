"""What of the moving splats a frame keeps: those of solids, of flowing matter, of rigid bodies.

Splats of what flows ride the grid as tracers, those of solids are bound to their particles,
those of rigid bodies follow their pose exactly. A frame holds only what a splat needs, in half
precision where it does not show: 30 bytes for a solid one, 22 for a round one, none for a rigid
one, whose body has one pose. Where some have left the domain, one more bit each tells which. A
frame that comes back from that form is what everybody sees.
"""

import numpy as np
from numpy.typing import NDArray

from ...kernels.mpm.skin import Skin
from ...kernels.mpm.solver import Domain, MpmSolver, Particles, Tracers
from ...kernels.rigid.world import RigidWorld
from ..contract.arrays import Array, ArraySet
from ..contract.materials import Rigid
from ..contract.shot import Shot
from .bodies.prepare import Prepared
from .bodies.shape import pose_at

Floats = NDArray[np.float32]
Record = dict[str, Array]

HALF_LIMIT = 6e4
"Half precision ends at 65504; nothing that deforms so is seen as it is."


class Riders:
    """The m splats that move, of a prepared shot."""

    def __init__(self, shot: Shot, arrays: ArraySet, prepared: Prepared) -> None:
        self._tracers, self._domain = prepared.tracers, prepared.domain
        rigid = [i for i, b in enumerate(shot.bodies) if isinstance(b.material, Rigid)]
        start = shot.frames.simulation_start
        self._start = [pose_at(shot, arrays, shot.bodies[i].poses, start) for i in rigid]
        self._rigid = [np.flatnonzero(prepared.tracers.body == i) for i in rigid]
        hard = np.isin(prepared.tracers.body, rigid)
        self._round = np.asarray(prepared.tracers.round, bool)
        self._solid = ~self._round & ~hard

    @property
    def flowing(self) -> Tracers:
        """Those that ride the grid."""
        return _only(self._tracers, self._round)

    def skin(self, particles: Particles) -> Skin:
        """Bind those of solids to particles."""
        solid = _only(self._tracers, self._solid)
        return Skin(particles.position, particles.body, solid.position, solid.body)

    def packed(self, solver: MpmSolver | None, world: RigidWorld | None, skin: Skin) -> Record:
        """Take what a frame keeps; rigid bodies in the shot's order."""
        soft = self._round | self._solid
        record: Record = {"mean": np.zeros((int(soft.sum()), 3), np.float32)}
        record |= {"deformation": np.zeros((0, 3, 3), np.float16)}
        record |= {"volume": np.zeros(0, np.float32), "normal": np.zeros((0, 3), np.float16)}
        if solver is not None:
            mean = np.empty((len(soft), 3), np.float32)
            left, gone = solver.gone(), np.zeros(len(soft), bool)
            mean[self._round] = solver.tracer_position()
            mean[self._solid], bent = skin.pose(solver.position(), solver.deformation(), left)
            gone[self._round], gone[self._solid] = solver.tracer_gone(), skin.gone(left)
            if gone.any():
                record["gone"] = np.packbits(gone)
            if solver.domain != self._domain:
                record["domain"] = corners_of(solver.domain)
            record["mean"], record["deformation"] = mean[soft], _half(bent)
            record["volume"] = np.linalg.det(solver.tracer_deformation()).astype(np.float32)
            record["normal"] = _half(solver.tracer_normal())
        if world is not None:
            record["poses"] = world.poses()
        return record

    def unpacked(
        self, record: Record
    ) -> tuple[Floats, Floats, Floats, NDArray[np.bool_] | None, Array | None]:
        """Return mean (m, 3), deformation (m, 3, 3), surface normal (m, 3), gone, domain.

        As SimulatedFrame has them.
        """
        count = len(self._round)
        mean, normal = np.empty((count, 3), np.float32), np.zeros((count, 3), np.float32)
        deformation = np.empty((count, 3, 3), np.float32)
        mean[self._round | self._solid] = record["mean"]
        deformation[self._solid] = record["deformation"]
        sides = np.cbrt(np.maximum(record["volume"], 0.0))
        deformation[self._round] = sides[:, None, None] * np.eye(3, dtype=np.float32)
        normal[self._round] = record["normal"]
        for n, (which, start) in enumerate(zip(self._rigid, self._start, strict=True)):
            pose = record["poses"][n]
            turn = pose[:3, :3] @ start[:3, :3].T
            at = (self._tracers.position[which] - start[:3, 3]) @ turn.T + pose[:3, 3]
            mean[which], deformation[which] = at, turn
        gone = None
        if "gone" in record:
            gone = np.unpackbits(record["gone"], count=count).astype(bool)
        return mean, deformation, normal, gone, record.get("domain")


def _only(tracers: Tracers, which: NDArray[np.bool_]) -> Tracers:
    return Tracers(tracers.position[which], tracers.body[which], tracers.round[which])


def corners_of(domain: Domain) -> NDArray[np.float64]:
    """Return the low and the high corner of a domain, (2, 3) [m]."""
    low = np.asarray(domain.origin, np.float64)
    return np.stack([low, low + domain.spacing * np.asarray(domain.shape)])


def _half(values: Floats) -> Array:
    return np.clip(np.nan_to_num(values), -HALF_LIMIT, HALF_LIMIT).astype(np.float16)
