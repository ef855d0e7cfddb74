"""Flocks against a twin that looks at all pairs, and against what flocks must do."""

from dataclasses import replace

import numpy as np
import pytest

from impetus.kernels.flock import DistanceField, Flock, FlockSettings

CALM = FlockSettings(sight=0.5, near=0.2, speed=1.0, top_speed=2.0, least_speed=0.0, force=4.0)


def spread(count: int, dimension: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, 2, (count, dimension)).astype(np.float32)
    return position, rng.normal(0, 0.7, (count, dimension)).astype(np.float32)


def toward(direction: np.ndarray, v: np.ndarray, speed: float) -> np.ndarray:
    length = np.linalg.norm(direction)
    return direction / length * speed - v if length > 1e-9 else np.zeros_like(v)


def twin(s: FlockSettings, x: np.ndarray, v: np.ndarray, dt: float) -> tuple[np.ndarray, ...]:
    """One step of Reynolds' rules, pair by pair, in double precision."""
    x, v = x.astype(float), v.astype(float)
    moved = v.copy()
    for p in range(len(x)):
        way = np.delete(x, p, 0) - x[p]
        far = np.linalg.norm(way, axis=1)
        seen, near = far < s.sight, far < s.near
        total = s.separation * toward(-(way[near] / far[near, None] ** 2).sum(0), v[p], s.speed)
        if seen.any():
            total = total + s.alignment * toward(np.delete(v, p, 0)[seen].sum(0), v[p], s.speed)
            total = total + s.cohesion * toward(way[seen].sum(0), v[p], s.speed)
        else:
            total = total + s.alignment * toward(v[p], v[p], s.speed)
        total *= min(1.0, s.force / max(np.linalg.norm(total), 1e-12))
        moved[p] = v[p] + total * dt
        speed = np.linalg.norm(moved[p])
        moved[p] *= np.clip(speed, s.least_speed, s.top_speed) / speed
    return x + moved * dt, moved


@pytest.mark.parametrize("dimension", [2, 3])
def test_steering_agrees_with_the_twin(dimension: int) -> None:
    x, v = spread(60, dimension)
    flock = Flock(CALM, x, v)
    for _ in range(3):
        x, v = twin(CALM, x, v, 0.05)
        flock.advance(0.05)
    np.testing.assert_allclose(flock.position, x, atol=1e-4)
    np.testing.assert_allclose(flock.velocity, v, atol=1e-3)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_flock_finds_one_direction(dimension: int) -> None:
    flock = Flock(replace(CALM, sight=1.0), *spread(80, dimension))
    before = flock.order()
    for _ in range(100):
        flock.advance(0.05)
    assert before < 0.4
    assert flock.order() > 0.9


def test_those_who_do_not_see_each_other_keep_their_way() -> None:
    x = np.array([[0.0, 0.0], [5.0, 5.0]], np.float32)
    v = np.array([[0.6, 0.8], [-1.0, 0.0]], np.float32)
    flock = Flock(CALM, x, v)
    for _ in range(20):
        flock.advance(0.1)
    np.testing.assert_allclose(flock.position, x + 2 * v, atol=1e-5)


def test_two_that_are_too_close_part_and_their_momenta_cancel() -> None:
    x = np.array([[0.0, 0.0], [0.1, 0.0]], np.float32)
    flock = Flock(replace(CALM, alignment=0, cohesion=0), x, np.zeros((2, 2)))
    for _ in range(10):
        flock.advance(0.02)
        np.testing.assert_allclose(flock.velocity.sum(0), 0, atol=1e-6)
    assert flock.position[1, 0] - flock.position[0, 0] > 0.12


def test_speeds_stay_within_their_bounds() -> None:
    settings = replace(CALM, least_speed=0.8, top_speed=1.1)
    flock = Flock(settings, *spread(40, 3))
    for _ in range(10):
        flock.advance(0.05)
        speed = np.linalg.norm(flock.velocity, axis=1)
        assert speed.min() >= 0.8 - 1e-5
        assert speed.max() <= 1.1 + 1e-5


def test_a_goal_is_reached() -> None:
    flock = Flock(replace(CALM, attraction=3.0), *spread(30, 2))
    for _ in range(240):
        flock.advance(0.05, (6.0, -3.0))
    assert np.linalg.norm(flock.position.mean(0) - (6, -3)) < 1.0


@pytest.mark.parametrize("dimension", [2, 3])
def test_no_one_enters_an_obstacle(dimension: int) -> None:
    shape = (48,) * dimension
    centre = (np.moveaxis(np.indices(shape), 0, -1) + 0.5) * 0.1 - 1.4
    distance = (np.linalg.norm(centre - 1.0, axis=-1) - 0.6).astype(np.float32)
    ball = DistanceField(distance, (-1.4,) * dimension, 0.1)
    x, v = spread(80, dimension, seed=3)
    outside = np.linalg.norm(x - 1, axis=1) > 0.7
    settings = replace(CALM, attraction=2.0, clearance=0.05)
    flock = Flock(settings, x[outside], v[outside], [ball])
    for _ in range(40):
        flock.advance(0.05, (1.0,) * dimension)
        assert np.linalg.norm(flock.position - 1, axis=1).min() > 0.6 + 0.05 - 0.02


def test_one_who_flies_at_a_wall_turns_before_it() -> None:
    x = np.arange(40) * 0.1 + 0.05
    wall = np.repeat((4.0 - x)[:, None], 40, 1).astype(np.float32)
    start = np.array([[2.0, 2.0]]), np.array([[1.0, 0.1]])
    flock, farthest = Flock(CALM, *start, [DistanceField(wall, (0.0, 0.0), 0.1)]), 0.0
    for _ in range(60):
        flock.advance(0.05)
        farthest = max(farthest, float(flock.position[0, 0]))
    assert 3.3 < farthest < 3.98
    assert flock.position[0, 0] < 3.9


def test_far_flung_agents_need_no_memory() -> None:
    x = np.array([[0.0, 0.0], [1e6, -1e6], [1e6, -1e6 + 0.25]], np.float32)
    flock = Flock(CALM, x, np.ones((3, 2)))
    flock.advance(0.01)
    assert np.isfinite(flock.position).all()


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="expected finite"):
        Flock(CALM, np.zeros((3, 2)), np.full((3, 2), np.nan))
    flat = DistanceField(np.ones((4, 4), np.float32), (0.0, 0.0), 1.0)
    with pytest.raises(ValueError, match="3 dimensions"):
        Flock(CALM, np.zeros((3, 3)), np.zeros((3, 3)), [flat])
