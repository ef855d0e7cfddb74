"""The speed case states what it measures, and measures it."""

import pytest

from impetus.backend.evaluation.speed import mpm as speed_mpm


def test_case_is_the_stated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_mpm, "REPEATS", 1)
    monkeypatch.setattr(speed_mpm, "SUBSTEPS", 2)
    solver = speed_mpm._solver(speed_mpm.LAWS["elastic"])
    totals = solver.totals()
    assert totals.mass == pytest.approx(64.0, rel=1e-4)
    assert totals.kinetic == pytest.approx(64 * 0.4**2 / 12 * (20**2 * 2 + 10**2 * 2) / 2, rel=0.02)
    assert 0.001 < speed_mpm.mpm_speed("elastic") < 10_000


def test_a_million_and_tracers_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"MANY": (9_000, 30), "RIDDEN": 2_000, "RIDING": 4_000, "TURNS": 1, "SUBSTEPS": 2}
    for name, value in (small | {"FRAME": 2e-3}).items():
        monkeypatch.setattr(speed_mpm, name, value)
    solver = speed_mpm._solver(speed_mpm.LAWS["elastic"], 9_000, 30, tracers=50)
    assert solver.particle_count == 9_000
    assert len(solver.tracer_position()) == 50
    assert solver.totals().mass == pytest.approx(64.0, rel=1e-4)
    assert 0.001 < speed_mpm.million_share() < 100
    assert -1e4 < speed_mpm.tracer_milliseconds() < 1e4


def test_ten_bodies_lie_side_by_side_and_press(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_mpm, "CONTACT_TURNS", 1)
    monkeypatch.setattr(speed_mpm, "SUBSTEPS", 2)
    solver = speed_mpm._heap(speed_mpm.one_field(speed_mpm.BODIES))
    assert solver.totals().mass == pytest.approx(10 * 1000 * 0.16**3, rel=1e-4)
    low, high = solver.position().min(axis=0), solver.position().max(axis=0)
    assert high - low == pytest.approx([0.8, 0.32, 0.16], abs=1e-3)
    assert -0.9 < speed_mpm.contact_cost() < 10
