import numpy as np
import pytest
from scipy.spatial import cKDTree

from impetus.kernels.mpm import skin
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


EDGE = 1 / 16
"""Of the cube that a particle of `block` stands for: half a cell."""


def parted(rest: np.ndarray, gap: float) -> np.ndarray:
    """Particles whose upper half is `gap` away along x."""
    return rest + (rest[:, :1] > 0.5) * np.array([[gap, 0, 0]])


def test_no_point_hangs_in_a_crack_however_wide_it_is() -> None:
    """Points go with one side; on the way there none is a cell away from any particle."""
    rest = block()
    rng = np.random.default_rng(4)
    inner = rng.uniform((0.35, 0, 0), (0.65, 1, 1), (1500, 3))
    points = np.concatenate([surface(), inner])
    bind, own = bound(points, rest), np.broadcast_to(np.eye(3), (len(rest), 3, 3))
    at_rest = cKDTree(rest).query(points)[0].max()
    for gap in np.array([1, 2, 2.5, 3, 3.5, 4, 6, 20]) * EDGE:
        position = parted(rest, gap)
        mean, gradient = bind.pose(position, own)
        away, nearest = cKDTree(position).query(mean)
        assert away.max() < 2 * EDGE
        if gap >= 4 * EDGE:
            assert away.max() < 1.05 * at_rest
            side = position[nearest, 0] > 0.5 + gap / 2
            assert np.abs(mean - points - side[:, None] * [gap, 0, 0]).max() < 0.02 * EDGE
            assert gradient == pytest.approx(np.broadcast_to(own[0], gradient.shape), abs=0.02)


def test_a_point_leaves_the_other_side_without_a_jump() -> None:
    """The crack opens by a fiftieth of an edge at a time; none goes farther than 0.15 of it."""
    rest, points = block(1000), surface()
    bind, own = bound(points, rest), np.broadcast_to(np.eye(3), (len(rest), 3, 3))
    edge = 0.1
    before = bind.pose(parted(rest, edge), own)[0]
    for gap in np.arange(1.02, 4.0, 0.02) * edge:
        mean = bind.pose(parted(rest, gap), own)[0]
        assert np.abs(mean - before).max() < 0.15 * edge
        before = mean


def test_what_does_not_tear_is_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twist by 0.5 and a stretch by 1.4: no neighbour fades, so fading changes nothing."""
    rest, points = block(1000), surface()
    angle = 0.5 * rest[:, 2]
    turned = np.stack([
        np.cos(angle) * rest[:, 0] - np.sin(angle) * rest[:, 1],
        np.sin(angle) * rest[:, 0] + np.cos(angle) * rest[:, 1],
        1.4 * rest[:, 2],
    ], axis=1)  # fmt: skip
    own = np.broadcast_to(np.eye(3), (len(rest), 3, 3))
    bind = bound(points, rest)
    fading = bind.pose(turned, own)
    monkeypatch.setattr(skin, "FRAYED", 1e6)
    monkeypatch.setattr(skin, "TORN", 2e6)
    never = bind.pose(turned, own)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(fading, never, strict=True))


def test_particles_that_have_left_pull_no_longer() -> None:
    rest, points = block(), surface()
    gone = rest[:, 0] > 0.5
    position = rest + ~gone[:, None] * np.array([[0.03, 0, 0]])  # half a spacing: nothing tears
    own = np.broadcast_to(np.eye(3), (len(rest), 3, 3))
    bind = bound(points, rest)
    mean, gradient = bind.pose(position, own, gone)
    left = bind.gone(gone)
    assert 0.4 < left.mean() < 0.6
    assert mean[~left] == pytest.approx(points[~left] + (0.03, 0, 0), abs=1e-5)
    whole = np.broadcast_to(np.eye(3), gradient[~left].shape)
    assert gradient[~left] == pytest.approx(whole, abs=1e-5)
    assert np.isfinite(mean).all()
    pulled = bind.pose(position, own)[0]
    assert np.abs(pulled - mean)[~left].max() > 0.003


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
