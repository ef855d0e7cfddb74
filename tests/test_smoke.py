"""Smoke against flows that are known: what pressure leaves, what advection loses, what rises."""

import numpy as np
import pytest

from impetus.kernels.fluids.grid import FluidDomain
from impetus.kernels.fluids.smoke import Smoke, SmokeSettings

QUIET = SmokeSettings((0.0, 1.0), lift=0.0)


def box(*shape: int) -> FluidDomain:
    return FluidDomain.closed(shape, 1 / shape[0])


def started(smoke: Smoke, velocity: np.ndarray, density: np.ndarray | None = None) -> Smoke:
    state = smoke.state() | {"velocity": velocity}
    smoke.restore(state if density is None else state | {"density": density, "heat": density})
    return smoke


def taylor_green(n: int) -> np.ndarray:
    """The swirl (sin cos, -cos sin) of pi x, pi y on the faces of a unit box: Euler keeps it."""
    x, y = np.mgrid[0 : n + 1, 0 : n + 1] / n
    half = 0.5 / n
    u = np.sin(np.pi * x) * np.cos(np.pi * (y + half))
    v = -np.cos(np.pi * (x + half)) * np.sin(np.pi * y)
    return np.stack([u, v], -1).astype(np.float32)


@pytest.mark.parametrize("shape", [(20, 16), (10, 12, 8)])
@pytest.mark.parametrize("opened", [False, True])
def test_projection_leaves_no_divergence(shape: tuple[int, ...], opened: bool) -> None:
    n = len(shape)
    shut = (False,) * n
    domain = FluidDomain(shape, 0.1, (0.0,) * n, shut, (*shut[:-1], opened))
    solid = np.zeros(shape, bool)
    solid[4:8, 5:9] = True
    solid[5:7, 6:8] = False  # a pocket with nowhere to go
    smoke = Smoke(domain, SmokeSettings((0.0,) * (n - 1) + (1.0,), lift=0.0), solid)
    wild = np.random.default_rng(0).normal(size=(*domain.faces, n)).astype(np.float32)
    wild *= domain.open_faces(solid)
    before = np.abs(started(smoke, wild).divergence()).max()
    smoke.project()
    assert np.abs(smoke.divergence()).max() < 1e-3 * before
    assert not smoke.velocity()[domain.open_faces(solid) == 0].any()
    assert smoke.solved.iterations < 100


def test_a_swirl_in_a_box_stays_and_better_so_on_a_finer_grid() -> None:
    errors = []
    for n in (12, 24):
        smoke = started(Smoke(box(n, n), QUIET), taylor_green(n))
        smoke.advance(0.5)
        inside = np.s_[1:n, 1:n]
        errors.append(np.abs(smoke.velocity() - taylor_green(n))[inside].mean())
    assert errors[1] < 1e-3
    assert np.log2(errors[0] / errors[1]) > 1.5


def test_smoke_that_is_carried_round_comes_back_and_keeps_its_mass() -> None:
    n = 32
    x, y = (np.mgrid[0:n, 0:n] + 0.5) / n
    blob = np.exp(-((x - 0.5) ** 2 + (y - 0.65) ** 2) / 0.01).astype(np.float32)
    smoke = started(Smoke(box(n, n), QUIET), taylor_green(n), blob)
    for _ in range(8):
        smoke.advance(0.1)
    assert smoke.density().sum() == pytest.approx(blob.sum(), rel=0.03)
    assert smoke.density().max() > 0.8
    assert smoke.density().min() >= 0


def test_hot_smoke_rises_straight_and_alike_on_both_sides() -> None:
    n = 24
    domain = FluidDomain((n, n), 1 / n, (0.0, 0.0), (True, True), (True, True))
    smoke = Smoke(domain, SmokeSettings((0.0, 1.0), lift=8.0, vorticity=5.0))
    source = np.zeros((n, n), np.float32)
    source[10:14, 3:6] = 10
    heights = []
    for _ in range(8):
        smoke.advance(0.1, source)
        rows = smoke.density().sum(0)
        heights.append(float((rows * np.arange(n)).sum() / rows.sum()))
    assert np.diff(heights).min() > -0.05
    assert heights[-1] > heights[0] + 3
    density = smoke.density()
    np.testing.assert_allclose(density, density[::-1], atol=2e-3)


def test_smoke_flows_round_an_obstacle_and_never_into_it() -> None:
    n = 24
    domain = FluidDomain((n, n), 1 / n, (0.0, 0.0), (True, True), (True, True))
    solid = np.zeros((n, n), bool)
    solid[9:15, 12:15] = True
    smoke = Smoke(domain, SmokeSettings((0.0, 1.0), lift=10.0), solid)
    source = np.zeros((n, n), np.float32)
    source[10:14, 5:8] = 10
    for _ in range(10):
        smoke.advance(0.1, source)
    density = smoke.density()
    assert not density[solid].any()
    assert density[:, 16:].sum() > 1
    assert density[11:13, 15].max() < density[6:18, 15].max()


def test_the_wind_comes_in_clean_and_carries_smoke_off() -> None:
    domain = FluidDomain((24, 16), 1 / 24, (0.0, 0.0), (True, False), (True, False))
    smoke = Smoke(domain, SmokeSettings((0.0, 1.0), lift=0.0, wind=(1.0, 0.0)))
    full = np.ones((24, 16), np.float32)
    smoke.restore(smoke.state() | {"density": full, "heat": full})
    smoke.advance(0.5)
    np.testing.assert_allclose(smoke.velocity()[..., :-1, 0], 1, atol=1e-3)
    assert smoke.density()[:9].max() < 0.05
    assert smoke.density()[16:].min() > 0.95


def test_a_third_dimension_along_which_nothing_changes_changes_nothing() -> None:
    results = []
    for shape in ((16, 12), (16, 12, 4)):
        up = (0.0, 1.0, 0.0)[: len(shape)]
        smoke = Smoke(box(*shape), SmokeSettings(up, lift=2.0, vorticity=4.0))
        source = np.zeros(shape, np.float32)
        source[4:8, 2:5] = 8
        for _ in range(4):
            smoke.advance(0.1, source)
        results.append(smoke.density())
    np.testing.assert_allclose(results[1], np.stack([results[0]] * 4, -1), atol=5e-3)


def test_the_same_input_gives_the_same_bits_also_from_a_kept_state() -> None:
    def run(stop: int | None) -> bytes:
        settings = SmokeSettings((0.0, 1.0), lift=2.0, vorticity=4.0, cooling=0.5)
        smoke, source = Smoke(box(16, 12), settings), np.zeros((16, 12), np.float32)
        source[5:9, 2:4] = 8
        for k in range(4):
            if k == stop:
                kept = smoke.state()
                smoke = Smoke(box(16, 12), settings)
                smoke.restore(kept)
            smoke.advance(0.1, source)
        return smoke.density().tobytes()

    assert run(None) == run(None) == run(2)


def test_points_follow_the_air() -> None:
    domain = FluidDomain((16, 16), 0.5, (3.0, -2.0), (True, True), (True, True))
    smoke = Smoke(domain, SmokeSettings((0.0, 1.0), wind=(0.7, -0.3)))
    moved = smoke.trace(np.array([[5.0, 1.0], [6.5, 2.2]]), 0.5)
    np.testing.assert_allclose(moved, [[5.35, 0.85], [6.85, 2.05]], atol=1e-4)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="two or three axes"):
        FluidDomain.closed((8,))
    with pytest.raises(ValueError, match="expected obstacles"):
        Smoke(box(8, 8), QUIET, np.zeros((8, 9), bool))
    with pytest.raises(ValueError, match="expected a source"):
        Smoke(box(8, 8), QUIET).advance(0.1, np.zeros((3, 3), np.float32))
