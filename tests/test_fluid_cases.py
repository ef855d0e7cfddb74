"""Short instances of the fluids' cases of the suite `physics`: what it promises holds."""

import pytest

from impetus.backend.evaluation.physics import fluids as fluid_cases


def test_the_swirls_error_falls_with_the_second_power_of_the_cells() -> None:
    figures = fluid_cases.swirl(cells=(10, 20), seconds=0.2).figures
    assert figures["order"] > 1.7
    assert figures["mean_error_finest"] < 1e-3


def test_the_puff_rises_evenly_and_keeps_its_mass() -> None:
    figures = fluid_cases.plume(cells=32, frames=12).figures
    assert figures["mass_kept"] == pytest.approx(1, abs=0.05)
    assert figures["divergence_left"] < 1e-3
    assert figures["asymmetry"] < 0.01
    assert figures["rose"] > 0.05


def test_the_dam_breaks_as_measured() -> None:
    figures = fluid_cases.dam(wide=8, frames=18).figures
    assert figures["front_over_measured"] == pytest.approx(1.05, abs=0.1)
    assert figures["fastest_over_ritter"] < 1


def test_the_volume_is_kept() -> None:
    figures = fluid_cases.volume(cells=18, seconds=2.5).figures
    assert figures["particles_kept"] is True
    assert figures["fullness_in_the_last_second"] == pytest.approx(1, abs=0.02)


def test_the_flock_finds_its_way() -> None:
    figures = fluid_cases.flock(count=120, seconds=6.0).figures
    for dimension in (2, 3):
        assert figures[f"order_at_start_{dimension}d"] < 0.4
        assert figures[f"order_at_end_{dimension}d"] > 0.85


def test_the_swirl_dies_as_theory_says_and_no_divergence_is_left() -> None:
    figures = fluid_cases.decay(cells=20, seconds=0.5).figures
    assert figures["strength_over_theory_at_the_end"] == pytest.approx(1, abs=0.05)
    assert figures["divergence_over_speed"] < 1e-4


def test_no_agent_comes_into_the_ball() -> None:
    figures = fluid_cases.obstacle(count=40, seconds=3.0).figures
    assert figures["nearest_to_the_surface_2d"] > 0.03
    assert figures["nearest_to_the_surface_3d"] > 0.03
