"""What acts on rigid bodies: pushes in newtons, blows, fields; and what is refused."""

from typing import Any

import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract import materials
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.stages.acting import Acting
from impetus.backend.stages.bodies.prepare import prepare
from impetus.kernels.fields import Field, accelerations
from impetus.kernels.mpm.forces.given import BodyPush, Impulse
from impetus.kernels.mpm.solver import Push
from impetus.kernels.rigid.world import Bounds, RigidWorld
from tests import shots

from .rigid_cases import NO_POSES, body, box_mesh

BOX = box_mesh((0.1, 0.2, 0.3))


def advanced(frames: int = 12, **acts: Any) -> RigidWorld:
    """A weightless box of 6 kg, half a second on."""
    world = RigidWorld([body(BOX, (0, 0, 0))], [], Bounds.of(None))
    for _ in range(frames):
        world.advance(1 / 24, Push([], (0, 0, 0), NO_POSES, NO_POSES, **acts))
    return world


def test_a_newton_is_a_newton_and_its_window_ends_to_the_bit_of_a_second() -> None:
    push = BodyPush(0, (3, 0, 0), (0, 0, 0.2), start=0.1, end=0.33)
    world = advanced(rigid_pushes=[push])
    np.testing.assert_allclose(world.momentum[0, :3], (3 * 0.23, 0, 0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(world.momentum[0, 3:], (0, 0, 0.2 * 0.23), rtol=1e-9, atol=1e-12)


def test_a_torque_turns_as_euler_says() -> None:
    world = advanced(rigid_pushes=[BodyPush(0, (0, 0, 0), (0.02, 0, 0))])
    inertia = 6 / 12 * (0.2**2 + 0.3**2)
    # The last half substep is still to come.
    assert world.velocities()[0, 3] == pytest.approx(0.02 * 0.5 / inertia, rel=3e-3)


def test_a_blow_is_over_at_once_and_struck_once() -> None:
    world = advanced(rigid_impulses=[Impulse(0, (0, 6, 0), (0, 0.1, 0), time=0.25)])
    np.testing.assert_allclose(world.momentum[0], (0, 6, 0, 0, 0.1, 0), atol=1e-12)
    at = world.poses()[0, 1, 3]
    assert at == pytest.approx(0.25, abs=2e-3)


def test_a_field_gives_what_it_gives_a_particle_at_the_centre() -> None:
    field = Field("force", (-1, 0, 0), (0, 0, 1), 2.0, power=1.0)
    world = advanced(frames=1, fields=[(field, field)])
    expected = accelerations([field], np.zeros((1, 3)), np.zeros((1, 3)))[0]
    span = 1 / 24 - 1 / 960
    np.testing.assert_allclose(world.velocities()[0, :3], span * expected, rtol=2e-3)


def test_strong_drag_stops_and_never_turns_back() -> None:
    field = Field("drag", (0, 0, 0), (0, 0, 1), 0.0, damping=1e5)
    world = RigidWorld([body(BOX, (0, 0, 0), velocity=(2, 0, 0))], [], Bounds.of(None))
    world.advance(1 / 24, Push([], (0, 0, 0), NO_POSES, NO_POSES, fields=[(field, field)]))
    assert 0 <= world.velocities()[0, 0] < 1e-3


def rigid_shot(arrays: ArraySet, *forces: f.Force) -> Any:
    jelly = shots.body(arrays, "Jelly", shots.cube(0.3), poses=shots.place((0.5, 0, 0.5)))
    steel = shots.body(
        arrays, "Steel", shots.cube(0.3), poses=shots.place((-0.5, 0, 0.5)),
        material=materials.Rigid(),
    )  # fmt: skip
    return shots.shot(arrays, [jelly, steel], forces=forces)


def test_a_shots_pushes_reach_the_rigid_body_that_they_name() -> None:
    arrays = ArraySet()
    pushed = f.Push("Push", "Steel", force=arrays.add(np.array([[1.0, 0, 0]])))
    other = f.Push("Other", "Jelly", force=arrays.add(np.array([[0, 1.0, 0]])))
    shot = rigid_shot(arrays, pushed, other, f.Impulse("Blow", "Steel", linear=(0, 0, 2.0)))
    check_shot(shot, arrays)
    acting = Acting(shot, arrays, prepare(shot, arrays).matter.particles)
    push = acting.push(1, NO_POSES, NO_POSES)
    assert [np.asarray(p.force).tolist() for p in push.rigid_pushes] == [[1, 0, 0]]
    assert [p.region for p in push.rigid_pushes] == [0]
    assert [np.asarray(p.force).tolist() for p in push.pushes] == [[0, 1, 0]]
    assert [tuple(i.linear) for i in push.rigid_impulses] == [(0, 0, 2)]  # type: ignore[arg-type]
    assert len(acting.regions) == 1


@pytest.mark.parametrize(
    "hold", [f.Pin("Hold", "Steel"), f.Release("Hold", "Steel", first=1.0, last=3.0)]
)
def test_a_rigid_body_cannot_be_held(hold: f.Force) -> None:
    arrays = ArraySet()
    with pytest.raises(ShotError, match="Steel is rigid"):
        check_shot(rigid_shot(arrays, hold), arrays)
