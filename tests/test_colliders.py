"""Rigid colliders: poses in between, distances looked up, pushing, friction, nothing leaks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from impetus.kernels.mpm.colliders import Collider, motion_between, rotation_matrix, rotation_vector
from impetus.kernels.mpm.materials.laws import ElasticLaw

from .mpm_cases import CELL, CREAM, EVERY, JELLY, SAND, WATER, Lump, make_solver, push, run

Array = NDArray[Any]


def pose(translation: Any, turn: Any = (0, 0, 0)) -> Array:
    result = np.eye(4)
    result[:3, :3] = rotation_matrix(np.asarray(turn, float))
    result[:3, 3] = translation
    return result


def box(
    half: tuple[float, float, float], boundary: Any = "separate", friction: float = 0.0
) -> Collider:
    """A box about its body's origin, sampled as finely as half a cell."""
    spacing = CELL / 2
    count = [int(np.ceil((h + 3 * CELL) / spacing)) for h in half]
    axes = [spacing * np.arange(-n, n + 1) for n in count]
    away = np.abs(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)) - half
    outside = np.linalg.norm(np.maximum(away, 0), axis=-1)
    distance = (outside + np.minimum(away.max(axis=-1), 0)).astype(np.float32)
    corner = [-spacing * n for n in count]
    return Collider(distance, (corner[0], corner[1], corner[2]), spacing, boundary, friction)


@given(st.lists(st.floats(-3.1, 3.1), min_size=3, max_size=3))
def test_rotation_vector_and_matrix_are_inverse(turn: list[float]) -> None:
    vector = np.array(turn)
    angle = np.linalg.norm(vector)
    if angle > np.pi:
        vector *= 3.1 / angle
    matrix = rotation_matrix(vector)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation_matrix(rotation_vector(matrix)), matrix, atol=1e-7)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_a_turn_has_an_axis(axis: Array) -> None:
    matrix = rotation_matrix(np.pi * axis)
    np.testing.assert_allclose(np.abs(rotation_vector(matrix)), np.pi * axis, atol=1e-7)


def test_pose_in_between_turns_evenly_and_moves_with_its_velocity() -> None:
    start, end = pose((1, 2, 3), (0, 0, 0.3)), pose((2, 2, 3), (0, 0, 1.1))
    motion = motion_between(start, end, 0.5, 0.25)
    np.testing.assert_allclose(motion.rotation, rotation_matrix(np.array([0, 0, 0.5])), atol=1e-12)
    np.testing.assert_allclose(motion.translation, (1.25, 2, 3))
    np.testing.assert_allclose(motion.spin, (0, 0, 1.6), atol=1e-12)
    later = motion_between(start, end, 0.5, 0.25 + 1e-6)
    point = np.array([0.3, -0.2, 0.1])
    there = motion.rotation @ point
    moved = later.rotation @ point + later.translation - there - motion.translation
    expected = motion.velocity + np.cross(motion.spin, there)
    np.testing.assert_allclose(moved / 5e-7, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("law", "speed"),
    [(JELLY, 5.0), (SAND, 2.0), (WATER, 2.0)],
    ids=["elastic", "sand", "water"],
)
def test_nothing_leaks_through_a_plate_one_cell_thick(law: Any, speed: float) -> None:
    plate = box((0.45, 0.45, CELL / 2))
    lump = Lump((0.375, 0.375, 0.5), (0.625, 0.625, 0.6875), law, (0, 0, -speed))
    solver = make_solver([lump], colliders=[plate])
    at = np.array([pose((0.5, 0.5, 0.4))])
    run(solver, 6, push(poses=(at, at)))
    x = solver.position()
    over = np.abs(x[:, :2] - 0.5).max(axis=1) < 0.44
    assert over.mean() > 0.5
    assert x[over, 2].min() > 0.4 - 0.1 * CELL


STANDING = ("elastic", "rubber", "metal", "plasticine", "brittle", "snow")


@pytest.mark.parametrize("name", STANDING)
def test_block_rests_on_a_turned_box_about_without_a_gap(name: str) -> None:
    gaps = []
    for shift in np.arange(4) * CELL / 4:
        top = 0.3 + shift
        lump = Lump((0.40625, 0.40625, top), (0.59375, 0.59375, top + 0.1875), EVERY[name])
        solver = make_solver([lump], colliders=[box((0.3, 0.3, 0.1), "separate", 0.5)])
        at = np.array([pose((0.5, 0.5, top - 0.1), (0, 0, 0.5))])
        run(solver, 20, push(poses=(at, at)))
        gaps.append((solver.position()[:, 2].min() - top) / CELL - 0.25)
    assert abs(np.mean(gaps)) < 0.25
    assert np.abs(gaps).max() < 0.75


@pytest.mark.parametrize("law", [SAND, WATER, CREAM], ids=["sand", "water", "cream"])
def test_what_flows_keeps_its_volume_where_it_lies(law: Any) -> None:
    """A lump that fell into a vessel lies as densely as before, less than a cell above it."""
    for shift in (0.0, 0.35, 0.7):
        top = 0.1875 + shift * CELL
        lump = Lump((0, 0, top + 0.05), (0.25, 0.125, top + 0.3), law)
        solver = make_solver([lump], shape=(8, 4, 32), colliders=[box((0.7, 0.7, 0.1))], jitter=1)
        at = np.array([pose((0.125, 0.0625, top - 0.1))])
        run(solver, 24, push(poses=(at, at)))
        over = (solver.position()[:, 2] - top) / CELL
        layers = np.histogram(over, bins=np.arange(0, 7.1, 1.0))[0] / (16 * 8 * 2)
        assert -0.1 < over.min() < 1.2
        np.testing.assert_allclose(layers[1:], 1, atol=0.15)
        assert layers[0] < 1.15


def test_keyframed_box_pushes_what_is_in_its_way() -> None:
    lump = Lump((0.4375, 0.40625, 0.40625), (0.59375, 0.59375, 0.59375), JELLY)
    solver = make_solver([lump], colliders=[box((0.05, 0.2, 0.2))])
    for frame in range(12):
        ends = [np.array([pose((0.35 + 0.5 * t / 24, 0.5, 0.5))]) for t in (frame, frame + 1)]
        solver.advance(1 / 24, push((0, 0, 0), poses=(ends[0], ends[1])))
    x = solver.position()
    assert x[:, 0].min() > 0.65 - 0.5 * CELL
    # A heavy wall at 0.5 m/s leaves an elastic block with between once and twice its speed.
    assert 0.45 < solver.velocity()[:, 0].mean() < 1.0


def test_turning_drum_that_sticks_drags_its_content_along() -> None:
    lump = Lump((0.40625, 0.40625, 0.375), (0.59375, 0.59375, 0.5), JELLY)
    solver = make_solver([lump], colliders=[box((0.3, 0.3, 0.1), "stick")])
    for frame in range(12):
        ends = [
            np.array([pose((0.5, 0.5, 0.275), (0, 0, 2.0 * t / 24))]) for t in (frame, frame + 1)
        ]
        solver.advance(1 / 24, push(poses=(ends[0], ends[1])))
    arm, v = solver.position() - (0.5, 0.5, 0.0), solver.velocity()
    spin = (arm[:, 0] * v[:, 1] - arm[:, 1] * v[:, 0]).sum() / (arm[:, :2] ** 2).sum()
    assert spin == pytest.approx(2.0, rel=0.25)


def slope_slide(friction: float, boundary: Any) -> float:
    """Return how far a block slides in 0.25 s down a real slope of 0.4 rad, in metres."""
    turn = np.array([0, 0.4, 0.0])
    along, up = rotation_matrix(turn)[:, 0], rotation_matrix(turn)[:, 2]
    at = np.array([0.5, 0.5, 0.4])
    solver = make_solver(
        [Lump((0.35, 0.4, 0.4), (0.5375, 0.5875, 0.525), JELLY)],
        colliders=[box((0.4, 0.3, 0.1), boundary, friction)],
    )
    saved = solver.checkpoint()
    layout = solver._stepper.layout
    flat = solver.position() - (0.44375, 0.49375, 0.4)
    tilted = flat @ rotation_matrix(turn).T + at - 0.1 * along
    cell, offset = layout.split(tilted.astype(np.float32)[saved["particle_index"]])
    saved["particle_cell"], saved["particle_offset"] = cell, offset
    solver.restore(saved)
    start = (solver.position() @ along).mean()
    centre = np.array([pose(at - 0.1 * up, turn)])
    run(solver, 6, push(poses=(centre, centre)))
    return float((solver.position() @ along).mean() - start)


def test_real_slope_holds_by_friction_and_lets_slide_without() -> None:
    free = 9.81 * np.sin(0.4) / 2 * 0.25**2
    assert slope_slide(0.0, "separate") == pytest.approx(free, rel=0.1)
    assert slope_slide(1.0, "separate") < 0.25 * free
    assert slope_slide(0.0, "stick") < 0.25 * free
    assert slope_slide(0.0, "slip") == pytest.approx(free, rel=0.1)


@pytest.mark.parametrize(
    ("boundary", "lifts"), [("separate", True), ("slip", False), ("stick", False)]
)
def test_only_separate_lets_go(boundary: Any, lifts: bool) -> None:
    lump = Lump((0.40625, 0.40625, 0.375), (0.59375, 0.59375, 0.5), JELLY)
    solver = make_solver([lump], colliders=[box((0.3, 0.3, 0.1), boundary)])
    at = np.array([pose((0.5, 0.5, 0.275 + 0.25 * CELL))])
    run(solver, 4, push((0, 0, 3.0), poses=(at, at)))
    rise = solver.position()[:, 2].min() - 0.375 - CELL / 4
    free = 3.0 / 2 * (4 / 24) ** 2
    assert rise > 0.9 * free if lifts else rise < 0.3 * free


def slid(boundary: Any, friction: float) -> tuple[float, float]:
    """Let a block slide on a box for 0.2 s from 1 m/s; return its speeds along and up."""
    law = ElasticLaw(density=1000, young_modulus=4e5, poisson_ratio=0.3)
    top = 0.25
    block = Lump((0.25, 0.40625, top), (0.4375, 0.59375, top + 0.125), law, (1.0, 0, 0))
    table = box((0.48, 0.3, 0.1), boundary, friction)
    solver = make_solver([block], shape=(32, 32, 16), colliders=[table])
    at = np.array([pose((0.5, 0.5, top - 0.1))])
    run(solver, 5, push(poses=(at, at)), 1 / 25)
    velocity = solver.velocity().mean(axis=0)
    return float(velocity[0]), float(velocity[2])


def test_slip_keeps_speed_along_the_surface_and_friction_takes_mu_g() -> None:
    assert slid("slip", 0.0)[0] == pytest.approx(1.0, abs=1e-3)
    assert slid("separate", 0.0)[0] == pytest.approx(1.0, abs=1e-3)
    along, up = slid("separate", 0.3)
    # It sways a little: what slows it is friction times the thrust that really was.
    assert 1.0 - along == pytest.approx(0.3 * (9.81 * 0.2 + up), rel=0.02)
    assert slid("stick", 0.0)[0] < 0.1


def test_keyframed_collider_hands_over_the_momentum_of_theory() -> None:
    """A wall drives a bar at V: until its wave is back, the force is the stress rho c V."""
    bar = Lump((0.25, 0, 0), (0.875, 0.125, 0.125), ElasticLaw(1000, 1e5, 0.0))
    solver = make_solver([bar], shape=(32, 4, 4), colliders=[box((0.1, 0.2, 0.2))])
    momentum = []
    for start, seconds in ((0.0, 0.02), (0.02, 0.0625)):  # a cell's crossing takes 1 / 16 s
        places = [(0.15 + 0.5 * t, 0.0625, 0.0625) for t in (start, start + seconds)]
        ends = [np.array([pose(place)]) for place in places]
        solver.advance(seconds, push((0, 0, 0), poses=(ends[0], ends[1])))
        momentum.append(solver.totals().momentum[0])
    gained = (momentum[1] - momentum[0]) / (1000 * 10 * 0.5 * 0.125**2 * 0.0625)
    assert gained == pytest.approx(1.0, abs=0.05)
