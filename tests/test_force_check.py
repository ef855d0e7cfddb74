"""What cannot act is refused with a sentence that names it and says what to do."""

from typing import Any

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import Shot
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.stages.acting import Acting
from impetus.backend.stages.bodies.prepare import prepare

from . import shots


def checked(arrays: ArraySet, shot: Shot, *forces: f.Force) -> None:
    check_shot(shots.changed(shot, forces=forces), arrays)


def still(arrays: ArraySet, strength: Any = 1.0) -> tuple[Any, Any]:
    return arrays.add(np.eye(4)[None]), arrays.add(np.atleast_1d(np.asarray(strength, float)))


def group(arrays: ArraySet, weights: Any) -> f.Group:
    return f.Group("Top", arrays.add(np.asarray(weights, np.float32)))


def test_all_kinds_pass_as_they_should_be() -> None:
    shot, arrays = shots.falling_cube()
    track = arrays.add(np.linspace(0, 1, 4))
    ones = group(arrays, np.ones(8))
    force = arrays.add(np.zeros((4, 3)))
    pin = f.Pin("Pin", "Cube", ones, arrays.add(np.tile(np.eye(4), (4, 1, 1))))
    checked(
        arrays,
        shot,
        *(kind("Field", *still(arrays)) for kind in f.Field.__args__),
        f.Wind("Gusty", *still(arrays, np.ones(4)), noise=track, falloff=f.Falloff(power=track)),
        f.Push("Push", "Cube", ones, force, force, f.Window(1.5, 2.5)),
        f.Impulse("Blow", "Cube", None, 2.0, (1, 0, 0)),
        pin,
        f.Release("Release", "Cube", 2.0, 2.0),
    )
    again = msgspec.json.decode(msgspec.json.encode(pin), type=f.Force)
    assert again == pin


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda a: f.Wind("Wind", *still(a, np.nan)), r"Wind, strength: .*finite"),
        (lambda a: f.Wind("Wind", *still(a, [1.0, 2.0])), r"Wind, strength: .*1 or 4 frames"),
        (
            lambda a: f.Wind("Wind", *still(a), flow=a.add(np.array([-1.0]))),
            r"Wind, flow: expected zero or more, got -1",
        ),
        (lambda a: f.Drag("Drag", *still(a, -0.5)), r"Drag, strength: expected zero or more"),
        (
            lambda a: f.Vortex("Vortex", *still(a), shape="line"),
            r"Vortex: .*point or a plane",
        ),
        (
            lambda a: f.Wind("Wind", *still(a), falloff=f.Falloff(nearest=2.0, farthest=1.0)),
            r"Wind, distance: expected its maximum above its minimum",
        ),
        (lambda a: f.Push("Push", "Nobody"), r"Push: .*'Nobody', which is not in the shot"),
        (lambda a: f.Push("Push", "Floor"), r"Push: .*'Floor', which is static"),
        (
            lambda a: f.Push("Push", "Cube", window=f.Window(3.0, 3.0)),
            r"Push: expected a time window that ends after its start, got frames 3 to 3",
        ),
        (
            lambda a: f.Push("Push", "Cube", force=a.add(np.array([[np.inf, 0, 0]]))),
            r"Push, force: .*finite",
        ),
        (
            lambda a: f.Pin("Pin", "Cube", group(a, np.full(8, 0.4))),
            r"Pin, vertex group Top: .*at least one half, got at most 0\.4",
        ),
        (
            lambda a: f.Push("Push", "Cube", group(a, np.zeros(8))),
            r"Push, vertex group Top: .*more than zero, got at most 0",
        ),
        (lambda a: f.Pin("Pin", "Cube", group(a, np.ones(7))), r"Pin: .*each of 8 vertices"),
        (lambda a: f.Pin("Pin", "Cube", group(a, np.full(8, 2.0))), r"weights of 0 to 1"),
        (
            lambda a: f.Pin("Pin", "Cube", motion=a.add(2 * np.eye(4)[None])),
            r"Pin, motion: .*without scale",
        ),
        (lambda a: f.Release("Release", "Cube", 4.0, 3.0), r"Release: .*not before its first"),
        (
            lambda a: f.Release("Release", "Cube", 2.0, 3.0, (0.0, 0.0, 0.0)),
            r"Release: expected a direction",
        ),
        (
            lambda a: f.Impulse("Blow", "Cube", None, 2.0, (np.nan, 0.0, 0.0)),
            r"Blow, linear: expected a finite number",
        ),
    ],
)  # fmt: skip
def test_what_cannot_act_is_named(make: Any, match: str) -> None:
    shot, arrays = shots.falling_cube()
    with pytest.raises(ShotError, match=match) as caught:
        checked(arrays, shot, make(arrays))
    assert "expected" in str(caught.value)


def test_a_group_that_holds_no_particle_is_told() -> None:
    """One corner of a cube: its weight has died away where the first particle lies."""
    shot, arrays = shots.falling_cube()
    pin = f.Pin("Pin", "Cube", group(arrays, 0.5 * np.eye(8)[0]))
    shot = shots.changed(shot, forces=(pin,))
    check_shot(shot, arrays)
    particles = prepare(shot, arrays).matter.particles
    with pytest.raises(ShotError, match=r"Pin: expected particles of Cube in the vertex group Top"):
        Acting(shot, arrays, particles)
