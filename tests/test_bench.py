"""The bench command: figures for programs on standard output, and nothing else there."""

import json
import subprocess
import sys


def bench(*names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "impetus.backend.evaluation.bench", *names]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def test_each_line_on_standard_output_is_one_figure() -> None:
    done = bench("raster-forward")
    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert [sorted(figure) for figure in figures] == [["case", "device", "unit", "value"]]
    assert figures[0]["case"] == "raster-forward"
    assert figures[0]["unit"] == "ms"
    assert figures[0]["value"] > 0
    assert "raster-forward" in done.stderr


def test_an_unknown_case_is_answered_with_those_that_are_there() -> None:
    done = bench("mpm-elastic", "nonsense")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "nonsense" in done.stderr
    assert "raster-forward" in done.stderr
