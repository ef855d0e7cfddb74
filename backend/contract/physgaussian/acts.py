"""A configuration's boundary conditions as what acts on a body, with their semantics put right."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..arrays import ArrayRef, ArraySet
from ..errors import ShotError
from ..forces import Drag, Force, Group, Impulse, Pin, Release, Window
from ..shot import Contact, FrameRange, Ground
from .config import (
    Boundary,
    Cuboid,
    ParticleImpulse,
    Rotation,
    SequentialRelease,
    SurfaceCollider,
    Translation,
)
from .convert import Imported

Floats = NDArray[np.float64]

SURFACES = {"sticky": "stick", "slip": "slip", "separate": "separate"}


class Acts:
    """What acts on one body, whose `vertices` (n, 3) stand in the cube; told in frames of a shot.

    `forces` are what the conditions come to, `ground` the floor if one of them is one,
    `differences` what differs, in sentences. Raises ShotError for a region that holds nothing.
    """

    def __init__(
        self,
        imported: Imported,
        body: str,
        vertices: Floats,
        frames: FrameRange,
        arrays: ArraySet,
        *,
        particles: Sequence[int | None] = (),
    ) -> None:
        """`particles` counts PhysGaussian's particles in the region of each impulse, in order."""
        self._imported, self._body = imported, body
        self._vertices, self._frames, self._arrays = vertices, frames, arrays
        self._particles = [*particles]
        self.forces: list[Force] = []
        self.ground: Ground | None = None
        self.differences: list[str] = []
        for number, condition in enumerate(imported.boundaries, 1):
            self._add(f"{body}, {type(condition).__name__} {number}", condition)
        if imported.drag:
            self.forces.append(self._drag(imported.drag))

    def _add(self, name: str, condition: Boundary) -> None:
        match condition:
            case Cuboid():
                self._cuboid(name, condition)
            case Translation():
                shift = np.array(condition.velocity)
                inside = _in_box(self._vertices, condition.point, condition.size)
                self._pin(name, condition, inside, lambda t: _moved(shift * t))
            case Rotation():
                self._rotation(name, condition)
            case ParticleImpulse():
                self._impulse(name, condition)
            case SequentialRelease():
                self._release(name, condition)
            case SurfaceCollider():
                self._plane(condition)

    def _cuboid(self, name: str, condition: Cuboid) -> None:
        shift = np.array(condition.velocity)
        inside = _in_box(self._vertices, condition.point, condition.size)
        self._pin(name, condition, inside, lambda t: _moved(shift * t))
        self.differences.append(
            "cuboid: holds the matter that starts in it; PhysGaussian's also takes hold of what "
            "enters it later."
        )
        if condition.reset:
            self.differences.append(
                "cuboid, reset: PhysGaussian stops the whole grid before and after it; not here."
            )

    def _rotation(self, name: str, condition: Rotation) -> None:
        axis = np.array(condition.normal, np.float64)
        axis /= np.linalg.norm(axis)
        point = np.array(condition.point)
        away = self._vertices - point
        height = away @ axis
        half, radius = condition.half_height_and_radius
        across = np.linalg.norm(away - height[:, None] * axis, axis=1)
        inside = (np.abs(height) <= half) & (across <= radius)

        def pose(time: float) -> Floats:
            # its sign is left-handed about the normal
            return _turned(axis, -condition.rotation_scale * time, point) @ _moved(
                axis * condition.translation_scale * time
            )

        self._pin(name, condition, inside, pose)

    def _pin(
        self,
        name: str,
        condition: Cuboid | Translation | Rotation,
        inside: NDArray[np.bool_],
        pose: Callable[[float], Floats],
    ) -> None:
        """Pin what is inside; `pose(t)` (4, 4) is where t seconds have taken it."""
        start, end = condition.start_time, condition.end_time
        tracked, fps = self._frames.tracked, self._frames.fps
        first = self._frames.simulation_start
        times = np.array([(frame - first) / fps - start for frame in tracked])
        poses = np.stack([pose(float(np.clip(time, 0.0, end - start))) for time in times])
        moves = bool((poses != poses[0]).any())
        motion = self._arrays.add(poses) if moves else None
        window = Window(self._frame(start), None if end > 1e8 else self._frame(end))
        self.forces.append(Pin(name, self._body, self._group(name, inside), motion, window))

    def _impulse(self, name: str, condition: ParticleImpulse) -> None:
        count = self._particles.pop(0) if self._particles else None
        if count is None:
            self.differences.append(
                "particle_impulse: its force counts for each particle, so how hard it strikes "
                "hangs on how many there are; left out, as their number is not known."
            )
            return
        inside = _in_box(self._vertices, condition.point, condition.size)
        blow = np.array(condition.force) * count * condition.num_dt
        blow = blow * self._imported.config.substep_dt
        whole = bool(inside.all())
        self.forces.append(
            Impulse(
                name, self._body, None if whole else self._group(name, inside),
                self._frame(condition.start_time), (float(blow[0]), float(blow[1]), float(blow[2])),
            )
        )  # fmt: skip
        self.differences.append(
            f"particle_impulse: {count:,} particles' worth, {np.linalg.norm(blow):.3g} N s in all, "
            "spread by mass and at once."
        )

    def _release(self, name: str, condition: SequentialRelease) -> None:
        direction = np.zeros(3)
        way = condition.end_position - condition.start_position
        direction[condition.normal] = 1.0 if way >= 0 else -1.0
        x, y, z = direction.tolist()
        first, last = self._frame(condition.start_time), self._frame(condition.end_time)
        self.forces.append(Release(name, self._body, first, last, (x, y, z)))
        self.differences.append(
            "release_particles_sequentially: goes through the body once along its axis, evenly; "
            "PhysGaussian frees 50 slabs from both sides of its end position."
        )

    def _plane(self, condition: SurfaceCollider) -> None:
        if condition.surface == "cut":
            self.differences.append("surface_collider, cut: a fixed trick of one scene; left out.")
            return
        normal = np.array(condition.normal) / max(float(np.linalg.norm(condition.normal)), 1e-12)
        boundary = SURFACES.get(condition.surface, "separate")
        if normal[2] < 1 - 1e-6 or self.ground is not None:
            self.differences.append(
                f"surface_collider about {condition.point}: only one level floor is made; add a "
                "static plane for it."
            )
            return
        contact = Contact(boundary, condition.friction)  # type: ignore[arg-type]
        self.ground = Ground(condition.point[2], contact)
        if boundary != "stick":
            self.differences.append(
                f"surface_collider, {condition.surface}: PhysGaussian stores no velocity at all, "
                "so it sticks there; here it does as it says."
            )
        if condition.start_time > 0 or condition.end_time < self._imported.config.seconds:
            self.differences.append("surface_collider: stands there all the time here.")

    def _drag(self, rate: float) -> Drag:
        poses, none = self._arrays.add(np.eye(4)[None]), self._arrays.add(np.zeros(1))
        return Drag(f"{self._body}, damping", poses, none, linear=rate)

    def _group(self, name: str, inside: NDArray[np.bool_]) -> Group:
        if not inside.any():
            raise ShotError(
                name,
                f"expected some of {self._body} in its region, found none.",
                "Place the object in the cube first (Placement), or mend the region.",
            )
        return Group(name.split(", ")[-1], self._weights(inside))

    def _weights(self, inside: NDArray[np.bool_]) -> ArrayRef:
        return self._arrays.add(inside.astype(np.float32))

    def _frame(self, seconds: float) -> float:
        return self._frames.simulation_start + seconds * self._frames.fps


def _in_box(points: Floats, middle: Sequence[float], half: Sequence[float]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(points - np.array(middle)) <= np.array(half)).all(axis=1))


def _moved(way: Floats) -> Floats:
    pose = np.eye(4)
    pose[:3, 3] = way
    return pose


def _turned(axis: Floats, angle: float, point: Floats) -> Floats:
    """Return the turn (4, 4) by `angle` rad about an axis through a point (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    pose = np.eye(4)
    pose[:3, :3] = turn
    pose[:3, 3] = point - turn @ point
    return pose
