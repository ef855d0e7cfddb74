"""Colliders that deform: they press as their surface moves, hold what lies on them, repeat."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.kernels.mesh_distance import signed_distance_grid
from impetus.kernels.mpm.colliders import Collider, motion_between
from impetus.kernels.mpm.deforming import STRIDE, DeformingCollider, DeformingField
from impetus.kernels.mpm.growth import Growth
from impetus.kernels.mpm.materials.laws import ElasticLaw
from impetus.kernels.mpm.solver import MpmSolver, Push
from impetus.kernels.mpm.state import Layout

from .mpm_cases import CELL, JELLY, WATER, Lump, make_solver, push
from .shots import cube

Array = NDArray[Any]

HERE = np.eye(4)[None]
SIDE = np.linspace(-0.125, 1.125, 21)
CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


def brick(half: tuple[float, float, float]) -> tuple[Array, Array]:
    vertices, triangles = cube(2.0)
    return vertices * np.array(half, np.float32), triangles


def deforming(mesh: tuple[Array, Array], boundary: Any = "separate") -> DeformingCollider:
    return DeformingCollider(*mesh, 0.0, CELL / 2, boundary, 0.0)


def pushed(shapes: tuple[Array, Array], at: Array = HERE, gravity: Any = (0, 0, -9.81)) -> Push:
    return replace(push(gravity, poses=(at, at)), shapes={0: shapes})


def placed(*place: float) -> Array:
    pose = np.eye(4)
    pose[:3, 3] = place
    return pose[None]


@pytest.mark.parametrize("whole", [False, True], ids=["one side", "all of it"])
def test_moving_side_hands_over_the_momentum_of_theory(whole: bool) -> None:
    """A side that comes out of a brick drives a bar at V: the force is the stress rho c V."""
    bar = Lump((0.25, 0, 0), (0.875, 0.125, 0.125), ElasticLaw(1000, 1e5, 0.0))
    mesh = brick((0.1, 0.2, 0.2))
    solver = make_solver([bar], shape=(32, 4, 4), colliders=[deforming(mesh)])
    front = np.zeros((8, 3), np.float32)
    front[whole | (mesh[0][:, 0] > 0), 0] = 0.5
    momentum = []
    for start, seconds in ((0.0, 0.02), (0.02, 0.0625)):  # a cell's crossing takes 1 / 16 s
        shapes = mesh[0] + start * front, mesh[0] + (start + seconds) * front
        at = placed(0.15, 0.0625, 0.0625)
        solver.advance(seconds, pushed(shapes, at, (0, 0, 0)))
        momentum.append(solver.totals().momentum[0])
    gained = (momentum[1] - momentum[0]) / (1000 * 10 * 0.5 * 0.125**2 * 0.0625)
    assert gained == pytest.approx(1.0, abs=0.05)


def test_mesh_whose_vertices_stay_is_like_one_that_keeps_its_shape() -> None:
    vertices, triangles = brick((0.45, 0.45, CELL / 2))
    low, step = np.array([-0.575, -0.575, -0.1]), CELL / 2
    shape = (75, 75, 14)
    distance = signed_distance_grid(vertices, triangles, origin=low, spacing=step, shape=shape)
    kept = Collider(distance, (low[0], low[1], low[2]), step, "separate", 0.0)
    lump = Lump((0.40625, 0.40625, 0.45), (0.59375, 0.59375, 0.575), JELLY, (0, 0, -2.0))
    at, ends = placed(0.5, 0.5, 0.4), []
    for collider in (kept, deforming((vertices, triangles))):
        solver = make_solver([lump], colliders=[collider])
        for _ in range(3):
            solver.advance(1 / 24, pushed((vertices, vertices), at))
        ends.append(solver.position())
        total = solver.totals()
        assert total.momentum[2] > -2.0 * total.mass  # in free fall it were at -3.2 m/s
    np.testing.assert_allclose(ends[1], ends[0], atol=0.02 * CELL)


def wave(time: float, x: Array) -> Array:
    """Height [m] of a sheet through which a wave runs along x, at 2 m/s."""
    return np.asarray(0.35 + 0.04 * np.sin(2 * np.pi * (2 * x - 4 * time)))


def sheet(time: float) -> tuple[Array, Array]:
    """A closed sheet, less than a cell thick, that reaches beyond the walls of the domain."""
    x, y = np.meshgrid(SIDE, SIDE, indexing="ij")
    top = np.stack([x, y, wave(time, x)], axis=-1).reshape(-1, 3)
    n, count = len(SIDE), len(SIDE) ** 2
    cells = np.arange(count).reshape(n, n)
    a, b, c, d = (cells[i : n - 1 + i, j : n - 1 + j].ravel() for i, j in CORNERS)
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    rim = np.concatenate([cells[:-1, 0], cells[-1, :-1], cells[:0:-1, -1], cells[0, :0:-1]])
    on = np.roll(rim, -1)
    sides = [np.stack([on, rim, rim + count], 1), np.stack([on, rim + count, on + count], 1)]
    triangles = np.concatenate([faces, faces[:, ::-1] + count, *sides]).astype(np.int32)
    return np.concatenate([top, top - [0, 0, 0.8 * CELL]]).astype(np.float32), triangles


def on_the_wave(law: Any) -> MpmSolver:
    lump = Lump((0.375, 0.375, 0.42), (0.625, 0.625, 0.545), law, (0, 0, -2.0))
    return make_solver([lump], colliders=[deforming(sheet(0.0))])


def ridden(solver: MpmSolver, frames: range) -> None:
    for frame in frames:
        ends = sheet(frame / 24)[0], sheet((frame + 1) / 24)[0]
        solver.advance(1 / 24, pushed(ends))


@pytest.mark.parametrize("law", [JELLY, WATER], ids=["elastic", "water"])
def test_nothing_leaks_through_a_thin_sheet_that_waves(law: Any) -> None:
    solver = on_the_wave(law)
    ridden(solver, range(8))
    x = solver.position()
    over = x[:, 2] - np.interp(x[:, 0], SIDE, wave(8 / 24, SIDE))
    assert over.min() > -0.1 * CELL
    total = solver.totals()
    assert total.momentum[2] > -2.0 * total.mass  # in free fall it were at -5.3 m/s


def test_resumed_run_has_the_same_bits() -> None:
    whole, resumed = on_the_wave(JELLY), on_the_wave(JELLY)
    ridden(whole, range(2))
    kept = {name: value.copy() for name, value in whole.checkpoint().items()}
    ridden(whole, range(2, 4))
    resumed.restore(kept)
    ridden(resumed, range(2, 4))
    for name, value in whole.checkpoint().items():
        assert value.tobytes() == resumed.checkpoint()[name].tobytes(), name


def test_surface_is_sampled_before_it_has_moved_far() -> None:
    """What is sampled lies where the surface is in the middle of its part of the way."""
    mesh = brick((0.1, 0.1, 0.1))
    field = DeformingField(deforming(mesh), Layout((0.0, 0.0, 0.0), CELL, (32, 32, 32)))
    way, at = np.array([1.8 * CELL, 0, 0], np.float32), placed(0.5, 0.5, 0.5)[0]
    field.begin((mesh[0], mesh[0] + way), (at, at), 0.1)
    parts = int(np.ceil(1.8 / STRIDE))
    for fraction in (0.05, 0.5, 1.0):
        table = field.table(motion_between(at, at, 1.0, 0.0), np.zeros(3), fraction)
        part = min(int(fraction * parts), parts - 1)
        middle = (part + 0.5) / parts
        nodes = np.argwhere(field.distance.to_numpy() < 0)
        face = table[0, 18] + table[0, 21] * nodes[:, 0].max()
        assert face == pytest.approx(0.1 + middle * way[0], abs=CELL / 2)
        assert table[0, 28] == pytest.approx(0.1 * (fraction - middle), abs=1e-6)
        drift = field.drift.to_numpy()
        np.testing.assert_allclose(drift, np.broadcast_to(way / 0.1, drift.shape), rtol=1e-4)


def test_a_larger_grid_is_sampled_as_if_it_had_been_there_all_along() -> None:
    first = Layout((0.0, 0.0, 0.0), CELL, (16, 16, 16))
    larger = first.larger(np.array([[0, 8, 0], [8, 0, 0]]))
    vertices, triangles = sheet(0.0)
    fields = [DeformingField(deforming((vertices, triangles)), one) for one in (first, larger)]
    fields[0].lay(first)
    shapes = vertices, sheet(1 / 24)[0]
    now = motion_between(HERE[0], HERE[0], 1 / 24, 0.6), np.zeros(3), 0.6
    for field in fields:
        field.begin(shapes, (HERE[0], HERE[0]), 1 / 24)
        field.table(*now)
    small = fields[0].distance.shape
    fields[0].lay(larger)
    np.testing.assert_array_equal(*[field.table(*now) for field in fields])
    assert fields[0].distance.shape[0] > small[0]
    np.testing.assert_array_equal(*[field.distance.to_numpy() for field in fields])
    np.testing.assert_array_equal(*[field.drift.to_numpy() for field in fields])


def test_a_sheet_holds_what_slides_out_of_the_first_domain() -> None:
    lump = Lump((0.25, 0.375, 0.42), (0.375, 0.5, 0.545), JELLY, (5.0, 0, -2.0))
    tight: dict[str, Any] = {"shape": (16, 32, 32), "growth": Growth(32, 10**8)}
    places, kept = [], {}
    for options in (tight, {"shape": (32, 32, 32)}, tight):
        solver = make_solver([lump], colliders=[deforming(sheet(0.0))], walls="open", **options)
        if kept:
            solver.restore(kept)
        else:
            ridden(solver, range(2))
        if not places:
            kept = {name: value.copy() for name, value in solver.checkpoint().items()}
        ridden(solver, range(2, 3))
        places.append(solver.position())
    x = places[0]
    assert x[:, 0].min() > 0.5 + CELL
    assert (x[:, 2] - np.interp(x[:, 0], SIDE, wave(3 / 24, SIDE))).min() > -0.1 * CELL
    np.testing.assert_allclose(x, places[1], atol=0.02 * CELL)
    np.testing.assert_array_equal(x, places[2])


def test_vertices_have_to_be_told_and_finite() -> None:
    mesh = brick((0.1, 0.1, 0.1))
    lump = Lump((0.4, 0.4, 0.6), (0.5, 0.5, 0.7), JELLY)
    solver = make_solver([lump], colliders=[deforming(mesh)])
    at = placed(0.5, 0.5, 0.3)
    with pytest.raises(ValueError, match="vertices of collider 0, got none"):
        solver.advance(1 / 24, push(poses=(at, at)))
    for wrong in (mesh[0][:4], np.full((8, 3), np.nan, np.float32)):
        with pytest.raises(ValueError, match="Expected finite vertices"):
            solver.advance(1 / 24, pushed((mesh[0], wrong), at))
