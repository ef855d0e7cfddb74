"""Liquid against what is known: it falls, rests, spreads as fast as water, and keeps its volume."""

import numpy as np
import pytest

from impetus.kernels.fluids.grid import FluidDomain
from impetus.kernels.fluids.liquid import Liquid, LiquidSettings

DOWN = LiquidSettings((0.0, -9.81))
MARTIN_MOYCE = [(0.84, 1.22), (1.19, 1.44), (1.63, 1.89), (1.98, 2.33), (2.51, 3.0), (2.83, 3.44)]
"Front of a breaking dam twice as high as wide, z / a at t sqrt(2 g / a); Martin and Moyce 1952."


def box(*shape: int, spacing: float = 0.05) -> FluidDomain:
    return FluidDomain.closed(shape, spacing)


def filled(shape: tuple[int, ...], *part: slice) -> np.ndarray:
    cells = np.zeros(shape, bool)
    cells[part] = True
    return cells


@pytest.mark.parametrize("shape", [(12, 30), (8, 30, 8)])
def test_what_falls_freely_falls_exactly(shape: tuple[int, ...]) -> None:
    blob = filled(shape, *(slice(3, 6) if k != 1 else slice(24, 27) for k in range(len(shape))))
    gravity = (0.0, -9.81, 0.0)[: len(shape)]
    liquid = Liquid(box(*shape), LiquidSettings(gravity), blob)
    start = liquid.position[np.argsort(liquid.index)]
    for frame in range(1, 7):
        liquid.advance(1 / 24)
        fallen = liquid.position[np.argsort(liquid.index)] - start
        t = frame / 24
        np.testing.assert_allclose(fallen.mean(0)[1], -9.81 * t**2 / 2, rtol=1e-3, atol=3e-5)
        np.testing.assert_allclose(fallen[:, 0], 0, atol=0.02)


def test_a_tank_at_rest_stays_at_rest() -> None:
    shape = (16, 16)
    liquid = Liquid(box(*shape), DOWN, filled(shape, slice(None), slice(0, 8)))
    for _ in range(24):
        liquid.advance(1 / 24)
    assert np.abs(liquid.velocity).mean() < 0.02
    assert np.quantile(liquid.position[:, 1], 0.99) == pytest.approx(8 * 0.05, rel=0.04)
    inner = liquid.crowding()[2:-2, 1:6]
    assert inner.mean() == pytest.approx(1, abs=0.05)


def test_a_dam_breaks_as_fast_as_measured_and_no_faster_than_ritter() -> None:
    shape, wide = (48, 24), 10
    liquid = Liquid(box(*shape, spacing=0.1 / wide), DOWN, filled(shape, slice(wide), slice(20)))
    times, fronts = [0.0], [1.0]
    for _ in range(16):
        liquid.advance(0.0125)
        times.append(times[-1] + 0.0125)
        fronts.append(float(liquid.position[:, 0].max()) / 0.1)
    scaled = np.array(times) * np.sqrt(2 * 9.81 / 0.1)
    for time, front in MARTIN_MOYCE:
        assert np.interp(time, scaled, fronts) == pytest.approx(front, rel=0.15)
    speed = np.diff(fronts) * 0.1 / 0.0125
    assert speed.max() < 2 * np.sqrt(9.81 * 0.2)


def test_volume_is_kept_after_all_fell_about() -> None:
    shape = (24, 16)
    liquid = Liquid(box(*shape), DOWN, filled(shape, slice(0, 8), slice(0, 12)))
    count = len(liquid.position)
    for _ in range(96):
        liquid.advance(1 / 24)
    assert len(liquid.position) == count
    inside = liquid.within()
    assert inside.sum() > 40
    assert liquid.crowding()[inside].mean() == pytest.approx(1, abs=0.02)
    level = 8 * 12 / 24 * 0.05
    assert 2 * liquid.position[:, 1].mean() == pytest.approx(level, rel=0.06)  # it still swings


def test_obstacles_hold_and_open_sides_let_go() -> None:
    shape = (16, 24)
    solid = filled(shape, slice(4, 12), slice(8, 10))
    shut = (False, False)
    domain = FluidDomain(shape, 0.05, (0.0, 0.0), (False, True), shut)
    liquid = Liquid(domain, DOWN, filled(shape, slice(5, 11), slice(12, 18)), solid)
    count = len(liquid.position)
    for _ in range(30):
        liquid.advance(1 / 24)
        cell = np.floor(liquid.position / 0.05).astype(int)
        assert not solid[cell[:, 0], cell[:, 1]].any()
    assert 0 < len(liquid.position) < count


def test_inflow_adds_particles_that_move() -> None:
    shape = (12, 16)
    liquid = Liquid(box(*shape), DOWN, np.zeros(shape, bool))
    tap, counts = filled(shape, slice(5, 7), slice(13, 15)), []
    for _ in range(5):
        liquid.fill(tap, (0.0, -2.0))
        liquid.advance(1 / 24)
        counts.append(len(liquid.position))
    assert counts[0] == 16
    assert np.diff(counts).min() > 0
    assert len(np.unique(liquid.index)) == counts[-1]


def test_three_dimensions_run_the_same_way() -> None:
    """A column of one cell's depth between two walls is the plane's."""
    fronts = []
    for depth in ((), (3,)):
        shape = (20, 10, *depth)
        gravity = (0.0, -9.81, 0.0)[: len(shape)]
        cells = filled(shape, slice(0, 5), slice(0, 8))
        liquid = Liquid(box(*shape), LiquidSettings(gravity), cells)
        for _ in range(4):
            liquid.advance(1 / 24)
        fronts.append(float(np.quantile(liquid.position[:, 0], 0.98)))
    assert fronts[1] == pytest.approx(fronts[0], rel=0.05)


def test_the_same_input_gives_the_same_bits_also_from_a_kept_state() -> None:
    def run(stop: int | None) -> bytes:
        shape = (12, 12)
        liquid = Liquid(box(*shape), DOWN, filled(shape, slice(0, 5), slice(0, 8)))
        for k in range(4):
            if k == stop:
                kept = liquid.state()
                liquid = Liquid(box(*shape), DOWN, np.zeros(shape, bool))
                liquid.restore(kept)
            liquid.advance(1 / 24)
        return liquid.position.tobytes()

    assert run(None) == run(None) == run(2)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="expected fluid and obstacles"):
        Liquid(box(8, 8), DOWN, np.zeros((8, 9), bool))
