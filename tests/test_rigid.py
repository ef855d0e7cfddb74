"""Rigid bodies: masses, free motion, contacts, friction, stacks, against theory."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.kernels.fields import Field
from impetus.kernels.mpm.colliders import Plane, rotation_matrix
from impetus.kernels.mpm.solver import Push
from impetus.kernels.rigid.mass import mass_of
from impetus.kernels.rigid.shape import solid_of, surface_points
from impetus.kernels.rigid.world import (
    Bounds,
    Obstacle,
    RigidBody,
    RigidWorld,
    matrix_of,
    quaternion_of,
)

from .rigid_cases import NO_POSES, ball_mesh, body, box_mesh, pose, run

Array = NDArray[Any]

FREE = Bounds.of(None)
FLOOR = Bounds.of(Plane(0.0, "separate", 0.5))
CUBE = box_mesh((0.2, 0.2, 0.2))
WEIGHTLESS = (0.0, 0.0, 0.0)


def test_mass_of_a_box_is_exact_wherever_it_lies_and_however_it_is_turned() -> None:
    size, turn = np.array((0.3, 0.5, 0.7)), rotation_matrix(np.array((0.3, -0.5, 0.9)))
    vertices, faces = box_mesh(size)
    moved = vertices.astype(np.float64) @ turn.T + (5, -3, 2)
    found = mass_of(moved, faces, 800.0)
    mass = 800 * size.prod()
    principal = mass / 12 * ((size**2).sum() - size**2)
    assert found.mass == pytest.approx(mass, rel=1e-6)
    np.testing.assert_allclose(found.center, (5, -3, 2), atol=1e-7)
    np.testing.assert_allclose(found.inertia, turn @ np.diag(principal) @ turn.T, atol=1e-5)


def test_mass_of_a_ball_converges_in_second_order() -> None:
    errors = []
    for around in (16, 32, 64):
        found = mass_of(*ball_mesh(0.5, around), 1000.0)
        errors.append(abs(found.inertia[0, 0] / (0.4 * 1000 * np.pi / 6 * 0.25) - 1))
    order = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(order, 2, atol=0.1)


def test_a_mesh_inside_out_has_no_mass() -> None:
    vertices, faces = box_mesh((1, 1, 1))
    with pytest.raises(ValueError, match="volume above zero"):
        mass_of(vertices, faces[:, ::-1], 1000.0)


def test_only_a_ball_counts_as_one() -> None:
    assert solid_of(*ball_mesh(0.5)).ball == pytest.approx(0.5, rel=1e-4)
    assert solid_of(*CUBE).ball == 0
    turn = 2 * np.pi * np.arange(32) / 32
    ring = np.stack([np.cos(turn), np.sin(turn)], -1) * 0.8
    rings = [np.column_stack([ring, np.full(32, z)]) for z in (-0.6, 0.6)]
    vertices = np.concatenate([*rings, [[0, 0, -0.6], [0, 0, 0.6]]])
    faces = []
    for j in range(32):
        k = (j + 1) % 32
        faces += [(j, k, 32 + k), (j, 32 + k, 32 + j), (64, k, j), (65, 32 + j, 32 + k)]
    assert solid_of(vertices.astype(np.float32)[:, :], np.array(faces, np.int32)).ball == 0


def test_surface_points_reach_all_corners_and_sides() -> None:
    points = surface_points(*CUBE)
    for corner in CUBE[0]:
        assert np.linalg.norm(points - corner, axis=1).min() < 1e-6
    on_side = np.abs(np.abs(points).max(axis=1) - 0.1)
    assert on_side.max() < 1e-6


def test_quaternions_and_matrices_are_inverse() -> None:
    rng = np.random.default_rng(1)
    for vector in (*rng.uniform(-3, 3, (20, 3)), *(np.pi * np.eye(3))):
        matrix = rotation_matrix(vector)
        np.testing.assert_allclose(matrix_of(quaternion_of(matrix)), matrix, atol=1e-9)


def test_a_free_top_keeps_shape_momentum_and_energy() -> None:
    """Over 1000 substeps and more; about its middle axis it tumbles, the hardest case."""
    mesh = box_mesh((0.3, 0.2, 0.1))
    world = RigidWorld([body(mesh, (0, 0, 1), spin=(0.02, 8, 0.01))], [], FREE)
    momentum, energies, spins = world.momentum.copy(), [], []

    def watch() -> None:
        spin = world.velocities()[0, 3:]
        energies.append(0.5 * spin @ world.momentum[0, 3:])
        spins.append(world.poses()[0, :3, :3].T @ spin)

    run(world, 6, WEIGHTLESS, watch=watch)
    np.testing.assert_array_equal(world.momentum, momentum)
    assert np.ptp(energies) < 1e-4 * energies[0]
    tumbling = np.array(spins)[:, 1]
    assert tumbling.min() < -7
    assert tumbling.max() > 7
    rotation = world.poses()[0, :3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


def test_a_symmetric_top_precesses_as_theory() -> None:
    """Torque-free: the axis turns about L at |L| / I1."""
    world = RigidWorld([body(box_mesh((0.2, 0.2, 0.05)), (0, 0, 0), spin=(2, 0, 6))], [], FREE)
    momentum, inertia = world.momentum[0, 3:], world.inertia[0]
    rate = np.linalg.norm(momentum) / inertia[0, 0]
    along = momentum / np.linalg.norm(momentum)
    axis = world.poses()[0, :3, 2]
    run(world, 0.5, WEIGHTLESS)
    expected = rotation_matrix(0.5 * rate * along) @ axis
    np.testing.assert_allclose(world.poses()[0, :3, 2], expected, atol=2e-3)


def test_a_fall_is_exact() -> None:
    world = RigidWorld([body(CUBE, (0, 0, 3), velocity=(1, 0, 2))], [], FREE)
    run(world, 0.5)
    at = world.poses()[0, :3, 3]
    # Velocities start half a substep early: the first kick is half of one.
    np.testing.assert_allclose(at, (0.5, 0, 3 + 2 * 0.5 - 9.81 / 8), atol=1e-9)


@pytest.mark.parametrize("on", ["plane", "collider"])
def test_a_ball_rolls_down_a_slope_at_five_sevenths(on: str) -> None:
    angle = np.radians(20)
    down = 9.81 * np.sin(angle)
    ball = body(ball_mesh(0.1), (-1.5, 0, 0.1), friction=1.0)
    if on == "plane":
        world, poses = RigidWorld([ball], [], Bounds.of(Plane(0.0, "separate", 1.0))), np.zeros(0)
        poses = np.zeros((0, 4, 4))
    else:
        slab = Obstacle(solid_of(*box_mesh((4, 1, 0.4))), "separate", 1.0)
        world, poses = RigidWorld([ball], [slab], FREE), pose((0, 0, -0.2))[None]
    run(world, 1, (down, 0, -9.81 * np.cos(angle)), poses=(poses, poses))
    velocity = world.velocities()[0]
    assert velocity[0] == pytest.approx(5 / 7 * down, rel=0.01)
    assert velocity[4] == pytest.approx(velocity[0] / 0.1, rel=0.01)
    assert world.poses()[0, 2, 3] == pytest.approx(0.1, abs=1e-3)


def test_a_ball_on_ice_slides_without_turning() -> None:
    ball = body(ball_mesh(0.1), (0, 0, 0.1), velocity=(1, 0, 0), friction=0.0)
    world = RigidWorld([ball], [], FLOOR)
    run(world, 0.5)
    np.testing.assert_allclose(world.velocities()[0], (1, 0, 0, 0, 0, 0), atol=1e-9)


def test_friction_brakes_at_mu_g_and_holds() -> None:
    world = RigidWorld([body(CUBE, (0, 0, 0.1), velocity=(2, 0, 0))], [], FLOOR)
    run(world, 0.25)
    assert world.velocities()[0, 0] == pytest.approx(2 - 0.5 * 9.81 * 0.25, rel=0.01)
    run(world, 1)
    assert world.poses()[0, 0, 3] == pytest.approx(2**2 / (2 * 0.5 * 9.81), rel=0.01)
    assert np.abs(world.velocities()).max() < 1e-9


@pytest.mark.parametrize(("share", "slides"), [(0.95, False), (1.05, True)])
def test_a_box_on_a_slope_holds_up_to_the_angle_of_friction(share: float, slides: bool) -> None:
    angle = np.arctan(0.5) * share
    world = RigidWorld([body(box_mesh((0.3, 0.3, 0.1)), (0, 0, 0.05))], [], FLOOR)
    run(world, 1, (9.81 * np.sin(angle), 0, -9.81 * np.cos(angle)))
    gained = 9.81 * (np.sin(angle) - 0.5 * np.cos(angle)) if slides else 0.0
    assert world.velocities()[0, 0] == pytest.approx(gained, abs=0.01)


def test_a_bounce_keeps_the_restitution() -> None:
    world = RigidWorld([body(ball_mesh(0.1), (0, 0, 1.1), restitution=0.8)], [], FLOOR)
    heights: list[float] = []
    run(world, 1.2, fps=240, watch=lambda: heights.append(float(world.poses()[0, 2, 3]) - 0.1))
    assert max(heights[120:]) == pytest.approx(0.64, rel=0.03)
    run(world, 8)
    assert np.abs(world.velocities()).max() < 1e-6


def test_a_central_hit_swaps_the_velocities_of_equal_balls() -> None:
    balls = [
        body(ball_mesh(0.1), (0, 0, 0), velocity=(2, 0, 0), restitution=1.0),
        body(ball_mesh(0.1), (0.5, 0, 0), restitution=1.0),
    ]
    world = RigidWorld(balls, [], FREE)
    total = world.momentum[:, :3].sum(axis=0)
    run(world, 0.5, WEIGHTLESS)
    np.testing.assert_allclose(world.velocities()[:, 0], (0, 2), atol=1e-6)
    np.testing.assert_allclose(world.momentum[:, :3].sum(axis=0), total, atol=1e-12)


def test_a_hit_off_centre_keeps_linear_and_angular_momentum() -> None:
    rod = box_mesh((0.1, 1.0, 0.1))
    bodies = [
        body(CUBE, (-0.4, 0.35, 0.02), (0.3, 0.2, 0.5), velocity=(3, 0, 0), density=500),
        body(rod, (0, 0, 0)),
    ]
    world = RigidWorld(bodies, [], FREE)

    def totals() -> Array:
        p, spin = world.momentum[:, :3], world.momentum[:, 3:]
        centers = np.array([m.translation for m in world.motions()])
        return np.concatenate([p.sum(axis=0), (np.cross(centers, p) + spin).sum(axis=0)])

    before = totals()
    run(world, 0.5, WEIGHTLESS)
    assert abs(world.velocities()[1, 5]) > 0.3
    scale = np.abs(before).max()
    np.testing.assert_allclose(totals(), before, atol=2e-3 * scale)
    np.testing.assert_allclose(totals()[:3], before[:3], atol=1e-12 * scale)


def test_a_kinematic_collider_hits_as_an_endless_mass() -> None:
    ball = body(ball_mesh(0.1), (0.5, 0, 0), restitution=1.0, friction=0.0)
    bat = Obstacle(solid_of(*box_mesh((0.2, 0.6, 0.6))), "separate", 0.0)
    world = RigidWorld([ball], [bat], FREE)
    ends = [pose((x, 0, 0))[None] for x in (0.0, 0.6)]
    run(world, 0.5, WEIGHTLESS, poses=ends, fps=2)
    assert world.velocities()[0, 0] == pytest.approx(2 * 1.2, rel=0.01)


def test_a_stack_of_five_boxes_stands_for_five_seconds() -> None:
    solid = solid_of(*CUBE)
    boxes = [body(CUBE, (0, 0, 0.1 + 0.2 * n), solid=solid) for n in range(5)]
    world = RigidWorld(boxes, [], FLOOR)
    run(world, 5)
    at = world.poses()
    expected = [(0, 0, 0.1 + 0.2 * n) for n in range(5)]
    np.testing.assert_allclose(at[:, :3, 3], expected, atol=1e-3)
    assert np.abs(world.velocities()).max() < 1e-3
    assert at[:, 2, 2].min() > np.cos(np.radians(0.1))


def test_a_box_too_far_over_the_edge_falls() -> None:
    """The stack above stands since it is held, not since nothing can fall."""
    lower, upper = body(CUBE, (0, 0, 0.1)), body(CUBE, (0.11, 0, 0.3))
    world = RigidWorld([lower, upper], [], FLOOR)
    run(world, 2)
    assert world.poses()[1, 2, 3] < 0.2


def test_the_same_world_gives_the_same_bits_resumed_or_not() -> None:
    def make() -> RigidWorld:
        solid = solid_of(*CUBE)
        boxes: list[RigidBody] = [
            body(CUBE, (0.03 * n, 0, 0.15 + 0.25 * n), (0.1 * n, 0.2, 0), solid=solid)
            for n in range(4)
        ]
        return RigidWorld(boxes, [], FLOOR)

    one, two, three = make(), make(), make()
    run(one, 1)
    run(two, 0.5)
    three.restore({name: value.copy() for name, value in two.checkpoint().items()})
    run(two, 0.5)
    run(three, 0.5)
    for other in (two, three):
        np.testing.assert_array_equal(one.poses(), other.poses())
        np.testing.assert_array_equal(one.momentum, other.momentum)


def test_overlaps_are_found_and_mended_gently() -> None:
    world = RigidWorld([body(CUBE, (0, 0, 0.1)), body(CUBE, (0, 0, 0.28))], [], FLOOR)
    depth, first, second = world.deepest_overlap()
    assert depth == pytest.approx(0.02, abs=2e-3)
    assert {first, second} == {0, 1}
    top = 0.0

    def watch() -> None:
        nonlocal top
        top = max(top, float(np.abs(world.velocities()).max()))

    run(world, 1, watch=watch)
    assert world.poses()[1, 2, 3] == pytest.approx(0.3, abs=2e-3)
    assert top < 0.2


def test_a_field_acts_on_a_rigid_body_as_on_a_particle_at_its_centre() -> None:
    """A spring of 4 / s^2: x = x0 cos(2 t); and drag of 1 / s, v = v0 exp(-t)."""
    spring = Field("harmonic", (0, 0, 0), (0, 0, 1), 4.0)
    drag = Field("drag", (0, 0, 0), (0, 0, 1), 0.0, damping=1.0)
    for field, velocity, expected in (
        (spring, (0, 0, 0), 0.5 * np.cos(1.0)),
        (drag, (1, 0, 0), 0.5 + 1 - np.exp(-0.5)),
    ):
        world = RigidWorld([body(CUBE, (0.5, 0, 0), velocity=velocity)], [], FREE)
        for _ in range(12):
            push = Push([], (0, 0, 0), NO_POSES, NO_POSES, fields=[(field, field)])
            world.advance(1 / 24, push)
        assert world.poses()[0, 0, 3] == pytest.approx(expected, abs=2e-3)
