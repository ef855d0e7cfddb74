"""Where particles are, as distances on a grid, against bodies of known form and motion."""

import numpy as np
import pytest

from impetus.kernels.occupancy import Occupied, distance_to_half, occupied

EDGE = 0.05
MOST = 1_000_000


def filled(low: float, high: float, seed: int = 0) -> np.ndarray:
    """Jittered particles of EDGE in a cube."""
    count = round((high - low) / EDGE)
    grid = np.moveaxis(np.indices((count,) * 3), 0, -1).reshape(-1, 3) + 0.5
    jitter = np.random.default_rng(seed).uniform(-0.3, 0.3, grid.shape)
    return (low + EDGE * (grid + jitter)).astype(np.float32)


def ball(radius: float, middle: tuple[float, ...] = (0, 0, 0)) -> np.ndarray:
    x = filled(-0.6, 0.6)
    return x[np.linalg.norm(x, axis=1) < radius] + np.float32(middle)


def moved(before: np.ndarray, after: np.ndarray, share: float = 0.0) -> Occupied:
    found = occupied(before, after, share=share, seconds=0.1, volume=EDGE**3, most=MOST)
    assert found is not None
    return found


def nodes_of(found: Occupied) -> np.ndarray:
    return np.moveaxis(np.indices(found.distance.shape), 0, -1) * found.spacing + found.origin


@pytest.mark.parametrize("middle", [(0, 0, 0), (7.03, -3.01, 0.017)])
def test_a_ball_of_particles_is_as_far_as_a_ball(middle: tuple[float, ...]) -> None:
    x = ball(0.45, middle)
    found = moved(x, x)
    exact = np.linalg.norm(nodes_of(found) - middle, axis=-1) - 0.45
    error = np.abs(found.distance - exact) / found.spacing
    near = np.abs(exact) < 1.5 * found.spacing
    assert found.spacing == pytest.approx(2 * EDGE)
    assert error[near].mean() < 0.15
    assert error.max() < 0.6
    volume = (found.distance < 0).sum() * found.spacing**3
    assert volume == pytest.approx(4 / 3 * np.pi * 0.45**3, rel=0.05)


def test_a_flat_surface_lies_where_it_is_between_nodes() -> None:
    full = np.zeros((5, 5, 12), np.float32)
    for height in (4.0, 4.3, 4.5, 4.9):
        depth = np.clip(height - np.arange(12), -1, 1)
        full[:] = 0.5 + depth - depth * np.abs(depth) / 2
        found = distance_to_half(full, 0.2)
        assert found is not None
        np.testing.assert_allclose(found[2, 2], 0.2 * (np.arange(12) - height), atol=1e-5)


def test_matter_moves_through_the_frame_and_turns() -> None:
    start, shift = ball(0.4), np.float32([0.5, -0.3, 0.2])
    half = moved(start, start + shift, 0.5)
    inside = half.distance < 0
    np.testing.assert_allclose(nodes_of(half)[inside].mean(axis=0), shift / 2, atol=0.02)
    np.testing.assert_allclose(half.velocity, np.broadcast_to(shift / 0.1, half.velocity.shape),
                               rtol=1e-4, atol=1e-4)  # fmt: skip
    angle = 1e-3
    turn = np.array([[1, -angle, 0], [angle, 1, 0], [0, 0, 1]])
    spun = moved(start, (start @ turn.T).astype(np.float32))
    x = nodes_of(spun)[spun.distance < 0]
    expected = np.stack([-x[:, 1], x[:, 0], 0 * x[:, 0]], axis=1) * angle / 0.1
    error = spun.velocity[spun.distance < 0] - expected
    # beside the surface the mean is of matter that lies a little farther in
    assert np.abs(error).max() < 0.25 * np.abs(expected).max()
    assert np.abs(error).mean() < 0.04 * np.abs(expected).max()


def test_repeats_to_the_bit_and_spray_is_nothing() -> None:
    x = ball(0.4)
    once, again = moved(x, x + np.float32(0.1), 0.3), moved(x, x + np.float32(0.1), 0.3)
    assert once.distance.tobytes() == again.distance.tobytes()
    assert once.velocity.tobytes() == again.velocity.tobytes()
    spray = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32)
    for some in (spray, spray[:0]):
        found = occupied(some, some, share=0.5, seconds=0.1, volume=EDGE**3, most=MOST)
        assert found is None


def test_a_wide_body_gets_a_coarser_grid() -> None:
    x = filled(-0.6, 0.6)
    found = occupied(x, x, share=0, seconds=0.1, volume=EDGE**3, most=1000)
    assert found is not None
    assert 1000 < found.distance.size < 4000  # with what lies around
    assert (found.distance < 0).sum() * found.spacing**3 == pytest.approx(1.2**3, rel=0.4)
