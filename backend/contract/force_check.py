"""Whether what acts on bodies can act: tracks, windows, bodies, vertex groups; for shot_check."""

from .arrays import Array, ArrayRef, ArraySet
from .errors import ShotError
from .forces import (
    Drag,
    Falloff,
    Field,
    Group,
    Impulse,
    Pin,
    Push,
    Release,
    Vortex,
    Window,
)
from .materials import Rigid
from .regions import check_group
from .shot import Body, FrameRange, Shot
from .track_check import check_poses, check_track

PINNED = 0.5
"Weight from which on a pin holds."


def check_forces(shot: Shot, arrays: ArraySet) -> None:
    """Raise ShotError on the first force of a shot that cannot act."""
    bodies = {body.name: body for body in shot.bodies}
    for force in shot.forces:
        if isinstance(force, Field):
            _check_field(force, shot.frames, arrays)
        else:
            _check_on_body(force, bodies.get(force.body), shot.frames, arrays)


def _check_field(field: Field, frames: FrameRange, arrays: ArraySet) -> None:
    check_poses(field.name, arrays.of(field.poses), frames)
    strength = arrays.of(field.strength)
    check_track(f"{field.name}, strength", strength, frames, ())
    for part in (field, field.falloff):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, ArrayRef) and name not in ("poses", "strength"):
                _check_number(f"{field.name}, {name.replace('_', ' ')}", arrays.of(value), frames)
    if isinstance(field, Drag):
        _require_no_less(f"{field.name}, strength", strength)
    if isinstance(field, Vortex) and field.shape == "line":
        raise ShotError(
            field.name, "expected a vortex about a point or a plane, got one about a line."
        )
    _check_reach(field.name, field.falloff)


def _check_number(where: str, values: Array, frames: FrameRange) -> None:
    check_track(where, values, frames, ())
    _require_no_less(where, values)


def _require_no_less(where: str, values: Array) -> None:
    if (values < 0).any():
        raise ShotError(
            where, f"expected zero or more, got {values.min():.3g}.", "Raise it to zero or above."
        )


def _check_reach(where: str, falloff: Falloff) -> None:
    for low, high, what in (
        (falloff.nearest, falloff.farthest, "distance"),
        (falloff.radial_nearest, falloff.radial_farthest, "radial distance"),
    ):
        if isinstance(low, ArrayRef) or isinstance(high, ArrayRef) or high is None:
            continue
        if high < low:
            raise ShotError(
                f"{where}, {what}",
                f"expected its maximum above its minimum of {low:.3g}, got {high:.3g}.",
                "Raise the field's maximum, or lower its minimum.",
            )


def _check_on_body(
    force: Push | Impulse | Pin | Release,
    body: Body | None,
    frames: FrameRange,
    arrays: ArraySet,
) -> None:
    if body is None or body.role != "dynamic":
        raise ShotError(
            force.name,
            f"expected a dynamic body to act on, got {force.body!r}, which is "
            f"{'not in the shot' if body is None else body.role}.",
            "Make that object dynamic, or remove what acts on it.",
        )
    if isinstance(body.material, Rigid) and (
        isinstance(force, Pin | Release) or force.group is not None
    ):
        what = "pin" if isinstance(force, Pin) else "release"
        raise ShotError(
            force.name,
            "expected a push or blow on the whole body, since "
            f"{body.name} is rigid, got a {what if isinstance(force, Pin | Release) else 'part'}.",
            "Take the vertex group off; or make the object kinematic where it is to be held.",
        )
    if isinstance(force, Release):
        _check_release(force)
        return
    if force.group is not None:
        least = PINNED if isinstance(force, Pin) else 0.0
        _check_group(force.name, force.group, body, arrays, least)
    if not isinstance(force, Impulse):
        _check_window(force.name, force.window)
    if isinstance(force, Pin) and force.motion is not None:
        check_poses(f"{force.name}, motion", arrays.of(force.motion), frames)
    if isinstance(force, Push):
        for name, ref in (("force", force.force), ("torque", force.torque)):
            if ref is not None:
                check_track(f"{force.name}, {name}", arrays.of(ref), frames, (3,))


def _check_release(release: Release) -> None:
    if release.last < release.first:
        raise ShotError(
            release.name,
            f"expected its last frame not before its first, got {release.first:g} to "
            f"{release.last:g}.",
            "Raise the last frame of the release.",
        )
    if not any(release.direction):
        raise ShotError(
            release.name,
            "expected a direction with a length, got zero.",
            "Set the direction in which it is let go.",
        )


def _check_window(where: str, window: Window) -> None:
    first, last = window.first, window.last
    if first is not None and last is not None and last <= first:
        raise ShotError(
            where,
            f"expected a time window that ends after its start, got frames {first:g} to {last:g}.",
            "Raise its last frame; the last frame itself is not part of the window.",
        )


def _check_group(where: str, group: Group, body: Body, arrays: ArraySet, least: float) -> None:
    count, triangles = body.mesh.vertices.shape[0], body.mesh.triangles
    top = check_group(where, group, count, triangles, arrays)
    if top <= 0 or top < least:
        raise ShotError(
            f"{where}, vertex group {group.name}",
            f"expected some vertices of {body.name} with a weight of "
            f"{'at least one half' if least else 'more than zero'}, got at most {top:.3g}.",
            "Assign vertices to the group, or choose another.",
        )
