"""Fields, pushes, impulses and holds in the solver against Newton, Euler and what is prescribed."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.kernels.fields import Field, accelerations
from impetus.kernels.mpm.forces.given import BodyPush, Hold, Impulse, Region
from impetus.kernels.mpm.materials.laws import ElasticLaw
from impetus.kernels.mpm.solver import Domain, MpmSolver, Particles, Push, Tracers

from .mpm_cases import EARTH, JELLY, NO_POSES, Lump, make_solver

Array = NDArray[Any]

SIDE = 0.25
BLOCK = Lump((0.375,) * 3, (0.625,) * 3, JELLY)
COUNT = len(BLOCK.positions())
FRAME = 1 / 24
STILL = np.eye(4)
LIGHT = ElasticLaw(density=8.0, young_modulus=40.0, poisson_ratio=0.3)


def whole(count: int = COUNT) -> Region:
    return Region(np.arange(count, dtype=np.int32), np.ones(count, np.float32))


def push(gravity: Any = (0, 0, 0), **acts: Any) -> Push:
    return Push((), gravity, NO_POSES, NO_POSES, **acts)


def run(solver: MpmSolver, frames: int, **acts: Any) -> MpmSolver:
    for _ in range(frames):
        solver.advance(FRAME, push(**acts))
    return solver


def moved(location: Any) -> Array:
    pose = np.eye(4)
    pose[:3, 3] = location
    return pose


def cube_of_a_kilogram(per_axis: int) -> MpmSolver:
    """Half a metre of side, `per_axis`^3 particles at two to a cell along each axis."""
    step = 0.5 / per_axis
    axis = 0.25 + step * (np.arange(per_axis) + 0.5)
    at = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    count, none = len(at), np.zeros(len(at), np.int32)
    shape = (round(0.5 / step),) * 3
    return MpmSolver(
        Domain((0.0, 0.0, 0.0), 2 * step, shape, "open"),
        [LIGHT],
        Particles(
            at.astype(np.float32),
            np.zeros((count, 3), np.float32),
            np.full(count, step**3, np.float32),
            none,
            none,
        ),
        Tracers(np.zeros((0, 3), np.float32), none[:0], none[:0].astype(bool)),
        [],
        None,
        regions=[whole(count)],
    )


@pytest.mark.parametrize("per_axis", [10, 100])
def test_a_newton_gives_a_kilogram_one_metre_per_second_squared(per_axis: int) -> None:
    """At a thousand particles and at a million alike; and so a newton metre, by the inertia."""
    solver = cube_of_a_kilogram(per_axis)
    assert solver.totals().mass == pytest.approx(1.0, rel=1e-5)
    before = solver.position().astype(float)
    seconds, inertia = 0.04, 0.5**2 / 6
    acts = [BodyPush(0, (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))]
    solver.advance(seconds, push(pushes=acts))
    shift = solver.position() - before
    assert shift.mean(axis=0)[0] == pytest.approx(seconds**2 / 2, rel=0.01)
    np.testing.assert_allclose(shift.mean(axis=0)[1:], 0, atol=1e-6)
    arm = before - before.mean(axis=0)
    now = arm + shift - shift.mean(axis=0)
    turned = np.arctan2((arm[:, 0] * now[:, 1] - arm[:, 1] * now[:, 0]).sum(),
                        (arm[:, :2] * now[:, :2]).sum())  # fmt: skip
    assert turned == pytest.approx(seconds**2 / 2 / inertia, rel=0.01)


def test_a_window_gives_its_share_whatever_the_substeps() -> None:
    for step in (4e-4, 7e-4):
        solver = make_solver([BLOCK], regions=[whole()], largest_step=step)
        mass = solver.totals().mass
        run(solver, 5, pushes=[BodyPush(0, (3 * mass, 0, 0), start=0.05, end=0.15)])
        np.testing.assert_allclose(solver.totals().momentum / mass, [0.3, 0, 0], atol=1e-5)


def test_an_impulse_comes_once_at_its_time() -> None:
    solver = make_solver([BLOCK], regions=[whole()])
    mass = solver.totals().mass
    blow = [Impulse(0, (2 * mass, 0, 0), (0, 0, mass * SIDE**2 / 6), time=2 * FRAME)]
    before = solver.position()
    run(solver, 2, impulses=blow)
    np.testing.assert_allclose(solver.position(), before, atol=1e-7)
    run(solver, 2, impulses=blow)
    np.testing.assert_allclose(solver.totals().momentum / mass, [2, 0, 0], atol=1e-4)
    shift = solver.position() - before
    assert shift.mean(axis=0)[0] == pytest.approx(2 * 2 * FRAME, rel=0.01)
    arm = before - before.mean(axis=0)
    spin = np.cross(arm, solver.velocity() - [2, 0, 0]).sum(axis=0)[2] / (arm[:, :2] ** 2).sum()
    assert spin == pytest.approx(1.0, rel=0.02)


def test_a_group_takes_the_force_and_gives_it_to_the_rest() -> None:
    at = BLOCK.positions()
    side = np.flatnonzero(at[:, 0] > 0.55).astype(np.int32)
    part = Region(side, np.full(len(side), 0.5, np.float32))
    solver = make_solver([BLOCK], regions=[part])
    mass = solver.totals().mass
    run(solver, 6, pushes=[BodyPush(0, (mass, 0, 0))])
    # Velocities are told half a substep late.
    assert solver.totals().momentum[0] / mass == pytest.approx(6 * FRAME, rel=0.01)
    np.testing.assert_allclose(solver.totals().momentum[1:] / mass, 0, atol=1e-4)


def test_torque_turns_about_the_centre_of_what_it_acts_on_wherever_that_is() -> None:
    solver = make_solver([BLOCK], regions=[whole()])
    mass = solver.totals().mass
    middle = solver.position().mean(axis=0)
    run(solver, 4, pushes=[BodyPush(0, (0, 0, 0), (0.0, 0.3, 0.0))])
    np.testing.assert_allclose(solver.position().mean(axis=0), middle, atol=1e-5)
    np.testing.assert_allclose(solver.totals().momentum / mass, 0, atol=1e-4)


def test_a_pin_holds_exactly_and_the_rest_hangs_from_it() -> None:
    top = np.flatnonzero(BLOCK.positions()[:, 2] > 0.6).astype(np.int32)
    pin = Region(top, np.ones(len(top), np.float32))
    solver = make_solver([BLOCK], regions=[pin])
    before = solver.position()
    lowest = []
    for _ in range(30):
        run(solver, 1, gravity=EARTH, holds=[Hold(0, STILL, STILL)])
        lowest.append((solver.position() - before)[:, 2].min())
    shift = solver.position() - before
    np.testing.assert_allclose(shift[top], 0, atol=1e-6)
    # It swings about where it hangs still: its own weight stretches it by rho g L^2 / 2 E.
    still = 1000 * 9.81 * (SIDE - 0.03) ** 2 / (2 * 1e5)
    assert -np.mean(lowest) == pytest.approx(still, rel=0.25)
    assert np.abs(solver.position().mean(axis=0) - before.mean(axis=0))[:2].max() < 1e-4


def test_a_moved_pin_follows_exactly_and_lets_go_at_its_time() -> None:
    top = np.flatnonzero(BLOCK.positions()[:, 2] > 0.55).astype(np.int32)
    pin = Region(top, np.ones(len(top), np.float32))
    solver = make_solver([BLOCK], regions=[pin])
    before = solver.position()
    angle, pivot = 0.02, np.array([0.5, 0.5, 0.6])
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    pose = moved(pivot)
    for _ in range(4):
        start = pose.copy()
        pose[:3, :3], pose[:3, 3] = turn @ pose[:3, :3], pose[:3, 3] + [0.01, 0, 0]
        solver.advance(FRAME, push(holds=[Hold(0, start, pose.copy(), end=4 * FRAME)]))
    expected = (before[top] - pivot) @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose(solver.position()[top], expected, atol=2e-5)
    run(solver, 3, holds=[Hold(0, STILL, STILL, end=4 * FRAME)])
    drift = (solver.position()[top] - expected).mean(axis=0)
    assert drift[0] == pytest.approx(0.24 * 3 * FRAME, rel=0.2)  # it goes on as fast as it was


def test_a_release_lets_go_in_order_and_gives_the_first_velocity() -> None:
    solver = make_solver([BLOCK], regions=[whole()])
    before = solver.position()
    height = (before[:, 2] - before[:, 2].min()) / np.ptp(before[:, 2])
    first = np.tile(np.float32([0, 0, -0.1]), (COUNT, 1))
    hold = Hold(0, STILL, STILL, end=2 * FRAME + height * 4 * FRAME, velocity=first)
    held = []
    for _ in range(8):
        run(solver, 1, gravity=EARTH, holds=[hold])
        held.append((solver.position() == before).all(axis=1))
    assert held[1].all()
    shares = [h.mean() for h in held]
    assert shares[2] < 1
    assert all(a > b for a, b in pairwise(shares[1:6]))
    for one in held[2:6]:
        assert height[one].min() > height[~one].max() - 1e-3
    solver = make_solver([BLOCK], regions=[whole()])
    hold = Hold(0, STILL, STILL, end=2 * FRAME, velocity=first)
    run(solver, 4, holds=[hold])
    fallen = (solver.position() - before)[:, 2]
    np.testing.assert_allclose(fallen, -0.1 * 2 * FRAME, rtol=0.01)


def test_held_matter_stays_in_the_domain_and_walls_win() -> None:
    solver = make_solver([BLOCK], regions=[whole()])
    holds = [Hold(0, STILL, moved((0, 0, 1.0)))]
    for _ in range(2):
        run(solver, 1, holds=holds)
    assert solver.position()[:, 2].max() <= 1.0 + 1e-5
    assert np.isfinite(solver.position()).all()


def test_a_field_pushes_matter_as_it_pushes_a_kilogram() -> None:
    """A harmonic field in one second: x = x0 cos(w t) about its middle, for all that it holds."""
    strength = 4.0
    field = Field("harmonic", (0.5, 0.5, 0.4), (0, 0, 1), strength)
    solver = run(make_solver([BLOCK]), 12, fields=[(field, field)])
    height = solver.position().mean(axis=0)[2] - 0.4
    assert height == pytest.approx(0.1 * np.cos(2.0 * 12 * FRAME), abs=1e-3)


def test_strong_drag_stops_matter_and_never_turns_it_round() -> None:
    fast = Lump(BLOCK.low, BLOCK.high, JELLY, velocity=(1.0, 0.0, 0.0))
    field = Field("drag", (0.5,) * 3, (0, 0, 1), 1e5, damping=1e5, farthest=9.0)
    solver = run(make_solver([fast]), 2, fields=[(field, field)])
    velocity = solver.velocity()
    assert np.abs(velocity).max() < 0.01
    weak = Field("drag", (0.5,) * 3, (0, 0, 1), 0.0, damping=2.0, farthest=9.0)
    solver = run(make_solver([fast]), 6, fields=[(weak, weak)])
    assert solver.velocity()[:, 0].mean() == pytest.approx(np.exp(-2 * 6 * FRAME), rel=2e-3)


def test_a_field_that_changes_is_what_it_is_at_each_substep() -> None:
    start, end = (Field("wind", (0, 0, 0), (1, 0, 0), s, farthest=9.0) for s in (0.0, 4.0))
    solver = make_solver([BLOCK])
    before, seconds = solver.position(), 4 * FRAME
    solver.advance(seconds, push(fields=[(start, end)]))
    # Strength rises evenly: a = 4 t / T, so x = 4 T^2 / 6.
    shift = (solver.position() - before).mean(axis=0)
    assert shift[0] == pytest.approx(4 * seconds**2 / 6, rel=2e-3)


@pytest.mark.parametrize("strength", [20.0, 2e4])
def test_forces_however_strong_move_matter_from_rest_as_they_should(strength: float) -> None:
    field = Field("wind", (0, 0, 0), (1, 0, 0), strength, farthest=9.0)
    seconds = np.sqrt(2 * 0.1 / strength)
    mass = make_solver([BLOCK]).totals().mass
    by_push = push(pushes=[BodyPush(0, (strength * mass, 0, 0))])
    for how in (push(fields=[(field, field)]), by_push):
        solver = make_solver([BLOCK], regions=[whole()])
        before = solver.position()
        solver.advance(seconds, how)
        assert (solver.position() - before).mean(axis=0)[0] == pytest.approx(0.1, rel=5e-3)


@pytest.mark.parametrize(
    "field",
    [
        Field("force", (0.3, 0.4, 0.5), (0, 0, 1), 3.0, flow=0.5, power=1.0),
        Field("wind", (0.5, 0.4, 0.1), (0, 0, 1), 3.0, flow=1.0, power=1.0, falloff="tube"),
        Field("vortex", (0.4, 0.4, 0.5), (0, 0, 1), 8.0, flow=0.5),
        Field("vortex", (0.4, 0.4, 0.5), (0, 0, 1), 2.0, shape="plane"),
        Field("turbulence", (0, 0, 0), (0, 0, 1), 6.0, size=0.5),
        Field("drag", (0.4, 0.4, 0.5), (0, 0, 1), 1.0, damping=0.5, power=1.0),
        Field("harmonic", (0.4, 0.4, 0.5), (0, 0, 1), 9.0, size=0.05, damping=0.2),
    ],
    ids=lambda field: f"{field.kind}-{field.shape}",
)
def test_a_small_body_moves_as_a_particle_does(field: Field) -> None:
    """Within 5 % of the way of particles that only the field's own acceleration moves."""
    lump = Lump((0.5, 0.5, 0.5), (0.625, 0.625, 0.625), JELLY, velocity=(0.2, 0.1, -0.1))
    solver = make_solver([lump])
    x = solver.position()
    start = x.mean(axis=0)
    v = np.broadcast_to(np.float32(lump.velocity), x.shape).copy()
    frames, steps = 8, 40
    for _ in range(frames * steps):  # the body is stiff: what it feels is the mean
        v += FRAME / steps * accelerations([field], x, v).mean(axis=0)
        x = x + np.float32(FRAME / steps) * v
    run(solver, frames, fields=[(field, field)])
    coasted = frames * FRAME * np.asarray(lump.velocity)
    found, expected = solver.position().mean(axis=0) - start, x.mean(axis=0) - start
    way = np.linalg.norm(expected - coasted)
    assert way > 0.005
    assert np.linalg.norm(found - expected) < 0.05 * way


def test_all_that_acts_goes_on_from_a_checkpoint_with_the_same_bits() -> None:
    top = np.flatnonzero(BLOCK.positions()[:, 2] > 0.6).astype(np.int32)
    regions = [whole(), Region(top, np.ones(len(top), np.float32))]
    field = Field("turbulence", (0, 0, 0), (0, 0, 1), 8.0, size=0.2)
    acts: dict[str, Any] = {
        "fields": [(field, field)],
        "pushes": [BodyPush(0, (1.0, 0, 0), (0, 0, 0.1), start=1.5 * FRAME, end=3.2 * FRAME)],
        "impulses": [Impulse(0, (1.0, 0, 0), time=2 * FRAME)],
        "holds": [Hold(1, STILL, STILL, end=2.5 * FRAME)],
    }
    solver = make_solver([BLOCK], regions=regions)
    run(solver, 2, **acts)
    saved = {name: value.copy() for name, value in solver.checkpoint().items()}
    run(solver, 3, **acts)
    expected = {name: value.tobytes() for name, value in solver.checkpoint().items()}
    other = make_solver([BLOCK], regions=regions)
    other.restore(saved)
    run(other, 3, **acts)
    assert {n: v.tobytes() for n, v in other.checkpoint().items()} == expected
