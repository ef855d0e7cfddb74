import json
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.contract.shot_file import write_shot
from impetus.backend.evaluation.reliability import suite as reliability
from impetus.backend.evaluation.reliability.tumble import tumble
from impetus.backend.evaluation.suites import UnknownSuiteError, as_json, run_suite

from . import shots


def test_a_short_storm_changes_nothing(tmp_path: Path) -> None:
    """The real worker on a tiny shot; the suite itself kills 25 times and sends a million calls."""
    write_shot(tmp_path / "cube.shot", *shots.falling_cube((1, 12)))
    figures = reliability.run(
        tmp_path / "out", shot=tmp_path / "cube.shot", kills=(2, 1), messages=4000
    )
    assert (figures["worker_kills"], figures["server_kills"]) == (2, 1)
    assert (figures["frames"], figures["files"]) == (12, 24)
    assert figures["byte_equal"], figures["first_difference"]
    assert figures["finished_frames_rewritten"] == figures["frames_told_twice"] == 0
    held = ("events_gapless", "null_peer_refused", "unknown_key_refused", "honest_answered",
            "same_server", "growth_within_limit")  # fmt: skip
    assert all(figures[name] for name in held), figures
    assert (tmp_path / "out" / "reliability.png").stat().st_size > 10_000


def test_the_built_in_shot_can_be_made() -> None:
    check_shot(*tumble(12))
    assert tumble(12)[0] == tumble(12)[0]


def test_suites_have_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownSuiteError, match="reliability, physics, motion"):
        run_suite("speed", tmp_path, shot=None, device="cpu")
    with pytest.raises(ShotError, match="expected a shot file"):
        run_suite("reliability", tmp_path, shot=tmp_path / "none.shot", device="cpu")


def test_figures_of_numpy_are_written_as_numbers() -> None:
    figures = {"case": {"error": np.float64(0.5), "same": np.bool_(True), "count": 3}}
    assert json.loads(as_json(figures)) == {"case": {"error": 0.5, "same": True, "count": 3}}
