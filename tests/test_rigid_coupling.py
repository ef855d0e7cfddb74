"""Rigid bodies and the grid's matter: momentum, masses that matter, floating, separating."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from impetus.kernels.mpm.colliders import Plane
from impetus.kernels.mpm.solver import MpmSolver
from impetus.kernels.rigid.coupling import Coupling
from impetus.kernels.rigid.world import Bounds, RigidBody, RigidWorld

from .mpm_cases import CELL, JELLY, WATER, Lump, make_solver, push
from .mpm_cases import run as run_grid
from .rigid_cases import ball_mesh, body, box_mesh

Array = NDArray[Any]

BALL = ball_mesh(0.1)
FLOOR = Plane(0.0, "separate", 0.5)
TANK = {"walls": "slip", "shape": (16, 16, 24)}


def meet(
    bodies: Sequence[RigidBody], lumps: Sequence[Lump], *, ground: Plane | None = None, **how: Any
) -> tuple[RigidWorld, MpmSolver]:
    """Put rigid bodies into a grid with lumps of matter."""
    world = RigidWorld(bodies, [], Bounds.of(ground))
    coupling = Coupling(world, [body.friction for body in bodies])
    return world, make_solver(lumps, rigid=coupling, ground=ground, **how)


def test_a_ball_bounces_off_jelly_and_the_whole_keeps_its_momentum() -> None:
    ball = body(BALL, (0.5, 0.5, 0.72), velocity=(0.3, 0, -2))
    jelly = Lump((0.375, 0.375, 0.3125), (0.625, 0.625, 0.5625), JELLY)
    world, solver = meet([ball], [jelly], walls="open")
    before = world.momentum[0, :3].copy()
    run_grid(solver, 16, push((0, 0, 0)), 1 / 96)
    total = solver.totals().momentum + world.momentum[0, :3]
    np.testing.assert_allclose(total, before, atol=1e-5 * np.linalg.norm(before))
    assert world.velocities()[0, 2] > 0.2
    assert world.poses()[0, 2, 3] - 0.1 > solver.position()[:, 2].max() - 0.5 * CELL
    # They have parted: nothing acts on the ball any more.
    leaving = world.momentum.copy()
    run_grid(solver, 2, push((0, 0, 0)), 1 / 96)
    np.testing.assert_array_equal(world.momentum, leaving)


def test_jelly_bounces_off_a_rigid_box_and_parts_from_it() -> None:
    box = body(box_mesh((0.25, 0.25, 0.1)), (0.25, 0.25, 0.05), density=2000)
    jelly = Lump((0.1875, 0.1875, 0.25), (0.3125, 0.3125, 0.375), JELLY)
    world, solver = meet([box], [jelly], ground=FLOOR, **TANK)
    lowest, gaps = 1.0, []
    for _ in range(24):
        run_grid(solver, 1, push(), 1 / 48)
        gaps.append(float(solver.position()[:, 2].min()) - 0.1)
    lowest = min(gaps)
    assert -0.25 * CELL < lowest < 0.5 * CELL
    assert max(gaps[gaps.index(lowest) :]) > lowest + 0.2 * CELL
    np.testing.assert_allclose(world.poses()[0, :3, 3], (0.25, 0.25, 0.05), atol=1e-3)


def test_a_heavy_ball_sinks_deeper_into_jelly_than_a_light_one() -> None:
    rests = []
    for density in (300, 3000):
        jelly = Lump((0.0625, 0.0625, 0), (0.4375, 0.4375, 0.1875), JELLY)
        world, solver = meet(
            [body(BALL, (0.25, 0.25, 0.29), density=density)], [jelly], ground=FLOOR, **TANK
        )
        run_grid(solver, 18, push())
        assert abs(world.velocities()[0, 2]) < 0.15
        rests.append(float(world.poses()[0, 2, 3]))
    assert rests[1] < rests[0] - 0.5 * CELL


def test_a_light_body_under_heavy_matter_does_not_overshoot() -> None:
    """An exchange of impulses would throw a body lighter than the nodes that hit it."""
    ball = body(BALL, (0.5, 0.5, 0.5), density=5)
    jelly = Lump((0.375, 0.375, 0.65), (0.625, 0.625, 0.9), JELLY, (0, 0, -1.0))
    world, solver = meet([ball], [jelly], walls="open")
    top = 0.0
    for _ in range(12):
        run_grid(solver, 1, push((0, 0, 0)), 1 / 96)
        top = max(top, float(np.abs(world.velocities()[0, :3]).max()))
    assert 0.9 < top < 2.5


@pytest.mark.parametrize("density", [500])
def test_a_ball_floats_at_the_depth_of_archimedes(density: float) -> None:
    """Within a tenth of its volume at 6.4 cells across: it is the grid that blurs its surface."""
    radius = 0.1
    volume = 4 / 3 * np.pi * radius**3
    ball = body(BALL, (0.25, 0.25, 0.36), density=density, friction=0.0)
    pool = Lump((0, 0, 0), (0.5, 0.5, 0.25), WATER)
    world, solver = meet([ball], [pool], ground=Plane(0.0, "slip", 0.0), **TANK)
    heights = []
    for _ in range(72):
        run_grid(solver, 1, push())
        heights.append(float(world.poses()[0, 2, 3]))
    level = 0.25 + density / 1000 * volume / 0.25
    depth = level - (np.mean(heights[40:]) - radius)
    under = np.pi * depth**2 * (3 * radius - depth) / 3 / volume
    assert under == pytest.approx(density / 1000, abs=0.1)


def test_the_same_meeting_gives_the_same_bits_resumed_or_not() -> None:
    def make() -> tuple[RigidWorld, MpmSolver]:
        ball = body(BALL, (0.25, 0.25, 0.36), velocity=(0.2, 0, -1))
        jelly = Lump((0.125, 0.125, 0), (0.375, 0.375, 0.25), JELLY)
        return meet([ball], [jelly], ground=FLOOR, **TANK)

    worlds = [make() for _ in range(3)]
    for _, solver in worlds[:2]:
        run_grid(solver, 3, push())
    kept = worlds[1][1].checkpoint()
    worlds[2][1].restore({name: value.copy() for name, value in kept.items()})
    for _, solver in worlds:
        run_grid(solver, 2, push())
    for world, solver in worlds[1:]:
        np.testing.assert_array_equal(worlds[0][0].momentum, world.momentum)
        np.testing.assert_array_equal(worlds[0][0].poses(), world.poses())
        np.testing.assert_array_equal(worlds[0][1].position(), solver.position())
