"""What acts from outside, from the shot's forces to what the solver takes; called by simulate."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...kernels.blender_noise import gust
from ...kernels.fields import ENDLESS
from ...kernels.fields import Field as KernelField
from ...kernels.mpm.forces.given import BodyPush, Hold, Region
from ...kernels.mpm.forces.given import Impulse as KernelImpulse
from ...kernels.mpm.solver import Particles, Push
from ..contract.arrays import ArrayRef, ArraySet
from ..contract.errors import ShotError
from ..contract.force_check import PINNED
from ..contract.forces import (
    Drag,
    Field,
    Force,
    Group,
    Harmonic,
    Impulse,
    Pin,
    PointForce,
    Release,
    Turbulence,
    Vortex,
    Wind,
    Window,
)
from ..contract.forces import Push as BodyForce
from ..contract.materials import Rigid
from ..contract.shot import Shot
from .bodies.groups import group_weight
from .bodies.shape import pose_at, track_row

KINDS = {
    PointForce: "force",
    Wind: "wind",
    Vortex: "vortex",
    Turbulence: "turbulence",
    Drag: "drag",
    Harmonic: "harmonic",
}
NOTHING = np.zeros(3)
STILL = np.eye(4)


def constants(value: object) -> object:
    """Return all that a force says once and for all: no names, no tracks, no windows."""
    if isinstance(value, Group):
        return value.weights
    if isinstance(value, ArrayRef | Window):
        return None
    if isinstance(value, Impulse):
        return constants((value.body, value.group, value.linear, value.angular))
    if isinstance(value, msgspec.Struct):
        kept = [name for name in value.__struct_fields__ if name != "name"]
        return [type(value).__name__, *(constants(getattr(value, name)) for name in kept)]
    if isinstance(value, tuple):
        return [constants(item) for item in value]
    return value


def said_at(
    shot: Shot, arrays: ArraySet, force: Force, frame: int
) -> Iterable[NDArray[np.float64]]:
    """Yield what a force's tracks say at a frame, and what of its window lies just before it."""
    for ref in tracks(force):
        yield np.asarray(track_row(shot.frames, arrays.of(ref), frame), np.float64)
    if isinstance(force, Impulse):
        yield np.array([force.frame if force.frame < frame else np.inf])
    elif isinstance(force, BodyForce | Pin):
        first = -np.inf if force.window.first is None else force.window.first
        last = np.inf if force.window.last is None else force.window.last
        yield np.clip([first, last], frame - 1, frame)


def tracks(value: object) -> Iterable[ArrayRef]:
    """Yield the references of all tracks in a force."""
    if isinstance(value, ArrayRef):
        yield value
    elif isinstance(value, msgspec.Struct) and not isinstance(value, Group):
        for name in value.__struct_fields__:
            yield from tracks(getattr(value, name))


class Acting:
    """What a shot's forces do to its particles.

    Raises ShotError for a part of a body that holds no particle.
    """

    def __init__(self, shot: Shot, arrays: ArraySet, particles: Particles) -> None:
        self._shot, self._arrays, self._particles = shot, arrays, particles
        rigid = [body.name for body in shot.bodies if isinstance(body.material, Rigid)]
        parts = [force for force in shot.forces if not isinstance(force, Field)]
        self._parts = [force for force in parts if force.body not in rigid]
        self._on_rigid = [(rigid.index(f.body), f) for f in parts if f.body in rigid]
        self.regions = tuple(_region(shot, arrays, particles, force) for force in self._parts)
        "Of pushes, impulses, pins and releases on what deforms, in the shot's order."

    def push(
        self, frame: int, collider_from: NDArray[np.float64], collider_to: NDArray[np.float64]
    ) -> Push:
        """Return what acts from a frame to the next one, with the colliders' poses at both."""
        shot, arrays, ends = self._shot, self._arrays, (frame, frame + 1)
        gravity = [track_row(shot.frames, arrays.of(shot.gravity), f) for f in ends]
        wind, fields = [], []
        for force in shot.forces:
            if not isinstance(force, Field):
                continue
            start, end = (kernel_field(shot, arrays, force, f, frame + 1) for f in ends)
            if start.is_uniform and end.is_uniform:
                blow = [np.asarray(f.axis) * f.strength for f in (start, end)]
                wind.append((np.mean(blow, axis=0), (start.flow + end.flow) / 2))
            else:
                fields.append((start, start if (start.row() == end.row()).all() else end))
        push = Push(wind, np.mean(gravity, axis=0), collider_from, collider_to, fields)
        return replace(push, **self._on_bodies(frame))

    def _on_bodies(self, frame: int) -> dict[str, Any]:
        """Return what acts on regions."""
        shot, arrays = self._shot, self._arrays
        pushes, impulses, holds = [], [], []
        for region, force in enumerate(self._parts):
            match force:
                case BodyForce():
                    pushes.append(_body_push(shot, arrays, force, region, frame))
                case Impulse():
                    time = seconds_at(shot, force.frame)
                    impulses.append(KernelImpulse(region, force.linear, force.angular, time))
                case Pin():
                    poses = [_pose(shot, arrays, force.motion, f) for f in (frame, frame + 1)]
                    holds.append(Hold(region, poses[0], poses[1], *_seconds(shot, force.window)))
                case Release():
                    holds.append(
                        _release(shot, force, region, self._particles, self.regions[region])
                    )
        found: dict[str, Any] = {"pushes": pushes, "impulses": impulses, "holds": holds}
        found["rigid_pushes"] = [
            _body_push(shot, arrays, force, n, frame)
            for n, force in self._on_rigid
            if isinstance(force, BodyForce)
        ]
        found["rigid_impulses"] = [
            KernelImpulse(n, force.linear, force.angular, seconds_at(shot, force.frame))
            for n, force in self._on_rigid
            if isinstance(force, Impulse)
        ]
        return found


def _region(
    shot: Shot, arrays: ArraySet, particles: Particles, force: BodyForce | Impulse | Pin | Release
) -> Region:
    index = next(i for i, body in enumerate(shot.bodies) if body.name == force.body)
    mine = np.flatnonzero(particles.body == index).astype(np.int32)
    group = None if isinstance(force, Release) else force.group
    weight = np.ones(len(mine), np.float32)
    if group is not None:
        weight = group_weight(shot, arrays, shot.bodies[index], group, particles.position[mine])
    kept = weight >= PINNED if isinstance(force, Pin) else weight > 0
    if not kept.any():
        part = "its whole body" if group is None else f"the vertex group {group.name}"
        raise ShotError(
            force.name,
            f"expected particles of {force.body} in {part}, found none.",
            "Assign more vertices to the group, or raise the resolution.",
        )
    return Region(mine[kept], weight[kept])


def seconds_at(shot: Shot, frame: float) -> float:
    """Return the time [s] since the simulation's start."""
    return (frame - shot.frames.simulation_start) / shot.frames.fps


def _seconds(shot: Shot, window: Window) -> tuple[float, float]:
    first = -np.inf if window.first is None else seconds_at(shot, window.first)
    last = np.inf if window.last is None else seconds_at(shot, window.last)
    return first, last


def _pose(shot: Shot, arrays: ArraySet, motion: ArrayRef | None, frame: int) -> NDArray[np.float64]:
    return STILL if motion is None else pose_at(shot, arrays, motion, frame)


def _body_push(shot: Shot, arrays: ArraySet, push: BodyForce, region: int, frame: int) -> BodyPush:
    start, end = (
        [
            NOTHING if ref is None else track_row(shot.frames, arrays.of(ref), f)
            for ref in (push.force, push.torque)
        ]
        for f in (frame, frame + 1)
    )
    first, last = _seconds(shot, push.window)
    return BodyPush(region, start[0], start[1], first, last, end[0], end[1])


def _release(shot: Shot, release: Release, region: int, particles: Particles, part: Region) -> Hold:
    along = particles.position[part.particles].astype(np.float64) @ np.asarray(release.direction)
    share = (along - along.min()) / max(float(np.ptp(along)), 1e-12)
    first, last = (seconds_at(shot, f) for f in (release.first, release.last))
    velocity = particles.velocity[part.particles]
    return Hold(region, STILL, STILL, end=first + share * (last - first), velocity=velocity)


def kernel_field(
    shot: Shot, arrays: ArraySet, field: Field, frame: int, noise_frame: int
) -> KernelField:
    """Return a field as it is at a frame, with the noise of the frame that is being made."""

    def number(value: float | ArrayRef | None) -> float:
        if isinstance(value, ArrayRef):
            return float(track_row(shot.frames, arrays.of(value), frame))
        return ENDLESS if value is None else float(value)

    pose, falloff = pose_at(shot, arrays, field.poses, frame), field.falloff
    noise = number(field.noise)
    gusts = noise * gust(field.seed + shot.seed + noise_frame) if noise > 0 else 0.0
    strength, size, damping = number(field.strength) + gusts, 0.0, 0.0
    match field:
        case Turbulence():
            size = number(field.size)
        case Drag():
            strength, damping = max(strength, 0.0), number(field.linear)
        case Harmonic():
            size, damping = number(field.rest_length), number(field.damping)
    return KernelField(
        KINDS[type(field)],  # type: ignore[arg-type]
        pose[:3, 3],
        pose[:3, 2],
        strength,
        0.0 if isinstance(field, Drag | Harmonic) else number(field.flow),
        field.shape,
        falloff.kind,
        falloff.side,
        number(falloff.power),
        number(falloff.nearest),
        number(falloff.farthest),
        number(falloff.radial_power),
        number(falloff.radial_nearest),
        number(falloff.radial_farthest),
        size,
        damping,
        field.unit,
        isinstance(field, Turbulence) and field.is_global,
    )
