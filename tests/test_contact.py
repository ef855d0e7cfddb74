"""Bodies that meet: they bounce, rub by Coulomb's law, let go, or hold where they are told to."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.kernels.mpm.colliders import Plane
from impetus.kernels.mpm.contact.given import Meeting
from impetus.kernels.mpm.contact.layers import ACROSS, Layers
from impetus.kernels.mpm.materials.laws import ElasticLaw
from impetus.kernels.mpm.solver import MpmSolver
from impetus.kernels.mpm.state import Layout, empty_particles

from .mpm_cases import CELL, EARTH, JELLY, SAND, WATER, Lump, make_solver, push, run

Array = NDArray[Any]

FREE = (0.0, 0.0, 0.0)
BAR = ElasticLaw(density=1000, young_modulus=1e5, poisson_ratio=0.0)
STIFF = ElasticLaw(density=1000, young_modulus=4e5, poisson_ratio=0.3)


def meeting(bodies: int, friction: float = 0.0, stuck: tuple[tuple[int, int], ...] = ()) -> Meeting:
    grip = np.full(bodies, friction, np.float32)
    return Meeting(np.arange(bodies, dtype=np.int32), grip, stuck)


def of_body(solver: MpmSolver, lumps: list[Lump], values: Array) -> list[Array]:
    """Split what the solver tells of all particles by their bodies."""
    counts = [len(lump.positions()) for lump in lumps]
    return np.split(values, np.cumsum(counts)[:-1])


def bars(length: int, *, turned: bool = False) -> list[Lump]:
    """Two bars along x, a cell apart, that meet at 1 m/s and fill a channel of 4 x 4 cells."""
    ends = 4 * CELL, (4 + length) * CELL, (5 + length) * CELL, (5 + 2 * length) * CELL
    made = [
        Lump((ends[0], 0, 0), (ends[1], 0.125, 0.125), BAR, (0.5, 0, 0)),
        Lump((ends[2], 0, 0), (ends[3], 0.125, 0.125), BAR, (-0.5, 0, 0)),
    ]
    return made[::-1] if turned else made


def rebound(length: int) -> float:
    """Let two equal bars meet head on; return the share of their speed that they part with.

    Theory: all of it (each bar's wave comes back after twice its length and takes it along).
    """
    lumps = bars(length)
    solver = make_solver(lumps, shape=(2 * length + 9, 4, 4), meeting=meeting(2))
    start = solver.totals()
    seconds = CELL + 3 * length * CELL / 10  # the way, and the wave's, which runs at 10 m/s
    run(solver, 3, push(FREE), seconds / 3)
    one, two = of_body(solver, lumps, solver.velocity())
    scale = start.mass * 0.5
    np.testing.assert_allclose(solver.totals().momentum[0], start.momentum[0], atol=1e-6 * scale)
    still = of_body(solver, lumps, solver.position())
    gap = (still[1][:, 0].min() - still[0][:, 0].max()) / CELL - 0.5
    run(solver, 1, push(FREE), CELL)
    after = of_body(solver, lumps, solver.velocity())
    np.testing.assert_allclose(after[0][:, 0].mean(), one[:, 0].mean(), atol=2e-3)
    assert gap > 0.0
    return float(two[:, 0].mean() - one[:, 0].mean())


def test_bars_meet_and_part_with_the_speed_of_theory_the_finer_the_better() -> None:
    """What is missing the transfer loses: as much in one dimension, whatever the time step."""
    coarse, fine = rebound(8), rebound(24)
    assert coarse == pytest.approx(0.88, abs=0.02)
    assert fine == pytest.approx(0.95, abs=0.02)


def test_bars_whose_edges_lie_apart_part_along_themselves() -> None:
    """Half a cell aside, in free space: no surface is flat for three cells, only edges meet."""
    low, high = np.array([4.0, 6, 6]) * CELL, np.array([12.0, 10, 10]) * CELL
    aside = np.array([9.0, 0.5, 0]) * CELL
    lumps = [Lump(low, high, BAR, (0.5, 0, 0)), Lump(low + aside, high + aside, BAR, (-0.5, 0, 0))]
    solver = make_solver(lumps, shape=(25, 16, 16), walls="open", meeting=meeting(2))
    run(solver, 3, push(FREE), CELL * (1 + 3 * 8 / 10) / 3)
    one, two = of_body(solver, lumps, solver.velocity())
    away = two.mean(axis=0) - one.mean(axis=0)
    assert away[0] > 0.8
    assert np.abs(away[1:]).max() < 0.15


def slide(friction: float) -> tuple[list[float], list[float]]:
    """Let a block slide on an elastic slab from 1 m/s; return its speeds along and up."""
    slab = Lump((0.0625, 0.3125, 0.125), (0.9375, 0.6875, 0.21875), STIFF)
    block = Lump((0.25, 0.40625, 0.21875), (0.40625, 0.59375, 0.34375), STIFF, (1.0, 0, 0))
    solver = make_solver(
        [slab, block],
        shape=(32, 32, 16),
        ground=Plane(0.125, "stick", 0.0),
        meeting=meeting(2, friction),
    )
    along, up = [], []
    for _ in range(10):
        solver.advance(1 / 48, push())
        velocity = of_body(solver, [slab, block], solver.velocity())[1].mean(axis=0)
        along.append(float(velocity[0]))
        up.append(float(velocity[2]))
    return along, up


def test_block_slides_on_an_elastic_block_and_stops_at_mu_g() -> None:
    free = slide(0.0)[0]
    assert free[-1] == pytest.approx(1.0, abs=2e-3)
    along, up = slide(0.3)
    # It sways on what bears it: what slows it is friction times the thrust that really was.
    thrust = 9.81 * 10 / 48 + up[-1]
    assert 1.0 - along[-1] == pytest.approx(0.3 * thrust, rel=0.02)


def stacked(stuck: bool) -> tuple[MpmSolver, list[Lump]]:
    lower = Lump((0.375, 0.375, 0.125), (0.625, 0.625, 0.25), JELLY)
    upper = Lump((0.40625, 0.40625, 0.25), (0.59375, 0.59375, 0.375), JELLY)
    rule = meeting(2, 0.5, ((1, 0),) if stuck else ())
    ground = Plane(0.125, "stick", 0.0)
    solver = make_solver([lower, upper], shape=(32, 32, 24), ground=ground, meeting=rule)
    return solver, [lower, upper]


@pytest.mark.parametrize("stuck", [False, True])
def test_block_is_lifted_off_another_without_tension_unless_it_sticks(stuck: bool) -> None:
    solver, lumps = stacked(stuck)
    run(solver, 6, push())
    lower, upper = of_body(solver, lumps, solver.position())
    assert (upper[:, 2].min() - lower[:, 2].max()) / CELL == pytest.approx(0.5, abs=0.3)
    saved = solver.checkpoint()
    rows = saved["particle_body"] == 1
    saved["particle_velocity"][rows] += np.array([0, 0, 1.5], np.float32)
    saved["state"][0] = np.abs(saved["particle_velocity"]).max()
    solver.restore(saved)
    speeds = []
    for _ in range(3):
        solver.advance(1 / 48, push())
        speeds.append(of_body(solver, lumps, solver.velocity())[1][:, 2].mean())
    lower, upper = of_body(solver, lumps, solver.position())
    gap = (upper[:, 2].min() - lower[:, 2].max()) / CELL - 0.5
    if stuck:
        assert gap < 0.7
    else:
        assert gap > 2.0
        # Its weight alone slows it, from the first moment on: nothing pulls.
        assert 48 * (speeds[0] - speeds[2]) / 2 == pytest.approx(9.81, rel=0.01)


def test_result_does_not_depend_on_the_order_of_bodies() -> None:
    ends = []
    for turned in (False, True):
        lumps = bars(8, turned=turned)
        solver = make_solver(lumps, shape=(25, 4, 4), jitter=None, meeting=meeting(2, 0.3))
        run(solver, 2, push(FREE), 1 / 24)
        found = of_body(solver, lumps, solver.position())
        ends.append(found[::-1] if turned else found)
    np.testing.assert_allclose(ends[0][0], ends[1][0], atol=2e-5)
    np.testing.assert_allclose(ends[0][1], ends[1][1], atol=2e-5)


def heap() -> list[Lump]:
    """Jelly, sand and water that fall onto a slab of jelly, and each other."""
    return [
        Lump((0.25, 0.25, 0.0625), (0.75, 0.75, 0.1875), JELLY),
        Lump((0.3125, 0.3125, 0.2), (0.46875, 0.46875, 0.325), JELLY, (1.0, 0.5, -1.0)),
        Lump((0.5, 0.3125, 0.2), (0.625, 0.46875, 0.325), SAND, (-1.0, 0, -1.0)),
        Lump((0.375, 0.5, 0.2), (0.5625, 0.625, 0.325), WATER, (0, -1.0, -1.0)),
    ]


def mixed() -> Meeting:
    return Meeting(np.array([0, 1, 2, 2], np.int32), np.array([0.5, 0.5, 0.4, 0], np.float32))


def test_many_bodies_keep_their_momentum_and_a_resumed_run_its_bits() -> None:
    whole = make_solver(heap(), jitter=2, walls="open", meeting=mixed())
    start = whole.totals()
    run(whole, 2, push(FREE))
    kept = {name: value.copy() for name, value in whole.checkpoint().items()}
    run(whole, 1, push(EARTH))
    scale = start.mass * 1.5
    resumed = make_solver(heap(), jitter=2, walls="open", meeting=mixed())
    resumed.restore(kept)
    np.testing.assert_allclose(resumed.totals().momentum, start.momentum, atol=1e-5 * scale)
    run(resumed, 1, push(EARTH))
    for name, value in whole.checkpoint().items():
        assert value.tobytes() == resumed.checkpoint()[name].tobytes(), name


def layers_of(base: Array, body: Array) -> NDArray[np.int32]:
    """Return the layer that each body gets whose particles have these base nodes."""
    layout = Layout((0.0, 0.0, 0.0), CELL, (200, 200, 60))
    particles = empty_particles(len(base))
    particles.cell.from_numpy(base.astype(np.int32))
    particles.body.from_numpy(body.astype(np.int32))
    layers = Layers(meeting(int(body.max()) + 1), layout)
    layers.assign(particles)
    return layers.first // layout.node_count


def test_only_bodies_that_are_near_have_layers_of_their_own() -> None:
    base = np.array([[20, 20, 20], [20 + ACROSS, 20, 20], [25 + ACROSS, 20, 20], [90, 20, 20]])
    layer = layers_of(base, np.arange(4))
    assert layer[0] != layer[1]
    assert layer[0] == layer[2] == layer[3]


def test_long_bodies_that_only_pass_each_other_share_a_layer() -> None:
    """Sticks lie aslant, side by side: all their boxes overlap, but none are near."""
    step = np.arange(90)
    sticks = [np.stack([step + 8, step + 8 + 16 * n, 0 * step + 20], axis=1) for n in range(5)]
    base, body = np.concatenate(sticks), np.repeat(np.arange(5), len(step))
    assert layers_of(base, body).max() == 0
    layer = layers_of(np.concatenate([base, sticks[0] + (1, 2, 1)]), np.append(body, 0 * step + 5))
    assert layer[5] != layer[0]
    assert layer.max() == 1
