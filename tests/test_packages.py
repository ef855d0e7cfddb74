"""A missing package is told before any work."""

import sys
from pathlib import Path

import pytest

from impetus.backend.evaluation.suites import run_suite
from impetus.backend.training.packages import LEARNING, RESEARCH, PackagesMissingError, require


def test_what_is_there_is_enough() -> None:
    require(RESEARCH | LEARNING)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(PackagesMissingError, match="torch, no-such, no-such is not inst"):
        require({"numpy": "torch", "no_such_module": "no-such"})


def test_a_suite_asks_before_it_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [])
    for module in RESEARCH:
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(PackagesMissingError, match="matplotlib are not installed"):
        run_suite("motion", tmp_path / "out", shot=None, device="cpu")
    assert not (tmp_path / "out").exists()
