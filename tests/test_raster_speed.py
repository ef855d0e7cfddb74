"""The suite `raster-speed`: more splats and more pixels take more time, and it is all written."""

import json
from pathlib import Path

from impetus.backend.evaluation.speed.raster_scaling import run


def test_time_grows_with_splats_and_with_pixels(tmp_path: Path) -> None:
    results = run(tmp_path, counts=(1000, 100_000), sides=(50, 400))
    for rows in results.values():
        for part in ("forward", "kept", "backward"):
            assert 0 < rows[0][part] < rows[1][part]
    assert json.loads((tmp_path / "results.json").read_text("utf-8")) == results
    assert len((tmp_path / "scaling.txt").read_text("utf-8").splitlines()) == 5
    assert (tmp_path / "scaling.png").stat().st_size > 5000
