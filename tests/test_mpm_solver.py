"""The solver against analytic motion, conservation, contact, its slow twin and its own bits."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.kernels.mpm.colliders import Plane
from impetus.kernels.mpm.materials.laws import ElasticLaw, lame
from impetus.kernels.mpm.solver import Diverged, MpmSolver

from .mpm_cases import CELL, EVERY, JELLY, SAND, WATER, Lump, make_solver, push, run
from .reference_mpm import TwinState, substep

SLOPE = np.arctan(0.5)
MIDDLE = Lump((0.375, 0.375, 0.375), (0.625, 0.625, 0.625), JELLY)


def bits(solver: MpmSolver) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in solver.checkpoint().items()}


def spinning(solver: MpmSolver, spin: NDArray[Any], stretch: float = 0.0) -> MpmSolver:
    """Give all particles the velocity of a turning, stretching body about their middle."""
    saved = solver.checkpoint()
    arm = (solver.position() - solver.position().mean(axis=0))[saved["particle_index"]]
    saved["particle_velocity"] = (np.cross(spin, arm) + stretch * arm).astype(np.float32)
    cross = np.array([[0, -spin[2], spin[1]], [spin[2], 0, -spin[0]], [-spin[1], spin[0], 0]])
    gradient = cross + stretch * np.eye(3)
    saved["particle_gradient"] = np.broadcast_to(gradient, (len(arm), 3, 3)).astype(np.float32)
    saved["state"][0] = np.abs(saved["particle_velocity"]).max()
    solver.restore(saved)
    return solver


@pytest.mark.parametrize("law", EVERY.values(), ids=EVERY.keys())
def test_free_fall_is_half_g_t_squared(law: Any) -> None:
    solver = make_solver([Lump((0.375, 0.375, 0.6875), (0.5625, 0.5625, 0.875), law)])
    before = solver.position()
    run(solver, 8, push())
    fallen = (before - solver.position()).mean(axis=0)
    time = 8 / 24
    assert fallen[2] == pytest.approx(9.81 * time**2 / 2, rel=1e-4)
    np.testing.assert_allclose(fallen[:2], 0, atol=1e-5)
    # Velocities are told half a substep late.
    np.testing.assert_allclose(solver.velocity()[:, 2], -9.81 * time, rtol=4e-3)


def test_mass_and_momenta_are_kept_without_walls() -> None:
    solver = spinning(
        make_solver([MIDDLE], jitter=3, walls="open"), np.array([2.0, -3.0, 5.0]), -2.0
    )
    start = solver.totals()
    run(solver, 6, push((0, 0, 0)))
    end = solver.totals()
    assert end.mass == start.mass
    assert start.mass == pytest.approx(1000 * 0.25**3, rel=1e-6)
    scale = start.mass * np.abs(solver.velocity()).max()
    np.testing.assert_allclose(end.momentum, start.momentum, atol=2e-6 * scale)
    np.testing.assert_allclose(
        end.angular_momentum, start.angular_momentum, rtol=2e-4, atol=2e-5 * scale
    )


def test_energy_is_never_made() -> None:
    solver = spinning(make_solver([MIDDLE], jitter=3), np.array([2.0, -3.0, 5.0]), -3.0)
    totals = []
    for _ in range(10):
        solver.advance(1 / 48, push((0, 0, 0)))
        totals.append(solver.totals().kinetic + solver.totals().elastic)
    assert (np.diff(totals) <= 2e-3 * totals[0]).all()
    assert totals[-1] > 0.3 * totals[0]


def test_substep_equals_the_slow_twin() -> None:
    rng = np.random.default_rng(5)
    solver = make_solver([MIDDLE], jitter=5, walls="open")  # its nodes lie at whole cells
    saved = solver.checkpoint()
    count = len(saved["particle_index"])
    saved["particle_velocity"] = rng.normal(size=(count, 3)).astype(np.float32)
    saved["particle_gradient"] = rng.normal(size=(count, 3, 3)).astype(np.float32)
    saved["state"][0] = 5.0
    solver.restore(saved)
    state = TwinState(
        solver.position().astype(float),
        saved["particle_velocity"].astype(float),
        saved["particle_gradient"].astype(float),
        np.broadcast_to(np.eye(3), (count, 3, 3)).copy(),
        saved["particle_mass"].astype(float),
        saved["particle_volume"].astype(float),
    )
    gravity = np.array([0.3, 0.0, -9.81])
    for kick in (2e-4, 4e-4, 4e-4):  # leapfrog: the first push of a body force is half a step
        assert solver.advance(4e-4, push(gravity)).substeps == 1
        state = substep(state, CELL, 4e-4, lame(1e5, 0.3), kick * gravity, 32)
    np.testing.assert_allclose(solver.position(), state.x, atol=2e-6)
    np.testing.assert_allclose(solver.velocity(), state.v, atol=2e-4)
    np.testing.assert_allclose(solver.deformation(), state.f, atol=2e-5)


def slide(friction: float, frames: int) -> NDArray[Any]:
    """Lay a stiff block on a slope of 1 : 2; return how far along it is after every frame."""
    law = ElasticLaw(density=1000, young_modulus=1e6, poisson_ratio=0.3)
    block = Lump((0.125, 0.375, 0.25), (0.375, 0.5625, 0.375), law)
    solver = make_solver([block], shape=(64, 32, 32), ground=Plane(0.25, "separate", friction))
    start, along = solver.position()[:, 0].mean(), []
    for _ in range(frames):
        solver.advance(1 / 24, push((9.81 * np.sin(SLOPE), 0, -9.81 * np.cos(SLOPE))))
        along.append(solver.position()[:, 0].mean() - start)
    return np.array(along)


def test_block_rests_where_friction_beats_the_slope() -> None:
    along = slide(0.6, 24)
    assert along[-1] < 0.02 * 9.81 * np.sin(SLOPE) / 2
    assert along[-1] - along[-6] < 1e-3  # it rang while it settled; now it rests


@pytest.mark.parametrize("friction", [0.0, 0.4])
def test_block_slides_where_the_slope_beats_friction(friction: float) -> None:
    time = np.arange(1, 13) / 24
    # Its first moments, until it touches, are without friction; the acceleration is not.
    acceleration = 2 * np.polyfit(time[2:], slide(friction, 12)[2:], 2)[0]
    expected = 9.81 * (np.sin(SLOPE) - friction * np.cos(SLOPE))
    assert acceleration == pytest.approx(expected, rel=0.02)


def test_same_input_gives_the_same_bits() -> None:
    def once() -> dict[str, bytes]:
        lumps = [
            Lump((0.25, 0.25, 0.3), (0.5, 0.5, 0.5), JELLY),
            Lump((0.5625, 0.25, 0.3), (0.75, 0.5, 0.5), SAND),
            Lump((0.25, 0.5625, 0.3), (0.75, 0.75, 0.5), WATER),
        ]
        rng = np.random.default_rng(0)
        solver = make_solver(
            lumps,
            jitter=1,
            tracers=rng.uniform(0.3, 0.5, (2000, 3)),
            ground=Plane(0.25, "separate", 0.4),
        )
        run(solver, 3, push())
        return bits(solver)

    assert once() == once()


def test_checkpoint_goes_on_with_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    made = [
        make_solver(
            [Lump((0.25, 0.25, 0.25), (0.5, 0.5, 0.5), JELLY, (2.0, 0.5, 0.0)),
             Lump((0.53125, 0.25, 0.25), (0.75, 0.5, 0.5), WATER)],
            tracers=rng.uniform(0.3, 0.45, (500, 3)),
            ground=Plane(0.2, "separate", 0.4),
            walls="open",
            jitter=2,
        )
        for _ in range(2)
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    run(made[0], 3, push())
    saved = made[0].checkpoint()
    saved = {name: value.copy() for name, value in saved.items()}
    made[0].tracer_normal()
    run(made[0], 3, push())
    run(made[1], 1, push((5, 0, 0)))
    made[1].restore(saved)
    run(made[1], 3, push())
    assert bits(made[0]) == bits(made[1])


def test_open_walls_freeze_and_count_what_leaves() -> None:
    solver = make_solver(
        [Lump((0.75, 0.375, 0.375), (1.0, 0.625, 0.625), JELLY, (2.0, 0, 0))], walls="open"
    )
    whole = solver.totals().mass
    left = solver.advance(1 / 16, push((0, 0, 0))).left
    assert 0.3 < left / len(solver.position()) < 0.7
    frozen = solver.position()[:, 0] > 1.0
    assert frozen.sum() == left
    assert solver.totals().mass == pytest.approx(whole * (1 - frozen.mean()), rel=1e-5)
    before = solver.position()[frozen]
    solver.advance(1 / 48, push((0, 0, 0)))
    np.testing.assert_array_equal(solver.position()[frozen], before)


@pytest.mark.parametrize("walls", ["slip", "stick"])
def test_closed_walls_keep_everything_inside(walls: Any) -> None:
    solver = make_solver(
        [Lump((0.75, 0.375, 0.375), (1.0, 0.625, 0.625), JELLY, (3.0, 1.0, 0))], walls=walls
    )
    advance = solver.advance(1 / 16, push((0, 0, 0)))
    assert advance.left == 0
    assert solver.position()[:, 0].max() <= 1.0
    along = solver.velocity()[:, 1].mean()
    assert along > 0.9 if walls == "slip" else along < 0.6


@pytest.mark.parametrize("height", [0.25, 0.2578, 0.2656, 0.2734])
def test_block_rests_on_the_ground_without_a_gap(height: float) -> None:
    block = Lump((0.375, 0.375, height), (0.5625, 0.5625, height + 0.1875), JELLY)
    solver = make_solver([block], ground=Plane(height, "separate", 0.5))
    run(solver, 24, push())
    lowest = (solver.position()[:, 2].min() - height) / CELL
    assert 0.0 < lowest < 0.5  # the lowest particles' own half size is a quarter


def test_water_column_carries_its_weight() -> None:
    column = Lump((0, 0, 0), (0.125, 0.125, 0.5), WATER)
    solver = make_solver([column], shape=(4, 4, 32))
    low = solver.position()[:, 2] < 3 * CELL
    pressure = []
    for _ in range(48):
        solver.advance(1 / 24, push())
        j = np.linalg.det(solver.deformation()[low])
        pressure.append((1e5 / 7 * (j**-7 - 1)).mean())
    # It sways, as nothing damps it: the mean over whole swings is the weight above.
    assert np.mean(pressure[12:]) == pytest.approx(1000 * 9.81 * (0.5 - 1.5 * CELL), rel=0.15)
    assert solver.position()[:, 2].max() < 0.55


def test_wind_drags_towards_its_own_speed() -> None:
    solver = make_solver([MIDDLE])
    run(solver, 4, push((0, 0, 0), wind=[((1.0, 0, 0), 2.0), ((0.5, 0, 0), 1.0)]))
    expected = 1.5 / 3.0 * (1 - np.exp(-3.0 / 6))
    np.testing.assert_allclose(solver.velocity()[:, 0], expected, rtol=5e-3)


def test_blow_up_names_particle_body_and_reason() -> None:
    solver = make_solver([MIDDLE, Lump((0.1875, 0.1875, 0.1875), (0.25, 0.25, 0.25), SAND)])
    saved = solver.checkpoint()
    victim = len(saved["particle_index"]) - 3
    row = int(np.flatnonzero(saved["particle_index"] == victim)[0])
    saved["particle_stress"][row] = np.nan
    solver.restore(saved)
    with pytest.raises(Diverged, match="not finite") as caught:
        solver.advance(1 / 24, push())
    assert caught.value.body == 1
    assert caught.value.particle >= len(MIDDLE.positions())


def test_callback_may_stop_an_interval_and_restore_undoes_it() -> None:
    solver = make_solver([MIDDLE])
    run(solver, 1, push())
    saved = {name: value.copy() for name, value in solver.checkpoint().items()}
    run(solver, 1, push())
    expected = bits(solver)
    solver.restore(saved)
    fractions: list[float] = []

    def stop(fraction: float) -> None:
        fractions.append(fraction)
        if len(fractions) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solver.advance(1 / 24, push(), stop)
    assert fractions == sorted(fractions)
    solver.restore(saved)
    run(solver, 1, push())
    assert bits(solver) == expected


def test_positions_outside_of_the_domain_are_refused() -> None:
    with pytest.raises(ValueError, match="inside of the domain"):
        make_solver([Lump((0.9, 0.4, 0.4), (1.1, 0.6, 0.6), JELLY)])
    with pytest.raises(ValueError, match="tracers"):
        make_solver([MIDDLE], tracers=np.array([[0.5, np.nan, 0.5]]))


def test_no_particles_and_no_tracers_are_fine() -> None:
    solver = make_solver([Lump((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), JELLY)])
    assert solver.advance(1 / 24, push()).left == 0
    assert solver.position().shape == (0, 3)
    assert solver.tracer_normal().shape == (0, 3)
