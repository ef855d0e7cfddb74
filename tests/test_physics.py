"""Short instances of the suite `physics`: what it promises holds, and its files are written."""

import json
from pathlib import Path
from typing import Any

import pytest

from impetus.backend.evaluation.physics import flows, forces, solids
from impetus.backend.evaluation.physics import suite as physics
from impetus.backend.evaluation.physics.cases import SAND


def test_free_fall_is_exact_to_a_thousandth() -> None:
    assert physics.free_fall(SAND, cells=16).figures["worst_relative_error"] < 1e-3


def test_conservation_holds() -> None:
    figures = physics.conservation(seconds=0.5, cells=24).figures
    assert figures["mass_is_exact"] is True
    assert figures["momentum_drift"] < 2e-6
    assert figures["angular_momentum_drift"] < 1e-4
    assert figures["energy_gained"] < 1e-3
    assert figures["energy_kept"] > 0.5


def test_a_column_of_sand_runs_out_about_as_far_as_a_real_one() -> None:
    """Five cells to its radius; with ten, as in the suite, it is within a few per cent."""
    figures = flows.column(cells=48, seconds=0.7).figures
    assert figures["runout_over_lube"] == pytest.approx(1.0, abs=0.2)
    assert figures["packing"] == pytest.approx(1.0, abs=0.1)


def test_sand_in_a_tilted_box_gets_as_steep_as_its_friction_angle() -> None:
    assert flows.repose((26.0,)).figures["steepest_26"] == pytest.approx(26.0, abs=3.0)


def test_a_bar_rings_at_its_frequency() -> None:
    assert solids.bar(cells=30, seconds=0.3).figures["frequency_error"] < 0.03


def test_the_error_falls_faster_than_the_cells_size() -> None:
    figures = solids.refinement((16, 32)).figures
    assert figures["order"] > 1.2
    assert figures["error_finest"] < 0.02


@pytest.mark.parametrize("case", [forces.newton, forces.newton_metre])
def test_a_newton_is_one_whatever_the_particle_count(case: Any) -> None:
    figures = case(per_axis=(6, 20)).figures
    assert len(figures) == 2
    assert max(figures.values()) < 0.01


def test_bodies_go_the_way_of_particles_in_every_field() -> None:
    figures = forces.fields(frames=3).figures
    assert len(figures) == 6
    assert max(figures.values()) < 0.05


def test_tracers_stay_beside_particles() -> None:
    assert physics.tracers(turns=0.25, cells=24).figures["mean_gap_cells"] < 1e-3


def test_bits_are_the_same() -> None:
    assert physics.same_bits(frames=2).figures == {"repeated": True, "resumed": True}


def test_run_writes_figures_and_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = {"fall": lambda: physics.free_fall(cells=16)}
    monkeypatch.setattr(physics, "CASES", case)
    figures = physics.run(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == figures
    assert (tmp_path / "physics.png").read_bytes().startswith(b"\x89PNG")
