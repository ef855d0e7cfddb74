"""Order, plan and transfer: the sort, the coloured scatter against the atomic one, weights."""

import numpy as np
import pytest
import taichi as ti

from impetus.kernels.mpm import gather, stepper, transfer
from impetus.kernels.mpm.colliders import Plane
from impetus.kernels.mpm.plan import Plan, Sorter
from impetus.kernels.mpm.state import BLOCK, FROZEN, PAD, Layout, empty_particles

from .mpm_cases import CELL, JELLY, WATER, Array, Lump, make_solver, push, run

LAYOUT = Layout((0.0, 0.0, 0.0), 0.1, (13, 9, 6))


LAYERS = np.array([0, LAYOUT.node_count], np.int32)
"""Where the layers of two bodies begin."""


def scattered(count: int = 3000) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    cell = rng.integers(PAD - 1, np.array(LAYOUT.cells) + PAD - 1, (count, 3)).astype(np.int32)
    law = np.where(rng.random(count) < 0.1, FROZEN, 0).astype(np.int32)
    return cell, law


def sorted_points(cell: Array, law: Array, *, serial: bool = True) -> tuple[Array, Array, Array]:
    """Sort particles of two bodies in two layers; return body, rows, and where blocks start."""
    points = empty_particles(len(cell))
    body = (np.arange(len(cell)) % 2).astype(np.int32)
    points.cell.from_numpy(cell)
    points.law.from_numpy(law)
    points.body.from_numpy(body)
    sorter = Sorter(LAYOUT, serial=serial)
    return (body, *sorter.order(points.cell, points.law, points.body, LAYERS, 2))


@pytest.mark.parametrize("serial", [True, False])
def test_sort_is_stable_and_groups_blocks(serial: bool) -> None:
    cell, law = scattered()
    body, rows, start = sorted_points(cell, law, serial=serial)
    assert sorted(rows) == list(range(len(cell)))
    assert start[0] == 0
    assert start[-1] == (law != FROZEN).sum()
    assert (law[rows[start[-1] :]] == FROZEN).all()
    block = cell[:, 0] // BLOCK * LAYOUT.blocks[1] + cell[:, 1] // BLOCK
    block += body * LAYOUT.blocks[0] * LAYOUT.blocks[1]
    for number in range(len(start) - 1):
        assert (block[rows[start[number] : start[number + 1]]] == number).all()
    key = np.lexsort((cell[:, 2], cell[:, 1], cell[:, 0], np.where(law == FROZEN, 9999, block)))
    live = start[-1]
    np.testing.assert_array_equal(rows[:live], key[:live])


def test_tasks_of_one_colour_never_share_a_node() -> None:
    cell, law = scattered()
    body, rows, start = sorted_points(cell, law)
    plan = Plan.of(LAYOUT, start, cell[rows, 2], 2)
    begin = 0
    assert plan.ends[-1] == len(plan.tasks)
    for end in plan.ends:
        owner: dict[tuple[int, int, int], int] = {}
        for number in range(begin, end):
            first, last, layer = plan.tasks[number]
            assert (LAYERS[body[rows[first:last]]] == layer).all()
            for x, y in {tuple(c[:2]) for c in cell[rows[first:last]]}:
                # A cell of drift on either side, and the stencil's two nodes more.
                for i in range(x - 1, x + 4):
                    for j in range(y - 1, y + 4):
                        assert owner.setdefault((layer, i, j), number) == number
        begin = end


def test_active_blocks_hold_all_nodes_that_particles_reach() -> None:
    cell, law = scattered(200)
    body, rows, start = sorted_points(cell, law)
    plan = Plan.of(LAYOUT, start, cell[rows, 2], 2)
    active = np.zeros((2, *LAYOUT.nodes), bool)
    for x, y, low, high, layer in plan.span:
        active[layer // LAYOUT.node_count, x : x + BLOCK, y : y + BLOCK, low:high] = True
    shared = np.zeros(LAYOUT.nodes, bool)
    for x, y, low, high in plan.shared:
        shared[x : x + BLOCK, y : y + BLOCK, low:high] = True
    np.testing.assert_array_equal(shared, active.all(axis=0))
    for one, (x, y, z) in zip(body[law != FROZEN], cell[law != FROZEN], strict=True):
        assert active[one, x - 1 : x + 4, y - 1 : y + 4, z - 1 : z + 4].all()


def test_layout_joins_what_it_splits() -> None:
    at = np.random.default_rng(2).uniform(0, 0.6, (500, 3)).astype(np.float32)
    cell, offset = LAYOUT.split(at)
    assert np.abs(offset).max() <= 0.5
    np.testing.assert_allclose(LAYOUT.join(cell, offset), at, atol=1e-8)


def test_coloured_scatter_equals_the_atomic_one() -> None:
    low, high = (0.1875, 0.1875, 0.1875), (0.6875, 0.5625, 0.5)
    solver = make_solver([Lump(low, high, JELLY, (1, 2, 3))], jitter=1)
    run(solver, 1, push(), 1 / 480)
    stepper = solver._stepper
    stepper.sort()
    grids = []
    for cpu in (True, False):
        stepper.on_cpu = cpu
        stepper.clear(0.0)
        stepper.scatter(1e-4)
        grids.append(stepper._grid.to_numpy())
    scale = np.abs(grids[0]).max(axis=0)
    np.testing.assert_allclose(grids[0] / scale, grids[1] / scale, atol=2e-6)
    mass = grids[0][:, 3].astype(float).sum()
    assert mass == pytest.approx(1000 * 0.5 * 0.375 * 0.3125, rel=1e-5)


def test_atomic_path_makes_the_same_motion() -> None:
    made = []
    for cpu in (True, False):
        lumps = [Lump((0.25, 0.25, 0.25), (0.5, 0.5, 0.5), JELLY, (1, 0, 0)),
                 Lump((0.5625, 0.25, 0.25), (0.75, 0.5, 0.5), WATER)]  # fmt: skip
        solver = make_solver(lumps, ground=Plane(0.2, "separate", 0.4), walls="open")
        if not cpu:
            solver._stepper.on_cpu = False
            solver._stepper._report = np.zeros((1, gather.REPORT), np.float32)
            solver._stepper._sorter = Sorter(solver._stepper.layout, serial=False)
        run(solver, 3, push())
        made.append(solver.position())
    assert np.abs(made[0] - made[1]).max() < 0.05 * CELL


@ti.kernel
def weight_sums(count: ti.i32, result: ti.types.ndarray(dtype=ti.math.vec3, ndim=1)):
    for n in range(count):
        f = n / (count - 1.0) - 0.5
        w = transfer.weights(ti.math.vec3(f))
        total, first, second = 0.0, 0.0, 0.0
        for i in ti.static(range(3)):
            d = i - 1 - f
            total += w[i][0]
            first += w[i][0] * d
            second += w[i][0] * d * d
        result[n] = ti.math.vec3(total, first, second)


def test_weights_have_the_moments_that_apic_needs() -> None:
    sums = np.zeros((101, 3), np.float32)
    weight_sums(101, sums)
    np.testing.assert_allclose(sums, np.broadcast_to([1, 0, 0.25], (101, 3)), atol=1e-6)


def test_grid_suits_the_ground() -> None:
    lump = Lump((0.4, 0.4, 0.4), (0.5, 0.5, 0.5), JELLY)
    solver = make_solver([lump], ground=Plane(0.21, "slip", 0))
    layout = solver._stepper.layout
    above = (0.21 - layout.origin[2]) / CELL
    assert above % 1 == pytest.approx(stepper.RESTING, abs=1e-6)
    assert layout.cells == (32, 32, 33)
    assert make_solver([lump])._stepper.layout.origin == (0, 0, 0)
