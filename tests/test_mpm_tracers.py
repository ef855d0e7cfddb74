"""Tracers beside the particles that they ride with, in motion and at rest; normals of a surface."""

from typing import Any

import numpy as np
import pytest
import taichi as ti

from impetus.kernels.mpm import tracers
from impetus.kernels.mpm.colliders import Plane
from impetus.kernels.mpm.transfer import PART, SEED

from .mpm_cases import CELL, JELLY, WATER, Array, Lump, make_solver, push, run
from .test_mpm_solver import spinning

MIDDLE = Lump((0.375, 0.375, 0.375), (0.625, 0.625, 0.625), JELLY)


@pytest.mark.parametrize("ride", [tracers.ride_runs, tracers.ride_all])
def test_fit_reproduces_an_affine_field_from_part_of_the_nodes(ride: Any) -> None:
    rng = np.random.default_rng(0)
    nodes, h = (12, 12, 12), 0.1
    index = np.stack(np.meshgrid(*[np.arange(n) for n in nodes], indexing="ij"), axis=-1)
    gradient, drift = rng.normal(size=(3, 3)), rng.normal(size=3)
    velocity = index @ gradient.T * h + drift
    there = index.sum(axis=-1) < 20  # nothing beyond a slanted plane
    seconds = 1e-3
    motion = np.concatenate([velocity, np.ones((*nodes, 1))], axis=-1) * there[..., None]
    cell = rng.integers(3, 6, (200, 3))
    offset = rng.uniform(-0.5, 0.5, (200, 3))
    at = cell + 1 + offset
    moved, f = np.array(offset, np.float32), np.zeros((200, 3, 3), np.float32)
    f[:] = np.eye(3)
    base = cell.astype(np.int32)
    size = ti.math.ivec3(12, 12, 12)
    flat = motion.reshape(-1, 4).astype(np.float32)
    layer, body = np.zeros(1, np.int32), np.zeros(200, np.int32)
    terms = (144, 12, 1, h, seconds, 0.0, 0.0, size)
    seed, felt = np.zeros((SEED, 4), np.float32), np.zeros((PART, 4, 4), np.float32)
    ride(*terms, layer, flat, body, base, moved, f, seed, felt)
    expected = at + seconds * (at @ gradient.T * h + drift) / h
    np.testing.assert_allclose(base + 1 + moved, expected, atol=1e-5)
    error = np.abs(f - np.eye(3) - seconds * gradient).max(axis=(1, 2))
    assert np.median(error) < 1e-6
    assert error[at.sum(axis=1) < 18].max() < 1e-5
    assert error.max() < 1e-4  # a last node in one direction barely fixes the slope along it


def ridden(velocity: Array, spin: Array, seconds: float) -> tuple[Array, Array, Array]:
    """Put a tracer onto every particle and move; return where both are, and the tracers' F."""
    at = MIDDLE.positions()
    solver = make_solver([MIDDLE], tracers=at)
    solver = spinning(solver, spin)
    if np.any(velocity):
        saved = solver.checkpoint()
        saved["particle_velocity"] += velocity.astype(np.float32)
        saved["state"][0] = np.abs(saved["particle_velocity"]).max()
        solver.restore(saved)
    run(solver, round(seconds * 48), push((0, 0, 0)), 1 / 48)
    return solver.position(), solver.tracer_position(), solver.tracer_deformation()


def test_tracers_stay_beside_their_particles_in_flight() -> None:
    particles, tracers, f = ridden(np.array([1.0, -0.5, 0.7]), np.zeros(3), 0.25)
    np.testing.assert_allclose(tracers, particles, atol=2e-5)
    np.testing.assert_allclose(f, np.eye(3) + 0 * f, atol=1e-4)


def test_tracers_stay_beside_their_particles_in_a_whole_turn() -> None:
    spin = np.array([0.0, 0.0, 2 * np.pi])
    particles, tracers, f = ridden(np.zeros(3), spin, 1.0)
    away = np.linalg.norm(tracers - particles, axis=1) / CELL
    assert away.mean() < 0.05
    assert away.max() < 0.3
    stretch = np.linalg.svd(f.astype(float), compute_uv=False)
    np.testing.assert_allclose(stretch.mean(), 1, atol=0.03)
    radius = np.linalg.norm((tracers - tracers.mean(axis=0))[:, :2], axis=1)
    before = np.linalg.norm((MIDDLE.positions() - 0.5)[:, :2], axis=1)
    np.testing.assert_allclose(radius, before, atol=0.3 * CELL)


def test_tracers_carry_the_deformation_of_the_particles() -> None:
    lump = Lump(MIDDLE.low, MIDDLE.high, JELLY, (0.5, 0, -5.0))
    solver = make_solver([lump], tracers=lump.positions(), ground=Plane(0.3125, "separate", 0.5))
    run(solver, 2, push())
    f, g = solver.deformation().astype(float), solver.tracer_deformation().astype(float)
    strain = np.abs(f - np.eye(3)).mean()
    assert strain > 0.05
    # At the surface the ground holds particles, not tracers; inside they agree.
    inner = np.abs(lump.positions() - 0.5).max(axis=1) < 0.1
    assert np.abs(f - g)[inner].mean() < 0.2 * strain
    away = np.linalg.norm(solver.position() - solver.tracer_position(), axis=1) / CELL
    assert away.mean() < 0.2


def test_round_tracers_only_swell() -> None:
    pool = Lump((0.25, 0.25, 0.0), (0.75, 0.75, 0.25), WATER)
    solver = make_solver([pool], tracers=pool.positions(), round_tracers=True)
    run(solver, 6, push())
    f = solver.tracer_deformation()
    scale = f[:, 0, 0]
    np.testing.assert_allclose(f, scale[:, None, None] * np.eye(3), atol=1e-7)
    assert 0.8 < scale.mean() < 1.2
    assert scale.std() > 0


def test_normals_point_out_of_a_ball() -> None:
    cube = Lump((0.25, 0.25, 0.25), (0.75, 0.75, 0.75), JELLY)
    direction = np.random.default_rng(1).normal(size=(500, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    solver = make_solver([cube], tracers=0.5 + 0.22 * direction)
    saved = solver.checkpoint()
    inside = np.linalg.norm(solver.position() - 0.5, axis=1) < 0.22
    saved["particle_mass"] *= inside[saved["particle_index"]]
    solver.restore(saved)
    normal = solver.tracer_normal()
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-5)
    assert (normal * direction).sum(axis=1).mean() > 0.98
    assert (normal * direction).sum(axis=1).min() > 0.9


def test_tracers_that_matter_has_left_come_back_to_it() -> None:
    alone = np.array([[0.1, 0.1, 0.9], [0.9, 0.9, 0.1], [0.5, 0.5, 0.63]])
    solver = make_solver([MIDDLE], tracers=alone)
    np.testing.assert_array_equal(solver.tracer_normal()[:2], 0)
    run(solver, 2, push())
    x, tracers = solver.position(), solver.tracer_position()
    nearest = np.linalg.norm(x[None] - tracers[:, None], axis=-1).min(axis=1) / CELL
    assert nearest.max() < 0.6
    # The one that rode along was not touched.
    fall = 9.81 / 2 * (2 / 24) ** 2
    np.testing.assert_allclose(tracers[2], alone[2] - (0, 0, fall), atol=0.01 * CELL)


@pytest.mark.parametrize("often", [1, 10])
def test_riding_seldom_changes_little(often: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracers that ride every substep and every tenth end at the same place."""
    spin = np.array([0.0, 4.0, 0.0])
    monkeypatch.setattr("impetus.kernels.mpm.solver.RIDE_SUBSTEPS", often)
    particles, tracers, _ = ridden(np.array([0.5, 0, 0]), spin, 0.25)
    away = np.linalg.norm(tracers - particles, axis=1) / CELL
    assert away.mean() < 0.03
