import numpy as np
import pytest
from scipy.spatial import cKDTree

from impetus.kernels.mpm.skin import Skin


def block(count: int = 4000, seed: int = 0) -> np.ndarray:
    """Jittered particles in a cube of 1 m."""
    n = round(count ** (1 / 3))
    grid = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 3, indexing="ij"), -1).reshape(-1, 3)
    return grid + np.random.default_rng(seed).uniform(-0.3, 0.3, grid.shape) / n


def surface(seed: int = 1) -> np.ndarray:
    """Points on all six faces."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1, (600, 3))
    points[np.arange(600), rng.integers(0, 3, 600)] = rng.integers(0, 2, 600)
    return points


def bound(points: np.ndarray, rest: np.ndarray) -> Skin:
    return Skin(rest, np.zeros(len(rest), np.int32), points, np.zeros(len(points), np.int32))


def test_affine_motion_is_followed_exactly() -> None:
    rest, points = block(), surface()
    f = np.array([[0.9, -0.5, 0.1], [0.4, 1.1, 0.0], [0.2, 0.0, 0.8]])
    position = rest @ f.T + (3, -1, 2)
    mean, gradient = bound(points, rest).pose(position, np.broadcast_to(f, (len(rest), 3, 3)))
    assert mean == pytest.approx(points @ f.T + (3, -1, 2), abs=2e-5)
    assert gradient == pytest.approx(np.broadcast_to(f, gradient.shape), abs=5e-4)


def test_twist_converges_with_the_spacing() -> None:
    def twist(x: np.ndarray) -> np.ndarray:
        c, s = np.cos(x[:, 2]), np.sin(x[:, 2])
        return np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1], x[:, 2]], 1)

    def gradient(x: np.ndarray) -> np.ndarray:
        c, s, o = np.cos(x[:, 2]), np.sin(x[:, 2]), np.zeros(len(x))
        rows = [c, -s, -s * x[:, 0] - c * x[:, 1]], [s, c, c * x[:, 0] - s * x[:, 1]], [o, o, o + 1]
        return np.stack([np.stack(row, 1) for row in rows], 1)

    errors = []
    for count in (1000, 8000):
        rest, points = block(count), surface()
        mean, f = bound(points, rest).pose(twist(rest), gradient(rest))
        errors.append([np.abs(mean - twist(points)).mean(), np.abs(f - gradient(points)).mean()])
    coarse, fine = np.array(errors)
    assert fine[0] < 1e-3
    assert coarse[0] / fine[0] > 3  # half the spacing, order two
    assert coarse[1] / fine[1] > 1.6  # and order one for its gradient


def test_torn_halves_keep_their_own_points() -> None:
    rest, points = block(), surface()
    right = rest[:, :1] > 0.5
    position = rest + right * np.array([[1.0, 0, 0]])
    own = np.broadcast_to(np.eye(3), (len(rest), 3, 3))
    mean, gradient = bound(points, rest).pose(position, own)
    spacing = 1 / 16
    assert cKDTree(position).query(mean)[0].max() < 2 * spacing
    away = np.abs(points[:, 0] - 0.5) > 3 * spacing
    assert gradient[away] == pytest.approx(
        np.broadcast_to(np.eye(3), gradient[away].shape), abs=1e-3
    )


def test_bodies_that_touch_do_not_share_particles() -> None:
    rest = np.concatenate([block(), block(seed=2) + np.array([1.0, 0, 0])])
    body = np.repeat([0, 1], len(rest) // 2).astype(np.int32)
    points = np.array([[0.999, 0.5, 0.5], [1.001, 0.5, 0.5]])
    skin = Skin(rest, body, points, np.array([0, 1], np.int32))
    position = rest + (body == 1)[:, None] * np.array([0, 0, 5.0])
    mean, _ = skin.pose(position, np.broadcast_to(np.eye(3), (len(rest), 3, 3)))
    assert mean == pytest.approx(points + np.array([[0, 0, 0], [0, 0, 5]]), abs=1e-4)


def test_a_body_without_particles_is_refused() -> None:
    with pytest.raises(ValueError, match="expected particles"):
        Skin(block(), np.zeros(4096, np.int32), np.zeros((1, 3)), np.ones(1, np.int32))
