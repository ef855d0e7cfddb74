"""Whether smoke, fire and flocks can be made: emitters, their tracks, agents; for shot_check."""

from collections.abc import Callable

import numpy as np

from .arrays import ArrayRef, ArraySet, require_finite
from .errors import ShotError
from .shot import Body, Emitter, Flock, FrameRange, Mesh, Shot
from .track_check import check_poses, check_track

COLDEST = -250.0
"K below the air around."
AGENT = "{name} ~{number}"
"What the agents of a flock are called, from 1 on."

GAS_NAME = "~smoke"
"What smoke and fire are called among the objects of a take."

MeshCheck = Callable[[str, Mesh, ArraySet], None]
BodyCheck = Callable[[Body, FrameRange, ArraySet], None]


def check_air(shot: Shot, arrays: ArraySet, check_mesh: MeshCheck, check_body: BodyCheck) -> None:
    """Raise ShotError on the first emitter or flock of a shot that cannot be made."""
    for emitter in shot.emitters:
        check_mesh(emitter.name, emitter.mesh, arrays)
        _check_emitter(emitter, shot.frames, arrays)
    if (box := shot.gas.domain) is not None:
        _require_size("Smoke domain", np.subtract(box.high, box.low))
    for flock in shot.flocks:
        check_body(flock.body, shot.frames, arrays)
        _check_flock(flock, shot.frames, arrays)


def agent_names(flock: Flock) -> tuple[str, ...]:
    """Return the names of a flock's agents as bodies."""
    return tuple(AGENT.format(name=flock.name, number=n + 1) for n in range(flock.count))


def object_names(shot: Shot) -> tuple[str, ...]:
    """Return the names of all that a frame shows, in the order of the object index: 1 is first."""
    agents = (name for flock in shot.flocks for name in agent_names(flock))
    gas = (GAS_NAME,) if shot.emitters else ()
    return (*(body.name for body in shot.bodies), *agents, *gas)


def _check_emitter(emitter: Emitter, frames: FrameRange, arrays: ArraySet) -> None:
    name = emitter.name
    check_poses(name, arrays.of(emitter.poses), frames)
    for what, least, most in (
        ("smoke", 0.0, np.inf), ("fuel", 0.0, 1.0), ("temperature", COLDEST, np.inf),
    ):  # fmt: skip
        value = getattr(emitter, what)
        values = np.array([value]) if not isinstance(value, ArrayRef) else arrays.of(value)
        check_track(f"{name}, {what}", values, frames, ())
        if values.min() < least or values.max() > most:
            wrong = values.min() if values.min() < least else values.max()
            span = f"{least:g} or more" if most == np.inf else f"{least:g} to {most:g}"
            raise ShotError(
                f"{name}, {what}", f"expected {span}, got {wrong:.3g}.", "Set it within that."
            )
    first, last = emitter.window.first, emitter.window.last
    if first is not None and last is not None and last <= first:
        raise ShotError(
            name,
            f"expected it to emit until after its start, got frames {first:g} to {last:g}.",
            "Raise its last frame; the last frame itself is not part of the window.",
        )


def _check_flock(flock: Flock, frames: FrameRange, arrays: ArraySet) -> None:
    name = flock.name
    if flock.body.role != "kinematic" or arrays.of(flock.body.poses).shape[0] != 1:
        raise ShotError(name, "expected a flock of a kinematic body that is not animated itself.",
                        "Remove its animation: the flock moves it.")  # fmt: skip
    if not flock.slowest <= flock.speed <= flock.fastest:
        raise ShotError(
            f"{name}, speed",
            f"expected it between the slowest and the fastest, got {flock.slowest:g}, "
            f"{flock.speed:g} and {flock.fastest:g} m/s.",
            "Lower the slowest, or raise the fastest.",
        )
    if flock.space > flock.sight:
        raise ShotError(
            f"{name}, space",
            f"expected no more than the sight of {flock.sight:g} m, got {flock.space:g} m.",
            "Raise the sight: who is not seen is not avoided.",
        )
    if flock.goal is not None:
        goal = arrays.of(flock.goal)
        check_track(f"{name}, goal", goal, frames, (3,))
        require_finite(f"{name}, goal", goal)
    if flock.bounds is not None:
        _require_size(f"{name}, bounds", np.subtract(flock.bounds.high, flock.bounds.low))


def _require_size(where: str, size: np.ndarray) -> None:
    if (size <= 0).any():
        raise ShotError(
            where,
            f"expected a size above zero, got {size.tolist()} m.",
            "Scale its object up along every axis.",
        )
